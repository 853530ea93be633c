"""`ports.Clock` over virtual time: wall time can be set, jitter comes from the seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from tests.simulation.loop import SECOND_NS, SimLoop

WALL_START_NS = 1_790_000_000 * SECOND_NS
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class SimClock:
    """The daemon's clock. `skew_ns` is how far its wall clock is ahead of the venue's."""

    def __init__(self, loop: SimLoop, rng: random.Random, skew_ns: int = 0) -> None:
        self._loop = loop
        self._rng = rng
        self.skew_ns = skew_ns

    def monotonic_ns(self) -> int:
        return self._loop.now_ns

    def wall_ns(self) -> int:
        return WALL_START_NS + self._loop.now_ns + self.skew_ns

    def jitter(self) -> float:
        return self._rng.random()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = self._loop
        woken: asyncio.Future[None] = asyncio.Future(loop=loop)
        timer = loop.at_ns(loop.now_ns + round(seconds * SECOND_NS), _wake, woken)
        try:
            await woken
        except BaseException:  # one that woke us is over
            timer.cancel()
            raise

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        return self._loop.at_ns(max(when_ns, self._loop.now_ns), callback).cancel


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class VenueClock:
    """The exchange's clock: it is right by definition."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def elapsed_ns(self) -> int:
        return self._loop.now_ns

    def wall_ns(self) -> int:
        return WALL_START_NS + self._loop.now_ns


def epoch_of(rng: random.Random) -> str:
    """A run's epoch: five characters, from the seed."""
    return "".join(rng.choice(DIGITS) for _ in range(5))
