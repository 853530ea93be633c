"""Orders as plain values: what is asked of a venue, what it did, and which states an order knows.

An order is sent at most once, ever. Its reply is taken for an acceptance or a refusal only when it
is one beyond doubt; everything else is UNKNOWN, and an UNKNOWN order ends by query alone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import EXACT, ZERO
from arbit.domain.states import StateTable
from arbit.domain.triangle import Leg, Side


class OrderState(enum.StrEnum):
    """Where an immediate-or-cancel order stands."""

    PLANNED = "planned"
    SENT = "sent"  # durable in the journal; its bytes may have left
    ACKED = "acked"
    UNKNOWN = "unknown"  # nobody can say yet whether the venue has it, or what it did with it
    FILLED = "filled"
    PARTIAL = "partial"
    EMPTY = "empty"
    REJECTED = "rejected"
    NEVER = "never"  # it did not reach the venue, and can no longer

    @property
    def over(self) -> bool:
        """Nothing more is expected of the order."""
        return self in _OVER


_OVER = frozenset(
    {
        OrderState.FILLED,
        OrderState.PARTIAL,
        OrderState.EMPTY,
        OrderState.REJECTED,
        OrderState.NEVER,
    }
)


class OrderHappening(enum.StrEnum):
    """What can happen to an order."""

    SEND = "send"
    ACK = "ack"
    REJECT = "reject"
    LOSE = "lose"  # no reply, or one that proves nothing
    FILL_ALL = "fill_all"
    FILL_PART = "fill_part"
    FILL_NONE = "fill_none"
    FIND_NEVER = "find_never"
    RESTART = "restart"
    LATE_FILL = "late_fill"  # an incident: a fill of an order that was over
    LATE_FILL_ALL = "late_fill_all"


_S, _H = OrderState, OrderHappening
ORDER_TABLE: StateTable[OrderState, OrderHappening] = StateTable(
    "order",
    _S.PLANNED,
    {
        (_S.PLANNED, _H.SEND): _S.SENT,
        (_S.SENT, _H.ACK): _S.ACKED,
        (_S.SENT, _H.REJECT): _S.REJECTED,
        (_S.SENT, _H.LOSE): _S.UNKNOWN,
        (_S.SENT, _H.RESTART): _S.UNKNOWN,
        (_S.ACKED, _H.FILL_ALL): _S.FILLED,
        (_S.ACKED, _H.FILL_PART): _S.PARTIAL,
        (_S.ACKED, _H.FILL_NONE): _S.EMPTY,
        (_S.ACKED, _H.LOSE): _S.UNKNOWN,
        (_S.ACKED, _H.RESTART): _S.UNKNOWN,
        (_S.UNKNOWN, _H.ACK): _S.ACKED,
        (_S.UNKNOWN, _H.REJECT): _S.REJECTED,
        (_S.UNKNOWN, _H.FILL_ALL): _S.FILLED,
        (_S.UNKNOWN, _H.FILL_PART): _S.PARTIAL,
        (_S.UNKNOWN, _H.FILL_NONE): _S.EMPTY,
        (_S.UNKNOWN, _H.FIND_NEVER): _S.NEVER,
        (_S.UNKNOWN, _H.RESTART): _S.UNKNOWN,
        (_S.EMPTY, _H.LATE_FILL): _S.PARTIAL,
        (_S.NEVER, _H.LATE_FILL): _S.PARTIAL,
        (_S.REJECTED, _H.LATE_FILL): _S.PARTIAL,
        (_S.PARTIAL, _H.LATE_FILL): _S.PARTIAL,
        (_S.FILLED, _H.LATE_FILL_ALL): _S.FILLED,  # more than was ordered: booked, never hidden
        (_S.EMPTY, _H.LATE_FILL_ALL): _S.FILLED,
        (_S.NEVER, _H.LATE_FILL_ALL): _S.FILLED,
        (_S.REJECTED, _H.LATE_FILL_ALL): _S.FILLED,
        (_S.PARTIAL, _H.LATE_FILL_ALL): _S.FILLED,
    },
)


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """One IOC limit order: `qty` in base units, `limit_price` in quote per base.

    `fee_rate` is the taker fee (a fraction) that the sizing reckoned with. `deadline_ns` is venue
    time (UTC nanoseconds) after which the venue must not accept it; 0 on paper, which has none.
    """

    client_id: str
    leg: Leg
    qty: Decimal
    limit_price: Decimal
    fee_rate: Decimal
    deadline_ns: int = 0

    @property
    def most_spent(self) -> Decimal:
        """What the order can take of `leg.spend` at its limit price, before any fee."""
        if self.leg.side is Side.SELL:
            return self.qty
        return EXACT.multiply(self.qty, self.limit_price)

    @property
    def most_received(self) -> Decimal:
        """What the order can bring of `leg.receive` at its limit price, before any fee.

        A sell may fill above its limit; this is what it brings at the limit itself.
        """
        if self.leg.side is Side.BUY:
            return self.qty
        return EXACT.multiply(self.qty, self.limit_price)


@dataclass(frozen=True, slots=True)
class Fill:
    """What an order really traded, in total.

    `base_qty` base units against `quote_qty` quote units, with `fee` taken in `fee_asset`.
    """

    base_qty: Decimal
    quote_qty: Decimal
    fee: Decimal
    fee_asset: str


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The outcome of one order at `at_ns` (monotonic). `fill` is None when nothing traded."""

    intent: OrderIntent
    end: OrderState
    at_ns: int
    fill: Fill | None = None
    reason: str = ""

    @property
    def spent(self) -> Decimal:
        """How much of `leg.spend` left, the fee included where it was taken in that asset."""
        return _moved(self, spent=True)

    @property
    def received(self) -> Decimal:
        """How much of `leg.receive` arrived, net of the fee where it was taken in that asset."""
        return _moved(self, spent=False)


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution, as the venue states it.

    `trade_id` is the venue's own and unique in the account; `order_id` the venue's, `client_id`
    ours. `qty` is in base units, `price` in quote per base, `cost` in quote units as the venue
    booked it. `fees` are (asset, amount) as taken: none, one or several, in any asset.
    `at_ns` is the venue's wall time.

    `fee_slack` is None where the fees are the venue's own statement. Else they are our reckoning
    of one fee in one asset, which the venue took with the trade and posts later
    (`account.FEE_POSTED`), and its own figure may differ from ours by at most so much, either way.
    """

    trade_id: str
    order_id: str
    client_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    cost: Decimal
    fees: tuple[tuple[str, Decimal], ...]
    at_ns: int
    fee_slack: Decimal | None = None

    def moves(self, base: str, quote: str) -> tuple[tuple[str, Decimal], ...]:
        """What it did to each asset, fees included: positive came in."""
        minus = EXACT.minus
        if self.side is Side.BUY:
            moved = [(base, self.qty), (quote, minus(self.cost))]
        else:
            moved = [(base, minus(self.qty)), (quote, self.cost)]
        moved += [(asset, minus(fee)) for asset, fee in self.fees]
        return tuple(moved)


class Remedy(enum.StrEnum):
    """What else an outcome asks for, beyond the order itself. Closed: metric labels."""

    NONE = "none"
    BACK_OFF = "back_off"  # the venue is counting our requests: none for a while
    LOCKOUT = "lockout"  # a long wait; Kraken's temporary lockout is 15 minutes
    HALT = "halt"  # the key or the account is at fault: nothing more until an operator looks
    RESYNC = "resync"  # our own books of account disagree with the venue's
    STATUS = "status"  # the market or the venue does not trade now


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of one order: its state, every trade found so far, and the venue's words.

    `state` is REJECTED, ACKED (accepted and not over), FILLED, PARTIAL, EMPTY, NEVER or UNKNOWN.
    `filled_qty` is the venue's own total in base units where it gave one; trades that do not add
    up to it are not all of them, and such an order stays UNKNOWN.
    """

    client_id: str
    state: OrderState
    trades: tuple[Trade, ...] = ()
    order_id: str = ""
    reason: str = ""
    remedy: Remedy = Remedy.NONE
    filled_qty: Decimal | None = None


