"""What became of an order, by question alone: open orders, then closed ones, then its trades.

Sound under the venue's rules (docs.kraken.com: client order ids, order deadlines): an order that
carried a deadline cannot be accepted after it, so two answers that do not know it, both asked when
that time and a margin for the venue's own read lag had passed, mean that it never will be.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from arbit.domain.errors import FrameError, VenueError
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade, end_of, total
from arbit.ports import Clock
from arbit.venues.kraken.clockoffset import OffsetTracker
from arbit.venues.kraken.reads import KrakenReads, amount_of, side_of

APART_NS = 500_000_000
NEEDED = 2
MAX_COUNTED = 1_000
NS_PER_MS = 1_000_000


@dataclass(slots=True)
class _Missing:
    """How often an order was not found when it should have been there, and when last."""

    times: int = 0
    last_ns: int = 0


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
        asked_past_deadline = self._past(intent)
        try:
            await self._reads.learn()
            found = await self._find(intent, order_id)
            if found is None:
                return self._not_found(intent, order_id, past=asked_past_deadline)
            self._missing.pop(intent.client_id, None)
            return await self._judge(intent, *found)
        except VenueError as error:
            return Outcome(
                intent.client_id, OrderState.UNKNOWN, order_id=order_id, reason=str(error)[:300]
            )

    async def _find(
        self, intent: OrderIntent, order_id: str
    ) -> tuple[str, Mapping[str, Any]] | None:
        """The venue's id and row of the order; None when neither list has it."""
        rest = self._reads.rest
        params = {"cl_ord_id": intent.client_id, "trades": "true"}
        for name, key in (("OpenOrders", "open"), ("ClosedOrders", "closed")):
            result = await rest.ask(name, params, reserved=True)
            rows = result.get(key) if isinstance(result, dict) else None
            if not isinstance(rows, dict):
                raise FrameError(f"{name}: the answer has no orders")
            mine = [
                (one, row)
                for one, row in rows.items()
                if isinstance(row, dict) and row.get("cl_ord_id") == intent.client_id
            ]
            if len(mine) > 1:
                raise FrameError(f"{name}: {intent.client_id} is there {len(mine)} times")
            if mine:
                return mine[0]
        if order_id:  # known to be there: ask for it by the venue's own id
            result = await rest.ask(
                "QueryOrders", {"txid": order_id, "trades": "true"}, reserved=True
            )
            row = result.get(order_id) if isinstance(result, dict) else None
            if isinstance(row, dict):
                return order_id, row
        return None

    async def _judge(self, intent: OrderIntent, order_id: str, row: Mapping[str, Any]) -> Outcome:
        if not self._is_same(intent, row):
            raise FrameError(f"{intent.client_id}: the venue's order has other terms")
        filled = amount_of(row.get("vol_exec"), "vol_exec")
        status = row.get("status")
        if status in {"open", "pending"}:
            return Outcome(intent.client_id, OrderState.ACKED, order_id=order_id, filled_qty=filled)
        if status not in {"closed", "canceled", "expired"}:
            raise FrameError(f"{intent.client_id}: status {status!r:.40}")
        trades: list[Trade] = []
        if filled:
            ids = row.get("trades")
            if not isinstance(ids, list) or not ids:
                raise FrameError(f"{intent.client_id}: filled, but its trades are not told yet")
            trades = await self._reads.trades_of([order_id], [str(one) for one in ids])
        trades = [replace(one, client_id=intent.client_id, order_id=order_id) for one in trades]
        if total(trade.qty for trade in trades) != filled:
            raise FrameError(f"{intent.client_id}: its trades do not add up to {filled} yet")
        return Outcome(
            client_id=intent.client_id,
            state=end_of(intent.qty, trades),
            trades=tuple(sorted(trades, key=lambda one: (one.at_ns, one.trade_id))),
            order_id=order_id,
            reason=str(row.get("reason") or ""),
            filled_qty=filled,
        )

    def _is_same(self, intent: OrderIntent, row: Mapping[str, Any]) -> bool:
        descr = row.get("descr")
        if not isinstance(descr, Mapping):
            return False
        return (
            self._reads.names.symbol(descr.get("pair")) == intent.leg.symbol
            and side_of(descr.get("type")) is intent.leg.side
            and amount_of(row.get("vol"), "vol") == intent.qty
            and Decimal(str(descr.get("price"))) == intent.limit_price
        )

    def _past(self, intent: OrderIntent) -> bool:
        """Whether its deadline and the margin have passed at the venue, for certain."""
        offset = self._offsets.now()
        if not intent.deadline_ns or offset is None:
            return False
        surely_ns = self._clock.wall_ns() + offset.offset_ns - offset.uncertainty_ns
        return surely_ns > intent.deadline_ns + self._margin_ns

    def _not_found(self, intent: OrderIntent, order_id: str, *, past: bool) -> Outcome:
        """NEVER needs two answers apart, asked when the order could no longer be accepted."""
        unknown = Outcome(
            intent.client_id, OrderState.UNKNOWN, order_id=order_id, reason="not found so far"
        )
        if not past or order_id:
            return unknown
        missing = self._missing.setdefault(intent.client_id, _Missing())
        while len(self._missing) > MAX_COUNTED:
            self._missing.popitem(last=False)
        now_ns = self._clock.monotonic_ns()
        if not missing.times or now_ns - missing.last_ns >= APART_NS:
            missing.times, missing.last_ns = missing.times + 1, now_ns
        if missing.times < NEEDED:
            return unknown
        self._missing.pop(intent.client_id, None)
        return Outcome(intent.client_id, OrderState.NEVER, reason="not found after its deadline")
