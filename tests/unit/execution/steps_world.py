"""One cycle for the tests of steps: 150 USD buy 1.5 BTC, they buy 15 ETH, they sell for 165 USD."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade, end_of
from arbit.domain.records import CycleRecord, OrderRecord, PlannedRecord, Purpose
from arbit.domain.triangle import Leg, Side
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.steps import Step
from tests.unit.sizing_world import MARKETS, TRIANGLE

D = Decimal
FEE = D("0.001")
PLAN = (
    PlannedRecord(TRIANGLE.legs[0], D("1.5"), D(100), FEE),
    PlannedRecord(TRIANGLE.legs[1], D(15), D("0.10"), D("0.002")),
    PlannedRecord(TRIANGLE.legs[2], D(15), D(11), D("0.003")),
)
HOME = Leg("BTC/USD", Side.SELL, "BTC", "USD")
LEG_STATES = {1: CycleState.LEG_1, 2: CycleState.LEG_2, 3: CycleState.LEG_3}
__all__ = ["FEE", "HOME", "LEG_STATES", "MARKETS", "PLAN", "D"]


def fresh(policy: Policy = Policy.SEQUENTIAL, state: CycleState = CycleState.READY) -> Cycle:
    """A cycle of which nothing was sent."""
    return Cycle(CycleRecord("c1", policy, state, PLAN, started_ns=1))


def id_of(index: int) -> str:
    """Our id of the order of a leg; 0 is an order home."""
    return f"ab-{index}"


def order_of(index: int, state: OrderState, trades: Iterable[Trade] = ()) -> WorkingOrder:
    """The order of a leg, as planned; 0 sells a BTC home."""
    leg, qty, limit, fee = HOME, D(1), D(99), FEE
    if index:
        row = PLAN[index - 1]
        leg, qty, limit, fee = row.leg, row.qty, row.limit_price, row.fee_rate
    intent = OrderIntent(id_of(index), leg, qty, limit, fee)
    purpose = Purpose.LEG if index else Purpose.UNWIND
    record = OrderRecord(
        intent, "c1", purpose, index, 1, "scripted", state, leg.spend, intent.most_spent
    )
    return WorkingOrder(record, tuple(trades))


def trade_of(index: int, qty: str, name: str = "", fee: str = "0") -> Trade:
    """A trade of a leg's order at its limit price; its fee is of what it brings."""
    intent = order_of(index, OrderState.SENT).record.intent
    leg, amount = intent.leg, D(qty)
    return Trade(
        trade_id=name or f"T-{index}",
        order_id=f"O-{index}",
        client_id=intent.client_id,
        symbol=leg.symbol,
        side=leg.side,
        qty=amount,
        price=intent.limit_price,
        cost=amount * intent.limit_price,
        fees=((leg.receive, D(fee)),) if D(fee) else (),
        at_ns=5,
    )


def done(index: int, qty: str = "", fee: str = "0") -> WorkingOrder:
    """An order that is over and has traded so much; all of it when nothing is said."""
    wanted = order_of(index, OrderState.SENT).record.intent.qty
    trades = [trade_of(index, qty or str(wanted), fee=fee)] if qty != "0" else []
    return order_of(index, end_of(wanted, trades), trades)


def at(index: int, *orders: WorkingOrder, sent: bool = True) -> Cycle:
    """A cycle at this leg, its order on its way, these orders before it."""
    state = LEG_STATES[index]
    out = (order_of(index, OrderState.SENT),) if sent else ()
    return replace(fresh(state=state), orders=(*orders, *out))


def parallel(*orders: WorkingOrder) -> Cycle:
    """Three legs at once, of which these orders left."""
    return replace(fresh(Policy.PARALLEL, CycleState.LEGS), orders=orders)


def said(index: int, qty: str = "", fee: str = "0") -> Outcome:
    """The order is over, and has traded so much: all of it when nothing is said."""
    order = done(index, qty, fee)
    return Outcome(id_of(index), order.record.state, order.trades, order_id=f"O-{index}")


def unsaid(index: int, state: OrderState = OrderState.UNKNOWN) -> Outcome:
    """Nobody can say what became of the order, or it is accepted and not over."""
    return Outcome(id_of(index), state, reason="no reply")


def states(cycle: Cycle) -> list[str]:
    """How each order stands."""
    return [one.record.state.value for one in cycle.orders]


def told(step: Step) -> tuple[str, tuple[object, ...]]:
    """What a step came to: the cycle's state and the commands."""
    return step.cycle.state.value, step.commands
