"""Sizing against a slow exact reference, on worlds of every shape."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random

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

COARSE = ("0.2", "0.2", "0.25", "0.5", "1")
FINE = ("0.00000001", "0.0000001")
TICK = D("0.002")


def world_of(seed: int, *, coarse: bool) -> World:
    """Three markets of any orientation whose tops return -2 to +160 % before fees.

    A seed and not a strategy of parts: worlds that can trade at all are rare among simple ones.
    Coarse worlds have few lots, minima, slippage bounds; the others up to five levels of fine lots.
    """
    chance = Random(seed)
    names = ("A", "B", "C")
    edge = D(chance.choice((-2, 10, 30, 60, 100, 160))) / 100
    earlier = D(1)
    legs, books, markets, fees = [], {}, {}, {}
    for i in range(3):
        market = market_of(chance, names[i], names[(i + 1) % 3], coarse=coarse)
        leg = Leg.through(market, names[i])
        rate = D(chance.randint(60, 170)) / 100 if i < 2 else (1 + edge) / earlier
        earlier *= rate
        top = 1 / rate if leg.side is Side.BUY else rate
        levels = side_of(chance, top, leg.side, market.qty_increment or D(0))
        bids, asks = ((), levels) if leg.side is Side.BUY else (levels, ())
        books[leg.symbol] = BookView(leg.symbol, bids, asks, 1, Source.WS, 0, 0)
        markets[leg.symbol] = market
        fees[leg.symbol] = D(chance.choice(("0", "0.0008", "0.0026", "0.004", "0.03")))
        legs.append(leg)
    limits = SizeLimits(
        max_start=D(chance.choice((1, 5, 20, 100))) * chance.randint(500, 1500) / 1000,
        min_profit=D(chance.choice(("0", "0", "0.05"))) if coarse else D(0),
        max_slippage_bps=chance.choice((None, None, D(200))),
    )
    return World(Triangle((legs[0], legs[1], legs[2])), books, markets, fees, limits)


def market_of(chance: Random, spend: str, receive: str, *, coarse: bool) -> Market:
    base, quote = chance.choice(((spend, receive), (receive, spend)))
    return Market(
        f"{base}/{quote}",
        base,
        quote,
        price_increment=TICK,
        qty_increment=D(chance.choice(COARSE if coarse else FINE)),
        qty_min=D(chance.choice(("0", "0", "0", "0.3", "1"))) if coarse else D(0),
        cost_min=D(chance.choice(("0", "0", "0", "0.3", "0.51"))) if coarse else D(0),
    )


def side_of(chance: Random, top: Decimal, side: Side, lot: Decimal) -> tuple[Level, ...]:
    """Levels worsening from `top`; quantities need not be whole lots, few prices are off tick."""
    coarse = lot >= D("0.1")
    away = TICK if side is Side.BUY else -TICK
    price = max(TICK, (top / TICK).to_integral_value() * TICK)
    found: list[Level] = []
    for _ in range(chance.randint(1, 3 if coarse else 5)):
        off_tick = D("0.001") if chance.random() < 0.07 else D(0)
        qty = D(chance.randint(5, 120)) / 40 if coarse else D(chance.randint(1, 6000)) / 1000
        if price > 0:
            found.append(Level(price + off_tick, qty))
        price += away * chance.randint(1, 5)
    return tuple(found)


SEEDS = st.integers(0, 2**32 - 1)


def sized(world: World) -> Plan | Unfit:
    return size(world.triangle, world.books, world.markets, world.fees, world.limits)


def test_a_plan_keeps_every_rule_and_each_figure_is_exact() -> None:
    seen: Counter[str] = Counter()

    @repeatable
    @given(SEEDS)
    def check(seed: int) -> None:
        world = world_of(seed, coarse=True)
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
    @given(SEEDS)
    def check(seed: int) -> None:
        world = world_of(seed, coarse=True)
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
    @given(SEEDS)
    def check(seed: int) -> None:
        world = world_of(seed, coarse=False)
        plan = sized(world)
        ours = fraction(plan.profit) if isinstance(plan, Plan) else 0
        most = best_without_lots(world)
        seen[most > 0] += 1
        assert ours <= most
        assert most <= ours + one_lot_of_each(world)

    check()
    assert seen[True] > 100


@repeatable
@given(SEEDS, st.integers(0, 2), st.sampled_from(("0.0001", "0.001", "0.02")))
def test_a_dearer_fee_never_earns_more(seed: int, which: int, more: str) -> None:
    world = world_of(seed, coarse=True)
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
@given(SEEDS, st.integers(2, 9))
def test_a_larger_budget_never_earns_less(seed: int, times: int) -> None:
    world = world_of(seed, coarse=False)
    richer = replace(world, limits=replace(world.limits, max_start=world.limits.max_start * times))
    before, after = sized(world), sized(richer)
    if isinstance(before, Plan):
        assert isinstance(after, Plan)
        assert fraction(before.profit) <= fraction(after.profit) + one_lot_of_each(world)
