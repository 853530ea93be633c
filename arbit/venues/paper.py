"""Paper: orders filled from the live books after a latency, with fees and depth, and nothing else.

`PaperExchange` is the synchronous core: it holds balances, checks orders as a venue would, and
executes each one against the book that is believable when its time has come. An order that would
not have filled does not fill. `paper_gateway` waits, and is an `OrderGateway` of `ports`.

**Displayed liquidity is filled once**; `arbit.venues.takes` holds the rules.

**An order meets the book as it was when the order arrived, or later.** A streamed book is the
venue's book of that moment. One polled over REST is a look from before, perhaps the very look that
prompted the order; so the order waits for the next look, and if none comes it has not filled.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from types import MappingProxyType
from typing import Protocol

from arbit.domain.book import BookView, Source
from arbit.domain.errors import BrokenRule
from arbit.domain.market import Market
from arbit.domain.money import ONE, ZERO, is_multiple
from arbit.domain.order import Fill, OrderIntent, OrderReport, OrderState
from arbit.domain.triangle import Leg, Side
from arbit.venues.takes import Takes

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

NO_BOOK = "the book was not believable"
NO_LATER_LOOK = "no look at the book after the order arrived"
NOTHING_WITHIN = "nothing within the limit"
TOO_MANY_TAKES = "paper:too many levels are remembered as taken"

LOOK_AGAIN_NS = 50_000_000  # how often an order asks whether a later look has come


class BookReaderLike(Protocol):
    """What paper needs of a book cache."""

    def fresh(self, symbol: str, now_ns: int, max_age_ns: int) -> BookView | None:
        """The book, if it may be believed at `now_ns`; otherwise None."""
        ...


@dataclass(slots=True)
class _Pending:
    """An accepted order on its way, and what is held for it until it is executed.

    It arrives at `due_ns`; `attempt_ns` is when it next looks for a book to meet.
    """

    intent: OrderIntent
    due_ns: int
    lot: Decimal
    fee_rate: Decimal
    hold: Decimal
    attempt_ns: int


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
        """When this order looks for a book to meet; None when it is not on its way."""
        pending = self._pending.get(client_id)
        return None if pending is None else pending.attempt_ns

    def place(self, intent: OrderIntent, now_ns: int) -> OrderReport | None:
        """Accept the order and hold its funds (None), or refuse it in Kraken's words (a report)."""
        refusal = self._refusal(intent)
        if refusal:
            return OrderReport(intent, OrderState.REJECTED, now_ns, reason=refusal)
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
            attempt_ns=now_ns + self.latency_ns,
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
            _, arrival, client_id = heapq.heappop(self._queue)
            pending = self._pending[client_id]
            symbol = pending.intent.leg.symbol
            book = self._books.fresh(symbol, now_ns, self._max_age_ns)
            if self._must_wait(pending, book, now_ns):
                pending.attempt_ns = now_ns + LOOK_AGAIN_NS
                heapq.heappush(self._queue, (pending.attempt_ns, arrival, client_id))
            else:
                reports.append(self._execute(self._pending.pop(client_id), book, now_ns))
        return reports

    def _must_wait(self, pending: _Pending, book: BookView | None, now_ns: int) -> bool:
        """Whether the book at hand was polled before the order arrived, and a later may come."""
        late = now_ns - pending.due_ns > self._max_age_ns
        return book is not None and _seen_before(book, pending.due_ns) and not late

    def books_moved(self, symbol: str, now_ns: int) -> None:
        """This symbol's book changed: let go of takes that it outlived. Cheap without any."""
        if self._takes.has(symbol):
            book = self._books.fresh(symbol, now_ns, self._max_age_ns)
            if book is not None:
                self._takes.settle(book, now_ns)

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

    def _execute(self, pending: _Pending, book: BookView | None, now_ns: int) -> OrderReport:
        """Release the hold, fill what the book offers, move both assets."""
        intent, leg = pending.intent, pending.intent.leg
        self._held[leg.spend] = _BOOKS.subtract(self._held[leg.spend], pending.hold)
        if book is None:
            return OrderReport(intent, OrderState.EMPTY, now_ns, reason=NO_BOOK)
        if _seen_before(book, pending.due_ns):
            return OrderReport(intent, OrderState.EMPTY, now_ns, reason=NO_LATER_LOOK)
        self._takes.settle(book, now_ns)
        base, quote = self._takes.take(book, pending.intent, pending.lot)
        if not base:
            reason = TOO_MANY_TAKES if self._takes.full else NOTHING_WITHIN
            return OrderReport(intent, OrderState.EMPTY, now_ns, reason=reason)
        gross = base if leg.side is Side.BUY else quote
        fee = _BOOKS.multiply(gross, pending.fee_rate)
        self._move(leg.spend, _BOOKS.minus(quote if leg.side is Side.BUY else base))
        self._move(leg.receive, _BOOKS.subtract(gross, fee))
        end = OrderState.FILLED if base == intent.qty else OrderState.PARTIAL
        return OrderReport(intent, end, now_ns, Fill(base, quote, fee, leg.receive))

    def _move(self, asset: str, amount: Decimal) -> None:
        self._balances[asset] = _BOOKS.add(self._balances.get(asset, ZERO), amount)


def _seen_before(book: BookView, arrived_ns: int) -> bool:
    """Whether this is a polled look from before the order arrived."""
    return book.source is Source.REST and book.confirmed_ns < arrived_ns


def _trades(market: Market, leg: Leg) -> bool:
    """Whether the leg is one of the two that this market can trade."""
    return leg.spend in (market.base, market.quote) and leg == Leg.through(market, leg.spend)


def _terms_refusal(intent: OrderIntent, market: Market) -> str:
    """What is wrong with the order's own figures on this market; empty when nothing is."""
    tick, lot = market.price_increment, market.qty_increment
    cost_min = market.least_cost(sells=intent.leg.side is Side.SELL)
    if tick is None or lot is None or market.qty_min is None or cost_min is None:
        return NO_SPEC
    rules = (
        (not intent.limit_price > 0, INVALID_PRICE),
        (not intent.qty > 0 or not is_multiple(intent.qty, lot), INVALID_VOLUME),
        (not is_multiple(intent.limit_price, tick), OFF_TICK),
        (intent.qty < market.qty_min, QTY_MIN_NOT_MET),
        (_BOOKS.multiply(intent.qty, intent.limit_price) < cost_min, COST_MIN_NOT_MET),
    )
    return next((words for broken, words in rules if broken), "")


def _most_spent(intent: OrderIntent) -> Decimal:
    """What the order can cost at most, in the asset it spends."""
    if intent.leg.side is Side.SELL:
        return intent.qty
    return _BOOKS.multiply(intent.qty, intent.limit_price)
