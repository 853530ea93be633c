"""Whatever fell short, and whatever the books say: a way home is priced, bounded and the best."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbit.domain.money import is_multiple
from arbit.domain.triangle import Side
from arbit.execution import unwind
from arbit.execution.unwind import ALTERNATIVE, COMPLETE, HOLD, REVERSE
from tests.unit.execution.broken import COARSE, FINE, Scene, filled, scenes, whole_lots

D = Decimal
ANY = D(10**9)
WAYS = (COMPLETE, REVERSE, ALTERNATIVE)
# A leg on from the first order is priced at the middle of its book: less than this is in between.
BETWEEN = D("0.0001")
ROUNDED = D("0.00001")  # what ticks and lots make of it
LOTS = st.sampled_from([FINE, COARSE])
BUSY = [HealthCheck.too_slow]  # a busy machine is no finding
looked_at = settings(max_examples=150, suppress_health_check=BUSY)


def value_of(prices: unwind.Prospect) -> dict[str, Decimal]:
    """What each way that was found would add to the start asset."""
    return {name: D(prices.prices[name]) for name in WAYS if prices.prices[name] != "none"}


def loss_of(scene: Scene) -> Decimal:
    """What the cycle has lost once the best way home from here is gone to its end."""
    prospect = unwind.look(scene.cycle, ANY, scene.around)
    rest = max(value_of(prospect).values(), default=D(0)) if not prospect.home else D(0)
    return -(scene.cycle.has(scene.cycle.start) + rest)


@pytest.mark.untraced
@given(scene=LOTS.flatmap(scenes))
@looked_at
def test_four_prices_are_recorded_and_the_best_of_the_ways_found_is_chosen(scene: Scene) -> None:
    prospect = unwind.look(scene.cycle, scene.budget, scene.around)
    if prospect.home:
        assert prospect.prices == {}
        return
    assert set(prospect.prices) == {*WAYS, HOLD, "chosen"}
    found = value_of(prospect)
    lost = scene.cycle.has(scene.cycle.start)
    affordable = [name for name, value in found.items() if -(lost + value) <= scene.budget]
    if prospect.chosen is None:
        assert prospect.prices["chosen"] == HOLD
        assert affordable == []
        return
    assert prospect.prices["chosen"] == prospect.chosen.name
    assert prospect.chosen.name in affordable
    assert prospect.chosen.value == found[prospect.chosen.name] == max(found.values())


@pytest.mark.untraced
@given(
    scene=scenes(FINE),
    room_bps=st.sampled_from([0, 1, 5, 20, 100]),
    share=st.sampled_from([D(1), D("0.5"), D("0.05")]),
)
@settings(max_examples=250, suppress_health_check=BUSY)
def test_the_first_order_home_filled_at_its_limit_even_to_the_last_lot_stays_within_the_budget(
    scene: Scene, room_bps: int, share: Decimal
) -> None:
    """A budget that ends where the expected loss does, or a little beyond."""
    expected = unwind.look(scene.cycle, ANY, scene.around)
    if expected.chosen is None:
        return
    stake = scene.cycle.stake
    scene = replace(scene, budget=expected.loss + stake * room_bps / 10_000)
    prospect = unwind.look(scene.cycle, scene.budget, scene.around)
    assert prospect.chosen is not None
    after = filled(scene, prospect.chosen.orders[0], share)
    between = stake * (ROUNDED if len(prospect.chosen.orders) == 1 else BETWEEN)
    assert loss_of(after) <= scene.budget + between


@pytest.mark.untraced
@given(scene=LOTS.flatmap(scenes))
@looked_at
def test_an_order_home_can_trade_on_the_book_it_was_made_for_with_what_is_in_hand(
    scene: Scene,
) -> None:
    prospect = unwind.look(scene.cycle, scene.budget, scene.around)
    if prospect.chosen is None:
        return
    first = prospect.chosen.orders[0]
    leg, market = first.leg, scene.markets[first.leg.symbol]
    assert market.price_increment is not None
    assert market.qty_increment is not None
    assert is_multiple(first.limit_price, market.price_increment)
    assert is_multiple(first.qty, market.qty_increment)
    best = scene.books[leg.symbol].facing(leg.side)[0].price
    buys = leg.side is Side.BUY
    assert first.limit_price >= best if buys else first.limit_price <= best
    if leg.spend != scene.cycle.start:
        most = first.qty * first.limit_price if buys else first.qty
        assert most <= scene.cycle.has(leg.spend)


@pytest.mark.untraced
@given(scene=LOTS.flatmap(scenes))
@looked_at
def test_home_is_only_where_no_market_of_the_cycle_takes_what_is_left(scene: Scene) -> None:
    if not unwind.look(scene.cycle, scene.budget, scene.around).home:
        return
    for row in scene.cycle.record.plan:
        for leg in (row.leg, row.leg.reversed()):
            left = scene.cycle.has(leg.spend)
            assert leg.spend == scene.cycle.start or whole_lots(leg, left, scene) == 0


@pytest.mark.untraced
@given(scene=scenes(FINE))
@looked_at
def test_orders_home_filled_at_their_limits_one_after_the_other_end_within_the_budget(
    scene: Scene,
) -> None:
    for _ in range(8):
        prospect = unwind.look(scene.cycle, scene.budget, scene.around)
        if prospect.home:
            assert -scene.cycle.has(scene.cycle.start) <= scene.budget + scene.cycle.stake * BETWEEN
            return
        if prospect.chosen is None:
            return
        scene = filled(scene, prospect.chosen.orders[0])
    pytest.fail(f"not home after 8 orders: {scene.cycle.moved()}")
