"""What a cycle does next: a happening goes in, the changed cycle and commands come out.

Pure. Nothing here waits, sends or writes; `engine` performs what is commanded and reports back.
The tables in `domain/order.py` and `domain/cycle.py` say what may follow what; this says when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from arbit.domain.cycle import CYCLE_TABLE, CycleHappening, CycleState
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ceil_to, floor_to
from arbit.domain.order import (
    ORDER_TABLE,
    OrderHappening,
    OrderState,
    Outcome,
    Trade,
    end_of,
    happening_of,
)
from arbit.domain.records import PlannedRecord
from arbit.domain.triangle import Leg, Side
from arbit.execution.cycle import Cycle, WorkingOrder, affordable, all_dust, is_dust

MAX_UNWINDS = 8  # orders that may try to bring one cycle home


@dataclass(frozen=True, slots=True)
class SendLeg:
    """Send leg `index` (1 to 3; 0 is an order home); it may spend `funds` at most."""

    index: int
    leg: Leg
    qty: Decimal
    limit_price: Decimal
    fee_rate: Decimal
    funds: Decimal


@dataclass(frozen=True, slots=True)
class Resolve:
    """Ask what became of these orders."""

    client_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the venue to cancel these orders, then learn what became of them."""

    client_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanUnwind:
    """Price the ways home from current books, and take the best."""


@dataclass(frozen=True, slots=True)
class Close:
    """The cycle is over and nothing of it is out: close its books."""


Command = SendLeg | Resolve | Cancel | PlanUnwind | Close


@dataclass(frozen=True, slots=True)
class Step:
    """The cycle as it is now, and what to do about it, in order."""

    cycle: Cycle
    commands: tuple[Command, ...] = ()


_H, _S = CycleHappening, CycleState
_LEG_STATES = {_S.LEG_1: 1, _S.LEG_2: 2, _S.LEG_3: 3}
_BACK = {
    _S.LEG_1: _H.BACK_TO_LEG_1,
    _S.LEG_2: _H.BACK_TO_LEG_2,
    _S.LEG_3: _H.BACK_TO_LEG_3,
    _S.LEGS: _H.BACK_TO_LEGS,
    _S.UNWINDING: _H.BACK_TO_UNWINDING,
}


def begin(cycle: Cycle) -> Step:
    """A reviewed cycle starts: its first leg, or all three."""
    plan = cycle.record.plan
    if not cycle.parallel:
        return Step(_go(cycle, _H.START), (_planned_leg(cycle, 1),))
    sends = tuple(_planned_leg(cycle, index) for index in range(1, len(plan) + 1))
    return Step(_go(cycle, _H.START_PARALLEL), sends)


def ordered(cycle: Cycle, order: WorkingOrder) -> Cycle:
    """An order of this cycle is durable and about to leave."""
    return cycle.with_order(order)


def not_sent(cycle: Cycle, index: int, markets: Mapping[str, Market]) -> Step:
    """Leg `index` was refused by our own gate or journal: nothing left, nothing will."""
    if cycle.state is _S.LEGS:
        others = tuple(order.client_id for order in cycle.open_orders)
        if others:
            return Step(cycle, (Cancel(others),))
        return _after_parallel(cycle, markets)
    if not cycle.traded and not cycle.open_orders and index == 1:
        return _over(cycle, _H.NOTHING)
    return _advance(_go(cycle, _H.SHORT), markets)


def outcome_of(cycle: Cycle, outcome: Outcome, markets: Mapping[str, Market]) -> Step:
    """An order's outcome is known, or is known to be unknown."""
    order = cycle.order(outcome.client_id)
    if order is None or order.over:
        return Step(cycle)
    settled = _settled(order, outcome)
    cycle = cycle.with_order(settled)
    if cycle.state.over:  # killed meanwhile: learn what became of it, do nothing else
        return _after_kill(cycle, settled)
    if cycle.state is _S.RESOLVING:
        if not settled.over:
            return Step(cycle, (Resolve((settled.client_id,)),))
        if cycle.open_orders:  # each is being waited for, or asked about, by itself
            return Step(cycle)
        if not cycle.recovering:
            cycle = _back(cycle)
    elif not settled.over:
        return _doubt(cycle)
    return resumed(cycle, markets) if cycle.recovering else _advance(cycle, markets)


