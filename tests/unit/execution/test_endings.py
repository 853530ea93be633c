"""How cycles end: none is DONE that owns something tradable, and a late fill always wins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.account import TradeSeen
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.events import BreakerChanged
from arbit.domain.money import plain
from arbit.domain.order import OrderState
from arbit.domain.records import Batch
from arbit.execution.cycle import all_dust
from arbit.ledger import trade_postings
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.kill import kill, unkill
from tests.unit.execution.happenings import (
    NO_ETH,
    incidents,
    kept_cycles,
    late_trade,
    only_cycle,
    over,
    pass_time,
    refusal,
    take,
)
from tests.unit.execution.world import START, Script, World, usual_settings

D = Decimal
LOST = Script(shape="lost_after", asks=3)


async def tell(world: World, event: TradeSeen, after_s: float) -> None:
    """The account's stream tells it after a while, when the start resolves what it found."""
    await world.clock.sleep(after_s)
    (work,) = world.engine.works.values()
    assert work.cycle.state is CycleState.RESOLVING
    world.auditor(event)


async def heal(world: World, after_s: float) -> None:
    """The journal works again after a while."""
    await world.clock.sleep(after_s)
    world.journal.fails = ""


def left(world: World, asset: str) -> Decimal:
    """What trading has left the account of the asset, beyond what it began with."""
    return world.venue.balances_[asset] - START[asset]


# --- dust ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eth_on_btc", "end"), [("0.001", "unwound"), ("0.5", "done")])
async def test_what_the_last_leg_leaves_is_dust_only_where_no_market_of_the_cycle_takes_it(
    eth_on_btc: str, end: str
) -> None:
    world = World(Script(), Script(), Script(fraction=D("0.98")))
    markets = world.sights.markets
    markets["ETH/USD"] = replace(markets["ETH/USD"], qty_min=D("0.5"))
    markets["ETH/BTC"] = replace(markets["ETH/BTC"], qty_min=D(eth_on_btc))
    async with world.running():
        assert take(world) is None
        await over(world)

    assert world.end == end
    assert (left(world, "ETH") > D("0.2")) is (end == "done")
    world.agrees()


async def test_what_a_way_home_leaves_is_told_with_its_cycle() -> None:
    world = World(Script(), Script(), Script(fraction=D("0.98")))
    markets = world.sights.markets
    markets["ETH/USD"] = replace(markets["ETH/USD"], qty_min=D("0.5"))
    async with world.running():
        assert take(world) is None
        await over(world)

    assert world.end == "unwound"
    rest = {asset: left(world, asset) for asset in ("BTC", "ETH")}
    assert any(rest.values())
    said = ", ".join(f"{plain(amount)} {asset}" for asset, amount in rest.items() if amount)
    assert only_cycle(world).detail == f"left as dust: {said}"
    world.agrees()


@pytest.mark.parametrize("fact", ["qty_increment", "qty_min", "cost_min"])
@pytest.mark.parametrize("symbol", ["BTC/USD", "ETH/BTC", "ETH/USD"])
async def test_where_a_fact_of_a_market_is_missing_nothing_is_called_dust(
    fact: str, symbol: str
) -> None:
    world = World()
    async with world.running():
        await world.trade()
    (cycle,) = kept_cycles(world)
    assert cycle.moved()["BTC"] != 0
    assert cycle.moved()["ETH"] != 0
    markets = world.sights.markets
    assert all_dust(cycle, markets)
    unsaid: dict[str, Any] = {fact: None}
    lacking = {symbol: replace(markets[symbol], **unsaid)}
    assert not all_dust(cycle, markets | lacking)
    assert not all_dust(cycle, {n: one for n, one in markets.items() if n != symbol})


async def test_a_debt_of_parallel_legs_is_no_dust_either() -> None:
    nothing = Script(fraction=D(0))
    world = World(nothing, nothing, Script(), nothing, policy=Policy.PARALLEL)
    async with world.running():
        assert take(world) is None
        await pass_time(world, 0.02, 0.01)
        (cycle,) = kept_cycles(world)
        assert cycle.has("ETH") < -1
        assert not all_dust(cycle, world.sights.markets)
        await over(world)

    assert world.end == "unwound"
    assert abs(left(world, "ETH")) < D("0.01")
    world.agrees()


