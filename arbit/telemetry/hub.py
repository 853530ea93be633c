"""Hands events to witnesses, later and in order, so that none of them can hurt the teller.

`publish` only puts the event in a queue; the witnesses hear it in a later turn of the loop. So a
slow witness never lengthens a decision, and one that raises does so in a callback of the loop,
where no caller is left to hurt: the loop's exception handler reports the traceback, and the hub,
finding its delivery broken off, drops that witness, counts it and goes on with the next. No
`except` is needed for that; `docs/decisions/0002-witnesses-are-heard-later.md` says why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from arbit.domain.events import Event
from arbit.ports import Clock

Witness = Callable[[Event], None]

MAX_QUEUED = 10_000
MAX_A_TURN = 10  # a millisecond of witnesses that write each of them down
MAX_TURNS_AT_END = 2_000


class Hub:
    """One publisher for many listeners. `soon` runs a callback soon: a loop's `call_soon`."""

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._listeners: list[Witness] = []
        self._queue: deque[Event] = deque()
        self._next = 0
        self._scheduled = False
        self.published = 0
        self.lost_events = 0
        self.dropped_listeners = 0

    def listen(self, listener: Witness) -> None:
        """Tell `listener` every event published from now on, until it raises."""
        self._listeners.append(listener)

    def publish(self, event: Event) -> None:
        """Tell every listener, soon. Never raises; beyond the limit the event is lost, counted."""
        self.published += 1
        if len(self._queue) >= MAX_QUEUED:
            self.lost_events += 1
            return
        self._queue.append(event)
        self._schedule()

    async def heard(self, clock: Clock) -> None:
        """Wait, a bounded number of turns, until everything published has been heard."""
        for _ in range(MAX_TURNS_AT_END):
            if not self._queue:
                return
            await clock.sleep(0)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        broken_off = True
        try:
            for _ in range(min(MAX_A_TURN, len(self._queue))):
                self._tell(self._queue[0])
                self._queue.popleft()
                self._next = 0
            broken_off = False
        finally:
            if broken_off:
                del self._listeners[self._next]
                self.dropped_listeners += 1
            if self._queue:
                self._schedule()

    def _tell(self, event: Event) -> None:
        while self._next < len(self._listeners):
            self._listeners[self._next](event)
            self._next += 1
