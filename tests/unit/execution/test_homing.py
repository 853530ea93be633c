"""How a broken cycle is brought home: within budget, caps and holds, by the best way, in time."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.market import MarketStatus
from arbit.domain.order import OrderState
from arbit.domain.triangle import Side
from arbit.execution.unwind import ALTERNATIVE
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution import world as worlds
from tests.unit.execution.happenings import (
    NO_ETH,
    SOL_FEES,
    SOL_MARKETS,
    incidents,
    only_cycle,
    open_sol,
    over,
    pass_time,
    set_status,
    take,
)
from tests.unit.execution.sights import ONLINE
from tests.unit.execution.world import START, Script, World, usual_settings
from tests.unit.sizing_world import view

D = Decimal
REJECT = Script(shape="reject")


@pytest.fixture
def sol(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue knows the markets of an asset outside the triangle."""
    for name, one in SOL_MARKETS.items():
        monkeypatch.setitem(ONLINE, name, one)
        monkeypatch.setitem(worlds.FEES, name, SOL_FEES[name])


def stuck(world: World) -> None:
    """A cycle whose second leg will be refused, and whose way on through ETH costs half."""
    assert take(world) is None
    world.sights.books["ETH/BTC"] = NO_ETH


def routes(world: World) -> list[str]:
    """The orders that were sent, in words."""
    return [str(intent.leg) for intent in world.venue.sent]


# --- which way --------------------------------------------------------------------------------

BEST = {
    "complete": ["buy ETH/BTC", "sell ETH/USD"],
    "reverse": ["sell BTC/USD"],
    "alternative": ["buy SOL/BTC", "sell SOL/USD"],
}


@pytest.mark.parametrize("name", list(BEST))
@pytest.mark.usefixtures("sol")
async def test_the_best_way_home_is_taken_and_all_four_are_recorded(name: str) -> None:
    world = World(Script(), REJECT)
    async with world.running():
        assert take(world) is None
        if name != "complete":
            world.sights.books["ETH/BTC"] = NO_ETH
        if name == "alternative":
            open_sol(world)
        await over(world)

    prices = only_cycle(world).prices
    priced = {way: D(prices[way]) for way in BEST if prices[way] != "none"}
    assert prices["chosen"] == name == max(priced, key=lambda way: priced[way])
    assert len(priced) == (3 if name == "alternative" else 2)
    assert D(prices["hold"]) > 100
    assert routes(world)[2:] == BEST[name]
    assert world.end == "unwound"
    world.agrees()


@pytest.mark.usefixtures("sol")
async def test_a_detour_is_held_and_counted_while_it_is_under_way() -> None:
    world = World(Script(), REJECT, Script(), Script(shape="lost_after", asks=3))
    open_sol(world)
    async with world.running():
        stuck(world)
        await pass_time(world, 1.0)
        assert routes(world)[-1] == "sell SOL/USD"
        in_hand = world.venue.accepted[world.venue.sent[-1].client_id].balances["SOL"]
        assert in_hand > 100
        assert world.ledger.held("SOL") == in_hand
        assert world.ledger.exposure("SOL") >= in_hand
        await over(world)

    assert world.end == "unwound"
    assert world.ledger.held("SOL") == 0
    world.agrees()


@pytest.mark.usefixtures("sol")
async def test_a_detour_counts_against_the_caps_before_it_is_known_what_became_of_it() -> None:
    world = World(Script(), REJECT, Script(shape="lost_after", asks=3))
    open_sol(world)
    async with world.running():
        stuck(world)
        await pass_time(world, 1.0)
        bought = world.venue.sent[-1]
        assert str(bought.leg) == "buy SOL/BTC"
        assert world.ledger.wallet("SOL") == 0
        assert world.ledger.exposure("SOL") >= bought.qty > 100
        await over(world)
    assert world.end == "unwound"
    world.agrees()


