"""What the executions channel has told of each order, put together. Pure; nothing waits here.

Entries are sparse, repeat, and come in any order, before or after the ack that names the order.
They are merged by the venue's order id; whatever order they come in, the same is known at the end.
An order of ours has ended when an entry ended it and the trades seen add up to that entry's total;
until then, and whenever two entries contradict each other, nobody is told that it has.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.domain.account import ForeignOrder, TradeSeen, VenueOrder
from arbit.domain.errors import BrokenRule
from arbit.domain.order import OrderIntent, Outcome, Trade, end_of, total
from arbit.domain.triangle import Side
from arbit.venues.following import Doubted, Ended, News
from arbit.venues.kraken.private.parse import ExecFill, Execution

MAX_ORDERS = 2_000  # remembered; the oldest that nobody waits for goes first
MAX_SENT = 200  # in flight at once; the sender asks for far fewer
MAX_FILLS = 2_000  # of one order; more is no order of ours


@dataclass(slots=True)
class _Order:
    """Everything told of one order of the account."""

    order_id: str
    client_id: str = ""
    symbol: str = ""
    side: Side | None = None
    qty: Decimal | None = None
    limit_price: Decimal | None = None
    opened: bool = False
    ended_qty: Decimal | None = None
    reason: str = ""
    at_ns: int = 0
    doubt: str = ""
    foreign_told: bool = False
    fills: dict[str, tuple[ExecFill, int]] = field(default_factory=dict)
    untold: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Sent:
    """An order of ours whose end somebody waits for."""

    intent: OrderIntent
    order_id: str = ""


class OrdersBook:
    """`ours` tells our client ids from everybody else's, those of earlier runs included."""

    def __init__(self, ours: Callable[[str], bool]) -> None:
        self._ours = ours
        self._orders: OrderedDict[str, _Order] = OrderedDict()
        self._sent: dict[str, _Sent] = {}
        self._order_of_fill: dict[str, str] = {}
        self._held: dict[str, None] = {}  # orders that may yet turn out to be ours
        self._contradicted: dict[str, str] = {}  # client ids that another's order was given to

    @property
    def in_flight(self) -> int:
        """Orders whose end somebody waits for."""
        return len(self._sent)

    def sent(self, intent: OrderIntent) -> None:
        """This order is about to leave. BrokenRule when its id left before, or too many are out."""
        if intent.client_id in self._sent or len(self._sent) >= MAX_SENT:
            raise BrokenRule(f"orders: {intent.client_id} is out already, or too many are")
        self._sent[intent.client_id] = _Sent(intent)

    def accepted(self, client_id: str, order_id: str) -> Sequence[News]:
        """The venue's ack named the order."""
        if client_id not in self._sent:
            return ()
        order = self._order(order_id)
        self._name(order, client_id)
        return self._news({order_id: None, **self._held})

    def forget(self, client_id: str) -> Sequence[News]:
        """Nobody waits for this order any more; what it still trades is told as of any other."""
        self._sent.pop(client_id, None)
        return self._news(dict(self._held))

    def order_id_of(self, client_id: str) -> str:
        """The venue's id of an order in flight; empty while the venue has not named it."""
        sent = self._sent.get(client_id)
        return sent.order_id if sent is not None else ""

    def symbol_of(self, order_id: str) -> str:
        """The market of an order of the account; empty while nobody has said it."""
        order = self._orders.get(order_id)
        return order.symbol if order is not None else ""

    def take(self, entries: Iterable[Execution]) -> Sequence[News]:
        """Merge these entries, then tell what is new."""
        touched: dict[str, None] = {}
        for entry in entries:
            self._merge(self._order(entry.order_id), entry)
            touched[entry.order_id] = None
        touched.update(self._held)
        return self._news(touched)

    def told(self, trade_ids: Sequence[str]) -> frozenset[str]:
        """Which of these trades the stream has told."""
        return frozenset(one for one in trade_ids if one in self._order_of_fill)

    def asked(self, trades: Iterable[Trade]) -> Sequence[TradeSeen]:
        """Of the trades that a question over REST found, those that the stream has not told."""
        found = []
        for trade in trades:
            if trade.trade_id not in self._order_of_fill:
                order = self._orders.get(trade.order_id)
                known = order.client_id if order is not None else ""
                found.append(TradeSeen(trade if trade.client_id else _named(trade, known)))
        return found

    def is_foreign(self, order: VenueOrder) -> bool:
        """Whether an order that a question found is not ours, and was not told of before."""
        known = self._orders.get(order.order_id)
        if known is not None and (known.foreign_told or known.client_id):
            return not known.foreign_told and not self._ours(known.client_id)
        return not self._ours(order.client_id)

    # --- merging: every step gives the same in whatever order it is taken ------------------------

    def _order(self, order_id: str) -> _Order:
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = _Order(order_id)
            self._evict()
        return order

    def _merge(self, order: _Order, entry: Execution) -> None:
        if entry.client_id:
            self._name(order, entry.client_id)
        if entry.symbol:
            if order.symbol not in ("", entry.symbol):
                order.doubt = "two symbols"
            order.symbol = order.symbol or entry.symbol
        if entry.side is not None:
            if order.side not in (None, entry.side):
                order.doubt = "two sides"
            order.side = order.side or entry.side
        if entry.kind == "pending_new" or order.qty is None:
            order.qty = entry.qty if entry.qty is not None else order.qty
        if entry.limit_price is not None:
            order.limit_price = entry.limit_price
        order.at_ns = max(order.at_ns, entry.at_ns)
        if entry.fill is not None:
            self._fill(order, entry.fill, entry.at_ns)
        elif entry.ends:
            self._end(order, entry)
        else:
            order.opened = True

    def _name(self, order: _Order, client_id: str) -> None:
        """The order is this client id's: each has one of the other, or both are doubted."""
        sent = self._sent.get(client_id)
        if order.client_id not in ("", client_id):
            order.doubt = f"{order.order_id} is of both {order.client_id} and {client_id}"
            self._contradicted[client_id] = order.doubt
            return
        order.client_id = client_id
        if sent is None:
            return
        if sent.order_id not in ("", order.order_id):
            said = f"{client_id} is both {sent.order_id} and {order.order_id}"
            order.doubt = self._order(sent.order_id).doubt = said
            return
        sent.order_id = order.order_id

    def _fill(self, order: _Order, fill: ExecFill, at_ns: int) -> None:
        known = order.fills.get(fill.exec_id)
        elsewhere = self._order_of_fill.get(fill.exec_id, order.order_id)
        if (known is not None and known[0] != fill) or elsewhere != order.order_id:
            order.doubt = f"fill {fill.exec_id} told twice, and differently"
        elif len(order.fills) >= MAX_FILLS:
            order.doubt = f"more than {MAX_FILLS} fills"
        elif known is None:
            order.fills[fill.exec_id] = (fill, at_ns)
            order.untold[fill.exec_id] = None
            self._order_of_fill[fill.exec_id] = order.order_id

    @staticmethod
    def _end(order: _Order, entry: Execution) -> None:
        order.reason = max(order.reason, entry.reason)
        if entry.cum_qty is None:
            return  # it says that the order ended, not with how much: a query will tell
        if entry.kind == "filled" and not entry.cum_qty:
            order.doubt = "filled with nothing"
        order.ended_qty = max(order.ended_qty or entry.cum_qty, entry.cum_qty)

    def _evict(self) -> None:
        if len(self._orders) <= MAX_ORDERS:
            return
        waited = {sent.order_id for sent in self._sent.values()}
        newest = next(reversed(self._orders))
        for order_id, order in self._orders.items():
            if order_id not in waited and order_id != newest:
                for exec_id in order.fills:
                    self._order_of_fill.pop(exec_id, None)
                self._held.pop(order_id, None)
                del self._orders[order_id]
                return

    # --- telling ---------------------------------------------------------------------------------

    def _news(self, touched: Iterable[str]) -> Sequence[News]:
        news: list[News] = []
        for order_id in touched:
            order = self._orders.get(order_id)
            if order is None:
                continue
            sent = self._sent.get(order.client_id)
            if not order.client_id and self._maybe_ours(order):
                self._held[order_id] = None
                continue
            self._held.pop(order_id, None)
            news += self._trades(order, sent)
            if sent is not None:
                news += self._end_of(order, sent)
            elif order.opened and order.symbol and not self._ours(order.client_id):
                news += self._foreign(order)
        for client_id, why in self._contradicted.items():
            if self._sent.pop(client_id, None) is not None:
                news.append(Doubted(client_id, why))
        self._contradicted.clear()
        return news

    def _maybe_ours(self, order: _Order) -> bool:
        """Whether an order of ours that is out, and not yet named by the venue, may be this one."""
        return any(
            not sent.order_id
            and order.symbol in ("", sent.intent.leg.symbol)
            and order.side in (None, sent.intent.leg.side)
            for sent in self._sent.values()
        )

    @staticmethod
    def _trades(order: _Order, sent: _Sent | None) -> list[News]:
        told: list[News] = []
        for exec_id in tuple(order.untold):
            trade = _trade(order, exec_id, sent)
            if trade is None:
                break  # told when an entry says what it was a trade of
            del order.untold[exec_id]
            told.append(TradeSeen(trade))
        return told

    def _end_of(self, order: _Order, sent: _Sent) -> list[News]:
        intent = sent.intent
        why = order.doubt or _mismatch(order, intent)
        if why:
            self._sent.pop(intent.client_id, None)
            return [Doubted(intent.client_id, f"{order.order_id}: {why}")]
        if order.ended_qty is None:
            return []
        made = [_trade(order, exec_id, sent) for exec_id in order.fills]
        trades = [trade for trade in made if trade is not None]
        if total(trade.qty for trade in trades) != order.ended_qty:
            return []
        trades.sort(key=lambda trade: (trade.at_ns, trade.trade_id))
        self._sent.pop(intent.client_id, None)
        outcome = Outcome(
            client_id=intent.client_id,
            state=end_of(intent.qty, trades),
            trades=tuple(trades),
            order_id=order.order_id,
            reason=order.reason,
            filled_qty=order.ended_qty,
        )
        return [Ended(outcome)]

    @staticmethod
    def _foreign(order: _Order) -> list[News]:
        if order.foreign_told:
            return []
        order.foreign_told = True
        filled = total(fill.qty for fill, _ in order.fills.values())
        is_open = order.ended_qty is None
        found = VenueOrder(
            order.order_id, order.client_id, order.symbol, is_open, filled, order.at_ns
        )
        return [ForeignOrder(found)]


