"""So many requests in a minute, and the headers that say how many are left."""

from dataclasses import dataclass, field
from typing import Final

NS: Final = 1_000_000_000
WINDOW_S: Final = 60
MAX_NAMES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """What a call is told about its limit."""

    allowed: bool
    limit: int
    left: int
    reset_s: int  # Unix seconds

    def headers(self) -> dict[str, str]:
        """The three headers; none where nothing is limited."""
        if not self.limit:
            return {}
        return {
            "X-RateLimit-Limit": f"{self.limit}",
            "X-RateLimit-Remaining": f"{self.left}",
            "X-RateLimit-Reset": f"{self.reset_s}",
        }


@dataclass(slots=True)
class MinuteLimit:
    """A window of a minute for each name, from its first request on. ``limit`` 0 means none.

    That the window is a fixed one is assumed: the venue documents the figure and the headers.
    """

    limit: int
    _windows: dict[str, tuple[int, int]] = field(default_factory=dict)  # name: start, taken

    def take(self, name: str, now_ns: int) -> Told:
        """Count one request."""
        start_ns, taken = self._windows.get(name, (now_ns, 0))
        if now_ns - start_ns >= WINDOW_S * NS:
            start_ns, taken = now_ns, 0
        allowed = not self.limit or taken < self.limit
        if allowed:
            taken += 1
        self._windows.pop(name, None)
        self._windows[name] = (start_ns, taken)
        if len(self._windows) > MAX_NAMES:
            del self._windows[next(iter(self._windows))]
        return Told(allowed, self.limit, max(self.limit - taken, 0), start_ns // NS + WINDOW_S)
