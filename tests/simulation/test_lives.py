"""Planted bugs of lives, halts, opportunities and doubts: each is caught by its own invariant."""

from __future__ import annotations

import pytest

from tests.simulation.sabotage import hunt
from tests.simulation.saboteurs import ALL

CAUGHT_BY = {
    "dies_of_lost_socket": 14,
    "stops_unasked": 14,
    "breaker_not_kept": 9,
    "halt_kept_as_less": 9,
}


@pytest.mark.parametrize(("name", "invariant"), CAUGHT_BY.items())
def test_a_planted_bug_is_caught_by_its_invariant(name: str, invariant: int) -> None:
    assert invariant in hunt(ALL[name], range(30)).invariants
