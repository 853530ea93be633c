"""One cycle and its orders as plain values, for tests that ask what follows what.

200 USD buy 2 BTC at 100, which buy 20 ETH at 0.1, which sell at 10.5. Its trades pay no fee: what
a leg delivers is what the next may spend.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade
from arbit.domain.records import CycleRecord, OrderRecord, PlannedRecord, Purpose
from arbit.domain.triangle import Leg, Side
from arbit.execution import steps
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.steps import Command, SendLeg, Step
from tests.unit.execution.sights import ONLINE

D = Decimal
C, S = CycleState, OrderState
FEE = D("0.001")
LEGS = (
    Leg("BTC/USD", Side.BUY, "USD", "BTC"),
    Leg("ETH/BTC", Side.BUY, "BTC", "ETH"),
    Leg("ETH/USD", Side.SELL, "ETH", "USD"),
)
QTY = (D(2), D(20), D(20))
LIMIT = (D(100), D("0.1"), D("10.5"))
HOME = Leg("BTC/USD", Side.SELL, "BTC", "USD")
PLAN = tuple(
    PlannedRecord(leg, qty, limit, FEE) for leg, qty, limit in zip(LEGS, QTY, LIMIT, strict=True)
)


def send(index: int, qty: str = "", funds: str = "") -> SendLeg:
    """The command for a leg: what was planned, unless told otherwise."""
    worst = (D(200), D(2), D(20))[index - 1]
    row = PLAN[index - 1]
    amount = D(qty) if qty else row.qty
    return SendLeg(index, row.leg, amount, row.limit_price, FEE, D(funds) if funds else worst)


def name(index: int) -> str:
    return f"ab-{index}"


def trade(index: int, qty: str, trade_id: str = "") -> Trade:
    leg, price = (HOME, D(99)) if index == 0 else (LEGS[index - 1], LIMIT[index - 1])
    named = trade_id or f"T{index}"
    return Trade(
        named, "O", name(index), leg.symbol, leg.side, D(qty), price, D(qty) * price, (), 1
    )


def order(index: int, state: OrderState = S.SENT, filled: str = "") -> WorkingOrder:
    """Leg 1 to 3 as planned, or an order home (0) of two BTC."""
    leg, qty, limit = (
        (HOME, D(2), D(99))
        if index == 0
        else (
            LEGS[index - 1],
            QTY[index - 1],
            LIMIT[index - 1],
        )
    )
    record = OrderRecord(
        intent=OrderIntent(name(index), leg, qty, limit, FEE),
        cycle_id="c1",
        purpose=Purpose.LEG if index else Purpose.UNWIND,
        leg_index=index,
        attempt=1,
        transport="x",
        state=state,
        hold_asset=leg.spend,
        hold_amount=qty,
    )
    return WorkingOrder(record, (trade(index, filled),) if filled else ())


def cycle(state: CycleState, *orders: WorkingOrder, **changes: object) -> Cycle:
    one, two, three = PLAN
    parallel = state is C.LEGS or bool(changes.pop("parallel", False))
    policy = Policy.PARALLEL if parallel else Policy.SEQUENTIAL
    record = CycleRecord("c1", policy, state, (one, two, three), 0)
    recovering = bool(changes.pop("recovering", False))
    record = replace(record, **changes)  # type: ignore[arg-type]  # named fields of a record
    return Cycle(record, orders, recovering=recovering)


def outcome(index: int, state: OrderState, filled: str = "", **said: str) -> Outcome:
    trades = (trade(index, filled),) if filled else ()
    return Outcome(name(index), state, trades, **said)  # type: ignore[arg-type]  # words alone


def after(one: Cycle, told: Outcome) -> Step:
    return steps.outcome_of(one, told, ONLINE)


def goes(step: Step, state: CycleState, *commands: Command) -> Cycle:
    assert (step.cycle.state, step.commands) == (state, commands)
    return step.cycle


LEG_1 = order(1, S.FILLED, "2")
LEG_2 = order(2, S.FILLED, "20")
LEG_3 = order(3, S.FILLED, "20")