def _mismatch(order: _Order, intent: OrderIntent) -> str:
    """How the order differs from what we asked for; empty when it does not."""
    if order.symbol not in ("", intent.leg.symbol):
        return f"of {order.symbol}, not {intent.leg.symbol}"
    if order.side not in (None, intent.leg.side):
        return "on the other side"
    if order.qty not in (None, intent.qty):
        return f"of {order.qty}, not {intent.qty}"
    if order.limit_price not in (None, intent.limit_price):
        return f"limit {order.limit_price}, not {intent.limit_price}"
    return ""


def _trade(order: _Order, exec_id: str, sent: _Sent | None) -> Trade | None:
    """The fill as a trade; None while nobody has said of what."""
    fill, at_ns = order.fills[exec_id]
    leg = sent.intent.leg if sent is not None else None
    symbol = order.symbol or (leg.symbol if leg else "")
    side = order.side or (leg.side if leg else None)
    if not symbol or side is None:
        return None
    return Trade(
        trade_id=exec_id,
        order_id=order.order_id,
        client_id=order.client_id,
        symbol=symbol,
        side=side,
        qty=fill.qty,
        price=fill.price,
        cost=fill.cost,
        fees=fill.fees,
        at_ns=at_ns,
    )


def _named(trade: Trade, client_id: str) -> Trade:
    return Trade(
        trade.trade_id,
        trade.order_id,
        client_id,
        trade.symbol,
        trade.side,
        trade.qty,
        trade.price,
        trade.cost,
        trade.fees,
        trade.at_ns,
    )
