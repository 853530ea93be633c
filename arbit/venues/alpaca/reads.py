"""Questions about an Alpaca account, answered exactly or not at all.

Sources: docs.alpaca.markets, "Account", "Positions", "Orders", "Account activities", "Clock".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbit.domain.account import (
    FEE_POSTED,
    Balance,
    ClockOffset,
    Counts,
    Flow,
    KeyFacts,
    VenueOrder,
)
from arbit.domain.errors import FrameError, VenueUnreachable
from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import Trade
from arbit.domain.triangle import Side
from arbit.ports import Known, nothing_known
from arbit.venues.alpaca.activities import USD, Activities
from arbit.venues.alpaca.cash import Cash
from arbit.venues.alpaca.http import Answer, Http
from arbit.venues.alpaca.keyfacts import key_facts, refuse_unfit
from arbit.venues.alpaca.names import Listed, Names
from arbit.venues.alpaca.orders_book import OrdersBook
from arbit.venues.alpaca.parse_orders import Order, Rates, order_of, trade_of
from arbit.venues.alpaca.stamps import http_date_ns, stamp_ns
from arbit.venues.answers import amount_of, object_of, text_of
from arbit.venues.clockoffset import OffsetTracker

SECOND_NS = 1_000_000_000
MOST_OPEN = 500  # orders in one list (docs.alpaca.markets, "Get All Orders")
TRIES = 4  # how often balances are read until nothing moved between two of their questions
ACCOUNT = "/v2/account"


@dataclass(frozen=True, slots=True)
class ReadsParts:
    """What the answers come from. `rate` is the account's taker fee of a market."""

    http: Http
    listed: Listed
    activities: Activities
    book: OrdersBook
    offsets: OffsetTracker
    rate: Rates


