"""Counting: whether as much happened on the account as we keep, without listing any of it.

Equal balances prove that whatever we do not know adds up to nothing. That there is nothing of the
kind, the venue's own counts tell: of trades, and of everything else that moved a balance. They cost
the same few points after a day as after a minute (decision 0008).
"""

from __future__ import annotations

from arbit.domain.records import Flag
from arbit.execution.keeper import Keeper
from arbit.execution.setup import MS, EngineSetup
from arbit.ports import AccountReader

EVERY_NS = 600_000 * MS
LAG_NS = 30_000 * MS  # the newest is left for the next time: a venue's lists lag
COUNTED = "counted"  # the flag that keeps until when nothing unknown happened
HEARD = "heard"  # the flag that keeps until when all that our trades did was heard and booked


class Counting:
    """Compares counts from where the last comparison ended (`since_ns`, venue wall time)."""

    def __init__(self, setup: EngineSetup, keeper: Keeper, reader: AccountReader) -> None:
        self._setup = setup
        self._keeper = keeper
        self._reader = reader
        self._due_ns = 0
        self.since_ns = 0

    @property
    def due(self) -> bool:
        """Whether it is time to count again. Without the venue's clock there is no window."""
        return self._setup.now_ns >= self._due_ns and self._setup.venue_ns is not None

    async def agrees(self) -> bool:
        """Ask, and move on if the counts are equal; VenueError, JournalFailed when nobody says."""
        until_ns = (self._setup.venue_ns or 0) - LAG_NS
        if until_ns > self.since_ns:
            there = await self._reader.counts(self.since_ns, until_ns)
            if there != self._setup.journal.counts(self.since_ns, until_ns):
                return False
        self._reached(until_ns)
        return True

    def listed(self, since_ns: int, began_ns: int | None) -> None:
        """Everything since then was listed and taken in; the questions began at `began_ns`."""
        if began_ns is not None and since_ns <= self.since_ns:
            self._reached(began_ns - LAG_NS)

    def opened(self, venue_ns: int) -> None:
        """The account is new: what came before is in its opening."""
        self._reached(venue_ns)

    def _reached(self, venue_ns: int) -> None:
        self._due_ns = self._setup.now_ns + EVERY_NS
        if venue_ns > self.since_ns:
            self.since_ns = venue_ns
            self._keeper.note(Flag(COUNTED, str(venue_ns), self._setup.clock.wall_ns()))
