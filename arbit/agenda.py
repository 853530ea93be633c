"""Things to do at a time. Driven from outside with the time, it reads no clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable

MAX_AGENDA = 100_000


class Agenda:
    """Things to do at a time, run in order of time and then of entry."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._entered = 0

    def at(self, when_ns: int, action: Callable[[int], None]) -> bool:
        """Do `action(now_ns)` from `when_ns` on. False (not entered) when the agenda is full."""
        if len(self._heap) >= MAX_AGENDA:
            return False
        self._entered += 1
        heapq.heappush(self._heap, (when_ns, self._entered, action))
        return True

    def run(self, now_ns: int) -> None:
        """Do everything that is due."""
        while self._heap and self._heap[0][0] <= now_ns:
            _, _, action = heapq.heappop(self._heap)
            action(now_ns)

    @property
    def next_ns(self) -> int | None:
        """When the next thing is due; None when there is none."""
        return self._heap[0][0] if self._heap else None
