"""Explains: a chain of what would have happened, from the decision to what did.

Each cycle is taken from what its plan expected to what it moved in small steps, each of which lets
one more thing be as it really was. What a step changes is the line of its cause, so that all lines
together are the whole difference: there is no rest, whatever happened. Steps and causes are in
`docs/decisions/0018-why-less-came.md`.

Pure. Amounts are exact; marks alone are rounded, once, when they are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal

from arbit.domain.attribution import Amounts, Attribution, Cause, Line, added
from arbit.domain.cycle import Policy
from arbit.domain.money import ONE, ZERO
from arbit.domain.order import OrderState, Trade
from arbit.domain.records import CycleRecord, OrderRecord, PlannedRecord, Purpose
from arbit.domain.triangle import Leg, Side
from arbit.domain.walk import WIDE, LegWalk, Levels, Seen, quote_at

_MARKS = Context(prec=28)


@dataclass(frozen=True, slots=True)
class Correction:
    """What the venue moved beyond what its trade states, told later: of one trade, for a cause."""

    client_id: str
    cause: Cause
    asset: str
    amount: Decimal  # positive came in


@dataclass(frozen=True, slots=True)
class Told:
    """All that is known of one cycle. `trades` are its orders' own, in any order."""

    record: CycleRecord
    orders: Sequence[OrderRecord]
    trades: Iterable[Trade]
    walks: Iterable[LegWalk]
    corrections: Iterable[Correction] = ()


def explain(told: Told) -> Attribution | None:
    """Why the cycle brought what it did; None when what it was decided on was not kept."""
    decided = {one.leg_index: one.levels for one in told.walks if one.seen is Seen.DECIDED}
    plan = told.record.plan
    if any(not decided.get(index) for index in range(1, len(plan) + 1)):
        return None
    legs = _legs(told, decided)
    chain = _Chain(legs, parallel=told.record.policy is Policy.PARALLEL)
    home = [one for one in told.orders if one.purpose is Purpose.UNWIND]
    trades = {one.intent.client_id: list[Trade]() for one in told.orders}
    for trade in told.trades:
        trades[trade.client_id].append(trade)
    moves: list[tuple[str, Decimal]] = []
    for leg in legs:
        chain.leg(leg)
        moves += leg.moves
    for order in home:
        moved = _moves(order.intent.leg, trades[order.intent.client_id])
        chain.home(moved)
        moves += moved
    owner = {leg.order.intent.client_id: leg.index for leg in legs if leg.order is not None}
    for one in told.corrections:
        chain.correct(owner.get(one.client_id, chain.blame.leg), one)
        moves.append((one.asset, one.amount))
    return Attribution(
        cycle_id=told.record.cycle_id,
        start=told.record.start_asset,
        stake=WIDE.minus(legs[0].expected().get(told.record.start_asset, ZERO)),
        expected=added(*(leg.expected().items() for leg in legs)),
        moved=added(moves),
        planned=_folded(line for leg in legs for line in leg.planned()),
        lines=_folded(chain.lines),
        marks=_marks(told.record, legs),
    )


@dataclass(frozen=True, slots=True)
class _Leg:
    """One leg: as planned, as it left, and what became of it."""

    index: int
    plan: PlannedRecord
    decided: Levels
    order: OrderRecord | None
    sent: Levels
    trades: Sequence[Trade]

    @property
    def moves(self) -> list[tuple[str, Decimal]]:
        return _moves(self.plan.leg, self.trades)

    @property
    def qty(self) -> Decimal:
        """Base units that were traded."""
        return _sum(trade.qty for trade in self.trades)

    @property
    def short(self) -> bool:
        """Whether less than was asked for was traded, or nothing was asked for."""
        return self.order is None or self.qty < self.order.intent.qty

    def at(self, qty: Decimal, quote: Decimal) -> dict[str, Decimal]:
        """What so much at this price moves when the fee is the expected one."""
        leg, keep = self.plan.leg, WIDE.subtract(ONE, self.plan.fee_rate)
        buys = leg.side is Side.BUY
        spent, gross = (quote, qty) if buys else (qty, quote)
        return {leg.spend: WIDE.minus(spent), leg.receive: WIDE.multiply(gross, keep)}

    def expected(self, qty: Decimal | None = None) -> dict[str, Decimal]:
        """What the decision's book promised for so much, or for all that was planned."""
        amount = self.plan.qty if qty is None else qty
        return self.at(amount, quote_at(self.decided, amount))

    def planned(self) -> list[Line]:
        """Depth and fee, as they were known when it was decided."""
        leg, qty = self.plan.leg, self.plan.qty
        buys, walked = leg.side is Side.BUY, quote_at(self.decided, qty)
        at_top = WIDE.multiply(qty, self.decided[0].price)
        gross = qty if buys else walked
        depth = WIDE.subtract(walked, at_top) if buys else WIDE.subtract(at_top, walked)
        in_quote = leg.spend if buys else leg.receive
        fee = WIDE.multiply(gross, self.plan.fee_rate)
        return [
            Line(self.index, Cause.DEPTH, in_quote, depth),
            Line(self.index, Cause.FEE, leg.receive, fee),
        ]

    def why(self) -> Cause:
        """Why it fell short, as our own book of that moment says."""
        order = self.order
        if order is None or not self.sent:
            return Cause.PARTIAL
        if order.state in {OrderState.REJECTED, OrderState.NEVER}:
            return Cause.PARTIAL  # it never came to trading
        intent = order.intent
        buys = intent.leg.side is Side.BUY
        within = [
            level.qty
            for level in self.sent
            if (level.price <= intent.limit_price if buys else level.price >= intent.limit_price)
        ]
        if not within:
            return Cause.SPREAD_MOVE
        return Cause.LATENCY if _sum(within) >= intent.qty else Cause.DEPTH


