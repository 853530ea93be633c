"""One cycle at work: its record, its orders, and what they have moved so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Context, Decimal

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ONE, ZERO, ceil_to, floor_to, plain
from arbit.domain.order import OrderState, Trade, total
from arbit.domain.records import CycleRecord, Memory, OrderRecord, Purpose
from arbit.domain.triangle import Leg, Side

SPARE = Decimal("0.00001")  # of the funds of a buy that would need their last digit
COARSEST = Decimal("0.0001")  # to what a venue rounds what it holds
# What an amount pays for is rounded down: one digit up would be an order beyond our funds.
_DOWN = Context(prec=60, rounding=ROUND_FLOOR)


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order of this cycle, and the trades that are known of it."""

    record: OrderRecord
    trades: tuple[Trade, ...] = ()

    @property
    def client_id(self) -> str:
        """Our id of it."""
        return self.record.intent.client_id

    @property
    def over(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.record.state.over

    @property
    def filled_qty(self) -> Decimal:
        """Base units traded so far."""
        return total(trade.qty for trade in self.trades)


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle as steps see it: frozen, replaced by each step."""

    record: CycleRecord
    orders: tuple[WorkingOrder, ...] = ()
    plans: int = 0  # how often a way home was looked for
    recovering: bool = False  # found at a restart: it is ended or brought home, never continued

    @property
    def cycle_id(self) -> str:
        """Its id."""
        return self.record.cycle_id

    @property
    def state(self) -> CycleState:
        """Where it stands."""
        return self.record.state

    @property
    def start(self) -> str:
        """The asset it pays first and wants back."""
        return self.record.start_asset

    @property
    def goals(self) -> tuple[str, ...]:
        """Where what it has is at home: the start asset, or for a conversion that and its end."""
        return (self.record.start_asset, self.record.end_asset)

    @property
    def assets(self) -> tuple[str, ...]:
        """What its legs spend: the three assets of a triangle, the start asset first."""
        return tuple(one.leg.spend for one in self.record.plan)

    @property
    def stake(self) -> Decimal:
        """The most that leg 1 may spend of the start asset."""
        first = self.record.plan[0]
        if first.leg.side is Side.SELL:
            return first.qty
        return EXACT.multiply(first.qty, first.limit_price)

    @property
    def parallel(self) -> bool:
        """Whether all legs go at once."""
        return self.record.policy is Policy.PARALLEL

    @property
    def open_orders(self) -> tuple[WorkingOrder, ...]:
        """The orders that are not over."""
        return tuple(order for order in self.orders if not order.over)

    @property
    def unknown_orders(self) -> tuple[WorkingOrder, ...]:
        """The orders of which nobody can say yet what became of them."""
        return tuple(one for one in self.orders if one.record.state is OrderState.UNKNOWN)

    @property
    def traded(self) -> bool:
        """Whether any order of it has traded."""
        return any(order.trades for order in self.orders)

    def order(self, client_id: str) -> WorkingOrder | None:
        """The order of this id, if it is one of this cycle's."""
        return next((one for one in self.orders if one.client_id == client_id), None)

    def order_of(self, trade: Trade) -> WorkingOrder | None:
        """The order that made this trade: by our id, or the venue's where it tells only its own."""
        for one in self.orders:
            ours, theirs = one.client_id, one.record.order_id
            if trade.client_id == ours or (not trade.client_id and trade.order_id == theirs):
                return one
        return None

    def leg_order(self, index: int) -> WorkingOrder | None:
        """The order of leg 1 to 3, if it was sent."""
        for one in self.orders:
            if one.record.purpose is Purpose.LEG and one.record.leg_index == index:
                return one
        return None

    @property
    def unwinds(self) -> int:
        """How many orders were sent to bring it home."""
        return sum(one.record.purpose is Purpose.UNWIND for one in self.orders)

    def moved(self) -> dict[str, Decimal]:
        """What its trades have moved, fees included, by asset; positive came in."""
        found: dict[str, Decimal] = {}
        for asset, amount in self._moves():
            found[asset] = EXACT.add(found.get(asset, ZERO), amount)
        return found

    def left_behind(self) -> str:
        """What it has, or owes, of any but its goals, in words; empty when nothing."""
        return ", ".join(
            f"{plain(amount)} {asset}"
            for asset, amount in sorted(self.moved().items())
            if asset not in self.goals and amount
        )

    def has(self, asset: str) -> Decimal:
        """What it has gained of the asset so far; negative when it has paid some."""
        return self.moved().get(asset, ZERO)

    def surely(self, asset: str, digits: int | None) -> Decimal:
        """The same, however the venue rounds: it keeps `digits` decimals, trades may state more.

        A fee that it has not stated yet may be more than we reckoned by its slack. An order for a
        unit more than there is would be refused for want of funds.
        """
        slack = total(self._slacks(asset))
        if digits is None:
            has = self.has(asset)
            return EXACT.subtract(has, slack) if slack else has
        unit = Decimal(1).scaleb(-digits)
        sure = total(floor_to(amount, unit) for one, amount in self._moves() if one == asset)
        return floor_to(EXACT.subtract(sure, slack), unit) if slack else sure

    def _slacks(self, asset: str) -> Iterator[Decimal]:
        """By how much each fee of the asset may be more than its trade says."""
        for order in self.orders:
            for trade in order.trades:
                if trade.fee_slack is not None and any(one == asset for one, _ in trade.fees):
                    yield trade.fee_slack

    def _moves(self) -> Iterator[tuple[str, Decimal]]:
        """Each figure of each trade, by asset."""
        for order in self.orders:
            leg = order.record.intent.leg
            base = leg.symbol_base
            quote = leg.spend if base == leg.receive else leg.receive
            for trade in order.trades:
                yield from trade.moves(base, quote)

    def with_order(self, order: WorkingOrder) -> Cycle:
        """The same cycle, with this order added or replaced."""
        if self.order(order.client_id) is None:
            return self._with(self.record, (*self.orders, order))
        kept = tuple(order if one.client_id == order.client_id else one for one in self.orders)
        return self._with(self.record, kept)

    def with_record(self, **changes: object) -> Cycle:
        """The same cycle, its record changed."""
        record = replace(self.record, **changes)  # type: ignore[arg-type]  # named fields, checked by the dataclass
        return self._with(record, self.orders)

    def in_state(self, state: CycleState) -> Cycle:
        """The same cycle, moved on. Written out: `replace` takes three times as long."""
        was = self.record
        record = CycleRecord(
            was.cycle_id,
            was.policy,
            state,
            was.plan,
            was.started_ns,
            was.ended_ns,
            was.resumes,
            was.profit,
            was.profit_ref,
            was.detail,
            was.prices,
            was.kind,
            was.loss_budget,
        )
        return self._with(record, self.orders)

    def _with(self, record: CycleRecord, orders: tuple[WorkingOrder, ...]) -> Cycle:
        return Cycle(record, orders, self.plans, self.recovering)


def affordable(
    leg: Leg, funds: Decimal, limit: Decimal, market: Market, most: Decimal | None = None
) -> Decimal | None:
    """The whole lots that `funds` of `leg.spend` pay for at the limit; None below the minima.

    A buy that needs the last digit leaves a little over: the venue rounds what it holds for one up,
    at digits of its own (four for fiat, the coarsest), and would refuse it. `most` bounds it in
    base units. None also when the market's increments or minima are unknown.
    """
    lot, qty_min = market.qty_increment, market.qty_min
    cost_min = market.least_cost(sells=leg.side is Side.SELL)
    if lot is None or qty_min is None or cost_min is None or funds <= 0 or limit <= 0:
        return None
    qty = floor_to(funds if leg.side is Side.SELL else _DOWN.divide(funds, limit), lot)
    if leg.side is Side.BUY and ceil_to(EXACT.multiply(qty, limit), COARSEST) > funds:
        qty = floor_to(_DOWN.divide(_DOWN.multiply(funds, ONE - SPARE), limit), lot)
    if most is not None:
        qty = min(qty, floor_to(most, lot))
    enough = qty > 0 and qty >= qty_min and EXACT.multiply(qty, limit) >= cost_min
    return qty if enough else None


def is_dust(leg: Leg, amount: Decimal, limit: Decimal, markets: Mapping[str, Market]) -> bool:
    """Whether so little of `leg.spend` can no longer be traded on that leg's market.

    Where a fact of the market is missing nobody can say, and nothing is called dust.
    """
    market = markets.get(leg.symbol)
    if market is None or None in (market.qty_increment, market.qty_min, market.cost_min):
        return amount == 0
    return affordable(leg, amount, limit, market) is None


def all_dust(cycle: Cycle, markets: Mapping[str, Market]) -> bool:
    """Whether what the cycle has, or owes, of any but its goals can be traded nowhere.

    Each of its own markets is asked, at the planned price.
    """
    moved, goals = cycle.moved(), cycle.goals
    for row in cycle.record.plan:
        for leg in (row.leg, row.leg.reversed()):
            amount = moved.get(leg.spend, ZERO) if leg.spend not in goals else ZERO
            if not is_dust(leg, abs(amount), row.limit_price, markets):
                return False
    return True


def cycles_of(memory: Memory) -> list[Cycle]:
    """The cycles of a memory, each with its orders and their trades."""
    found = []
    for record in memory.cycles:
        orders = tuple(
            WorkingOrder(
                order,
                tuple(t for t in memory.trades if t.client_id == order.intent.client_id),
            )
            for order in memory.orders
            if order.cycle_id == record.cycle_id
        )
        looks = sum(name.rpartition(".")[2] == "chosen" for name in record.prices)
        found.append(Cycle(record, orders, plans=looks))
    return found
