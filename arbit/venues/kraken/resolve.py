"""What became of an order, by question alone: open orders, then closed ones, then its trades.

Sound under the venue's rules (docs.kraken.com: client order ids, order deadlines): an order that
carried a deadline cannot be accepted after it, so two answers that do not know it, both asked when
that time and a margin for the venue's own read lag had passed, mean that it never will be.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arbit.domain.errors import FrameError, VenueError, VenueRefused
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade, end_of, total
from arbit.ports import Clock
from arbit.venues.answers import amount_of, side_of, text_of
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken.reads import EACH_FILL, KrakenReads

APART_NS = 500_000_000
NEEDED = 2
MAX_COUNTED = 1_000
NS_PER_MS = 1_000_000
Row = Mapping[str, Any]


@dataclass(slots=True)
class _Missing:
    """How often an order was not found when it should have been there, and when last."""

    times: int = 0
    answered_ns: int = 0


class Resolver:
    """Asks about orders of one account. `margin_ms` is for the venue's read lag."""

    def __init__(
        self, reads: KrakenReads, offsets: OffsetTracker, clock: Clock, margin_ms: int
    ) -> None:
        self._reads = reads
        self._offsets = offsets
        self._clock = clock
        self._margin_ns = margin_ms * NS_PER_MS
        self._missing: OrderedDict[str, _Missing] = OrderedDict()

    async def ask(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        """One round. Never raises a VenueError: what cannot be learnt now is UNKNOWN."""
        past, asked_ns = self._past(intent), self._clock.monotonic_ns()
        try:
            await self._reads.learn()
            found = await self._find(intent, order_id)
            if found is not None:
                self._missing.pop(intent.client_id, None)
                return await self._judge(intent, *found)
        except VenueError as error:
            return Outcome(
                intent.client_id, OrderState.UNKNOWN, order_id=order_id, reason=str(error)[:300]
            )
        if past and not order_id and self._never(intent.client_id, asked_ns):
            return Outcome(
                intent.client_id, OrderState.NEVER, reason="not found after its deadline"
            )
        return Outcome(
            intent.client_id, OrderState.UNKNOWN, order_id=order_id, reason="not found so far"
        )

    async def _find(self, intent: OrderIntent, order_id: str) -> tuple[str, Row] | None:
        """The venue's id and row of the order; None when neither list has it.

        One whose id is known is asked for by it, which costs less. FrameError when anything in an
        answer is not about this order: it may be an answer to somebody else's question.
        """
        if order_id:
            try:
                rows = await self._rows("QueryOrders", "", {"txid": order_id})
            except VenueRefused:  # not visible yet
                rows = {}
            if rows:
                return _only(rows, intent.client_id, order_id)
        by_client_id = {"cl_ord_id": intent.client_id}
        for name, key in (("OpenOrders", "open"), ("ClosedOrders", "closed")):
            rows = await self._rows(name, key, by_client_id)
            if rows:
                return _only(rows, intent.client_id, order_id)
        return None

    async def _rows(self, name: str, key: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        asked = {**params, "trades": "true"}
        if name != "OpenOrders":  # the one list that does not take it
            asked |= EACH_FILL
        result = await self._reads.rest.ask(name, asked, reserved=True)
        rows = result.get(key) if key and isinstance(result, dict) else result
        if not isinstance(rows, dict):
            raise FrameError(f"{name}: the answer has no orders")
        return rows

    async def _judge(self, intent: OrderIntent, order_id: str, row: Row) -> Outcome:
        if not self._is_same(intent, row):
            raise FrameError(f"{intent.client_id}: the venue's order has other terms")
        filled = amount_of(row.get("vol_exec"), "vol_exec")
        status = text_of(row, "status")
        if status in {"open", "pending"}:
            return Outcome(intent.client_id, OrderState.ACKED, order_id=order_id, filled_qty=filled)
        if status not in {"closed", "canceled", "expired"}:
            raise FrameError(f"{intent.client_id}: status {status!r:.40}")
        trades = await self._trades(intent, order_id, row) if filled else []
        if total(trade.qty for trade in trades) != filled:
            raise FrameError(f"{intent.client_id}: its trades do not add up to {filled} yet")
        return Outcome(
            client_id=intent.client_id,
            state=end_of(intent.qty, trades),
            trades=tuple(sorted(trades, key=lambda one: (one.at_ns, one.trade_id))),
            order_id=order_id,
            reason=str(row.get("reason") or "")[:300],
            filled_qty=filled,
        )

    async def _trades(self, intent: OrderIntent, order_id: str, row: Row) -> list[Trade]:
        """The order's trades, each of them this order's beyond doubt."""
        ids = row.get("trades")
        if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
            raise FrameError(f"{intent.client_id}: filled, but its trades are not told yet")
        trades = await self._reads.trades_of(row, list(dict.fromkeys(ids)))
        for one in trades:
            same_market = one.symbol == intent.leg.symbol and one.side is intent.leg.side
            if one.order_id != order_id or not same_market:
                raise FrameError(f"{intent.client_id}: trade {one.trade_id:.40} is not of it")
        return trades

    def _is_same(self, intent: OrderIntent, row: Row) -> bool:
        descr = row.get("descr")
        if not isinstance(descr, Mapping):
            return False
        return (
            self._reads.names.symbol(descr.get("pair")) == intent.leg.symbol
            and side_of(descr.get("type")) is intent.leg.side
            and amount_of(row.get("vol"), "vol") == intent.qty
            and amount_of(descr.get("price"), "price") == intent.limit_price
        )

    def _past(self, intent: OrderIntent) -> bool:
        """Whether its deadline and the margin have passed at the venue, for certain."""
        offset = self._offsets.now()
        if not intent.deadline_ns or offset is None:
            return False
        surely_ns = self._clock.wall_ns() + offset.offset_ns - offset.uncertainty_ns
        return surely_ns > intent.deadline_ns + self._margin_ns

    def _never(self, client_id: str, asked_ns: int) -> bool:
        """Whether this is the second time that it was not there, asked well after the first."""
        missing = self._missing.setdefault(client_id, _Missing())
        while len(self._missing) > MAX_COUNTED:
            self._missing.popitem(last=False)
        if missing.times and asked_ns - missing.answered_ns < APART_NS:
            return False
        missing.times, missing.answered_ns = missing.times + 1, self._clock.monotonic_ns()
        if missing.times < NEEDED:
            return False
        self._missing.pop(client_id, None)
        return True


def _only(rows: Mapping[str, Any], client_id: str, order_id: str) -> tuple[str, Row]:
    """The one order there is, which is ours. FrameError for several, or for another."""
    if len(rows) > 1:
        raise FrameError(f"{client_id}: {len(rows)} orders in the answer, one was asked for")
    ((found_id, row),) = rows.items()
    if not isinstance(row, dict) or row.get("cl_ord_id") != client_id:
        raise FrameError(f"{client_id}: the answer is about another order")
    if order_id and found_id != order_id:
        raise FrameError(f"{client_id}: it is {found_id:.40}, not {order_id:.40}")
    return found_id, row
