"""Conversions: one to three legs from one asset to another, through the same engine as cycles."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.cycle import CycleState
from arbit.domain.events import ConversionEnded, CycleEnded
from arbit.domain.route import ConversionKind
from arbit.execution.converting import delivered
from arbit.execution.cycle import Cycle
from arbit.ledger import RESULT
from arbit.risk.breaker import BreakerState
from tests.unit.execution import happenings
from tests.unit.execution.converting_world import (
    Fine,
    Wide,
    came_to,
    capital_moves,
    convert,
    found,
)
from tests.unit.execution.happenings import SOL_MARKETS, balanced, incidents, only_cycle
from tests.unit.execution.sights import ONLINE
from tests.unit.execution.world import START, Script
from tests.unit.sizing_world import view

D = Decimal
ROUTES = pytest.mark.parametrize(
    ("end", "legs"), [("BTC", 1), ("ETH", 1), ("BTC", 2), ("ETH", 2), ("SOL", 3)]
)
FAR_APART = view("BTC/USD", [("90", "5")], [("110.20", "5")])  # the same middle, nobody near it


@pytest.fixture(autouse=True)
def _sol(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue of these tests fills SOL's markets, too."""
    for name, one in SOL_MARKETS.items():
        monkeypatch.setitem(ONLINE, name, one)


@ROUTES
async def test_a_conversion_ends_in_the_asset_that_was_wanted(end: str, legs: int) -> None:
    world = Wide()
    conversion = found(world, "USD", end, "150", legs)
    async with world.running():
        done = came_to(await convert(world, conversion))

    assert done.end is CycleState.DONE
    assert done.orders == legs == len(world.venue.sent)
    assert 0 < done.spent <= conversion.spend
    assert done.received > conversion.receive_at_limits * D("0.9999")
    assert done.path == conversion.path
    world.agrees()
    balanced(world)


@ROUTES
async def test_a_conversion_moves_capital_and_is_no_profit(end: str, legs: int) -> None:
    world = Wide()
    async with world.running():
        done = came_to(await convert(world, found(world, "USD", end, "150", legs)))

    assert capital_moves(world) == {"USD": -done.spent, end: done.received}
    assert not [one for one in world.journal.postings if one.kind == RESULT]
    assert world.ledger.deviation("USD") == world.ledger.deviation(end) == 0
    record = only_cycle(world)
    assert not record.profit
    assert record.kind is ConversionKind.CONVERT
    assert world.engine.profit == world.engine.ends == {}
    assert world.engine.conversions == {"done": 1}


async def test_what_it_cost_counts_in_the_days_loss() -> None:
    world = Fine()
    async with world.running():
        done = came_to(await convert(world, found(world, "USD", "BTC", "150", 1)))

    worth = done.received * world.sights.prices["BTC"]
    assert done.cost_ref == done.spent - worth
    assert done.cost_ref > 0
    assert world.day.loss(world.clock.wall_ns()) == done.cost_ref
    assert only_cycle(world).profit_ref == -done.cost_ref


async def test_its_end_is_told_as_a_conversions_and_not_as_a_cycles() -> None:
    world = Fine()
    async with world.running():
        done = came_to(await convert(world, found(world, "USD", "BTC", "150", 1)))

    (told,) = [one for one in world.events if isinstance(one, ConversionEnded)]
    assert (told.end, told.kind, told.path) == ("done", "convert", "USD>BTC")
    assert D(told.received) == done.received
    assert not [one for one in world.events if isinstance(one, CycleEnded)]


async def test_who_counts_conversions_hears_of_each_beside_who_began_it() -> None:
    world = Fine()
    cycles, conversions = list[Cycle](), list[Cycle]()
    world.engine.on_end, world.engine.on_conversion = cycles.append, conversions.append
    async with world.running():
        done = came_to(await convert(world, found(world, "USD", "BTC", "150", 1)))
        assert cycles == []
        await world.trade()
    assert [delivered(one) for one in conversions] == [done]
    assert [one.record.kind for one in cycles] == [None]


# --- shorter than planned ------------------------------------------------------------------------


