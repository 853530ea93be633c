"""Orders over the private WebSocket: their bytes leave in the call, and each leaves once.

The frame is written from exact digits. An ack says that an order was accepted and no more; what
became of it comes over the executions channel.
Source: docs.kraken.com, spot WebSocket v2, methods add_order and cancel_order.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from decimal import Decimal

from arbit.domain.money import plain
from arbit.domain.order import OrderIntent, OrderState, Outcome
from arbit.domain.triangle import Side
from arbit.ports import Clock
from arbit.venues.following import Following, not_sent
from arbit.venues.kraken.budgets import PAIR_RATE
from arbit.venues.kraken.outcomes import Verdict, judge
from arbit.venues.kraken.private.parse import Reply
from arbit.venues.kraken.stamps import rfc3339

SECOND = 1_000_000_000
MAX_ASKED = 1_000  # requests that are remembered; a late answer to an older one is nobody's
_FEE_IN = {Side.BUY: "base", Side.SELL: "quote"}  # the asset that is received pays
_WORD = re.compile(r"[A-Za-z0-9._/-]{1,40}")


class WsOrders:
    """Sends orders and reads their replies.

    `judged` hears the verdict of every refusal, `full` of a market whose counter the venue calls
    full.
    """

    def __init__(
        self,
        following: Following,
        clock: Clock,
        hear_ns: int,
        judged: Callable[[str, Verdict], None] = lambda _words, _verdict: None,
        full: Callable[[str], None] = lambda _symbol: None,
    ) -> None:
        self._following = following
        self._clock = clock
        self._hear_ns = hear_ns  # how long past its deadline an order's end is listened for
        self._judged = judged
        self._full = full
        self._asked: OrderedDict[int, str] = OrderedDict()
        self._last_id = 1_000_000  # far from the session's own requests
        self.sent = 0
        self.odd = 0

    def send(
        self, intent: OrderIntent, venue_ns: int, token: str, write: Callable[[bytes], None]
    ) -> Awaitable[Outcome]:
        """Write the order's frame now. `venue_ns` is the venue's wall time, at the earliest.

        REJECTED with "not sent" when nothing left; UNKNOWN when the deadline has passed, and a
        while after it, without an end.
        """
        why = unsendable(intent, venue_ns) or self._following.full(intent.client_id)
        if why:
            return not_sent(intent, why)
        request_id = self._ask(intent.client_id)
        frame = add_order_frame(intent, token, request_id)
        wait_ns = intent.deadline_ns - venue_ns + self._hear_ns
        waiting = self._following.follow(intent)
        try:
            write(frame)
            self.sent += 1
        finally:  # even of a write that broke half-way an end is told in time
            self._following.within(intent.client_id, wait_ns)
        return waiting

    def cancel(
        self, client_id: str, order_id: str, token: str, write: Callable[[bytes], None]
    ) -> None:
        """Ask for a cancellation, by the venue's id where it is known."""
        name, value = ("order_id", order_id) if order_id else ("cl_ord_id", client_id)
        if _WORD.fullmatch(value):
            self._last_id += 1
            write(
                f'{{"method":"cancel_order","params":{{"{name}":["{value}"],"token":"{token}"}},'
                f'"req_id":{self._last_id}}}'.encode()
            )

    def reply(self, reply: Reply) -> None:
        """The venue answered an `add_order`."""
        client_id = self._asked.pop(reply.req_id, "") if reply.req_id is not None else ""
        if not client_id:
            self.odd += 1
        intent = self._following.intent(client_id)
        if intent is None:
            return  # nobody's, or of an order whose end is known
        if reply.ok is None:
            self._following.unknown(client_id, reply.odd)
        elif not reply.ok:
            if reply.error == PAIR_RATE:
                self._full(intent.leg.symbol)
            self._no(client_id, reply.error)
        elif reply.client_id not in ("", client_id):
            self._following.unknown(client_id, f"answered for {reply.client_id[:40]}")
        else:
            self._following.accepted(client_id, reply.order_id)

    def _no(self, client_id: str, words: str) -> None:
        verdict = judge(words, self._clock.wall_ns() / SECOND)
        self._judged(words, verdict)
        order_id = self._following.order_id_of(client_id)
        if verdict.state is not OrderState.REJECTED or order_id:
            said = f"{words}, yet it is {order_id}" if order_id else words
            self._following.unknown(client_id, said, verdict.remedy)
            return
        self._following.end(
            Outcome(client_id, OrderState.REJECTED, reason=words, remedy=verdict.remedy)
        )

    def _ask(self, client_id: str) -> int:
        self._last_id += 1
        self._asked[self._last_id] = client_id
        if len(self._asked) > MAX_ASKED:
            self._asked.popitem(last=False)
        return self._last_id


def unsendable(intent: OrderIntent, venue_ns: int) -> str:
    """Why this order cannot be put into words; empty when it can."""
    for name in (intent.client_id, intent.leg.symbol):
        if not _WORD.fullmatch(name):
            return f"{name!r} is no name"
    for amount in (intent.qty, intent.limit_price):
        if not amount.is_finite() or amount <= 0:
            return f"{amount} is no amount"
    if not intent.deadline_ns:
        return "it has no deadline"
    return "its deadline has passed" if intent.deadline_ns <= venue_ns else ""


def add_order_frame(intent: OrderIntent, token: str, request_id: int) -> bytes:
    """The request of an immediate-or-cancel limit order, digit by digit."""
    leg = intent.leg
    return (
        '{"method":"add_order","params":{"order_type":"limit",'
        f'"side":"{leg.side.value}","order_qty":{_number(intent.qty)},"symbol":"{leg.symbol}",'
        f'"limit_price":{_number(intent.limit_price)},"time_in_force":"ioc",'
        f'"cl_ord_id":"{intent.client_id}","fee_preference":"{_FEE_IN[leg.side]}",'
        f'"stp_type":"cancel_newest","deadline":"{rfc3339(intent.deadline_ns)}",'
        f'"token":"{token}"}},"req_id":{request_id}}}'
    ).encode()


def _number(value: Decimal) -> str:
    """A JSON number with a point: the venue wants a "number_float" even where it is whole."""
    digits = plain(value)
    return digits if "." in digits else digits + ".0"