def late_fill(cycle: Cycle, trade: Trade) -> Step:
    """A fill of an order that was over: it always wins."""
    order = cycle.order(trade.client_id)
    if order is None or any(one.trade_id == trade.trade_id for one in order.trades):
        return Step(cycle)
    trades = (*order.trades, trade)
    full = end_of(order.record.intent.qty, trades) is OrderState.FILLED
    happening = OrderHappening.LATE_FILL_ALL if full else OrderHappening.LATE_FILL
    state = ORDER_TABLE.after(order.record.state, happening)
    cycle = cycle.with_order(WorkingOrder(replace(order.record, state=state), trades))
    if cycle.state.over:
        return Step(_go(cycle, _H.LATE_FILL))
    return Step(cycle)


def restarted(cycle: Cycle, markets: Mapping[str, Market]) -> Step:
    """After a restart: what was on its way is UNKNOWN; nothing planned before is sent any more."""
    cycle = replace(cycle, recovering=True)
    for order in cycle.open_orders:
        state = ORDER_TABLE.after(order.record.state, OrderHappening.RESTART)
        cycle = cycle.with_order(replace(order, record=replace(order.record, state=state)))
    unknown = tuple(order.client_id for order in cycle.open_orders)
    if cycle.state.over:
        closed = cycle.record.ended_ns > 0
        return Step(cycle, () if closed else (Resolve(unknown) if unknown else Close(),))
    if unknown and cycle.state is _S.RESOLVING:
        return Step(cycle, (Resolve(unknown),))
    return _doubt(cycle) if unknown else resumed(cycle, markets)


def resumed(cycle: Cycle, markets: Mapping[str, Market]) -> Step:
    """Everything of a cycle found at a restart is known: end it, or bring it home."""
    if cycle.state is _S.RESOLVING:
        cycle = _back(cycle)
    if not cycle.traded and CYCLE_TABLE.allows(cycle.state, _H.NOTHING):
        return _over(cycle, _H.NOTHING)
    if _complete(cycle, markets):
        return _over(cycle, _H.COMPLETE)
    if cycle.state is not _S.UNWINDING:
        cycle = _go(cycle, _H.SHORT)
    return Step(cycle, (PlanUnwind(),))


def unwound(cycle: Cycle, *, home: bool, detail: str) -> Step:
    """No order is needed (`home`) or possible any more to bring the cycle home."""
    return _over(cycle.with_record(detail=detail), _H.HOME if home else _H.STUCK)


def killed(cycle: Cycle, detail: str) -> Step:
    """The kill switch: nothing of this cycle is sent any more."""
    if cycle.state.over:
        return Step(cycle)
    cycle = _go(cycle.with_record(detail=detail, resumes=None), _H.KILL)
    return Step(cycle) if cycle.open_orders else Step(cycle, (Close(),))


def _after_kill(cycle: Cycle, settled: WorkingOrder) -> Step:
    if not settled.over:
        return Step(cycle, (Resolve((settled.client_id,)),))
    return Step(cycle) if cycle.open_orders else Step(cycle, (Close(),))


def _doubt(cycle: Cycle) -> Step:
    """At least one order is UNKNOWN: resolve it, and cancel what else is out (parallel legs)."""
    resumes = cycle.state
    cycle = _go(cycle, _H.DOUBT).with_record(resumes=resumes)
    sent = tuple(o.client_id for o in cycle.open_orders if o.record.state is OrderState.SENT)
    doubtful = tuple(o.client_id for o in cycle.open_orders if o.client_id not in sent)
    commands: tuple[Command, ...] = (Cancel(sent),) if sent else ()
    return Step(cycle, (*commands, Resolve(doubtful)))


def _back(cycle: Cycle) -> Cycle:
    resumes = cycle.record.resumes or _S.UNWINDING
    return _go(cycle, _BACK[resumes]).with_record(resumes=None)


def _advance(cycle: Cycle, markets: Mapping[str, Market]) -> Step:
    """Everything sent so far is known, or some parallel legs are still out: what follows?"""
    if cycle.state is _S.LEGS:
        return _parallel(cycle, markets)
    if cycle.state is _S.UNWINDING:
        return Step(cycle, () if cycle.open_orders else (PlanUnwind(),))
    index = _LEG_STATES[cycle.state]
    if index == 1 and not cycle.traded:
        return _over(cycle, _H.NOTHING)
    if index == len(cycle.record.plan):
        if all_dust(cycle, markets):
            return _over(cycle, _H.COMPLETE)
        return _advance(_go(cycle, _H.SHORT), markets)
    if index > 1 and _leftover(cycle, index, markets):
        return _advance(_go(cycle, _H.SHORT), markets)
    following = _funded_leg(cycle, index + 1, markets)
    if following is None:
        return _advance(_go(cycle, _H.SHORT), markets)
    return Step(_go(cycle, _H.NEXT_LEG), (following,))


