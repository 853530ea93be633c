"""Orders and executions as Alpaca tells them, over REST and over `trade_updates`: read exactly.

Both tell the same order object (docs.alpaca.markets, "Orders" and "Websocket streaming"). Numbers
are strings there; a number is taken too. A symbol comes with its slash or without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbit.domain.account import VenueOrder
from arbit.domain.errors import FrameError
from arbit.domain.money import EXACT, ZERO, ceil_to, is_multiple
from arbit.domain.order import Trade
from arbit.domain.triangle import Side
from arbit.venues.alpaca.names import Names
from arbit.venues.alpaca.stamps import stamp_ns
from arbit.venues.answers import amount_of, object_of, positive, side_of, text_of

# The finest unit in which the venue keeps an asset: quantities have nine decimals at most
# (docs.alpaca.markets, assets: `min_trade_increment`).
UNIT = Decimal("1e-9")
# An order in one of these is over, and its `filled_qty` is its last (docs.alpaca.markets, "Orders
# at Alpaca", the order's lifecycle). A replaced one lives on as another: we never replace any.
OVER = frozenset({"filled", "canceled", "expired", "rejected"})
OPEN = frozenset(
    {
        *("new", "pending_new", "accepted", "accepted_for_bidding", "partially_filled", "held"),
        *("done_for_day", "pending_cancel", "pending_replace", "stopped", "suspended"),
        *("calculated", "replaced"),
    }
)
FILLS = frozenset({"fill", "partial_fill"})
Rates = Callable[[str], Decimal]  # a market's taker fee, as a fraction


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the account, as told at some moment.

    `qty` and `limit_price` are None where it has none (a notional or a market order).
    """

    order_id: str
    client_id: str
    symbol: str
    side: Side
    qty: Decimal | None
    limit_price: Decimal | None
    filled_qty: Decimal
    status: str
    at_ns: int

    @property
    def over(self) -> bool:
        """Nothing more happens to it."""
        return self.status in OVER

    def seen(self) -> VenueOrder:
        """As a list of orders shows it."""
        is_open = not self.over
        return VenueOrder(
            self.order_id, self.client_id, self.symbol, is_open, self.filled_qty, self.at_ns
        )


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of an order: `qty` in base units at `price`, at the venue's wall time."""

    exec_id: str
    qty: Decimal
    price: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True)
class Update:
    """A message of `trade_updates`: what happened, the order after it, the fill if it is one."""

    event: str
    order: Order
    fill: Execution | None = None


def order_of(body: Any, names: Names) -> Order:
    """An order object. FrameError when it cannot be believed."""
    told = object_of(body, "an order")
    status = text_of(told, "status")
    if status not in OVER | OPEN:
        raise FrameError(f"an order's status is {status!r:.40}")
    filled = amount_of(told.get("filled_qty") or "0", "filled_qty")
    if filled < 0:
        raise FrameError(f"filled_qty: {filled} is negative")
    return Order(
        order_id=text_of(told, "id"),
        client_id=_word(told, "client_order_id"),
        symbol=names.shown(told.get("symbol")),
        side=side_of(told.get("side")),
        qty=_amount(told, "qty"),
        limit_price=_amount(told, "limit_price"),
        filled_qty=filled,
        status=status,
        at_ns=_when_ns(told),
    )


def update_of(body: Any, names: Names) -> Update:
    """The `data` of a message of `trade_updates`. FrameError when it cannot be believed.

    `qty` and `price` beside the event are the execution's own; those of the order are its total.
    """
    told = object_of(body, "trade_updates")
    event, order = text_of(told, "event"), order_of(told.get("order"), names)
    if event not in FILLS:
        return Update(event, order)
    fill = Execution(
        exec_id=text_of(told, "execution_id"),
        qty=positive(told, "qty"),
        price=positive(told, "price"),
        at_ns=stamp_ns(told.get("timestamp") or told.get("at")),
    )
    return Update(event, order, fill)


def trade_of(fill: Execution, order: Order, rate: Decimal) -> Trade:
    """The fill as a trade, its fee reckoned: the venue takes it at once and tells it at day's end.

    Source: docs.alpaca.markets, "Crypto fees": charged on the credited asset of each trade. Ours is
    rounded up to `UNIT`, of the least that the venue may have rounded the cost to. Whichever way it
    rounds cost and fee to that unit, its own figure differs by `fee_slack` at most.
    """
    base, _, quote = order.symbol.partition("/")
    cost = EXACT.multiply(fill.qty, fill.price)
    asset, received = (base, fill.qty) if order.side is Side.BUY else (quote, cost)
    least = received if is_multiple(received, UNIT) else max(EXACT.subtract(received, UNIT), ZERO)
    fee = ceil_to(EXACT.multiply(least, rate), UNIT) if rate else ZERO
    return Trade(
        trade_id=fill.exec_id,
        order_id=order.order_id,
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side,
        qty=fill.qty,
        price=fill.price,
        cost=cost,
        fees=((asset, fee),),
        at_ns=fill.at_ns,
        fee_slack=UNIT,
    )


def _amount(told: Mapping[str, Any], name: str) -> Decimal | None:
    value = told.get(name)
    return None if value is None else amount_of(value, name)


def _word(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if value is not None and not isinstance(value, str):
        raise FrameError(f"{name}: {value!r:.40} is not what it should be")
    return value or ""


def _when_ns(told: Mapping[str, Any]) -> int:
    """When the order was made; 0 when it does not say."""
    for name in ("submitted_at", "created_at"):
        if told.get(name) is not None:
            return stamp_ns(told[name])
    return 0
