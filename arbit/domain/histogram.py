"""A histogram with fixed buckets: cheap to observe, honest to read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence


class Histogram:
    """Counts of values by bucket. `bounds` are the buckets' upper edges, ascending.

    The last bucket is open. `observe` is a bisection and two additions, cheap enough for a scan.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """The value below which `share` (0 to 1) of all lies, interpolated inside its bucket.

        None when nothing was observed. In the open last bucket it is that bucket's lower edge,
        the most that can be said.
        """
        count = self.count
        if not count:
            return None
        wanted, seen = share * count, 0
        for index, (high, inside) in enumerate(zip(self.bounds, self.counts, strict=False)):
            if inside and seen + inside >= wanted:
                low = self.bounds[index - 1] if index else 0.0
                return low + (high - low) * max(0.0, wanted - seen) / inside
            seen += inside
        return self.bounds[-1]


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """The sum of histograms that share their bounds. ValueError when there is none."""
    parts = list(histograms)
    if not parts:
        raise ValueError("nothing to merge")
    total = Histogram(parts[0].bounds)
    for part in parts:
        total.counts = [a + b for a, b in zip(total.counts, part.counts, strict=True)]
        total.total += part.total
    return total