class AlpacaReads:
    """`ports.AccountReader` of one Alpaca account."""

    def __init__(self, parts: ReadsParts) -> None:
        self._http = parts.http
        self._listed = parts.listed
        self._activities = parts.activities
        self._book = parts.book
        self._rate = parts.rate
        self._cash = Cash()
        self.offsets = parts.offsets

    @property
    def names(self) -> Names:
        """The venue's names, as far as they were asked for."""
        return self._listed.names

    async def learn(self) -> None:
        """Ask for the venue's names, once."""
        await self._listed.learn()

    async def balances(self) -> Mapping[str, Balance]:
        """Every asset with a balance, and what open orders hold of it.

        Cash comes net of what open buys hold (docs.alpaca.markets, "Account"), and apart from the
        positions: a trade between the questions would be seen in one answer and not in the other.
        So cash is asked for before and after, until it is the same. It is believed as far as its
        digits go: see `cash`.
        """
        names = await self._listed.learn()
        free = await self._free_cash()
        for _ in range(TRIES):
            positions, _answer = await self._http.question("/v2/positions")
            held = _held(order_of(row, names) for row in await self._open_rows())
            before, free = free, await self._free_cash()
            if free == before:
                found = self._positions(positions, names)
                digits = self._cash.digits
                free_and_held = EXACT.add(free, held)
                found[USD] = Balance(free_and_held, held, digits, coarse=digits is not None)
                return found
        raise VenueUnreachable("balances: money moves all the time")

    async def _free_cash(self) -> Decimal:
        """AccountUnfit when the account may not trade any more."""
        body, _answer = await self._http.question(ACCOUNT)
        refuse_unfit(body)
        cash = amount_of(object_of(body, "account").get("cash"), "cash")
        self._cash.heard(cash)
        return cash

    @staticmethod
    def _positions(body: Any, names: Names) -> dict[str, Balance]:
        if not isinstance(body, list):
            raise FrameError("positions: the answer is no list")
        found: dict[str, Balance] = {}
        for entry in body:
            told = object_of(entry, "a position")
            asset = names.asset(text_of(told, "symbol"))
            qty = amount_of(told.get("qty"), "qty")
            free = told.get("qty_available")
            held = ZERO if free is None else EXACT.subtract(qty, amount_of(free, "qty_available"))
            if asset in found or asset == USD:
                raise FrameError(f"positions: {asset:.20} twice")
            found[asset] = Balance(qty, held)
        return found

    async def fees(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """The taker fee of each listed market. Alpaca does not tell an account's tier.

        So it is what the user set, else the published ladder's first (docs.alpaca.markets, "Crypto
        fees"): one too high only misses trades, and one too low shows as a difference beyond
        `Trade.fee_slack` with the first fee that is posted.
        """
        names = await self._listed.learn()
        return {one: self._rate(one) for one in symbols if names.symbols.get(one) == one}

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Every open order of the account, ours or not."""
        names = await self._listed.learn()
        return [order_of(row, names).seen() for row in await self._open_rows()]

    async def _open_rows(self) -> list[Any]:
        asked = {"status": "open", "limit": str(MOST_OPEN), "nested": "false"}
        body, _answer = await self._http.question("/v2/orders", asked, reserved=True)
        if not isinstance(body, list):
            raise FrameError("orders: the answer is no list")
        if len(body) >= MOST_OPEN:
            raise VenueUnreachable(f"orders: {MOST_OPEN} or more are open")
        return body

    async def trades_since(self, since_ns: int, known: Known = nothing_known) -> Sequence[Trade]:
        """Every trade from venue time `since_ns` on, oldest first, each with its order's ids.

        Those that `known` knows are left out: to learn an order's ids costs a question. The same
        fill has the same id here as on the stream.
        """
        rows = await self._activities.fills(since_ns)
        told = known([row.fill.exec_id for row in rows])
        rows = [row for row in rows if row.fill.exec_id not in told]
        orders = {one: await self._order(one) for one in {row.order_id for row in rows}}
        trades = []
        for row in rows:
            order = orders[row.order_id]
            if (order.symbol, order.side) != (row.symbol, row.side):
                raise FrameError(f"fill {row.fill.exec_id:.40} is not of its order")
            trades.append(trade_of(row.fill, order, self._rate(order.symbol)))
        return sorted(trades, key=lambda one: (one.at_ns, one.trade_id))

    async def _order(self, order_id: str) -> Order:
        known = self._book.known(order_id)
        if known is not None:
            return known
        names = await self._listed.learn()
        body, _answer = await self._http.question(f"/v2/orders/{_segment(order_id)}")
        order = order_of(body, names)
        if order.order_id != order_id:
            raise FrameError(f"orders: {order_id:.40} was asked for, not {order.order_id:.40}")
        return order

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        """Everything but trades that moved a balance, and fees that were posted, oldest first."""
        return await self._activities.flows(since_ns)

    async def counts(self, after_ns: int, until_ns: int) -> Counts:
        """How much happened. Alpaca counts nothing, so it is listed; posted fees move nothing."""
        fills = await self._activities.fills(after_ns)
        flows = await self._activities.flows(after_ns)
        trades = {row.fill.exec_id for row in fills if after_ns < row.fill.at_ns <= until_ns}
        moved = {
            one.ref for one in flows if one.kind != FEE_POSTED and after_ns < one.at_ns <= until_ns
        }
        return Counts(len(trades), len(moved))

    async def key(self) -> KeyFacts:
        """What the key may do: Alpaca does not say. AccountUnfit when the account may not trade."""
        body, _answer = await self._http.question(ACCOUNT)
        refuse_unfit(body)
        return key_facts()

    async def clock_offset(self) -> ClockOffset:
        """The venue's clock against ours."""
        return await clock_offset(self._http)


async def clock_offset(http: Http) -> ClockOffset:
    """The venue's clock against ours, by its own stamp, else by the header Date.

    The header has whole seconds: half of one more is uncertain then.
    """
    clock = http.clock
    sent_ns = clock.wall_ns()
    body, answer = await http.question("/v2/clock", tries=1)
    got_ns = clock.wall_ns()
    at_ns, coarse_ns = _venue_time(body, answer)
    middle_ns = (sent_ns + got_ns) // 2
    uncertain_ns = max(0, got_ns - sent_ns) // 2 + coarse_ns + 1
    return ClockOffset(at_ns - middle_ns, uncertain_ns, clock.monotonic_ns())


def _venue_time(body: Any, answer: Answer) -> tuple[int, int]:
    """The venue's time, and how far it may be from it."""
    stamp = body.get("timestamp") if isinstance(body, Mapping) else None
    if stamp is not None:
        return stamp_ns(stamp), 0
    return http_date_ns(answer.date) + SECOND_NS // 2, SECOND_NS // 2


def _held(orders: Iterable[Order]) -> Decimal:
    """What open buys hold of the cash. FrameError for one whose cost nobody can tell."""
    held = ZERO
    for order in orders:
        if order.side is Side.BUY and order.symbol.endswith(f"/{USD}") and not order.over:
            if order.qty is None or order.limit_price is None:
                raise FrameError(f"order {order.order_id:.40}: what it holds is not told")
            left = EXACT.subtract(order.qty, order.filled_qty)
            held = EXACT.fma(left, order.limit_price, held)
    return held


def _segment(order_id: str) -> str:
    """An id as part of a path. FrameError for one that would be more than that."""
    if not order_id.isascii() or not order_id.replace("-", "").isalnum() or len(order_id) > 64:
        raise FrameError(f"{order_id!r:.40} is no order's id")
    return order_id
