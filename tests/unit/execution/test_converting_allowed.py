"""Which conversions may begin, and what of them is trading's and what the owner's."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.config import Settings
from arbit.domain.cycle import CycleState
from arbit.domain.refusal import Refused
from arbit.domain.route import ConversionKind
from arbit.ledger import own_part
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.kill import Orders, kill
from tests.unit.execution.converting_world import (
    RICH,
    Fine,
    came_to,
    capital_moves,
    code_of,
    convert,
    found,
)
from tests.unit.execution.happenings import NO_ETH, balanced, over, pass_time, take
from tests.unit.execution.world import Script, World, usual_settings

D = Decimal
REBALANCE = ConversionKind.REBALANCE
AMOUNTS = st.decimals(D(-50), D(50), places=3)


async def refused(
    world: World, amount: str = "150", kind: ConversionKind = ConversionKind.CONVERT
) -> str:
    """Why a conversion of so many USD into BTC may not begin."""
    async with world.running():
        return code_of(await convert(world, found(world, "USD", "BTC", amount, 1), kind))


def at_once(cycles: int, **risk: object) -> Settings:
    """So many cycles at once."""
    usual = usual_settings(**risk)
    scan = usual.scan.model_copy(update={"max_concurrent_cycles": cycles})
    return usual.model_copy(update={"scan": scan})


async def left_with_btc(**risk: object) -> World:
    """A cycle was held with some BTC that nobody bought, and the breaker is reducing for it."""
    world = Fine(Script(), Script(fraction=D(0)), settings=usual_settings(unwind_budget_bps=D(1)))
    async with world.running():
        assert take(world) is None
        world.sights.books["ETH/BTC"] = NO_ETH
        await over(world)
    assert world.breaker.state() is BreakerState.REDUCING
    assert world.ledger.deviation("BTC") > 1
    return world


# --- what forbids one ----------------------------------------------------------------------------


async def test_a_conversion_beyond_the_exposure_cap_is_refused() -> None:
    world = Fine(settings=usual_settings(max_exposure=D(100)))
    assert await refused(world) == "asset_cap"
    assert world.venue.sent == []


async def test_what_an_open_cycle_may_move_counts_beside_it() -> None:
    world = Fine(settings=at_once(2, max_exposure=D(290)))
    async with world.running():
        conversion = found(world, "USD", "BTC", "150", 1)
        assert take(world) is None
        answer = world.engine.convert(conversion, ConversionKind.CONVERT, RICH, world.clock.now_ns)
    assert isinstance(answer, Refused)
    assert answer.code.value == "asset_cap"


async def test_a_conversion_that_may_cost_more_than_its_budget_is_refused() -> None:
    world = Fine()
    conversion = found(world, "USD", "BTC", "150", 1)
    middle = D("100.1")
    costs = conversion.spend - conversion.receive_at_limits * middle
    async with world.running():
        answer = await convert(world, conversion, budget=costs - D("0.01"))
        assert code_of(answer) == "unwind_budget"
        done = came_to(await convert(world, conversion, budget=costs))
    assert done.end is CycleState.DONE


async def test_more_than_there_is_free_is_refused() -> None:
    world = Fine(settings=usual_settings(max_exposure=D(100_000)))
    world.ledger.keep_back({"USD": D(9_900)})
    assert await refused(world) == "funds"


async def test_none_begins_once_the_day_has_lost_its_most() -> None:
    world = Fine()
    world.day.add(D(-25), world.clock.wall_ns())
    assert await refused(world) == "daily_loss"


async def test_none_begins_while_paused_or_killed_or_draining() -> None:
    world = Fine()
    kill(world.data_dir)
    assert await refused(world) == "kill_switch"
    world = Fine()
    Orders(world.data_dir, "sandbox").pause()
    assert await refused(world) == "venue_paused"
    world = Fine()
    world.engine.close()
    assert await refused(world) == "draining"


async def test_none_begins_beside_a_cycle_where_one_alone_is_allowed() -> None:
    world = Fine(settings=at_once(1))
    async with world.running():
        conversion = found(world, "USD", "BTC", "150", 1)
        assert take(world) is None
        answer = world.engine.convert(conversion, ConversionKind.CONVERT, RICH, world.clock.now_ns)
    assert isinstance(answer, Refused)
    assert answer.code.value == "concurrency"


async def test_none_touches_an_asset_of_an_order_that_is_unknown() -> None:
    world = Fine()
    world.gate.unresolved("ab0000000001-11", frozenset({"BTC"}))
    assert await refused(world) == "unresolved"


async def test_a_limit_far_beyond_the_top_of_its_book_is_refused() -> None:
    world = Fine(settings=usual_settings(collar_bps=D(5)))
    assert await refused(world, "420") == "collar"


async def test_a_conversion_rests_no_triangle() -> None:
    world = Fine(settings=usual_settings(cooldown_ms=60_000))
    async with world.running():
        came_to(await convert(world, found(world, "USD", "BTC", "150", 1)))
        assert take(world) is None


# --- while reducing ------------------------------------------------------------------------------


async def test_while_reducing_only_a_rebalance_that_takes_back_may_begin() -> None:
    world = await left_with_btc()
    left = str(world.ledger.deviation("BTC"))
    async with world.running():
        back = found(world, "BTC", "USD", left, 1)
        assert code_of(await convert(world, back)) == "breaker"
        away = found(world, "USD", "BTC", "50", 1)
        assert code_of(await convert(world, away, REBALANCE)) == "breaker"
        more = found(world, "BTC", "USD", "1.6", 1)
        assert code_of(await convert(world, more, REBALANCE)) == "breaker"
        done = came_to(await convert(world, back, REBALANCE))

    assert done.end is CycleState.DONE
    assert world.breaker.state() is BreakerState.REDUCING
    assert abs(world.ledger.deviation("BTC")) < D("0.001")
    world.agrees()


async def test_an_order_that_waits_for_its_turn_may_leave_as_far_as_its_conversion_may() -> None:
    world = await left_with_btc()
    left = world.ledger.deviation("BTC")
    async with world.running():
        back = found(world, "BTC", "USD", str(left), 1)
        assert world.engine.convert(back, REBALANCE, RICH, world.clock.now_ns) is None
        assert world.engine.forbids(world.venue.sent[-1]) == ""
        world.breaker.trip(Reason.DRIFT, "a test")
        assert "halted" in world.engine.forbids(world.venue.sent[-1])

    world = Fine()
    async with world.running():
        conversion = found(world, "USD", "BTC", "150", 1)
        world.engine.convert(conversion, ConversionKind.CONVERT, RICH, world.clock.now_ns)
        world.breaker.trip(Reason.HELD, "a test")
        assert "reducing" in world.engine.forbids(world.venue.sent[-1])

    world = Fine(Script(), Script(shape="reject"), Script(shape="lost_after", asks=10**6))
    async with world.running():
        conversion = found(world, "USD", "ETH", "150", 2)
        world.engine.convert(conversion, ConversionKind.CONVERT, RICH, world.clock.now_ns)
        await pass_time(world, 0.5)
        world.breaker.trip(Reason.HELD, "a test")
        leg, _, way_back = world.venue.sent
        assert "reducing" in world.engine.forbids(leg)  # though what it brought goes on or back
        assert world.engine.forbids(way_back) == ""


async def test_while_halted_nothing_begins() -> None:
    world = await left_with_btc()
    world.breaker.trip(Reason.DRIFT, "a test")
    async with world.running():
        back = found(world, "BTC", "USD", str(world.ledger.deviation("BTC")), 1)
        assert code_of(await convert(world, back, REBALANCE)) == "breaker"


async def test_one_under_way_when_the_venue_must_reduce_goes_on_or_back_and_no_further() -> None:
    world = Fine(Script(), Script())
    conversion = found(world, "USD", "ETH", "150", 2)
    async with world.running():
        world.engine.convert(conversion, ConversionKind.CONVERT, RICH, world.clock.now_ns)
        world.breaker.trip(Reason.HELD, "something else")
        await over(world)

    (record,) = world.journal.cycles.values()
    assert record.state is CycleState.UNWOUND
    assert [one.client_id[-2] for one in world.venue.sent] == ["1", "0"]
    world.agrees()


# --- whose move it is ----------------------------------------------------------------------------


async def test_what_trading_had_moved_is_paid_back_before_capital_moves() -> None:
    world = await left_with_btc()
    world.breaker.resume()
    before, capital = world.ledger.deviation("BTC"), world.ledger.capital("BTC")
    async with world.running():
        done = came_to(await convert(world, found(world, "BTC", "USD", "1.8", 1)))

    assert done.spent > before
    assert world.ledger.deviation("BTC") == 0
    moves = capital_moves(world)
    assert moves["BTC"] == before - done.spent
    assert moves["USD"] == done.received
    assert world.ledger.capital("BTC") == capital + moves["BTC"]
    balanced(world)


async def test_what_only_pays_back_moves_no_capital_of_that_asset() -> None:
    world = await left_with_btc()
    world.breaker.resume()
    before = world.ledger.deviation("BTC")
    async with world.running():
        done = came_to(await convert(world, found(world, "BTC", "USD", "0.5", 1)))

    assert set(capital_moves(world)) == {"USD"}
    assert world.ledger.deviation("BTC") == before - done.spent
    balanced(world)


async def test_what_another_cycle_has_moved_meanwhile_is_not_taken_for_a_debt() -> None:
    lost = Script(shape="lost_after", asks=10**6)
    world = Fine(Script(), lost, settings=at_once(2))
    async with world.running():
        assert take(world) is None
        await pass_time(world, 0.05, 0.01)
        assert world.ledger.deviation("BTC") > 0
        before = world.ledger.deviation("BTC")
        conversion = found(world, "BTC", "USD", "1", 1)
        world.gate._unknown.clear()
        done = came_to(await convert(world, conversion, seconds=1))
        assert capital_moves(world) == {"BTC": -done.spent, "USD": done.received}
        assert world.ledger.deviation("BTC") == before


@given(AMOUNTS, AMOUNTS)
def test_the_owners_part_is_never_more_than_was_moved_and_trading_comes_no_further_from_zero(
    moved: Decimal, before: Decimal
) -> None:
    own = own_part(moved, before)
    assert own == 0 or (own > 0) == (moved > 0)
    assert abs(own) <= abs(moved)
    after = before + moved - own
    assert abs(after) <= abs(before)
    assert own == 0 or after in {D(0), before}


@pytest.mark.parametrize(
    ("moved", "before", "own"),
    [("5", "0", "5"), ("5", "3", "5"), ("5", "-3", "2"), ("-5", "3", "-2"), ("-2", "3", "0")],
)
def test_the_owners_part_of_a_move(moved: str, before: str, own: str) -> None:
    assert own_part(D(moved), D(before)) == D(own)
