"""What became of an order, by question alone: the order by its client id, then its fills.

Alpaca has no deadline that the venue itself would keep (docs.alpaca.markets, "Create an Order"), so
that an order "never will be" cannot be proved by the venue's word. What we rely on instead is said
in docs/decisions/0010: our own request is given up, and its connection closed, after
`gateway.ORDER_S`; what may then still be on its way, or wait behind the venue's edge, is answered
there within half a minute (its own `504 backend request timeout`). The deadline of an intent lies
beyond both. So an order that is not found (404 with the venue's own code) twice, both asked when
that deadline and a margin for lagging reads had passed, is taken never to come. While our request
is out, or while anything has ever named the order, a 404 proves nothing. If the order turns up
after all, it is found and booked: an order found later always wins.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from arbit.domain.errors import FrameError, VenueError
from arbit.domain.order import OrderIntent, OrderState, Outcome, total
from arbit.ports import Clock
from arbit.venues.alpaca.activities import Activities, FillRow
from arbit.venues.alpaca.http import Http, json_of, said
from arbit.venues.alpaca.names import Listed
from arbit.venues.alpaca.orders_book import OrdersBook, differs, outcome_of, short
from arbit.venues.alpaca.parse_orders import Execution, Order, Rates, order_of, trade_of
from arbit.venues.clockoffset import OffsetTracker

MS = 1_000_000
SECOND_NS = 1_000 * MS
APART_NS = 500 * MS
NEEDED = 2
MAX_COUNTED = 1_000
BEFORE_NS = 60 * SECOND_NS  # how far before an order was made its fills are looked for
BY_CLIENT_ID = "/v2/orders:by_client_order_id"
NOT_FOUND = 404
NOT_FOUND_CODE = 40410000


@dataclass(slots=True)
class _Missing:
    """How often an order was not found when it should have been there, and when last."""

    times: int = 0
    answered_ns: int = 0


@dataclass(frozen=True, slots=True)
class ResolverParts:
    """What the answers come from. `margin_ms` is for the venue's read lag, `rate` the taker fee."""

    http: Http
    listed: Listed
    activities: Activities
    book: OrdersBook
    offsets: OffsetTracker
    clock: Clock
    margin_ms: int
    rate: Rates


class Resolver:
    """Asks about orders of one account, from the reserved budget.

    `travelling` tells whether our own request of an order is still out.
    """

    def __init__(self, parts: ResolverParts) -> None:
        self._parts = parts
        self._missing: OrderedDict[str, _Missing] = OrderedDict()
        self._open: OrderedDict[str, None] = OrderedDict()  # told to be accepted and not over
        self.travelling: Callable[[str], bool] = lambda _client_id: False

    async def ask(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        """One round. Never raises a VenueError: what cannot be learnt now is UNKNOWN."""
        client_id, asked_ns = intent.client_id, self._parts.clock.monotonic_ns()
        past = self._past(intent) and not self.travelling(client_id)
        order_id = order_id or self._parts.book.order_id_of(client_id)
        try:
            order = await self.find(client_id)
            if order is not None:
                self._missing.pop(client_id, None)
                return await self._judge(intent, order, order_id)
        except VenueError as error:
            return _unknown(intent, order_id, str(error))
        if past and not order_id and self._never(client_id, asked_ns):
            reason = "not found after its deadline"
            return Outcome(client_id, OrderState.NEVER, reason=reason)
        return _unknown(intent, order_id, "not found so far")

    async def find(self, client_id: str) -> Order | None:
        """The order of this client id; None when the venue says in its own words that it has none.

        VenueError for anything else.
        """
        names = await self._parts.listed.learn()
        asked = {"client_order_id": client_id}
        answer = await self._parts.http.ask("GET", BY_CLIENT_ID, params=asked, reserved=True)
        body = json_of(answer.body, "the order")
        if answer.status == NOT_FOUND and _code(body) == NOT_FOUND_CODE:
            return None
        if not answer.ok:
            raise FrameError(f"{answer.status} {said(answer)}".strip())
        order = order_of(body, names)
        if order.client_id != client_id:
            raise FrameError(f"{client_id}: the answer is about another order")
        return order

    async def _judge(self, intent: OrderIntent, order: Order, order_id: str) -> Outcome:
        client_id = intent.client_id
        if order_id not in ("", order.order_id):
            raise FrameError(f"{client_id}: it is {order.order_id:.40}, not {order_id:.40}")
        if why := differs(order, intent):
            raise FrameError(f"{client_id}: the venue's order is {why}")
        if not order.over:
            self._open[client_id] = None
            if len(self._open) > MAX_COUNTED:
                self._open.popitem(last=False)
            return Outcome(
                client_id, OrderState.ACKED, order_id=order.order_id, filled_qty=order.filled_qty
            )
        if why := short(order.status, order.filled_qty, intent):
            raise FrameError(f"{client_id}: {why}")
        fills = await self._fills(order)
        rate = self._parts.rate(order.symbol)
        trades = [trade_of(one, order, rate) for one in fills.values()]
        outcome = outcome_of(intent, order.order_id, order.status, trades)
        if outcome.state is OrderState.REJECTED and client_id in self._open:
            return replace(outcome, state=OrderState.EMPTY)  # it was accepted, by its own word
        return outcome

    async def _fills(self, order: Order) -> Mapping[str, Execution]:
        """All fills of an order that is over. FrameError while they do not add up."""
        fills = dict(self._parts.book.fills_of(order.order_id))
        if total(one.qty for one in fills.values()) == order.filled_qty:
            return fills
        since_ns = (order.at_ns or self._parts.clock.wall_ns()) - BEFORE_NS
        activities, order_id = self._parts.activities, order.order_id
        for row in await activities.fills(since_ns, order_id=order_id, reserved=True):
            _same_market(row, order)
            fills.setdefault(row.fill.exec_id, row.fill)
        if total(one.qty for one in fills.values()) != order.filled_qty:
            raise FrameError(
                f"{order.client_id}: its fills do not add up to {order.filled_qty} yet"
            )
        return fills

    def _past(self, intent: OrderIntent) -> bool:
        """Whether its deadline and the margin have passed at the venue, for certain."""
        offset = self._parts.offsets.now()
        if not intent.deadline_ns or offset is None:
            return False
        surely_ns = self._parts.clock.wall_ns() + offset.offset_ns - offset.uncertainty_ns
        return surely_ns > intent.deadline_ns + self._parts.margin_ms * MS

    def _never(self, client_id: str, asked_ns: int) -> bool:
        """Whether this is the second time that it was not there, asked well after the first."""
        missing = self._missing.setdefault(client_id, _Missing())
        while len(self._missing) > MAX_COUNTED:
            self._missing.popitem(last=False)
        if missing.times and asked_ns - missing.answered_ns < APART_NS:
            return False
        missing.times, missing.answered_ns = missing.times + 1, self._parts.clock.monotonic_ns()
        if missing.times < NEEDED:
            return False
        self._missing.pop(client_id, None)
        return True


def _same_market(row: FillRow, order: Order) -> None:
    if (row.symbol, row.side) != (order.symbol, order.side):
        raise FrameError(f"{order.client_id}: fill {row.fill.exec_id:.40} is not of it")


def _unknown(intent: OrderIntent, order_id: str, why: str) -> Outcome:
    return Outcome(intent.client_id, OrderState.UNKNOWN, order_id=order_id, reason=why[:300])


def _code(body: object) -> object:
    return body.get("code") if isinstance(body, dict) else None
