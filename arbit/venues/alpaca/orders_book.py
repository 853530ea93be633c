"""What is known of each order of the account, put together from all that tells of it. Pure.

Replies, questions and `trade_updates` all carry the whole order, in any order and more than once;
whatever order they come in, the same is known at the end. An order of ours has ended when something
said that it is over and its fills add up to the `filled_qty` that came with that; until then, and
whenever two things contradict each other, nobody is told that it has.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from arbit.domain.account import ForeignOrder, TradeSeen, VenueOrder
from arbit.domain.errors import BrokenRule
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade, end_of, total
from arbit.venues.alpaca.parse_orders import Execution, Order, Rates, trade_of
from arbit.venues.following import Doubted, Ended, News

MAX_ORDERS = 2_000  # remembered; the oldest that nobody waits for goes first
MAX_SENT = 200  # in flight at once; the sender asks for far fewer
MAX_FILLS = 2_000  # of one order; more is no order of ours
REJECTED = "rejected"


@dataclass(slots=True)
class _Known:
    """Everything told of one order. `order` is how it was told first."""

    order: Order
    ended_qty: Decimal | None = None
    status: str = ""  # the one that ended it
    doubt: str = ""
    foreign_told: bool = False
    fills: dict[str, Execution] = field(default_factory=dict)
    untold: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Sent:
    """An order of ours whose end somebody waits for."""

    intent: OrderIntent
    order_id: str = ""


class OrdersBook:
    """`ours` tells our client ids from everybody else's, `rate` tells a market's taker fee."""

    def __init__(self, ours: Callable[[str], bool], rate: Rates) -> None:
        self._ours = ours
        self._rate = rate
        self._orders: OrderedDict[str, _Known] = OrderedDict()
        self._sent: dict[str, _Sent] = {}
        self._order_of_fill: dict[str, str] = {}

    def sent(self, intent: OrderIntent) -> None:
        """This order is about to leave. BrokenRule when its id left before, or too many are out."""
        if intent.client_id in self._sent or len(self._sent) >= MAX_SENT:
            raise BrokenRule(f"orders: {intent.client_id} is out already, or too many are")
        self._sent[intent.client_id] = _Sent(intent)

    def accepted(self, client_id: str, order_id: str) -> Sequence[News]:
        """The venue named the order."""
        sent = self._sent.get(client_id)
        if sent is not None and sent.order_id in ("", order_id):
            sent.order_id = order_id
        return ()

    def forget(self, client_id: str) -> Sequence[News]:
        """Nobody waits for this order any more; what it still trades is told as of any other."""
        self._sent.pop(client_id, None)
        return ()

    def order_id_of(self, client_id: str) -> str:
        """The venue's id of an order in flight; empty while nothing has named it."""
        sent = self._sent.get(client_id)
        return sent.order_id if sent is not None else ""

    def known(self, order_id: str) -> Order | None:
        """The order as it was told first; None when nothing told of it."""
        found = self._orders.get(order_id)
        return found.order if found is not None else None

    def fills_of(self, order_id: str) -> Mapping[str, Execution]:
        """The fills heard of an order so far, by their ids; none where they contradict each other.

        Then only the history of the account can tell.
        """
        found = self._orders.get(order_id)
        return dict(found.fills) if found is not None and not found.doubt else {}

    def told(self, trade_ids: Sequence[str]) -> frozenset[str]:
        """Which of these trades were told already."""
        return frozenset(one for one in trade_ids if one in self._order_of_fill)

    def asked(self, trades: Iterable[Trade]) -> Sequence[TradeSeen]:
        """Of the trades that a question found, those that nothing had told."""
        return [TradeSeen(one) for one in trades if one.trade_id not in self._order_of_fill]

    def is_foreign(self, order: VenueOrder) -> bool:
        """Whether an order that a question found is not ours, and was not told of before."""
        known = self._orders.get(order.order_id)
        if known is not None and known.foreign_told:
            return False
        return not self._ours(order.client_id)

    def take(self, order: Order, fills: Iterable[Execution] = ()) -> Sequence[News]:
        """Merge what was told of an order, then tell what is new."""
        known = self._orders.get(order.order_id)
        if known is None:
            known = self._orders[order.order_id] = _Known(order)
            self._evict()
        self._merge(known, order)
        for fill in fills:
            self._fill(known, fill)
        return self._news(known)

    # --- merging: every step gives the same in whatever order it is taken ------------------------

    def _merge(self, known: _Known, order: Order) -> None:
        first = known.order
        if replace(order, filled_qty=first.filled_qty, status=first.status, at_ns=first.at_ns) != (
            first
        ):
            known.doubt = "told twice, and differently"
        sent = self._sent.get(order.client_id)
        if sent is not None:
            if sent.order_id not in ("", order.order_id):
                known.doubt = f"{order.client_id} is both {sent.order_id} and {order.order_id}"
            sent.order_id = sent.order_id or order.order_id
        if order.over:
            if known.status not in ("", order.status):
                known.doubt = f"both {known.status} and {order.status}"
            known.status = order.status
            known.ended_qty = max(known.ended_qty or order.filled_qty, order.filled_qty)

    def _fill(self, known: _Known, fill: Execution) -> None:
        before = known.fills.get(fill.exec_id)
        order_id = known.order.order_id
        elsewhere = self._order_of_fill.get(fill.exec_id, order_id)
        same = before is None or (before.qty, before.price) == (fill.qty, fill.price)
        if not same or elsewhere != order_id:
            known.doubt = f"fill {fill.exec_id} told twice, and differently"
        elif len(known.fills) >= MAX_FILLS:
            known.doubt = f"more than {MAX_FILLS} fills"
        elif before is None:
            known.fills[fill.exec_id] = fill
            known.untold[fill.exec_id] = None
            self._order_of_fill[fill.exec_id] = order_id

    def _evict(self) -> None:
        if len(self._orders) <= MAX_ORDERS:
            return
        waited = {sent.order_id for sent in self._sent.values()}
        newest = next(reversed(self._orders))
        for order_id, known in self._orders.items():
            if order_id not in waited and order_id != newest:
                for exec_id in known.fills:
                    self._order_of_fill.pop(exec_id, None)
                del self._orders[order_id]
                return

    # --- telling ---------------------------------------------------------------------------------

    def _news(self, known: _Known) -> Sequence[News]:
        order = known.order
        news: list[News] = [TradeSeen(self._trade(known, one)) for one in known.untold]
        known.untold.clear()
        sent = self._sent.get(order.client_id)
        if sent is not None:
            return [*news, *self._end_of(known, sent.intent)]
        if not self._ours(order.client_id) and not known.foreign_told:
            known.foreign_told = True
            filled = total(one.qty for one in known.fills.values())
            seen = replace(order.seen(), open=known.ended_qty is None, filled_qty=filled)
            news.append(ForeignOrder(seen))
        return news

    def _trade(self, known: _Known, exec_id: str) -> Trade:
        return trade_of(known.fills[exec_id], known.order, self._rate(known.order.symbol))

    def _end_of(self, known: _Known, intent: OrderIntent) -> list[News]:
        why = known.doubt or differs(known.order, intent)
        if not why and known.ended_qty is not None:
            why = short(known.status, known.ended_qty, intent)
        if why:
            self._sent.pop(intent.client_id, None)
            return [Doubted(intent.client_id, f"{known.order.order_id}: {why}")]
        trades = [self._trade(known, one) for one in known.fills]
        if known.ended_qty is None or total(one.qty for one in trades) != known.ended_qty:
            return []
        self._sent.pop(intent.client_id, None)
        return [Ended(outcome_of(intent, known.order.order_id, known.status, trades))]