@pytest.mark.parametrize("back", [True, False])
async def test_a_fact_that_went_missing_before_the_last_leg_keeps_it_from_being_done(
    back: bool,
) -> None:
    world = World(Script(), Script(), Script(fraction=D("0.1")))
    async with world.running():
        assert take(world) is None
        await world.clock.advance(0.025)
        assert len(world.venue.sent) == 3
        known = {name: world.sights.markets[name] for name in ("ETH/BTC", "ETH/USD")}
        world.sights.markets |= {n: replace(one, cost_min=None) for n, one in known.items()}
        await pass_time(world, 5)
        assert world.engine.open_cycles == 1, "it waits for the markets' facts"
        if back:
            world.sights.markets |= known
        await over(world)

    assert world.end == ("unwound" if back else "held")
    assert (left(world, "ETH") > 1) is not back
    world.agrees()


@pytest.mark.parametrize("over_by", ["0.001", "0.5"])
async def test_a_parallel_overfill_is_brought_home_before_the_cycle_is_over(over_by: str) -> None:
    world = World(Script(over=D(over_by)), policy=Policy.PARALLEL)
    async with world.running():
        assert take(world) is None
        await over(world)

    assert world.end == "unwound"
    (cycle,) = kept_cycles(world)
    assert all_dust(cycle, world.sights.markets)
    assert world.breaker.state() is BreakerState.REDUCING
    world.agrees()


# --- late fills ------------------------------------------------------------------------------


async def test_a_late_fill_of_leg_1_while_leg_3_is_out_keeps_the_cycle_from_being_done() -> None:
    world = World(Script(fraction=D("0.5")), Script(), LOST)
    async with world.running():
        assert take(world) is None
        await pass_time(world, 0.5)
        assert world.engine.late(late_trade(world, world.venue.sent[0], "0.5"))
        await over(world)

    assert only_cycle(world).state is CycleState.UNWOUND
    assert incidents(world) == ["late_fill"]
    assert abs(left(world, "BTC")) < D("0.01"), "what came late was brought home"
    world.agrees()


async def test_a_late_fill_of_leg_1_while_leg_2_is_out_is_brought_home() -> None:
    world = World(Script(fraction=D("0.5")), LOST)
    async with world.running():
        assert take(world) is None
        await pass_time(world, 0.5)
        assert world.engine.late(late_trade(world, world.venue.sent[0], "0.5"))
        await over(world)

    assert only_cycle(world).state is CycleState.UNWOUND
    assert abs(left(world, "BTC")) < D("0.01")
    world.agrees()


async def test_a_late_fill_of_a_cycle_that_waits_for_a_way_home_goes_home_with_it() -> None:
    world = World(Script(fraction=D("0.5")), Script(shape="reject"))
    world.sights.blind = set()
    async with world.running():
        assert take(world) is None
        world.sights.blind = {"BTC/USD", "ETH/BTC", "ETH/USD"}
        await pass_time(world, 2)
        assert only_cycle(world).state is CycleState.UNWINDING
        assert world.engine.late(late_trade(world, world.venue.sent[0], "0.5"))
        world.sights.blind = set()
        await over(world)

    assert only_cycle(world).state is CycleState.UNWOUND
    assert abs(left(world, "BTC")) < D("0.01")
    world.agrees()


ENDS: dict[CycleState, tuple[Script, ...]] = {
    CycleState.DONE: (Script(fraction=D("0.5")),),
    CycleState.FLAT: (Script(fraction=D(0)),),
    CycleState.UNWOUND: (Script(fraction=D("0.5")), Script(shape="reject")),
    CycleState.HELD: (Script(fraction=D("0.5")), Script(shape="reject")),
}


@pytest.mark.parametrize("end", list(ENDS))
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_late_fill_of_a_cycle_that_is_over_is_booked_once_and_held(
    end: CycleState, restarted: bool
) -> None:
    world = World(*ENDS[end], settings=usual_settings(unwind_budget_bps=D(5)))
    async with world.running():
        assert take(world) is None
        if end is CycleState.HELD:
            world.sights.books["ETH/BTC"] = NO_ETH
        await over(world)
    assert only_cycle(world).state is end
    world.breaker.resume()
    if restarted:
        world = World(before=world, epoch="00001")
        world.breaker.resume()
    async with world.running():
        if restarted:
            await world.recover()
        late = late_trade(world, world.venue.sent[0], "0.3")
        for _ in range(3):
            world.auditor(TradeSeen(late))

    assert only_cycle(world).state is CycleState.HELD
    assert world.journal.orders[late.client_id].state is OrderState.PARTIAL
    assert incidents(world).count("late_fill") == 1
    assert (world.breaker.state(), world.breaker.reason) == (BreakerState.REDUCING, Reason.HELD)
    assert not world.auditor._wanted, "it is known by now"
    world.agrees()