@pytest.mark.parametrize("limit", ["cap", "no price"])
@pytest.mark.usefixtures("sol")
async def test_no_detour_is_taken_beyond_the_caps(limit: str) -> None:
    caps = {"SOL": D(1)} if limit == "cap" else {}
    world = World(Script(), REJECT, settings=usual_settings(asset_caps=caps))
    open_sol(world)
    if limit == "no price":
        del world.sights.prices["SOL"]
    async with world.running():
        stuck(world)
        await over(world)

    assert only_cycle(world).prices["alternative"] == "none"
    assert routes(world) == ["buy BTC/USD", "buy ETH/BTC", "sell BTC/USD"]
    assert world.end == "unwound"
    assert "SOL" not in world.venue.balances_


@pytest.mark.parametrize(("cap", "way"), [("50", "reverse"), ("500", "alternative")])
@pytest.mark.usefixtures("sol")
async def test_the_gate_itself_lets_no_detour_pass_a_cap(
    cap: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the look at the ways home does not ask."""
    world = World(Script(), REJECT, settings=usual_settings(asset_caps={"SOL": D(cap)}))
    open_sol(world)
    monkeypatch.setattr(world.gate, "has_room", lambda *_: True)
    async with world.running():
        stuck(world)
        await pass_time(world, 1.0)
        assert ("buy SOL/BTC" in routes(world)) is (way == "alternative")
        assert world.ledger.exposure("SOL") <= D(cap)
        assert (world.engine.refusals.get("asset_cap", 0) > 0) is (way == "reverse")


@pytest.mark.usefixtures("sol")
async def test_a_start_half_way_through_a_detour_goes_on_home() -> None:
    first = World(Script(), REJECT, Script(), Script(shape="lost_before"))
    open_sol(first)
    async with first.running():
        stuck(first)
        await pass_time(first, 1.0)
    assert first.venue.balances_["SOL"] > 100

    world = World(before=first, epoch="00001")
    open_sol(world)
    async with world.running():
        await world.recover()
    assert world.end == "unwound"
    assert first.venue.balances_["SOL"] < 1
    prices = only_cycle(world).prices
    assert prices["chosen"] == ALTERNATIVE, "what was looked at before the start is kept"
    assert {"2.chosen", "3.chosen"} <= set(prices)
    world.agrees()


# --- within the budget -------------------------------------------------------------------------

THIN = [("100.15", "1.485"), ("97.60", "20")]  # all but a hundredth of a BTC at a good price


async def test_filled_at_its_limit_to_the_last_lot_an_order_home_stays_within_the_budget() -> None:
    world = World(Script(), REJECT, settings=usual_settings(unwind_budget_bps=D(100)))
    async with world.running():
        stuck(world)
        world.sights.books["BTC/USD"] = view("BTC/USD", THIN, [("100.20", "2")])
        await over(world)

    cycle, home = only_cycle(world), world.venue.sent[2]
    assert home.leg.side is Side.SELL
    assert home.limit_price > D("97.60"), "the deep level would cost more than the budget"
    stake = world.venue.sent[0].most_spent
    assert D(0) < -cycle.profit <= stake / 100
    world.agrees()


@pytest.mark.parametrize(("budget_bps", "end"), [("29", "unwound"), ("28", "held")])
async def test_a_way_home_is_taken_up_to_its_budget_and_not_beyond(
    budget_bps: str, end: str
) -> None:
    """There and back costs two fees of 10 bps, the spread of 5, and a little dust."""
    settings = usual_settings(unwind_budget_bps=D(budget_bps))
    world = World(Script(), REJECT, settings=settings)
    async with world.running():
        stuck(world)
        world.sights.books["BTC/USD"] = view("BTC/USD", [("100.15", "50")], [("100.20", "2")])
        await over(world)

    assert world.end == end
    assert (world.breaker.reason is Reason.HELD) is (end == "held")
    assert ("held" in incidents(world)) is (end == "held")


async def test_a_debt_of_parallel_legs_deeper_than_the_book_is_not_taken_for_free() -> None:
    nothing = Script(fraction=D(0))
    world = World(nothing, nothing, Script(), policy=Policy.PARALLEL)
    async with world.running():
        assert take(world) is None
        world.sights.books["ETH/USD"] = view("ETH/USD", [("10.15", "20")], [("10.20", "1")])
        await over(world)

    prices, home = only_cycle(world).prices, world.venue.sent[3]
    assert str(home.leg) == "buy ETH/USD"
    assert home.limit_price >= D("10.20"), "it is not sent in vain"
    assert D(prices["complete"]) < -100, "ten ETH cost more than the one that is shown"
    assert world.end == "unwound"
    world.agrees()


# --- in time -----------------------------------------------------------------------------------


async def test_orders_home_that_move_nothing_are_waited_after_longer_each_time() -> None:
    in_vain = Script(shape="reject", reason="not sent: the venue's order counter would be full")
    world = World(Script(), REJECT, *[in_vain] * 5)
    world.venue.latency_s = 0.0
    async with world.running():
        assert take(world) is None
        await pass_time(world, 0.05, 0.01)
        assert len(world.venue.sent) == 3, "one order home at once"
        at_ns = []
        while world.engine.open_cycles:
            before = len(world.venue.sent)
            await world.clock.advance(0.01)
            at_ns += [world.clock.now_ns] * (len(world.venue.sent) - before)

    waits = [round((b - a) / 1e9, 1) for a, b in itertools.pairwise(at_ns)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert world.end == "unwound"
    world.agrees()


async def test_a_cause_that_does_not_pass_ends_the_trying_and_holds_the_position() -> None:
    world = World(Script(), *[REJECT] * 20)
    async with world.running():
        assert take(world) is None
        await over(world, 60)

    homes = [one for one in world.journal.orders.values() if one.leg_index == 0]
    assert [one.state for one in homes] == [OrderState.REJECTED] * 8
    assert only_cycle(world).state is CycleState.HELD
    assert (world.breaker.state(), world.breaker.reason) == (BreakerState.REDUCING, Reason.HELD)
    world.agrees()


@pytest.mark.parametrize("opens", [True, False])
async def test_a_way_home_waits_for_markets_that_are_closed_but_not_for_ever(opens: bool) -> None:
    world = World(Script(), REJECT)
    async with world.running():
        assert take(world) is None
        set_status(world, MarketStatus.POST_ONLY)
        await pass_time(world, 25)
        assert only_cycle(world).state is CycleState.UNWINDING
        assert routes(world) == ["buy BTC/USD"]
        if opens:
            set_status(world, MarketStatus.ONLINE)
        await over(world)

    assert world.end == ("unwound" if opens else "held")
    assert (world.venue.balances_["BTC"] - START["BTC"] > 1) is not opens
    world.agrees()


@pytest.mark.untraced
@pytest.mark.parametrize("ends", [True, False])
async def test_a_way_home_outlasts_a_request_limit_that_is_full_for_a_minute(ends: bool) -> None:
    world = World(Script(), REJECT)
    async with world.running():
        assert take(world) is None
        world.venue.why_unready = "told to wait 60 s more: too many requests"
        await pass_time(world, 65)
        assert only_cycle(world).state is CycleState.UNWINDING
        if ends:
            world.venue.why_unready = ""
        await over(world)

    assert world.end == ("unwound" if ends else "held")
    world.agrees()


@pytest.mark.parametrize("shut", ["closed", "blind"])
async def test_a_way_beyond_the_budget_waits_while_a_better_one_is_only_shut(shut: str) -> None:
    world = World(Script(), REJECT, settings=usual_settings(unwind_budget_bps=D(50)))
    async with world.running():
        stuck(world)  # the way on costs half; the way back is shut for a moment
        if shut == "closed":
            market = world.sights.markets.pop("BTC/USD")
        else:
            world.sights.blind.add("BTC/USD")
        await pass_time(world, 10)
        assert only_cycle(world).state is CycleState.UNWINDING
        if shut == "closed":
            world.sights.markets["BTC/USD"] = market
        world.sights.blind.clear()
        await over(world)

    assert world.end == "unwound"
    assert routes(world)[2:] == ["sell BTC/USD"]
    world.agrees()