@dataclass(frozen=True, slots=True)
class _Blame:
    leg: int
    cause: Cause


@dataclass(slots=True)
class _Chain:
    """The steps, in order; each adds the lines of what it changes."""

    legs: Sequence[_Leg]
    parallel: bool
    lines: list[Line] = field(default_factory=list)

    def leg(self, leg: _Leg) -> None:
        """From what the plan expected of this leg to what it moved."""
        before = [one for one in self.legs[: leg.index - 1] if one.short and one.order is not None]
        whose = before[-1].index if before and not self.parallel else leg.index
        now: Amounts = leg.expected()
        if leg.order is None:
            self._step(whose, Cause.PARTIAL, now, {})
            return
        asked, done = leg.order.intent.qty, leg.qty
        why = Cause.ROUNDING if whose == leg.index else Cause.PARTIAL
        now = self._step(whose, why, now, leg.expected(asked))
        now = self._step(leg.index, Cause.PARTIAL, now, leg.expected(done))
        quote = quote_at(leg.decided, done)
        if leg.sent:
            moved = WIDE.subtract(leg.sent[0].price, leg.decided[0].price)
            quote = WIDE.fma(done, moved, quote)
            now = self._step(leg.index, Cause.SPREAD_MOVE, now, leg.at(done, quote))
            now = self._step(leg.index, Cause.DEPTH, now, leg.at(done, quote_at(leg.sent, done)))
        filled = _sum(WIDE.multiply(one.qty, one.price) for one in leg.trades)
        now = self._step(leg.index, Cause.LATENCY, now, leg.at(done, filled))
        booked = _sum(one.cost for one in leg.trades)
        now = self._step(leg.index, Cause.ROUNDING, now, leg.at(done, booked))
        self._step(leg.index, Cause.FEE, now, added(leg.moves))

    def home(self, moved: Iterable[tuple[str, Decimal]]) -> None:
        """An order that no plan had: all of it is for what made it necessary."""
        self._step(self.blame.leg, self.blame.cause, {}, added(moved))

    def correct(self, leg: int, one: Correction) -> None:
        """What was told later of a trade."""
        self.lines.append(Line(leg, one.cause, one.asset, WIDE.minus(one.amount)))

    @property
    def blame(self) -> _Blame:
        """Which leg made orders home necessary, and why."""
        first = 1 if self.parallel or len(self.legs) == 1 else 2  # a short first leg only buys less
        short = next((one for one in self.legs[first - 1 :] if one.short), None)
        if short is None:  # all was traded, and more was left than nobody would take
            sent = [one.index for one in self.legs if one.order is not None]
            return _Blame(sent[-1] if sent else 1, Cause.ROUNDING)
        if short.order is None and not self.parallel:  # what came before it was not enough
            before = [one for one in self.legs[: short.index - 1] if one.short]
            short = before[-1] if before else short
        return _Blame(short.index, short.why())

    def _step(self, leg: int, cause: Cause, was: Amounts, now: Amounts) -> Amounts:
        for asset in {**was, **now}:
            less = WIDE.subtract(was.get(asset, ZERO), now.get(asset, ZERO))
            if less:
                self.lines.append(Line(leg, cause, asset, less))
        return now


def _legs(told: Told, decided: Mapping[int, Levels]) -> list[_Leg]:
    sent = {one.leg_index: one.levels for one in told.walks if one.seen is Seen.SENT}
    orders = {one.leg_index: one for one in told.orders if one.purpose is Purpose.LEG}
    found = []
    trades = list(told.trades)
    for index, row in enumerate(told.record.plan, start=1):
        order = orders.get(index)
        own = order.intent.client_id if order is not None else None
        done = [one for one in trades if one.client_id == own]
        found.append(_Leg(index, row, decided[index], order, sent.get(index, ()), done))
    return found


def _moves(leg: Leg, trades: Iterable[Trade]) -> list[tuple[str, Decimal]]:
    base = leg.symbol_base
    quote = leg.spend if base == leg.receive else leg.receive
    return [moved for trade in trades for moved in trade.moves(base, quote)]


def _marks(record: CycleRecord, legs: Sequence[_Leg]) -> dict[str, Decimal]:
    """What one unit of each asset was worth in the start asset, at the best prices of the books.

    Of a triangle the last leg prices the asset that it sells: what the middle leg promises is then
    all that the three prices promise together. Of a conversion each leg prices what it brings.
    """
    marks = {record.start_asset: ONE}
    for leg in legs[:1] if record.kind is None else legs:
        marks[leg.plan.leg.receive] = _turned(leg, marks[leg.plan.leg.spend], backwards=False)
    if record.kind is None:
        last = legs[-1]
        marks[last.plan.leg.spend] = _turned(last, ONE, backwards=True)
    return marks


def _turned(leg: _Leg, mark: Decimal, *, backwards: bool) -> Decimal:
    """The mark of the asset on the other side of this leg, at the top of its book."""
    multiply = (leg.plan.leg.side is Side.BUY) is not backwards
    return (_MARKS.multiply if multiply else _MARKS.divide)(mark, leg.decided[0].price)


def _folded(lines: Iterable[Line]) -> tuple[Line, ...]:
    """One line for each leg, cause and asset, those that are not zero."""
    sums: dict[tuple[int, Cause, str], Decimal] = {}
    for one in lines:
        key = (one.leg, one.cause, one.asset)
        sums[key] = WIDE.add(sums.get(key, ZERO), one.amount)
    found = (Line(*key, amount) for key, amount in sums.items() if amount)
    return tuple(sorted(found, key=lambda one: (one.leg, list(Cause).index(one.cause), one.asset)))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    found = ZERO
    for amount in amounts:
        found = WIDE.add(found, amount)
    return found