def _parallel(cycle: Cycle, markets: Mapping[str, Market]) -> Step:
    out = cycle.open_orders
    failed = any(o.over and o.record.state is not OrderState.FILLED for o in cycle.orders)
    if out:
        return Step(cycle, (Cancel(tuple(o.client_id for o in out)),) if failed else ())
    return _after_parallel(cycle, markets)


def _after_parallel(cycle: Cycle, markets: Mapping[str, Market]) -> Step:
    if not cycle.traded:
        return _over(cycle, _H.NOTHING)
    if _complete(cycle, markets):
        return _over(cycle, _H.COMPLETE)
    return Step(_go(cycle, _H.SHORT), (PlanUnwind(),))


def _all_filled(cycle: Cycle) -> bool:
    legs = [cycle.leg_order(index) for index in (1, 2, 3)]
    return all(leg is not None and leg.record.state is OrderState.FILLED for leg in legs)


def _complete(cycle: Cycle, markets: Mapping[str, Market]) -> bool:
    """Whether the last leg has traded and nothing is left behind that could be traded."""
    if cycle.state is _S.LEGS and not _all_filled(cycle):
        return False
    last = _LEG_STATES.get(cycle.state) == len(cycle.record.plan)
    return (last or cycle.state is _S.LEGS) and all_dust(cycle, markets)


def _leftover(cycle: Cycle, index: int, markets: Mapping[str, Market]) -> bool:
    """Whether leg `index` left more than dust of what it was to spend."""
    row = cycle.record.plan[index - 1]
    return not is_dust(row.leg, cycle.has(row.leg.spend), row.limit_price, markets)


def _planned_leg(cycle: Cycle, index: int) -> SendLeg:
    row = cycle.record.plan[index - 1]
    funds = _worst_spend(row.leg, row.qty, row.limit_price)
    return SendLeg(index, row.leg, row.qty, row.limit_price, row.fee_rate, funds)


def _funded_leg(cycle: Cycle, index: int, markets: Mapping[str, Market]) -> SendLeg | None:
    """The next leg, from what the one before really delivered; None when that is too little."""
    row = cycle.record.plan[index - 1]
    market = markets.get(row.leg.symbol)
    if market is None or market.price_increment is None:
        return None
    limit = _on_grid(row, market.price_increment)
    funds = cycle.surely(row.leg.spend, market.digits_of(row.leg.spend))
    qty = affordable(row.leg, funds, limit, market, most=row.qty)
    if qty is None:
        return None
    return SendLeg(index, row.leg, qty, limit, row.fee_rate, funds)


def _on_grid(row: PlannedRecord, tick: Decimal) -> Decimal:
    """The planned limit on the grid of now, which may have changed: never a worse price."""
    rounded = floor_to if row.leg.side is Side.BUY else ceil_to
    return rounded(row.limit_price, tick)


def _worst_spend(leg: Leg, qty: Decimal, limit: Decimal) -> Decimal:
    return qty if leg.side is Side.SELL else EXACT.multiply(qty, limit)


def _settled(order: WorkingOrder, outcome: Outcome) -> WorkingOrder:
    """The order after an outcome: through ACKED where the venue must have had it."""
    state = order.record.state
    happening = happening_of(outcome.state)
    through_ack = outcome.state in {OrderState.FILLED, OrderState.PARTIAL, OrderState.EMPTY}
    if through_ack and state is OrderState.SENT:
        state = ORDER_TABLE.after(state, OrderHappening.ACK)
    same = outcome.state is state and not state.over  # asked again, nothing new
    following = state if same else ORDER_TABLE.after(state, happening)
    known = {trade.trade_id for trade in order.trades}
    fresh = tuple(trade for trade in outcome.trades if trade.trade_id not in known)
    record = replace(
        order.record,
        state=following,
        order_id=outcome.order_id or order.record.order_id,
        reason=outcome.reason or order.record.reason,
    )
    return WorkingOrder(record, (*order.trades, *fresh))


def _go(cycle: Cycle, happening: CycleHappening) -> Cycle:
    return cycle.in_state(CYCLE_TABLE.after(cycle.state, happening))


def _over(cycle: Cycle, happening: CycleHappening) -> Step:
    return Step(_go(cycle, happening), (Close(),))
