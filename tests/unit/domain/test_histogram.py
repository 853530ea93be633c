"""A histogram answers what its buckets can know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.histogram import Histogram, merged

BOUNDS = (1.0, 2.0, 5.0, 10.0, 100.0)
AGES = st.lists(st.floats(0, 100), min_size=1, max_size=200)


def filled(*values: float) -> Histogram:
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)
    return histogram


def test_a_bound_belongs_to_the_bucket_that_ends_there() -> None:
    histogram = filled(0.0, 1.0, 1.5, 100.0, 101.0)
    assert histogram.counts == [2, 1, 0, 0, 1, 1]
    assert (histogram.count, histogram.total) == (5, 203.5)


def test_nothing_observed_has_no_quantile() -> None:
    assert Histogram(BOUNDS).quantile(0.5) is None


def test_a_quantile_is_interpolated_inside_its_bucket() -> None:
    assert filled(6, 7, 8, 9).quantile(0.5) == pytest.approx(7.5)


def test_beyond_the_last_bound_only_the_bound_can_be_said() -> None:
    assert filled(1_000.0, 2_000.0).quantile(0.99) == 100.0


@given(AGES, st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    ordered = sorted(values)
    rank = max(1, -(-int(share * 1000) * len(ordered) // 1000))  # nearest rank, from 1
    true = ordered[rank - 1]
    edges = (0.0, *BOUNDS)
    bucket = next(i for i, bound in enumerate(BOUNDS) if true <= bound)
    found = filled(*values).quantile(share)
    assert found is not None
    assert edges[bucket] - 1e-9 <= found <= edges[bucket + 1] + 1e-9


@given(AGES, AGES)
def test_merging_is_observing_everything_in_one(first: list[float], second: list[float]) -> None:
    both, one = merged([filled(*first), filled(*second)]), filled(*first, *second)
    assert both.counts == one.counts
    assert both.total == pytest.approx(one.total)


def test_merging_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing to merge"):
        merged([])


@given(AGES)
def test_quantiles_never_go_down(values: list[float]) -> None:
    histogram = filled(*values)
    found = [histogram.quantile(share / 20) or 0.0 for share in range(21)]
    assert found == sorted(found)
