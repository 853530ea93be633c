"""How fast questions may leave: a token bucket with a bounded queue."""

from __future__ import annotations

import asyncio

from arbit.domain.errors import VenueUnreachable
from arbit.ports import Clock


class TokenBucket:
    """`burst` questions at once, then `rate_per_s`; at most `queue` callers wait, in order."""

    def __init__(self, clock: Clock, *, rate_per_s: float, burst: int, queue: int) -> None:
        self._clock = clock
        self._step_ns = int(1e9 / rate_per_s)
        self._room_ns = self._step_ns * max(0, burst - 1)
        self._queue = queue
        self._waiting = 0
        self._free_ns = 0  # when the next token is there, if every one before it was used
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a turn. VenueUnreachable (nothing was asked) when too many wait already."""
        if self._waiting >= self._queue:
            raise VenueUnreachable(f"not asked: {self._waiting} questions already wait their turn")
        self._waiting += 1
        try:
            async with self._turn:
                while (wait_ns := self._wait_ns()) > 0:
                    await self._clock.sleep(wait_ns / 1e9)
                now_ns = self._clock.monotonic_ns()
                self._free_ns = max(self._free_ns, now_ns - self._room_ns) + self._step_ns
        finally:
            self._waiting -= 1

    def _wait_ns(self) -> int:
        return self._free_ns - self._clock.monotonic_ns()
