"""What is used up by trading: the day's loss, the rate of orders, the rest after a cycle."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from arbit.domain.money import EXACT, ZERO

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
EPOCH = date(1970, 1, 1)
BURST_S = 10.0
MAX_PATHS = 10_000


class DayBook:
    """What each UTC day has earned or lost, in the reference currency."""

    def __init__(self, by_day: Mapping[str, Decimal] | None = None) -> None:
        self._by_day = dict(by_day or {})

    def add(self, profit_ref: Decimal, wall_ns: int) -> None:
        """A cycle ended at this wall time."""
        day = day_of(wall_ns)
        self._by_day[day] = EXACT.add(self._by_day.get(day, ZERO), profit_ref)
        oldest = day_of(wall_ns - DAY_NS)
        self._by_day = {day: sum_ for day, sum_ in self._by_day.items() if day >= oldest}

    def loss(self, wall_ns: int) -> Decimal:
        """What today has lost so far; zero when it has earned."""
        return max(ZERO, EXACT.minus(self._by_day.get(day_of(wall_ns), ZERO)))


class OrderRate:
    """A bucket of orders: `per_s` flow in, at most ten seconds' worth stay."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = max(per_s * BURST_S, 6.0)  # a cycle of three legs, and three orders home
        self._left = self._most
        self._at_ns = 0

    def left(self, now_ns: int) -> float:
        """How many orders may be sent at once now."""
        if self._at_ns:
            self._left += (now_ns - self._at_ns) / SECOND_NS * self._per_s
        self._left, self._at_ns = min(self._left, self._most), now_ns
        return self._left

    def take(self, now_ns: int) -> bool:
        """Use one up; False when there is none."""
        if self.left(now_ns) < 1.0:
            return False
        self._left -= 1.0
        return True


class Cooldown:
    """How long each triangle rests after a cycle; by path, the same both ways round."""

    LONGER = 10  # times, after a cycle that went wrong

    def __init__(self, rest_ms: int) -> None:
        self._rest_ns = rest_ms * 1_000_000
        self._until_ns: dict[str, int] = {}

    def begin(self, path: str, now_ns: int, *, went_wrong: bool) -> None:
        """A cycle of this path has ended."""
        if len(self._until_ns) >= MAX_PATHS:
            self._until_ns = {p: t for p, t in self._until_ns.items() if t > now_ns}
        factor = self.LONGER if went_wrong else 1
        self._until_ns[path] = now_ns + self._rest_ns * factor

    def left_ns(self, path: str, now_ns: int) -> int:
        """How long it still rests; 0 when it does not."""
        return max(0, self._until_ns.get(path, 0) - now_ns)


def day_of(wall_ns: int) -> str:
    """`2026-11-24`, in UTC."""
    return _day(wall_ns // DAY_NS)


@functools.lru_cache(maxsize=16)
def _day(days: int) -> str:
    return (EPOCH + timedelta(days=days)).isoformat()
