"""A slice of the campaign in Alpaca's house, and what its rules alone demand of the proof."""

from __future__ import annotations

from collections import Counter

import pytest

from arbit.sandbox.alpaca.answers import Answer
from tests.patches import patched
from tests.simulation.alpaca.door import DENIED, WASH
from tests.simulation.alpaca.plan import CALL_FAULTS, FATAL, SHARED, TIMED_FAULTS, plan_of
from tests.simulation.houses import NAMES, house_of
from tests.simulation.plan import BENIGN_EVERY
from tests.simulation.runner import run_seeds, workshop
from tests.simulation.sabotage import hunt
from tests.simulation.saboteurs_alpaca import ALPACA
from tests.simulation.world import World

# A seed that finds it, and the invariant that does not hold then.
QUICK = {
    "sized_from_gross": (0, 7),
    "pending_forgotten": (1, 2),
    "not_found_once_is_never": (5, 6),
    "cap_of_what_moved": (65, 7),  # of what is owned, as in every house
    "rebalances_cost_nothing": (97, 7),
}


def test_seeds_of_all_kinds_find_nothing() -> None:
    cycles, faults, kinds = 0, Counter[str](), 0
    for result in run_seeds(range(5), plan_of):
        assert result.violations == [], f"seed {result.seed}"
        cycles += sum(result.cycles.values())
        faults.update({name: count for (name, _), count in result.faults.items()})
        kinds += result.lives > 1
    assert cycles > 30
    assert len(faults) > 10
    assert kinds > 1


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_of_its_rules_is_caught(name: str) -> None:
    seed, invariant = QUICK[name]
    assert invariant in hunt(ALPACA[name], [seed], "alpaca").invariants


def test_a_fee_beyond_the_rate_that_is_known_halts() -> None:
    plan = plan_of(3)
    plan.rates, plan.kills, plan.twice = {}, 0, False
    plan.timed = [(3.0, "fee_beyond")]
    with workshop() as disk:
        world = World(3, disk, plan)
        result = world.run()
    assert result.violations == []
    assert world.venue.overcharged
    assert result.halts["drift"] == 1


def test_a_plan_is_drawn_from_its_seed_alone_and_has_every_fault_somewhere() -> None:
    assert plan_of(12) == plan_of(12)
    assert plan_of(BENIGN_EVERY).benign
    drawn = [plan_of(seed) for seed in range(600)]
    assert {name for plan in drawn for name in plan.rates} == set(CALL_FAULTS)
    assert {name for plan in drawn for _, name in plan.timed} == {*SHARED, *TIMED_FAULTS, *FATAL}
    assert {plan.daily for plan in drawn} == {plan.held for plan in drawn} == {False, True}


def test_its_saboteurs_are_its_own() -> None:
    assert len(ALPACA) >= 20
    assert all(one.what for one in ALPACA.values())
    for one in ALPACA.values():
        with patched(one.plant):  # what it takes the place of is there
            pass
    assert all(Answer(*one).status in {403, 422} for one in (*DENIED, WASH))


def test_a_house_is_known_by_its_name() -> None:
    assert [house_of(name).name for name in NAMES] == list(NAMES)
    with pytest.raises(LookupError, match="expected one of kraken, alpaca"):
        house_of("elsewhere")
