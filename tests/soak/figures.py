"""Figures of a long run: how late the loop is, how memory grows, what stays flat."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

# Upper bounds of the buckets that lateness is counted in, in ms: each 5 % above the one before.
_BOUNDS_MS = tuple(0.01 * 1.05**number for number in range(300))
HOUR_S = 3_600.0


class Lates:
    """How late a timer was, counted in buckets: as small after a day as at the start."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_MS) + 1)
        self.most_ms = 0.0

    def add(self, late_ms: float) -> None:
        """Once more."""
        self._counts[bisect_left(_BOUNDS_MS, late_ms)] += 1
        self.most_ms = max(self.most_ms, late_ms)

    @property
    def count(self) -> int:
        """How often."""
        return sum(self._counts)

    def quantile_ms(self, share: float) -> float:
        """No more than this in that share of times; at most 5 % too high."""
        wanted, seen = share * self.count, 0
        for bound, count in zip(_BOUNDS_MS, self._counts, strict=False):
            seen += count
            if seen >= wanted:
                return min(bound, self.most_ms)
        return self.most_ms


def slope_per_hour(at_s: Sequence[float], values: Sequence[float], every_s: float = 10.0) -> float:
    """How fast the floor of `values` rises, by least squares over the least of each `every_s`.

    The floor, since garbage comes and goes. 0 where there are fewer than three such spans.
    """
    least: dict[int, tuple[float, float]] = {}
    for when_s, value in zip(at_s, values, strict=True):
        span = int(when_s // every_s)
        if span not in least or value < least[span][1]:
            least[span] = (when_s, value)
    points = list(least.values())
    if len(points) < 3:
        return 0.0
    mean_s = sum(when for when, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    over = sum((when - mean_s) * (value - mean) for when, value in points)
    return over / sum((when - mean_s) ** 2 for when, _ in points) * HOUR_S


def growth(values: Sequence[float]) -> float:
    """The median of the last quarter less that of the first: 0 for what is flat."""
    quarter = max(1, len(values) // 4)
    return _median(values[-quarter:]) - _median(values[:quarter]) if values else 0.0


def rate_per_s(at_s: Sequence[float], totals: Sequence[float]) -> float:
    """How fast a total rose, the stretches in which it was set back left out."""
    steps = zip(pairwise(at_s), pairwise(totals), strict=True)
    kept = [(b - a, y - x) for (a, b), (x, y) in steps if y >= x]
    seconds = sum(step for step, _ in kept)
    return sum(rise for _, rise in kept) / seconds if seconds else 0.0


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