async def test_a_first_leg_that_fell_short_goes_on_with_what_there_is() -> None:
    world = Wide(Script(fraction=D("0.4")))
    conversion = found(world, "USD", "SOL", "150", 3)
    async with world.running():
        done = came_to(await convert(world, conversion))

    assert done.end is CycleState.DONE
    assert done.orders == 3
    assert done.spent < conversion.spend / 2
    world.agrees()


async def test_a_single_leg_that_fell_short_is_done_with_what_it_brought() -> None:
    world = Fine(Script(fraction=D("0.4")))
    async with world.running():
        done = came_to(await convert(world, found(world, "USD", "BTC", "150", 1)))

    assert done.end is CycleState.DONE
    assert len(world.venue.sent) == 1
    world.agrees()


@ROUTES
async def test_a_first_leg_that_does_not_trade_leaves_nothing(end: str, legs: int) -> None:
    world = Wide(Script(fraction=D(0)))
    async with world.running():
        done = came_to(await convert(world, found(world, "USD", end, "150", legs)))

    assert done.end is CycleState.FLAT
    assert not done.spent
    assert not done.received
    assert world.venue.balances_ == START
    world.agrees()


@pytest.mark.parametrize("shape", ["reject", "lost_before", "lost_after"])
@pytest.mark.parametrize("leg", [0, 1, 2])
async def test_a_leg_that_fails_is_never_sent_again_and_nothing_stays_in_between(
    shape: str, leg: int
) -> None:
    scripts = [Script(), Script(), Script()]
    scripts[leg] = Script(shape=shape, asks=2)
    world = Wide(*scripts)
    async with world.running():
        done = came_to(await convert(world, found(world, "USD", "SOL", "150", 3)))

    assert done.end in {CycleState.DONE, CycleState.UNWOUND, CycleState.FLAT}
    ids = [intent.client_id for intent in world.venue.sent]
    assert len(ids) == len(set(ids))
    assert all(abs(world.ledger.deviation(one)) < D("0.02") for one in ("BTC", "ETH"))
    world.agrees()


async def test_what_a_later_leg_left_goes_on_to_the_wanted_asset_where_that_is_best() -> None:
    world = Fine(Script(), Script(fraction=D("0.5")))
    async with world.running():
        done = came_to(await convert(world, found(world, "USD", "ETH", "150", 2)))

    record = only_cycle(world)
    assert done.end is CycleState.UNWOUND
    assert record.prices["chosen"] == "complete"
    assert capital_moves(world)["ETH"] == done.received
    assert world.venue.sent[2].leg == world.venue.sent[1].leg
    world.agrees()


async def test_where_the_way_on_is_dear_it_goes_back_to_where_it_came_from() -> None:
    world = Fine(Script(), Script(fraction=D(0)))
    conversion = found(world, "USD", "ETH", "150", 2)
    async with world.running():
        world.engine.convert(conversion, ConversionKind.CONVERT, D(5), world.clock.now_ns)
        world.sights.books["ETH/BTC"] = happenings.NO_ETH
        await happenings.over(world)

    record = only_cycle(world)
    assert (record.state, record.prices["chosen"]) == (CycleState.UNWOUND, "reverse")
    assert set(capital_moves(world)) == {"USD"}
    world.agrees()


async def test_what_no_way_brings_on_within_the_budget_is_held_and_listed() -> None:
    world = Fine(Script(), Script(fraction=D(0)))
    conversion = found(world, "USD", "ETH", "150", 2)
    async with world.running():
        budget = D(2)
        world.engine.convert(conversion, ConversionKind.CONVERT, budget, world.clock.now_ns)
        world.sights.books["ETH/BTC"] = happenings.NO_ETH
        world.sights.books["BTC/USD"] = FAR_APART
        await happenings.over(world)

    record = only_cycle(world)
    assert record.state is CycleState.HELD
    assert "held" in incidents(world)
    assert world.breaker.state() is BreakerState.REDUCING
    assert world.ledger.deviation("BTC") > 1
    assert set(capital_moves(world)) == {"USD"}
    world.agrees()
