"""What watches limits: its own bucket, and what a seed draws of them."""

from __future__ import annotations

import pytest

from tests.simulation import saboteurs_limits, strains
from tests.simulation.loop import SECOND_NS
from tests.simulation.plan import plan_of
from tests.simulation.restraint import Rate
from tests.simulation.sabotage import hunt
from tests.simulation.saboteurs import ALL


def test_one_order_more_than_the_rate_allows_is_seen() -> None:
    rate, now_ns = Rate(1.0), SECOND_NS
    assert all(rate.take(now_ns) for _ in range(10))
    assert rate.take(now_ns + SECOND_NS)
    assert not rate.take(now_ns + SECOND_NS)


def test_a_small_rate_leaves_room_for_a_cycle_and_its_way_home() -> None:
    rate = Rate(0.01)
    assert [rate.take(SECOND_NS) for _ in range(7)] == [True] * 6 + [False]


def test_seeds_without_faults_and_seeds_that_halt_draw_no_limits() -> None:
    for plan in map(plan_of, range(200)):
        if plan.benign or plan.fatal:
            assert not plan.early
            assert plan.risk["max_daily_loss"] == 1000
            assert not {*plan.rates} & {*strains.LIMIT_CALLS}


@pytest.mark.parametrize(
    ("name", "seed"), [("no_rate", 1), ("no_crash_trip", 11), ("gap_ignored", 3)]
)
def test_a_planted_bug_of_limits_is_caught(name: str, seed: int) -> None:
    assert saboteurs_limits.__doc__
    assert hunt(ALL[name], [seed]).seeds