def outcome_of(intent: OrderIntent, order_id: str, status: str, trades: Sequence[Trade]) -> Outcome:
    """The end of an order that is over and whose trades are all here."""
    state = end_of(intent.qty, trades)
    if state is OrderState.EMPTY and status == REJECTED:
        state = OrderState.REJECTED
    return Outcome(
        client_id=intent.client_id,
        state=state,
        trades=tuple(sorted(trades, key=lambda one: (one.at_ns, one.trade_id))),
        order_id=order_id,
        reason="" if status in {"filled", "canceled"} else f"the venue says it is {status}",
        filled_qty=total(one.qty for one in trades),
    )


def short(status: str, filled_qty: Decimal, intent: OrderIntent) -> str:
    """Why an order cannot have ended like this; empty when it can.

    More than was ordered is booked, never hidden.
    """
    if status != "filled" or filled_qty >= intent.qty:
        return ""
    return f"filled with {filled_qty} of {intent.qty}"


def differs(order: Order, intent: OrderIntent) -> str:
    """How the order differs from what we asked for; empty when it does not."""
    leg = intent.leg
    for told, asked, what in (
        (order.symbol, leg.symbol, "of"),
        (order.side, leg.side, "to"),
        (order.qty, intent.qty, "for"),
        (order.limit_price, intent.limit_price, "limit"),
    ):
        if told != asked:
            return f"{what} {told}, not {asked}"
    return ""
