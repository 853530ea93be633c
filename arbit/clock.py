"""The only reader of time and entropy in the daemon."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable


class SystemClock:
    """Real time. `seed` fixes the jitter; None draws it from the system."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def monotonic_ns(self) -> int:
        """Monotonic nanoseconds."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """UTC nanoseconds since 1970."""
        return time.time_ns()

    def jitter(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Run `callback` on the running loop at monotonic `when_ns`, or at once if that is past."""
        loop = asyncio.get_running_loop()
        delay_s = max(0.0, (when_ns - time.monotonic_ns()) / 1e9)
        return loop.call_later(delay_s, callback).cancel


def run_epoch() -> str:
    """Five random characters of `[0-9a-z]`: what tells the ids of one run from any other's."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(secrets.choice(digits) for _ in range(5))
