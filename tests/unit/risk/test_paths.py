"""Rests that outlast a restart, and budgets of what cycles under way have started with."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.cycle import CycleState
from arbit.domain.records import Ended
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import ConversionKind
from arbit.risk.paths import Paths
from tests.unit.execution.world import World
from tests.unit.risk.gate_world import record

D = Decimal
MS = 1_000_000
PATH, BACK = "USD>BTC>ETH>USD", "USD>ETH>BTC>USD"
WALL, NOW = 10**18, 5 * 10**9


def recalled(*ends: Ended, cooldown_ms: int = 1000) -> Paths:
    paths = Paths(cooldown_ms, {})
    paths.recall(ends, WALL, NOW)
    return paths


@pytest.mark.parametrize("path", [PATH, BACK])
def test_a_rest_goes_on_after_a_restart_as_if_there_had_been_none(path: str) -> None:
    paths = recalled(Ended(PATH, CycleState.DONE, WALL - 400 * MS))
    assert paths.rests_ns(path, NOW) == 600 * MS
    assert paths.rests_ns(path, NOW + 600 * MS) == 0


@pytest.mark.parametrize("state", [CycleState.UNWOUND, CycleState.HELD])
def test_after_one_that_went_wrong_it_is_ten_times_as_long(state: CycleState) -> None:
    paths = recalled(Ended(PATH, state, WALL - 400 * MS))
    assert paths.rests_ns(PATH, NOW) == 9_600 * MS


def test_the_newest_end_of_a_path_counts_in_whatever_order_they_are_told() -> None:
    old = Ended(BACK, CycleState.UNWOUND, WALL - 9_000 * MS)
    new = Ended(PATH, CycleState.DONE, WALL - 100 * MS)
    for ends in ((old, new), (new, old)):
        assert recalled(*ends).rests_ns(PATH, NOW) == 900 * MS


def test_a_clock_that_was_set_back_makes_no_rest_longer() -> None:
    paths = recalled(Ended(PATH, CycleState.DONE, WALL + 10**15))
    assert paths.rests_ns(PATH, NOW) == 1000 * MS


def test_what_has_rested_long_since_is_free() -> None:
    assert recalled(Ended(PATH, CycleState.DONE, WALL - 2_000 * MS)).rests_ns(PATH, NOW) == 0


def test_a_budget_is_what_cycles_under_way_leave_of_it() -> None:
    plan = World().plan()
    spend = plan.legs[0].worst_spend
    paths = Paths(0, {"USD": spend * 2})
    assert paths.left("USD") == spend * 2
    assert paths.left("BTC") is None
    paths.begin("c1", plan)
    paths.adopt(record(plan, cycle_id="c2"))
    assert paths.left("USD") == 0
    refused = paths.over_budget(plan)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.START_BUDGET
    assert D(refused.figures["left"]) == 0
    paths.finish(record(plan), went_wrong=False, now_ns=NOW)
    assert paths.left("USD") == spend
    assert paths.over_budget(plan) is None


def test_a_conversion_neither_rests_nor_uses_up_a_budget() -> None:
    plan = World().plan()
    one = replace(record(plan), kind=ConversionKind.CONVERT, loss_budget=D(1))
    paths = Paths(1000, {"USD": D(10**6)})
    paths.adopt(one)
    assert paths.left("USD") == 10**6
    paths.finish(one, went_wrong=True, now_ns=NOW)
    assert paths.rests_ns(one.path, NOW) == 0
