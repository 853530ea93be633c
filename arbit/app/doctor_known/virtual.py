"""Time that jumps: seconds of it pass in a moment, and nothing of the network is touched."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable
from math import ceil

from arbit.domain.errors import BrokenRule

SECOND_NS = 1_000_000_000
START_NS = 1_000 * SECOND_NS
WALL_NS = 1_790_000_000 * SECOND_NS
MOST_WAITS = 200_000  # beyond so many nobody waits for anything that will come


class _Jumps(selectors.DefaultSelector):
    """Instead of waiting for a socket it lets the time pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = START_NS
        self.waits = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; if nothing is, it is `timeout` seconds later."""
        found = super().select(0)
        if found or timeout == 0:
            return found
        self.waits += 1
        if timeout is None or self.waits > MOST_WAITS:
            raise BrokenRule("the self-test waits for what never comes")
        self.now_ns += max(1, ceil(timeout * SECOND_NS))
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop of its own time, which begins at the same moment every time."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    @property
    def now_ns(self) -> int:
        """Its monotonic time."""
        return self._jumps.now_ns

    def time(self) -> float:
        """The same in seconds."""
        return self._jumps.now_ns / SECOND_NS


class VirtualClock:
    """`ports.Clock` over such a loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._random = random.Random(1)

    def monotonic_ns(self) -> int:
        """The loop's."""
        return self._loop.now_ns

    def wall_ns(self) -> int:
        """A day of its own."""
        return WALL_NS + self._loop.now_ns

    def jitter(self) -> float:
        """Always the same."""
        return self._random.random()

    async def sleep(self, seconds: float) -> None:
        """Wait; the time passes at once."""
        woken: asyncio.Future[None] = self._loop.create_future()
        timer = self._loop.call_later(max(0.0, seconds), _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Run it then."""
        return self._loop.call_at(when_ns / SECOND_NS, callback).cancel


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