async def test_a_fill_that_the_journal_keeps_already_is_not_booked_again() -> None:
    """It was taken for somebody else's before its order was known as ours."""
    world = World()
    async with world.running():
        await world.trade()
        late = late_trade(world, world.venue.sent[0], "0.3")
        base, quote = late.symbol.split("/")
        postings = trade_postings(late, base, quote)
        world.ledger.apply(postings)
        world.journal.write(Batch(trades=(replace(late, client_id=""),), postings=postings))
        held = world.ledger.wallet(base)
        assert world.engine.late(late), "it is ours all the same"
        assert world.ledger.wallet(base) == held
    assert only_cycle(world).state is CycleState.DONE
    assert incidents(world) == []
    assert world.breaker.state() is BreakerState.ACTIVE


@pytest.mark.parametrize("told", ["before the start has looked", "while it resolves"])
async def test_a_late_fill_of_a_cycle_that_a_start_found_is_brought_home(told: str) -> None:
    first = World(Script(fraction=D("0.5")), Script(shape="lost_after", asks=3))
    async with first.running():
        assert take(first) is None
        await pass_time(first, 0.5)
    early = told == "before the start has looked"
    world = World(before=first, epoch="00001")
    async with world.running(), asyncio.TaskGroup() as group:
        late = late_trade(world, world.venue.sent[0], "0.5")
        if early:
            world.auditor(TradeSeen(late))
        else:
            group.create_task(tell(world, TradeSeen(late), after_s=0.1))
        await world.recover()
    assert only_cycle(world).state is CycleState.UNWOUND
    assert abs(left(world, "BTC")) < D("0.01")
    world.agrees()


async def test_a_late_fill_told_twice_while_the_journal_cannot_write_is_booked_once() -> None:
    first = World(Script(fraction=D(0)))
    async with first.running():
        await first.trade()
    world = World(before=first, epoch="00001")
    late = late_trade(world, world.venue.sent[0], "0.1")
    async with world.running():
        world.journal.fails = "the disk is full"
        for _ in range(3):
            world.auditor(TradeSeen(late))
        await pass_time(world, 1)
        assert world.journal.trades == {}
        world.journal.fails = ""
        await pass_time(world, 2)

    assert world.engine.keeper.ok() == ""
    assert only_cycle(world).state is CycleState.HELD
    world.agrees()


async def test_a_late_fill_that_a_start_could_not_write_is_part_of_the_cycle_it_adopts() -> None:
    first = World(Script(fraction=D("0.5")), LOST)
    async with first.running():
        assert take(first) is None
        await pass_time(first, 0.5)
    world = World(before=first, epoch="00001")
    late = late_trade(world, world.venue.sent[0], "0.5")
    async with world.running(), asyncio.TaskGroup() as group:
        world.journal.fails = "the disk is full"
        world.auditor(TradeSeen(late))
        group.create_task(tell(world, TradeSeen(late), after_s=0.02))
        group.create_task(heal(world, after_s=1.0))
        await world.recover()

    assert world.engine.keeper.ok() == ""
    assert incidents(world).count("late_fill") == 1
    assert only_cycle(world).state is CycleState.HELD, "an operator is waited for"
    world.agrees()


# --- the kill switch ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [Script(), Script(shape="lost_before", asks=2)],
    ids=["a position is left", "nothing was bought"],
)
async def test_a_kill_stops_new_cycles_after_the_unkill_too(first: Script) -> None:
    world = World(first, LOST)
    async with world.running():
        assert take(world) is None
        await pass_time(world, 0.5)
        kill(world.data_dir)
        await over(world)
        unkill(world.data_dir)
        assert world.end == "held"
        assert (world.breaker.state(), world.breaker.reason) == (BreakerState.HALTED, Reason.KILL)
        assert refusal(world) == "breaker"


async def test_a_kill_that_met_no_cycle_holds_over_unkill_and_restart_until_a_resume() -> None:
    world = World()
    world.breaker.persist = world.engine.keeper.note
    async with world.running():
        kill(world.data_dir)
        assert [refusal(world), refusal(world)] == ["kill_switch", "kill_switch"]
        unkill(world.data_dir)
        assert refusal(world) == "breaker"
        unkilled = [one.state for one in world.events if isinstance(one, BreakerChanged)]
        assert unkilled == ["halted"], "one kill, one trip"

    again = World(before=world, epoch="00001")
    again.gate.unaudited = str
    async with again.running():
        assert refusal(again) == "breaker"
        again.breaker.resume()
        assert refusal(again) == ""
