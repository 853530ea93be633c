"""Paper: orders filled from the live books after a latency, with fees and depth, and nothing else.

`PaperExchange` is the synchronous core: it holds balances, checks orders as a venue would, and
executes each one against the book that is believable when its time has come. An order that would
not have filled does not fill. `PaperGateway` waits, and is an `OrderGateway` of `ports`.

**Displayed liquidity is filled once.** What paper takes stays on display, because the real book
never noticed. So the exchange remembers how much it took at each (symbol, side, price) and offers
only what is displayed beyond that:

- a level that grows offers its growth: that is new liquidity;
- a level that shrinks below what was taken has that memory cut to what is left of it: no more than
  all of it can be ours, and what is added later is new;
- a level that leaves the book is forgotten. It has left when it is absent although a worse price
  is displayed: a level deeper than all that is displayed may merely be out of sight.

Each rule only ever frees liquidity that the book was seen to renew, so a change that nobody
reported (`books_moved`) makes paper more careful, never more generous.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from types import MappingProxyType
from typing import Protocol

from arbit.domain.book import BookView, Level
from arbit.domain.errors import BrokenRule
from arbit.domain.market import Market
from arbit.domain.money import ONE, ZERO, floor_to, is_multiple
from arbit.domain.order import Fill, OrderEnd, OrderIntent, OrderReport
from arbit.domain.triangle import Leg, Side
from arbit.ports import Clock

# Balances are exact: a digit that did not fit would be an error here, not a rounding.
_BOOKS = Context(prec=400, traps=[Inexact])

# Kraken's own words, as its API documentation spells them.
INSUFFICIENT_FUNDS = "EOrder:Insufficient funds"
QTY_MIN_NOT_MET = "EOrder:Order minimum not met"
COST_MIN_NOT_MET = "EOrder:Cost minimum not met"
OFF_TICK = "EOrder:Tick size check failed"
INVALID_PRICE = "EOrder:Invalid price"
INVALID_VOLUME = "EGeneral:Invalid arguments:volume"
DUPLICATE_ID = "EGeneral:Invalid arguments:cl_ord_id"
UNKNOWN_PAIR = "EQuery:Unknown asset pair"
TOO_MANY_ORDERS = "EOrder:Orders limit exceeded"
# Ours: a venue always knows its own specification and fee; we refuse to guess them.
NO_SPEC = "paper:an increment or a minimum is unknown"
NO_FEE = "paper:the fee is unknown"


class BookReaderLike(Protocol):
    """What paper needs of a book cache."""

    def fresh(self, symbol: str, now_ns: int, max_age_ns: int) -> BookView | None:
        """The book, if it may be believed at `now_ns`; otherwise None."""
        ...


@dataclass(frozen=True, slots=True)
class _Pending:
    """An accepted order on its way, and what is held for it until it is executed."""

    intent: OrderIntent
    due_ns: int
    lot: Decimal
    fee_rate: Decimal
    hold: Decimal


class PaperExchange:
    """One account on a venue that is made of the books we see. Synchronous, deterministic.

    `latency_ns` is all the time between sending an order and its meeting the book. `max_age_ns` is
    how old a believable book may be. Fees are fractions, by symbol, taken in the received asset.
    """

    MAX_PENDING = 64
    MAX_TAKES = 4096  # levels remembered; beyond it nothing more is filled, rather than twice
    MAX_IDS = 65_536  # client ids remembered for the refusal of duplicates; the oldest go first

    def __init__(
        self,
        books: BookReaderLike,
        markets: Mapping[str, Market],
        fees: Mapping[str, Decimal],
        balances: Mapping[str, Decimal],
        latency_ns: int,
        max_age_ns: int,
    ) -> None:
        if latency_ns < 0 or any(amount < 0 for amount in balances.values()):
            raise BrokenRule("paper: latency and balances cannot be negative")
        self._books = books
        self._markets = markets
        self._fees = fees
        self.latency_ns = latency_ns
        self._max_age_ns = max_age_ns
        self._balances = dict(balances)
        self._held: dict[str, Decimal] = {}
        self._pending: dict[str, _Pending] = {}
        self._queue: list[tuple[int, int, str]] = []  # due_ns, order of arrival, client id
        self._arrivals = 0
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._takes = Takes(self.MAX_TAKES)

    @property
    def balances(self) -> Mapping[str, Decimal]:
        """All that is owned, held or not, by asset. A live, read-only look."""
        return MappingProxyType(self._balances)

    def available(self, asset: str) -> Decimal:
        """What is owned and not held for an order on its way."""
        held = self._held.get(asset, ZERO)
        return _BOOKS.subtract(self._balances.get(asset, ZERO), held)

    @property
    def next_due_ns(self) -> int | None:
        """When the next order meets the book; None when none is on its way."""
        return self._queue[0][0] if self._queue else None

    def due_of(self, client_id: str) -> int | None:
        """When this order meets the book; None when it is not on its way."""
        pending = self._pending.get(client_id)
        return None if pending is None else pending.due_ns

    def place(self, intent: OrderIntent, now_ns: int) -> OrderReport | None:
        """Accept the order and hold its funds (None), or refuse it in Kraken's words (a report)."""
        refusal = self._refusal(intent)
        if refusal:
            return OrderReport(intent, OrderEnd.REJECTED, now_ns, reason=refusal)
        leg = intent.leg
        market = self._markets[leg.symbol]
        if market.qty_increment is None:  # `_refusal` has looked; this tells the type checker
            raise BrokenRule(f"paper: {leg.symbol} was accepted without a lot")
        pending = _Pending(
            intent=intent,
            due_ns=now_ns + self.latency_ns,
            lot=market.qty_increment,
            fee_rate=self._fees[leg.symbol],
            hold=_most_spent(intent),
        )
        self._remember(intent.client_id)
        self._pending[intent.client_id] = pending
        self._arrivals += 1
        heapq.heappush(self._queue, (pending.due_ns, self._arrivals, intent.client_id))
        self._held[leg.spend] = _BOOKS.add(self._held.get(leg.spend, ZERO), pending.hold)
        return None

    def due(self, now_ns: int) -> list[OrderReport]:
        """Execute every order whose time has come, in that order, against the books of `now_ns`.

        Call it before the books move past `next_due_ns`: the later it is called, the later the
        book an order meets.
        """
        reports = []
        while self._queue and self._queue[0][0] <= now_ns:
            _, _, client_id = heapq.heappop(self._queue)
            reports.append(self._execute(self._pending.pop(client_id), now_ns))
        return reports

    def books_moved(self, symbol: str, now_ns: int) -> None:
        """This symbol's book changed: let go of takes that it outlived. Cheap without any."""
        if self._takes.has(symbol):
            book = self._books.fresh(symbol, now_ns, self._max_age_ns)
            if book is not None:
                self._takes.settle(book)

    def _refusal(self, intent: OrderIntent) -> str:
        """The first reason to refuse the order; empty when there is none."""
        market = self._markets.get(intent.leg.symbol)
        if market is None or not _trades(market, intent.leg):
            return UNKNOWN_PAIR
        if intent.client_id in self._ids:
            return DUPLICATE_ID
        if len(self._pending) >= self.MAX_PENDING:
            return TOO_MANY_ORDERS
        fee = self._fees.get(intent.leg.symbol)
        if fee is None or not 0 <= fee < ONE:
            return NO_FEE
        wrong = _terms_refusal(intent, market)
        if wrong or _most_spent(intent) <= self.available(intent.leg.spend):
            return wrong
        return INSUFFICIENT_FUNDS

    def _remember(self, client_id: str) -> None:
        self._ids[client_id] = None
        while len(self._ids) > self.MAX_IDS:
            self._ids.popitem(last=False)

    def _execute(self, pending: _Pending, now_ns: int) -> OrderReport:
        """Release the hold, fill what the book offers, move both assets."""
        intent, leg = pending.intent, pending.intent.leg
        self._held[leg.spend] = _BOOKS.subtract(self._held[leg.spend], pending.hold)
        book = self._books.fresh(leg.symbol, now_ns, self._max_age_ns)
        if book is None:
            return OrderReport(intent, OrderEnd.EMPTY, now_ns, reason="book not believable")
        self._takes.settle(book)
        base, quote = self._takes.take(book, pending.intent, pending.lot)
        if not base:
            return OrderReport(intent, OrderEnd.EMPTY, now_ns, reason="nothing within the limit")
        gross = base if leg.side is Side.BUY else quote
        fee = _BOOKS.multiply(gross, pending.fee_rate)
        self._move(leg.spend, _BOOKS.minus(quote if leg.side is Side.BUY else base))
        self._move(leg.receive, _BOOKS.subtract(gross, fee))
        end = OrderEnd.FILLED if base == intent.qty else OrderEnd.PARTIAL
        return OrderReport(intent, end, now_ns, Fill(base, quote, fee, leg.receive))

    def _move(self, asset: str, amount: Decimal) -> None:
        self._balances[asset] = _BOOKS.add(self._balances.get(asset, ZERO), amount)


