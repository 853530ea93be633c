"""One venue opened for a command that converts: the books it needs, and the account if it may.

Three degrees: *quoted* knows public books and published fees; *read* also what the account owns and
pays, and sends nothing; *traded* is the whole of what a lane of `live` has, recovered first.
"""

from __future__ import annotations

import asyncio
import enum
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from arbit.app.trade.trader import Trader
from arbit.app.watch.venue import VenueRun
from arbit.config import Settings, VenueSettings
from arbit.domain.book import BookView
from arbit.domain.errors import UserError
from arbit.domain.market import Market
from arbit.domain.route import MAX_LEGS
from arbit.ports import Clock, Journal
from arbit.routing import routes_of

MS = 1_000_000
STEP_S = 0.05
CONFIRM_S = 1.0
BOOKS_S = 10.0  # how long books are waited for; a quiet one is asked about meanwhile
GIVES_WAY_S = 0.0005
CALM_S = 10.0  # how long a daemon's cycles are waited for
RECOVERY_S = 120.0  # after many starts in a row the key must wait for its requests


T = TypeVar("T")


class Access(enum.StrEnum):
    """How far an account is opened."""

    QUOTED = "quoted"
    READ = "read"
    TRADED = "traded"


@dataclass(frozen=True, slots=True)
class Ask:
    """Which venue a command opens, and how far. `profile` and `seed` are the sandbox's."""

    venue: str
    access: Access
    command: str
    profile: str = "calm"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before books are: the venue's markets, and what the account owns.

    `owned` is empty where no account was opened.
    """

    markets: Mapping[str, Market]
    owned: Mapping[str, Decimal]


class Think(Protocol):
    """How what takes long is worked out: what needs nothing but its arguments."""

    async def __call__(self, work: Callable[..., T], *given: Any) -> T:
        """What it comes to."""
        ...


async def at_once(work: Callable[..., T], *given: Any) -> T:
    """Here and now: where nothing trades meanwhile."""
    return work(*given)


async def beside_the_turn(work: Callable[..., T], *given: Any) -> T:
    """In a thread, which gives way to the trading every half of a millisecond."""
    _GIVING_WAY.begin()
    try:
        return await asyncio.to_thread(work, *given)
    finally:
        _GIVING_WAY.end()


class _GivingWay:
    """How often threads take turns is the process's own: lanes may ask for it at the same time."""

    def __init__(self) -> None:
        self._asked = 0
        self._before_s = 0.0

    def begin(self) -> None:
        """The first one to ask changes it."""
        if not self._asked:
            self._before_s = sys.getswitchinterval()
            sys.setswitchinterval(GIVES_WAY_S)
        self._asked += 1

    def end(self) -> None:
        """The last one puts it back as it was."""
        self._asked -= 1
        if not self._asked:
            sys.setswitchinterval(self._before_s)


_GIVING_WAY = _GivingWay()


@dataclass(frozen=True, slots=True)
class Opened:
    """A venue at work. `trader` is None unless it is traded with."""

    settings: Settings
    venue: VenueSettings
    clock: Clock
    run: VenueRun
    known: Known
    trader: Trader | None
    journal: Journal | None = None
    notes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # what could not be ended within the grace
    watched: Sequence[str] | None = None  # of a daemon's books those that are looked at; all
    think: Think = at_once

    @property
    def symbols(self) -> Sequence[str]:
        """The markets whose books are looked at."""
        return self.run.desk.cache.symbols if self.watched is None else self.watched

    def books(self) -> dict[str, BookView]:
        """Every book that may be believed now, by symbol."""
        now_ns = self.clock.monotonic_ns()
        cache, max_age_ns = self.run.desk.cache, self.venue.max_book_age_ms * MS
        found = {one: cache.fresh(one, now_ns, max_age_ns) for one in self.symbols}
        return {symbol: view for symbol, view in found.items() if view is not None}

    @property
    def fees(self) -> Mapping[str, Decimal]:
        """Taker fees as fractions, as they are now."""
        return self.run.desk.setup.watch.rates

    @property
    def markets(self) -> Mapping[str, Market]:
        """The markets whose books are watched, as the venue states them now."""
        markets = self.run.desk.setup.markets
        return {symbol: markets[symbol] for symbol in self.symbols}

    def price(self, asset: str) -> Decimal | None:
        """Reference units for one unit, from own believable books."""
        return self.run.desk.budget.price(asset)

    async def believed(self) -> None:
        """Wait until every book is believed, or no longer: what is missing then is not routed."""
        cache, max_age_ns, waited = self.run.desk.cache, self.venue.max_book_age_ms * MS, 0.0
        while waited < BOOKS_S:
            now_ns = self.clock.monotonic_ns()
            missing = [one for one in self.symbols if cache.why_not(one, now_ns, max_age_ns)]
            if not missing:
                return
            if waited and round(waited / STEP_S) % round(CONFIRM_S / STEP_S) == 0:
                await self.run.feed.confirm(missing)
            await self.clock.sleep(STEP_S)
            waited += STEP_S

    async def calm(self) -> bool:
        """Wait until no cycle is under way, for what is owned is on its way meanwhile.

        False when one always is.
        """
        for _ in range(int(CALM_S / STEP_S)):
            if self.trader is None or not self.trader.engine.open_cycles:
                return True
            await self.clock.sleep(STEP_S)
        return False

    async def recovered(self) -> None:
        """Wait until what was in flight is found out, and orders can be sent.

        UserError names what is missing when that takes too long.
        """
        if self.trader is None:
            return
        waits = "recovery is not over"
        for _ in range(int(RECOVERY_S / STEP_S)):
            if self.trader.started:
                waits = self.trader.setup.gateway.unready()
            if not waits:
                return
            await self.clock.sleep(STEP_S)
        raise UserError(f"{self.venue.name}: not ready within {RECOVERY_S:g} s: {waits}")


def symbols_between(
    markets: Mapping[str, Market], pairs: Iterable[tuple[str, str]], reference: str, most: int
) -> list[str]:
    """The markets of every way between these assets, and those that price them.

    Shorter ways first, and none by halves: one whose markets do not all fit is left out.
    """
    found: dict[str, None] = {}
    wanted = list(dict.fromkeys(pairs))
    for asset in dict.fromkeys(asset for pair in wanted for asset in pair):
        for way in routes_of(markets, asset, reference, legs=1):
            found[way[0].symbol] = None
    for legs in range(1, MAX_LEGS + 1):
        for start, end in wanted:
            for way in routes_of(markets, start, end, legs):
                if len(way) == legs:
                    more = {**found, **dict.fromkeys(leg.symbol for leg in way)}
                    found = more if len(more) <= most else found
    return list(found)
