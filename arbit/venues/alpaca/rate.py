"""Alpaca's limit on requests, kept by us so that the venue never has to say no.

Source: docs.alpaca.markets: 200 requests a minute for trading, and 200 a minute for market data on
the free plan (10 000 on the paid one). Whether the minute is a window that begins anew or one that
rolls is not told, so ours rolls: it holds under either.

A third is kept for what must not wait: finding out what became of an order, and cancelling.
"""

from __future__ import annotations

from collections import deque

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
RESERVED = 1 / 3
HEADROOM = 2  # for what is on its way while the venue has counted it already
TRADING_PER_MIN = 200
DATA_PER_MIN = {"free": 200, "paid": 10_000}
MOST_PER_MIN = 10_000


class Budget:
    """Requests of the last minute. Times are monotonic nanoseconds.

    One host has one: share it between everything that asks there with the same key.
    """

    def __init__(self, per_min: int = TRADING_PER_MIN) -> None:
        self._configured = per_min
        self._allow(per_min)
        self._sent: deque[int] = deque()
        self._away_until_ns = 0

    @property
    def most(self) -> int:
        """Requests a minute that we allow ourselves."""
        return self._most

    def may(self, now_ns: int, *, reserved: bool = False) -> bool:
        """Whether one more request fits; only a `reserved` one may use the last third."""
        return not self.wait_ns(now_ns, reserved=reserved)

    def wait_ns(self, now_ns: int, *, reserved: bool = False, cost: int = 1) -> int:
        """How long until so many more fit; 0 when they do now."""
        self._forget(now_ns)
        most = self._most if reserved else self._open
        over = min(len(self._sent), len(self._sent) + cost - most) - 1
        full_ns = self._sent[over] + MINUTE_NS - now_ns if over >= 0 else 0
        return max(0, full_ns, self._away_until_ns - now_ns)

    def left(self, now_ns: int) -> int:
        """How many more fit now without the reserve; none while the venue wants none."""
        self._forget(now_ns)
        return 0 if now_ns < self._away_until_ns else max(0, self._open - len(self._sent))

    def spend(self, now_ns: int) -> None:
        """A request leaves."""
        self._forget(now_ns)
        self._sent.append(now_ns)

    def told(self, remaining: int, now_ns: int, limit: int | None = None) -> None:
        """The venue says how many are left, and of how many: believed where that is less than ours.

        Others may use this account too, and a plan may allow less than was thought.
        """
        if limit is not None:
            self._allow(min(self._configured, limit))
        self._forget(now_ns)
        used = min(self._most, self._most + HEADROOM - remaining)
        self._sent.extend([now_ns] * (used - len(self._sent)))

    def stay_away(self, wait_ns: int, now_ns: int) -> None:
        """The venue says too many (429): nothing leaves for so long, a minute at most."""
        until_ns = now_ns + min(wait_ns, MINUTE_NS)
        self._away_until_ns = max(self._away_until_ns, until_ns)

    def _allow(self, per_min: int) -> None:
        self._most = max(1, min(per_min, MOST_PER_MIN) - HEADROOM)
        self._open = max(1, self._most - int(self._most * RESERVED))

    def _forget(self, now_ns: int) -> None:
        sent = self._sent
        while sent and sent[0] + MINUTE_NS <= now_ns:
            sent.popleft()
