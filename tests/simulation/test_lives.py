"""Planted bugs of lives, halts, opportunities and doubts: each is caught by its own invariant."""

from __future__ import annotations

import pytest

from tests.simulation import figures
from tests.simulation.plan import BENIGN_EVERY
from tests.simulation.sabotage import hunt
from tests.simulation.saboteurs import ALL

# The invariant that must give each away, and a seed in which it does: it is looked at first.
CAUGHT_BY = {
    "dies_of_lost_socket": (14, 10),
    "stops_unasked": (14, 13),
    "breaker_not_kept": (9, 10),
    "halt_kept_as_less": (9, 22),
    "kill_halts_nothing": (10, 247),
    "slow_catch_up": (18, 12),
    "slow_resolve": (6, 10),
    "last_questions_not_hurried": (6, 17),
}
LIKELY = (*range(10, 40), *range(10))  # where halts come early, then everywhere


@pytest.mark.parametrize("name", CAUGHT_BY)
def test_a_planted_bug_is_caught_by_its_invariant(name: str) -> None:
    invariant, first = CAUGHT_BY[name]
    assert any(invariant in hunt(ALL[name], [seed]).invariants for seed in (first, *LIKELY))


def test_one_opportunity_that_each_seed_lets_pass_is_seen_over_all_of_them() -> None:
    caught = hunt(ALL["first_one_missed"], range(0, 20 * BENIGN_EVERY, BENIGN_EVERY))
    assert caught.invariants == (18,)


def test_opportunities_are_counted_over_all_seeds_together() -> None:
    assert figures.missed(99, 0) == ""
    assert figures.missed(200, 198) == ""
    assert figures.missed(200, 197).startswith("197 of 200")


def test_being_ready_is_timed_over_all_seeds_together() -> None:
    assert figures.slow([11.0] * 99) == ""
    assert figures.slow([0.0] * 96 + [11.0] * 4) == ""
    assert "11 s" in figures.slow([0.0] * 90 + [11.0] * 10)


def test_a_quantile_is_one_of_the_values() -> None:
    assert figures.quantile([], 0.5) is None
    assert figures.quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert figures.quantile([3.0, 1.0, 2.0], 1.0) == 3.0
