"""How often a venue may be dialled: exponential back-off with jitter, under a shared budget."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WINDOW_NS = 600 * 1_000_000_000


def backoff_ms(attempt: int, cap_ms: int, jitter: Callable[[], float]) -> int:
    """The pause before attempt `attempt` (from 0): 250 ms doubled each time, cut at `cap_ms`.

    Half of it is drawn by `jitter` (a number in [0, 1)), so that sockets do not return in step.
    """
    full = min(cap_ms, 250 * 2 ** min(attempt, 20))
    return int(full / 2 + full / 2 * jitter())


class ConnectBudget:
    """At most `limit` connects in any rolling ten minutes, shared by every socket of a venue.

    Kraken's edge allows about 150 per address (docs.kraken.com, WebSocket considerations) and
    then shuts the address out for ten minutes; we stay well below.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: deque[int] = deque(maxlen=limit)

    def wait_ns(self, now_ns: int) -> int:
        """How long until the next connect is allowed; 0 when it is allowed now."""
        if len(self._taken) < self._limit:
            return 0
        return max(0, self._taken[0] + WINDOW_NS - now_ns)

    def take(self, now_ns: int) -> None:
        """Note a connect made at `now_ns`."""
        self._taken.append(now_ns)
