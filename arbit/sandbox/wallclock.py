"""The sandbox server's one reader of time. The core never imports it: it is told the time."""

import time
from datetime import UTC, datetime
from functools import lru_cache

NS = 1_000_000_000


class WallClock:
    """Monotonic nanoseconds, and wall time that never steps back while the server runs."""

    def __init__(self) -> None:
        self._mono_start = time.monotonic_ns()
        self._wall_start = time.time_ns()

    def elapsed_ns(self) -> int:
        """Nanoseconds since the clock was made."""
        return time.monotonic_ns() - self._mono_start

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._wall_start + self.elapsed_ns()


def rfc3339(wall_ns: int) -> str:
    """UTC with microseconds and a ``Z``, as the venue writes it on sockets."""
    seconds, rest = divmod(wall_ns, NS)
    return f"{_to_the_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=4)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