class Takes:
    """How much was taken at each displayed level, by (symbol, side) and price. See the top."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._taken: dict[tuple[str, Side], dict[Decimal, Decimal]] = {}

    def __len__(self) -> int:
        return self._count

    def has(self, symbol: str) -> bool:
        """Whether anything taken on this symbol is still remembered."""
        return (symbol, Side.BUY) in self._taken or (symbol, Side.SELL) in self._taken

    def settle(self, book: BookView) -> None:
        """Adjust what is remembered of this symbol to the book as it is displayed now."""
        for side in Side:
            taken = self._taken.get((book.symbol, side))
            if taken is not None:
                kept = _still_taken(taken, book.facing(side), side)
                self._count -= len(taken) - len(kept)
                if kept:
                    self._taken[book.symbol, side] = kept
                else:
                    del self._taken[book.symbol, side]

    def take(self, book: BookView, intent: OrderIntent, lot: Decimal) -> tuple[Decimal, Decimal]:
        """Take up to the order's quantity within its limit: the base and the quote units traded.

        Less than the whole order is cut down to whole lots, as an order on a venue would be.
        """
        side = intent.leg.side
        taken = self._taken.get((book.symbol, side), {})
        offered: list[Level] = []
        for level in book.facing(side):
            if not _within_limit(level.price, intent):
                break
            left = _BOOKS.subtract(level.qty, taken.get(level.price, ZERO))
            if left > 0 and (level.price in taken or self._count + len(offered) < self._most):
                offered.append(Level(level.price, left))
        depth = ZERO
        for level in offered:
            depth = _BOOKS.add(depth, level.qty)
        wanted = intent.qty if depth >= intent.qty else floor_to(depth, lot)
        return wanted, self._mark(book.symbol, side, offered, wanted)

    def _mark(self, symbol: str, side: Side, offered: list[Level], wanted: Decimal) -> Decimal:
        """Remember `wanted` as taken from these levels; returns what it trades for."""
        quote, left = ZERO, wanted
        for level in offered:
            if not left:
                break
            part = min(left, level.qty)
            taken = self._taken.setdefault((symbol, side), {})
            self._count += level.price not in taken
            taken[level.price] = _BOOKS.add(taken.get(level.price, ZERO), part)
            quote = _BOOKS.fma(part, level.price, quote)
            left = _BOOKS.subtract(left, part)
        return quote


class PaperGateway:
    """`ports.OrderGateway` on paper: waits out the latency, then reports what became of the order.

    It alone calls `due`; orders sent side by side find each other's reports here.
    """

    def __init__(self, exchange: PaperExchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._waiting: set[str] = set()
        self._reports: dict[str, OrderReport] = {}

    async def send(self, intent: OrderIntent) -> OrderReport:
        """Place the order once and report what became of it, a refusal included.

        A cancelled `send` does not recall its order: it meets the book with the next one's pump.
        """
        clock, client_id = self._clock, intent.client_id
        sent_ns = clock.monotonic_ns()
        refused = self._exchange.place(intent, sent_ns)
        if refused is not None:
            await self._wait_until(sent_ns + self._exchange.latency_ns)
            return refused
        self._waiting.add(client_id)
        try:
            await self._wait_until(sent_ns + self._exchange.latency_ns)
            for report in self._exchange.due(clock.monotonic_ns()):
                if report.intent.client_id in self._waiting:
                    self._reports[report.intent.client_id] = report
            if client_id not in self._reports:
                raise BrokenRule(f"paper: the report of {client_id} was taken by somebody else")
            return self._reports[client_id]
        finally:
            self._waiting.discard(client_id)
            self._reports.pop(client_id, None)

    async def _wait_until(self, when_ns: int) -> None:
        """Sleep until then; a timer that wakes early is sent back to sleep."""
        while (left_ns := when_ns - self._clock.monotonic_ns()) > 0:
            await self._clock.sleep(left_ns / 1e9)


def _trades(market: Market, leg: Leg) -> bool:
    """Whether the leg is one of the two that this market can trade."""
    return leg.spend in (market.base, market.quote) and leg == Leg.through(market, leg.spend)


def _terms_refusal(intent: OrderIntent, market: Market) -> str:
    """What is wrong with the order's own figures on this market; empty when nothing is."""
    tick, lot = market.price_increment, market.qty_increment
    if tick is None or lot is None or market.qty_min is None or market.cost_min is None:
        return NO_SPEC
    rules = (
        (not intent.limit_price > 0, INVALID_PRICE),
        (not intent.qty > 0 or not is_multiple(intent.qty, lot), INVALID_VOLUME),
        (not is_multiple(intent.limit_price, tick), OFF_TICK),
        (intent.qty < market.qty_min, QTY_MIN_NOT_MET),
        (_BOOKS.multiply(intent.qty, intent.limit_price) < market.cost_min, COST_MIN_NOT_MET),
    )
    return next((words for broken, words in rules if broken), "")


def _most_spent(intent: OrderIntent) -> Decimal:
    """What the order can cost at most, in the asset it spends."""
    if intent.leg.side is Side.SELL:
        return intent.qty
    return _BOOKS.multiply(intent.qty, intent.limit_price)


def _within_limit(price: Decimal, intent: OrderIntent) -> bool:
    if intent.leg.side is Side.BUY:
        return price <= intent.limit_price
    return price >= intent.limit_price


def _still_taken(
    taken: Mapping[Decimal, Decimal], levels: tuple[Level, ...], side: Side
) -> dict[Decimal, Decimal]:
    """What stays taken on a side that displays these levels."""
    displayed = {level.price: level.qty for level in levels}
    kept = {}
    for price, qty in taken.items():
        left = displayed.get(price)
        if left is not None:
            kept[price] = min(qty, left)
        elif not levels or _beyond(price, levels[-1].price, side):
            kept[price] = qty
    return kept


def _beyond(price: Decimal, deepest: Decimal, side: Side) -> bool:
    """Whether the price is deeper than all that is displayed on the side a taker of `side` eats."""
    return price > deepest if side is Side.BUY else price < deepest
