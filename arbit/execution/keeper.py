"""Keeps what must be written until it is: the journal's door, with a bounded memory behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from arbit.domain.records import Batch, Flag, JournalBusy, JournalFailed, OrderRecord
from arbit.execution.works import Pad
from arbit.ports import Clock, Journal
from arbit.risk.breaker import Breaker, Reason

RETRY_NS = 250_000_000
PATIENCE_NS = 250_000_000  # another daemon's commit is shorter; a lock that lasts is a fault


class Keeper:
    """Writes pads. What could not be written is written first, before anything else.

    Nothing new leaves meanwhile, so the orders that are out bound what can be unwritten. A failure
    trips the breaker; that another daemon of the folder is writing does so once it lasts.
    """

    def __init__(self, journal: Journal, breaker: Breaker, clock: Clock) -> None:
        self._journal = journal
        self._breaker = breaker
        self._clock = clock
        self._unwritten: deque[Batch] = deque()
        self._why = ""
        self._next_ns = 0
        self._since_ns = 0
        self._tripped = False
        self.on_failing: Callable[[], None] = lambda: None  # from now on `retry` has work

    def ok(self) -> str:
        """Why nothing new may leave; empty while the journal keeps everything."""
        return self._why

    @property
    def unwritten(self) -> int:
        """Batches that wait to be written."""
        return len(self._unwritten)

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
            if intents is None:  # before what follows from the failure: a halt is noted after it
                self._unwritten.append(pad.batch())
            self._failed(failure)
            if intents is not None:
                raise
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
                self._failed(failure)

    def _flush(self) -> None:
        while self._unwritten:
            self._journal.write(self._unwritten[0])
            self._unwritten.popleft()
        if self._why:
            proof = Flag("journal", "works", self._clock.wall_ns())
            self._journal.write(Batch(flags=(proof,)))
            self._why = ""
            if self._tripped:
                self._tripped = False
                self._breaker.journal_works()

    def _failed(self, failure: JournalFailed) -> None:
        now_ns = self._clock.monotonic_ns()
        if not self._why:
            self._since_ns = now_ns
        self._why = str(failure)
        self.on_failing()
        busy = isinstance(failure, JournalBusy) and now_ns - self._since_ns < PATIENCE_NS
        self._next_ns = now_ns if busy else now_ns + RETRY_NS
        if not (busy or self._tripped):
            self._tripped = True
            self._breaker.trip(Reason.JOURNAL, self._why)
