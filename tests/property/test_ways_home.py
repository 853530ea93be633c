"""Whatever a cycle has left over or owes: it is dust, or there is a way home that a venue takes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.market import Market
from arbit.domain.order import OrderState, Trade
from arbit.domain.records import CycleRecord, OrderRecord, PlannedRecord, Purpose
from arbit.domain.triangle import Side
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.unwind import HomeOrder, Surroundings, look
from tests.unit.execution.sights import BOOKS, ONLINE
from tests.unit.execution.world import FEES, World

D = Decimal
SETUP = World()
PLAN = SETUP.plan()
LEFT = st.one_of(st.decimals("-2", "2", places=5), st.decimals("-0.02", "0.02", places=6))
LOTS = st.sampled_from([D("0.00001"), D("0.001"), D("0.05")])
MINIMA = st.sampled_from([D("0.001"), D("0.1")])


def with_left(btc: Decimal, eth: Decimal) -> Cycle:
    """A cycle whose first leg moved this much of BTC, and whose third that much of ETH."""
    rows = [PlannedRecord(one.leg, one.qty, one.limit_price, one.fee_rate) for one in PLAN.legs]
    record = CycleRecord(
        "000001", Policy.PARALLEL, CycleState.UNWINDING, (rows[0], rows[1], rows[2]), 0
    )
    orders = []
    for index, symbol, amount, price in ((1, "BTC/USD", btc, D(100)), (3, "ETH/USD", eth, D(10))):
        intent = PLAN.legs[index - 1].intent(f"ab000001-{index}1")
        told = OrderRecord(
            intent, "000001", Purpose.LEG, index, 1, "ws", OrderState.FILLED, "USD", D(0)
        )
        side = Side.BUY if amount > 0 else Side.SELL
        qty, cost = abs(amount), abs(amount) * price
        trade = Trade(f"T{index}", "O", intent.client_id, symbol, side, qty, price, cost, (), 0)
        orders.append(WorkingOrder(told, (trade,) if amount else ()))
    return Cycle(record, tuple(orders))


def fits(order: HomeOrder, market: Market) -> bool:
    """Whether a venue with these increments and minima takes it."""
    lot, least, cost_min = market.qty_increment, market.qty_min, market.cost_min
    assert lot is not None
    assert least is not None
    assert cost_min is not None
    whole = order.qty % lot == 0
    return whole and order.qty >= least and order.qty * order.limit_price >= cost_min


@given(btc=LEFT, eth=LEFT, lot=LOTS, cost_min=MINIMA)
@settings(max_examples=400)
def test_what_is_left_is_dust_or_has_a_way_home(
    btc: Decimal, eth: Decimal, lot: Decimal, cost_min: Decimal
) -> None:
    markets = {
        name: replace(market, qty_increment=lot, qty_min=lot, cost_min=cost_min)
        for name, market in ONLINE.items()
    }
    cycle = with_left(btc, eth)
    found = look(cycle, D(1000), Surroundings(BOOKS.get, markets, FEES))

    assert found.home or found.chosen is not None, found
    if found.home:  # no market would take what can be sold, nor sell what is owed
        assert max(btc * 100, eth * 10) < cost_min + lot * 101
        assert min(btc * 100, eth * 10) > -cost_min - lot * 101
    if found.chosen is not None:
        first = found.chosen.orders[0]
        assert fits(first, markets[first.leg.symbol]), first
        if first.leg.spend != "USD":
            spends = first.qty if first.leg.side is Side.SELL else first.qty * first.limit_price
            assert spends <= cycle.has(first.leg.spend)
