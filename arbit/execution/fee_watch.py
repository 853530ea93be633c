"""Asks the venue for the account's fees again: when a fill was taken others, and once a day.

A question waits for its turn within the venue's limits like any other, and is not sent while the
venue wants none. One that failed is asked again ever more patiently, for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from arbit.domain.errors import VenueError
from arbit.domain.fees import demanded
from arbit.execution.engine import Engine
from arbit.execution.setup import MS, EngineSetup
from arbit.execution.works import Pad
from arbit.ports import AccountReader

LOOK_S = 0.25
APART_NS = 2_000 * MS  # between two questions, at least
LONGEST_NS = 60_000 * MS  # between two that failed, at most
CHEAPER_NS = 600_000 * MS  # between two because a fill was cheaper: that costs nothing but a chance
DAY_NS = 86_400_000 * MS  # tiers follow the volume of thirty days
FEES_KIND = "fees"  # the incident that tells of others
UNTOLD = 3  # questions in vain, and an operator hears of it
UNSURE_NS = 2_000 * MS  # the venue's clock is known better than this


class FeeWatch:
    """Keeps a `FeeTable` true. `symbols` are the markets asked about."""

    def __init__(
        self,
        setup: EngineSetup,
        engine: Engine,
        reader: AccountReader,
        symbols: Sequence[str],
        min_edge_bps: Decimal,
    ) -> None:
        self._setup = setup
        self._engine = engine
        self._reader = reader
        self._symbols = symbols
        self._min_edge_bps = min_edge_bps
        self._day_ns = setup.now_ns + DAY_NS
        self._next_ns = self._cheaper_ns = setup.now_ns
        self._failures = 0
        self.questions = 0

    async def run(self) -> None:
        """Ask whenever it is time to, until cancelled."""
        while True:
            await self._setup.clock.sleep(LOOK_S)
            if self._due(self._setup.now_ns):
                await self._ask()

    def _due(self, now_ns: int) -> bool:
        if now_ns < self._next_ns:
            return False
        cheaper = self._setup.fees.cheaper and now_ns >= self._cheaper_ns
        return bool(self._setup.fees.doubt()) or cheaper or now_ns >= self._day_ns

    async def _ask(self) -> None:
        fees, asked_ns = self._setup.fees, self._setup.venue_ns
        asked = fees.doubts
        self.questions += 1
        try:
            answer = await self._reader.fees(self._symbols)
        except VenueError as error:
            pause_ns = min(APART_NS << self._failures, LONGEST_NS)
            self._failures = min(self._failures + 1, 10)
            self._next_ns = self._setup.now_ns + pause_ns
            if self._failures == UNTOLD:
                self._tell_untold(error)
            return
        now_ns, self._failures = self._setup.now_ns, 0
        self._next_ns, self._day_ns = now_ns + APART_NS, now_ns + DAY_NS
        if fees.cheaper:
            self._cheaper_ns = now_ns + CHEAPER_NS
        known_ns = 0 if asked_ns is None else asked_ns - UNSURE_NS
        changes = fees.answered(answer, asked, known_ns)
        if changes:
            self._tell(changes)

    def _tell_untold(self, error: VenueError) -> None:
        stops = "; nothing new begins until it does" if self._setup.fees.doubt() else ""
        self._incident(f"the venue does not say its fees: {error}{stops}")

    def _tell(self, changes: str) -> None:
        rates = (fee.rate for fee in self._setup.fees.fees.values())
        hurdles = demanded(rates, self._min_edge_bps)
        self._incident(f"the venue was asked for its fees: {changes}; {hurdles}")

    def _incident(self, said: str) -> None:
        pad = Pad()
        self._engine.settling.incident(pad, FEES_KIND, said)
        self._engine.keeper.write(pad)
