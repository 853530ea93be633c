"""What a lane of `live` has of shadow runs: a dry one gathers evidence, a real one was let pass."""

from __future__ import annotations

from dataclasses import asdict

from arbit.app.apart import Work, apart
from arbit.app.golive.gate import OVERRIDE, Admission, told_of
from arbit.app.golive.shadow import ShadowKeeper, keeper_of
from arbit.app.trade.health import LaneHealth
from arbit.app.trade.told import LiveReport
from arbit.config import Settings
from arbit.domain.account import Mode
from arbit.domain.events import IncidentSeen
from arbit.domain.records import Batch, Incident, JournalBusy
from arbit.ports import Clock, Journal, Listener

OTHERS_COMMIT_NS = 5_000_000_000  # of the busiest neighbour on the slowest disk
LOOK_S = 0.05


class LaneShadow:
    """One lane's. Of a sandbox that trades it is nothing."""

    def __init__(
        self, settings: Settings, health: LaneHealth, admission: Admission, clock: Clock
    ) -> None:
        """UserError for a database that cannot be read."""
        setup = health.trader.setup
        self._settings = settings
        self._admission = admission
        self._clock = clock
        self._venue = setup.account.venue
        self._account = str(setup.account)
        self._keeper: ShadowKeeper | None = None
        if setup.account.mode is Mode.PAPER:
            self._keeper = keeper_of(settings, health, setup.journal, clock)
            health.trader.golive = self._keeper.words
        elif admission.line:
            health.trader.golive = lambda: admission.line

    async def tell(self, journal: Journal, publish: Listener) -> None:
        """An override is written down and alerted, before anything is traded.

        JournalFailed when it cannot be written: then nothing may be. The commits of another daemon
        in the same folder are waited for.
        """
        if self._admission.overridden:
            line, at_ns = self._admission.line, self._clock.wall_ns()
            until_ns = self._clock.monotonic_ns() + OTHERS_COMMIT_NS
            batch = Batch(incidents=(Incident(OVERRIDE, line, at_ns),))
            while not self._written(journal, batch, until_ns):
                await self._clock.sleep(LOOK_S)
            publish(IncidentSeen(self._venue, OVERRIDE, line))

    def _written(self, journal: Journal, batch: Batch, until_ns: int) -> bool:
        try:
            journal.write(batch)
        except JournalBusy:
            if self._clock.monotonic_ns() >= until_ns:
                raise
            return False
        return True

    def notes(self) -> tuple[str, ...]:
        """What is said before anything is traded."""
        return (self._admission.line,) if self._admission.line else ()

    def beside(self, publish: Listener) -> dict[str, Work]:
        """What goes on beside the trading, and cannot hurt it."""
        keeper = self._keeper
        if keeper is None:
            return {}
        return {"shadow": lambda: apart(self._venue, "shadow", keeper.apart, publish)}

    def into(self, report: LiveReport) -> None:
        """What a dry run has shown so far, for its report."""
        if self._keeper is not None:
            reference = self._settings.scan.reference_currency
            told = told_of(self._venue, self._account, self._keeper.verdict(), reference)
            report.shadow = asdict(told)