def happening_of(state: OrderState) -> OrderHappening:
    """The happening that an outcome in this state stands for."""
    return _STANDS_FOR[state]


_STANDS_FOR = {
    OrderState.ACKED: OrderHappening.ACK,
    OrderState.REJECTED: OrderHappening.REJECT,
    OrderState.UNKNOWN: OrderHappening.LOSE,
    OrderState.FILLED: OrderHappening.FILL_ALL,
    OrderState.PARTIAL: OrderHappening.FILL_PART,
    OrderState.EMPTY: OrderHappening.FILL_NONE,
    OrderState.NEVER: OrderHappening.FIND_NEVER,
}


def end_of(qty: Decimal, trades: Iterable[Trade]) -> OrderState:
    """How an order of `qty` that is over ended, by its trades."""
    done = total(trade.qty for trade in trades)
    if done <= 0:
        return OrderState.EMPTY
    return OrderState.FILLED if done >= qty else OrderState.PARTIAL


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    found = ZERO
    for amount in amounts:
        found = EXACT.add(found, amount)
    return found


def _moved(report: OrderReport, *, spent: bool) -> Decimal:
    fill, leg = report.fill, report.intent.leg
    if fill is None:
        return Decimal(0)
    asset = leg.spend if spent else leg.receive
    in_base = asset == leg.symbol_base
    amount = fill.base_qty if in_base else fill.quote_qty
    if fill.fee_asset == asset:
        change = EXACT.add if spent else EXACT.subtract
        return change(amount, fill.fee)
    return amount
