"""Keeps what must be written until it is: the journal's door, with a bounded memory behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from arbit.domain.records import Batch, Flag, JournalFailed, OrderRecord
from arbit.execution.works import Pad
from arbit.ports import Clock, Journal
from arbit.risk.breaker import Breaker, Reason

RETRY_NS = 250_000_000


class Keeper:
    """Writes pads. What could not be written is written first, before anything else.

    Nothing new leaves meanwhile, so the orders that are out bound what can be unwritten.
    """

    def __init__(self, journal: Journal, breaker: Breaker, clock: Clock) -> None:
        self._journal = journal
        self._breaker = breaker
        self._clock = clock
        self._unwritten: deque[Batch] = deque()
        self._why = ""
        self._next_ns = 0

    def ok(self) -> str:
        """Why nothing new may leave; empty while the journal keeps everything."""
        return self._why

    def write(self, pad: Pad, intents: Iterable[OrderRecord] | None = None) -> None:
        """Write what was noted, in one commit.

        With `intents`, orders about to leave are part of it, and JournalFailed is raised when it
        fails: they must not leave. Without, a failure is remembered and tried again.
        """
        orders = tuple(intents or ())
        try:
            self._flush()
            self._journal.write(pad.batch(orders))
        except JournalFailed as failure:
            self._failed(str(failure))
            if intents is not None:
                raise
            self._unwritten.append(pad.batch())
        pad.clear()

    def note(self, flag: Flag) -> None:
        """Keep a flag; if that fails now, later."""
        pad = Pad()
        pad.flags[flag.name] = flag
        if self._why:  # the journal's own trouble is noted when it is over
            self._unwritten.append(pad.batch())
        else:
            self.write(pad)

    def retry(self) -> None:
        """Write what is unwritten, if it is time to try."""
        if self._why and self._clock.monotonic_ns() >= self._next_ns:
            try:
                self._flush()
            except JournalFailed as failure:
                self._failed(str(failure))

    def _flush(self) -> None:
        while self._unwritten:
            self._journal.write(self._unwritten[0])
            self._unwritten.popleft()
        if self._why:
            proof = Flag("journal", "works", self._clock.wall_ns())
            self._journal.write(Batch(flags=(proof,)))
            self._why = ""
            self._breaker.journal_works()

    def _failed(self, why: str) -> None:
        self._next_ns = self._clock.monotonic_ns() + RETRY_NS
        if not self._why:
            self._why = why
            self._breaker.trip(Reason.JOURNAL, why)
