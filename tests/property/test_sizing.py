"""Sizing against a slow exact reference, on worlds of every shape."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.book import BookView, Level, Source
from arbit.domain.market import Market
from arbit.domain.plan import Plan, SizeLimits, Unfit
from arbit.domain.triangle import Leg, Side, Triangle
from arbit.sizing import size
from tests.property.sizing_reference import (
    World,
    as_outcome,
    best,
    best_without_lots,
    fraction,
    keeps_every_rule,
    one_lot_of_each,
    same_figures,
)

D = Decimal
repeatable = settings(max_examples=250, deadline=None, derandomize=True, database=None)

COARSE = ("0.1", "0.25", "0.5", "1", "2")
FINE = ("0.00000001", "0.0000001")
TICK = D("0.002")
FEES = ("0", "0.0008", "0.0026", "0.004", "0.03")


@st.composite
def worlds(
    draw: st.DrawFn, *, lots: tuple[str, ...] = COARSE, minima: bool = True, most_levels: int = 3
) -> World:
    """Three markets of any orientation whose tops return -2 to +60 % before fees."""
    names = ("A", "B", "C")
    edge = D(draw(st.sampled_from((-2, 1, 5, 10, 20, 35, 60)))) / 100
    earlier = D(1)
    legs, books, markets, fees = [], {}, {}, {}
    for i in range(3):
        spend, receive = names[i], names[(i + 1) % 3]
        buys = draw(st.booleans())
        base, quote = (receive, spend) if buys else (spend, receive)
        symbol = f"{base}/{quote}"
        leg = Leg(symbol, Side.BUY if buys else Side.SELL, spend, receive)
        rate = D(draw(st.integers(30, 300))) / 100 if i < 2 else (1 + edge) / earlier
        earlier *= rate
        lot = D(draw(st.sampled_from(lots)))
        side = draw(sides(1 / rate if buys else rate, leg.side, lot, most_levels))
        bids, asks = ((), side) if buys else (side, ())
        books[symbol] = BookView(symbol, bids, asks, 1, Source.WS, 0, 0)
        markets[symbol] = Market(
            symbol,
            base,
            quote,
            price_increment=TICK,
            qty_increment=lot,
            qty_min=D(draw(st.sampled_from(("0", "0", "0", "0.5", "1")))) if minima else D(0),
            cost_min=D(draw(st.sampled_from(("0", "0", "0", "0.5", "1.01")))) if minima else D(0),
        )
        fees[symbol] = D(draw(st.sampled_from(FEES)))
        legs.append(leg)
    limits = SizeLimits(
        max_start=D(draw(st.sampled_from((1, 7, 20, 60)))) - D(draw(st.integers(0, 999))) / 1000,
        min_profit=D(draw(st.sampled_from(("0", "0", "0.05")))) if minima else D(0),
        max_slippage_bps=draw(st.sampled_from((None, None, D(200)))),
    )
    return World(Triangle((legs[0], legs[1], legs[2])), books, markets, fees, limits)


@st.composite
def sides(draw: st.DrawFn, top: Decimal, side: Side, lot: Decimal, most: int) -> tuple[Level, ...]:
    """Levels worsening from `top`; quantities need not be whole lots, few prices are off tick."""
    away = TICK if side is Side.BUY else -TICK
    price = max(TICK, (top / TICK).to_integral_value(ROUND_HALF_EVEN) * TICK)
    found: list[Level] = []
    unit = max(lot, D("0.001")) / 10
    for _ in range(draw(st.integers(1, most))):
        off_tick = D("0.001") if draw(st.integers(0, 9)) == 9 else D(0)
        qty = unit * draw(st.integers(*((10, 90) if lot >= D("0.1") else (1, 60_000))))
        if price > 0:
            found.append(Level(price + off_tick, qty))
        price += away * draw(st.integers(1, 8))
    return tuple(found)


def sized(world: World) -> Plan | Unfit:
    return size(world.triangle, world.books, world.markets, world.fees, world.limits)


def test_a_plan_keeps_every_rule_and_each_figure_is_exact() -> None:
    seen: Counter[str] = Counter()

    @repeatable
    @given(worlds())
    def check(world: World) -> None:
        plan = sized(world)
        seen["plan" if isinstance(plan, Plan) else plan.reason.value] += 1
        if isinstance(plan, Plan):
            assert keeps_every_rule(world, plan)
            assert same_figures(plan, as_outcome(world, plan))
            assert 0 < plan.profit_at_limits <= plan.profit
            assert plan.profit_at_limits >= world.limits.min_profit
            assert all(leg.residual >= 0 for leg in plan.legs)

    check()
    assert seen["plan"] > 50
    assert len(seen) > 5  # and most of the reasons not to


def test_no_choice_of_lots_earns_more_than_the_plan_and_one_lot_of_each_leg() -> None:
    seen: Counter[str] = Counter()

    @repeatable
    @given(worlds())
    def check(world: World) -> None:
        plan, slow = sized(world), best(world)
        most = slow.profit if slow is not None else 0
        ours = fraction(plan.profit) if isinstance(plan, Plan) else 0
        seen["best" if ours == most > 0 else "nothing to earn" if not most else "short"] += 1
        assert ours <= most
        assert most <= ours + one_lot_of_each(world)

    check()
    assert seen["best"] > 50
    assert seen["best"] > 20 * seen["short"]


def test_with_fine_lots_the_plan_earns_what_no_lots_at_all_would() -> None:
    seen: Counter[bool] = Counter()

    @repeatable
    @given(worlds(lots=FINE, minima=False, most_levels=5))
    def check(world: World) -> None:
        plan = sized(world)
        ours = fraction(plan.profit) if isinstance(plan, Plan) else 0
        most = best_without_lots(world)
        seen[most > 0] += 1
        assert ours <= most
        assert most <= ours + one_lot_of_each(world)

    check()
    assert seen[True] > 100


@repeatable
@given(worlds(), st.integers(0, 2), st.sampled_from(("0.0001", "0.001", "0.02")))
def test_a_dearer_fee_never_earns_more(world: World, which: int, more: str) -> None:
    symbol = world.triangle.symbols[which]
    dearer = replace(world, fees={**world.fees, symbol: world.fees[symbol] + D(more)})
    before, after = sized(world), sized(dearer)
    ours = fraction(before.profit) if isinstance(before, Plan) else 0
    if isinstance(after, Plan):
        slow = best(world)
        assert slow is not None
        assert fraction(after.profit) <= slow.profit
        assert fraction(after.profit) <= ours + one_lot_of_each(world)


@repeatable
@given(worlds(lots=FINE, minima=False, most_levels=5), st.integers(2, 9))
def test_a_larger_budget_never_earns_less(world: World, times: int) -> None:
    richer = replace(world, limits=replace(world.limits, max_start=world.limits.max_start * times))
    before, after = sized(world), sized(richer)
    if isinstance(before, Plan):
        assert isinstance(after, Plan)
        assert fraction(before.profit) <= fraction(after.profit) + one_lot_of_each(world)
