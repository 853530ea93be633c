from __future__ import annotations

import statistics
from itertools import pairwise

import pytest

from arbit.domain.samples import EdgeSamples, percentile


def test_the_median_is_exact_until_the_cap_is_reached() -> None:
    samples = EdgeSamples(2, cap=8)
    for value in (5.0, 1.0, 3.0):
        samples.add(1, value)

    assert samples.median(0) is None
    assert samples.median(1) == 3.0
    samples.add(1, 9.0)
    assert samples.median(1) == 4.0


def test_beyond_the_cap_the_whole_time_is_still_represented_evenly() -> None:
    samples = EdgeSamples(1, cap=64)
    for value in range(10_000):
        samples.add(0, float(value))

    kept = list(samples._values[0])
    assert len(kept) <= 64
    steps = {later - earlier for earlier, later in pairwise(kept)}
    assert steps == {256.0}
    assert samples.median(0) == pytest.approx(5_000, rel=0.05)


def test_it_is_deterministic() -> None:
    def run() -> list[float]:
        samples = EdgeSamples(1, cap=16)
        for value in range(1_000):
            samples.add(0, float(value * 7919 % 1009))
        return list(samples._values[0])

    assert run() == run()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_percentiles_are_interpolated(share: float) -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    expected = {0.0: 1.0, 0.1: 1.4, 0.5: 4.0, 0.9: 12.8, 1.0: 16.0}
    assert percentile(values, share) == pytest.approx(expected[share])
    assert percentile(values, 0.5) == statistics.median(values)


def test_of_nothing_there_is_no_percentile_and_of_one_it_is_that() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.9) == 3.0
