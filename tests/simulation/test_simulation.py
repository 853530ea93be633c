"""A slice of the campaigns, small enough for every run of the tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from arbit.execution import roster
from arbit.execution.sending import Sender
from tests.patches import patched
from tests.simulation.bounds import small_memories
from tests.simulation.canaries import SECRET, spellings
from tests.simulation.exhaustive import SCENARIOS, Tally, failures, kills
from tests.simulation.plan import (
    BENIGN_EVERY,
    CALL_FAULTS,
    FATAL_FAULTS,
    TIMED_FAULTS,
    plan_of,
)
from tests.simulation.regress import rows
from tests.simulation.runner import run_seeds, workshop
from tests.simulation.sabotage import ENTERED, hunt
from tests.simulation.saboteurs import ALL
from tests.simulation.saboteurs_alpaca import ALPACA
from tests.simulation.world import World

HERE = Path(__file__).parent
QUICK = {  # the first seed that finds it, and soon: it is asked first
    "naive_retry": 1,
    "write_after_send": 0,
    "concurrency_ignored": 2,
    "next_leg_as_planned": 0,
    "float_money": 3,
    "no_deadline": 0,
    "tasks_never_end": 0,
    "token_in_the_reason": 6,
    "venue_loses_fees": 0,
    "metric_counted_twice": 0,
    "legs_one_percent_worse": 0,
    "profit_ref_unsigned": 2,
    "incidents_counted_twice": 10,
}


def test_what_once_was_found_stays_fixed_in_seeds_of_all_kinds() -> None:
    """They are enough for every kind: CI runs a thousand others right after the tests."""
    assert len(rows()) >= 8
    assert {row.saboteur for row in rows()} <= set(ALL)
    cycles, faults, kinds = 0, Counter[str](), 0
    for result in run_seeds(dict.fromkeys(row.seed for row in rows())):
        assert result.violations == [], f"seed {result.seed}"
        cycles += sum(result.cycles.values())
        faults.update({name: count for (name, _), count in result.faults.items()})
        kinds += result.lives > 1
    assert cycles > 150
    assert len(faults) > 20
    assert kinds > 3


def test_without_faults_every_opportunity_is_taken() -> None:
    planted = attempted = 0
    for result in run_seeds(range(0, 5 * BENIGN_EVERY, BENIGN_EVERY)):
        assert result.violations == []
        planted, attempted = planted + result.planted, attempted + result.attempted
    assert planted > 30
    assert attempted >= planted * 0.99


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_caught(name: str) -> None:
    caught = hunt(ALL[name], dict.fromkeys([QUICK[name], *range(30)]))
    assert caught.seeds, name
    assert caught.invariants


def test_there_are_saboteurs_for_many_invariants() -> None:
    assert all(room.__doc__ for room in ENTERED)
    assert len(ALL) >= 90


def test_every_bug_finds_what_it_replaces() -> None:
    lost = []
    for one in {**ALL, **ALPACA}.values():
        try:
            with patched(one.plant):
                pass
        except (KeyError, AttributeError) as error:  # its name is another by now
            lost.append(f"{one.name}: {error}")
    assert lost == []


def test_a_run_that_depends_on_the_one_before_it_is_caught() -> None:
    caught = hunt(ALL["chance_from_memory"], [1])
    assert caught.invariants == (17,)
    assert not hunt(replace(ALL["chance_from_memory"], plant=lambda _sets: None), [1]).seeds


def test_a_planted_bug_is_gone_when_the_hunt_is_over() -> None:
    before = dict(vars(Sender))
    with patched(ALL["tasks_never_end"].plant):
        assert vars(Sender)["_follow"] is not before["_follow"]
    assert dict(vars(Sender)) == before


def test_twelve_characters_in_a_row_of_a_secret_are_found_in_any_spelling() -> None:
    spelt = tuple(spellings(SECRET.encode()))
    for written in (SECRET, quote(SECRET, safe=""), SECRET.encode().hex()):
        for start in range(len(written) - 12):
            part = written[start : start + 12].encode()
            assert any(block in part for block in spelt), part
    assert not any(block in b"a secret that is another one's 0123456789abcdef" for block in spelt)


def test_memories_are_small_only_while_a_seed_wants_them_so() -> None:
    usual = roster.MAX_PAST
    with small_memories(wanted=True):
        assert roster.MAX_PAST == 3
    with small_memories(wanted=False):
        assert usual == roster.MAX_PAST
    assert usual == roster.MAX_PAST


def test_every_write_of_a_short_run_may_fail_and_every_fault_may_strike() -> None:
    with workshop() as disk:
        tally = Tally(disk)
        failures(tally, SCENARIOS[18], every=60)
    assert tally.findings == []
    assert tally.runs["write full"] >= 1
    assert tally.runs["write locked"] >= 1
    assert tally.runs["fault"] > 10


@pytest.mark.parametrize("name", FATAL_FAULTS)
def test_what_nobody_can_explain_halts(name: str) -> None:
    """One seed for each; the halt itself is demanded by the seed's end."""
    plan = plan_of(3)
    plan.rates, plan.kills, plan.twice = {}, 0, False
    plan.timed = [(3.0, name)]
    with workshop() as disk:
        world = World(3, disk, plan)
        result = world.run()
    assert result.violations == []
    assert world.mishaps.drifts or world.mishaps.foreign or world.mishaps.upheavals.happened
    assert sum(count for (fault, _), count in result.faults.items() if fault == name) == 1


def test_a_daemon_that_is_killed_again_and_again_stays_halted_until_a_person_resumes() -> None:
    plan = plan_of(3)
    plan.rates, plan.timed, plan.twice = {}, [], False
    plan.risk["max_crashes"] = 3
    with workshop() as disk:
        world = World(3, disk, plan)
        world.kill_script = dict.fromkeys(range(1, 4), (30, 0))
        result = world.run()
    assert result.violations == []
    assert sum(result.kills.values()) == 3
    assert result.halts["crashes"] == 1


def test_a_kill_at_each_third_seam_of_a_clean_run_loses_nothing() -> None:
    with workshop() as disk:
        tally = Tally(disk)
        kills(tally, SCENARIOS[0], seams=True, resumes=False, every=3)
    assert tally.findings == []
    assert tally.kills >= 20


def test_a_plan_is_drawn_from_its_seed_alone() -> None:
    assert plan_of(12) == plan_of(12)
    assert plan_of(BENIGN_EVERY).benign
    drawn = [plan_of(seed) for seed in range(400)]
    assert {name for plan in drawn for name in plan.rates} == set(CALL_FAULTS)
    assert {name for plan in drawn for _, name in plan.timed} >= set(TIMED_FAULTS)


def test_a_killed_generation_cannot_write() -> None:
    with workshop() as disk:
        world = World(0, disk)
        world.run()
        dead = world.processes[0]
        assert not dead.alive
        with pytest.raises(KeyboardInterrupt):
            dead.point("commit-before")
