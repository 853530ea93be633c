"""Seeds with caps, reserves, targets and conversions: what they draw, and what is caught."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from arbit.config import InventorySettings
from arbit.config.inventory import conflicts
from tests.simulation.plan import plan_of
from tests.simulation.runner import run_seeds, workshop
from tests.simulation.sabotage import hunt
from tests.simulation.saboteurs import ALL
from tests.simulation.stock import EVERY, FIRST, HEARD_NS
from tests.simulation.world import World

SOME = range(FIRST, 1_000, EVERY)
CAUGHT_IN = {
    "reserve_spent_by_a_way_home": 273,
    "rebalances_cost_nothing": 97,
    "day_of_rebalances_forgotten": 97,
    "rests_forgotten": 185,
    "cap_ignored_in_flight": 65,
    "reserve_spent_by_a_cycle": 49,
    "conversion_resent": 201,
    "remainder_forgotten": 281,
    "conversion_over_budget": 105,
    "rebalanced_the_wrong_way": 217,
    "conversion_is_trading": 49,
}


def test_only_seeds_that_nobody_knew_by_their_trace_have_such_settings() -> None:
    for seed in range(200):
        plan = plan_of(seed)
        has = bool(plan.inventory or plan.conversions)
        assert has == (seed in SOME)
        assert not (has and plan.benign)


def test_what_they_draw_is_what_settings_allow() -> None:
    kinds = Counter[str]()
    for seed in SOME:
        plan = plan_of(seed)
        assert list(conflicts(InventorySettings(**plan.inventory), "USD")) == []
        kinds.update(list(plan.inventory))
        kinds["converts"] += bool(plan.conversions)
        kinds["parallel"] += plan.risk["policy"] == "parallel"
    wanted = {"caps", "reserve_amount", "reserve_percent", "targets", "converts", "parallel"}
    assert all(kinds[name] > 10 for name in wanted)


def test_such_seeds_find_nothing_and_come_close_to_their_limits() -> None:
    worlds: list[World] = []
    ends, close = Counter[str](), Counter[str]()
    for result in run_seeds([49, 65, 105], tend=worlds.append):
        assert result.violations == [], f"seed {result.seed}"
        ends.update(result.cycles)
        stock = worlds.pop().watch.stock
        close.update(cap=stock.at_cap, reserve=stock.at_reserve)
    assert close["cap"] > 10
    assert close["reserve"] > 10
    assert ends["convert done"] > 1


@pytest.mark.parametrize("name", CAUGHT_IN)
def test_a_planted_bug_of_what_is_owned_is_caught(name: str) -> None:
    assert hunt(ALL[name], [CAUGHT_IN[name]]).invariants


def test_a_cap_that_a_deposit_broke_is_nobodys_fault_until_more_is_bought() -> None:
    with workshop() as disk:
        world = World(57, disk)
        stock, bought = world.watch.stock, {"EUR": Decimal(5)}
        stock._caps = {"EUR": "100"}
        world.venue.account.balances["EUR"] = Decimal(150)
        stock.flowed("EUR", Decimal(60))
        stock.moved(bought, bought)
        assert world.watch.violations == []
        world.loop.now_ns += 2 * HEARD_NS
        stock.moved({"EUR": Decimal(-5)}, {"EUR": Decimal(-5)})
        assert world.watch.violations == []
        stock.moved(bought, bought)
        assert "more than its cap 100" in world.watch.violations[0]
        world.watch.close()


def test_what_a_cycle_brought_it_may_spend_below_a_reserve_and_nothing_else() -> None:
    with workshop() as disk:
        world = World(57, disk)
        stock, sold = world.watch.stock, {"EUR": Decimal(-5)}
        stock._caps, stock._amounts = {}, {"EUR": "100"}
        world.venue.account.balances["EUR"] = Decimal(50)
        stock.moved(sold, {"EUR": Decimal(3)})
        assert world.watch.violations == []
        stock.moved(sold, sold)
        assert "less than the reserve 100" in world.watch.violations[0]
        world.watch.close()
