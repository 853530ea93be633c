"""A bounded, deterministic sample of many series: every k-th value, with k doubled when full."""

from __future__ import annotations

from array import array


class EdgeSamples:
    """Up to `cap` values of each series, evenly thinned over time; exact until `cap` is reached."""

    def __init__(self, series: int, cap: int | None = None) -> None:
        self._cap = cap if cap is not None else (1024 if series <= 512 else 128)
        self._values = [array("f") for _ in range(series)]
        self._step = array("l", [1] * series)
        self._due = array("l", [1] * series)

    def add(self, series: int, value: float) -> None:
        """Note one value of one series."""
        due = self._due[series] - 1
        if due:
            self._due[series] = due
            return
        values = self._values[series]
        if len(values) == self._cap:
            del values[1::2]
            self._step[series] *= 2
        values.append(value)
        self._due[series] = self._step[series]

    def median(self, series: int) -> float | None:
        """The median of what was kept; None when nothing was."""
        return percentile(sorted(self._values[series]), 0.5)


def percentile(ordered: list[float], share: float) -> float | None:
    """The value below which `share` (0 to 1) of an ordered list lies, interpolated."""
    if not ordered:
        return None
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)
