"""Feeds books over REST while their stream is stale or absent.

The stream's own recovery goes on beside it; whoever owns the stream says which symbols are stale
and which are back. A REST book is believed as of the moment its question left, and is labelled
`source=rest`, so everything downstream can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.book import Level, OrderBook, Source, scaled
from arbit.domain.errors import FrameError, VenueError, VenueRefused
from arbit.domain.events import FeedCounts, StreamBack, StreamStale, VenueSaid
from arbit.domain.market import Market
from arbit.domain.money import decimals_of, plain
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.backoff import backoff_ms
from arbit.venues.looks import DepthLook, LookingReader, within_bounds
from arbit.venues.standing import RENEW_NS, Standing

REFUSED_PAUSE_NS = 30_000_000_000  # a market the venue refuses is not asked again before this
BACKOFF_CAP_MS = 15_000
CLOSED_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class RestParts:
    """What a REST-fed book needs: whom to ask, where to put it, whom to tell."""

    venue: str
    reader: LookingReader
    sink: BookSink
    clock: Clock
    publish: Listener
    counts: FeedCounts
    markets: Mapping[str, Market]
    depth: int = 25


def book_of(symbol: str, look: DepthLook, market: Market | None, depth: int) -> OrderBook:
    """The answer as an `OrderBook`, at the market's digits or finer ones if the answer has them.

    A level of quantity zero (one too small for the answer's digits) is left out. FrameError when
    it holds what no book can: a level without a price, or a market that is not a market (crossed
    or one-sided), which a REST answer never rightly is.
    """
    bids = [level for level in look.bids if level.qty.is_nan() or level.qty]
    asks = [level for level in look.asks if level.qty.is_nan() or level.qty]
    levels = [*bids, *asks]
    stated = (market.price_decimals or 0, market.qty_decimals or 0) if market else (0, 0)
    prices = _digits(symbol, [level.price for level in levels], stated[0])
    qtys = _digits(symbol, [level.qty for level in levels], stated[1])
    book = OrderBook(symbol, depth=depth, price_decimals=prices, qty_decimals=qtys)
    book.replace(_rows(bids, prices, qtys), _rows(asks, prices, qtys))
    flaw = book.flaw()
    if flaw is not None:
        raise FrameError(f"{symbol}: the REST book is {flaw.value}", symbol)
    return book


def _digits(symbol: str, values: Iterable[Decimal], stated: int) -> int:
    most = stated
    for value in values:
        if not within_bounds(value) or value <= 0:
            raise FrameError(f"{symbol}: {value!s:.40} is no price and no quantity", symbol)
        most = max(most, decimals_of(value))
    return most


def _rows(levels: Iterable[Level], prices: int, qtys: int) -> list[tuple[int, int, bytes]]:
    rows = []
    for level in levels:
        price, qty = scaled(plain(level.price), prices), scaled(plain(level.qty), qtys)
        rows.append((price, qty, b"%d%d" % (price, qty)))
    return rows


class RestBooks:
    """Polls one market at a time into the sink."""

    def __init__(self, parts: RestParts) -> None:
        self.parts = parts
        self.standing = Standing(parts.venue, parts.reader, parts.clock, parts.publish)

    async def fetch(self, symbol: str) -> tuple[OrderBook, int] | None:
        """The market's book now, and when its question left; None while the venue is not online.

        VenueError when there is no answer, about the book or about the venue.
        """
        parts = self.parts
        if not await self.standing.online(RENEW_NS):
            return None
        look = await parts.reader.look_depth(symbol, parts.depth)
        book = book_of(symbol, look, parts.markets.get(symbol), parts.depth)
        # A slow answer may have outlived the word it stood on.
        return (book, look.sent_ns) if await self.standing.online() else None

    def put(self, book: OrderBook, sent_ns: int) -> None:
        """Hand it over: seen now, believed as of the question."""
        self.parts.counts.rest_books += 1
        self.parts.sink.put(
            book,
            seen_ns=self.parts.clock.monotonic_ns(),
            confirmed_ns=sent_ns,
            source=Source.REST,
        )


class RestFallback:
    """Keeps the books of stale symbols fed, one question after the other, at the venue's rate."""

    def __init__(self, parts: RestParts) -> None:
        self._parts = parts
        self._books = RestBooks(parts)
        self._stale: dict[str, int] = {}  # symbol -> not before, monotonic ns; oldest turn first
        self._returned: list[str] = []
        self._wake = asyncio.Event()
        self._failures = 0

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that REST feeds now."""
        return tuple(self._stale)

    def stale(self, symbols: Iterable[str], age_ms: int) -> None:
        """These streams are stale or absent: feed them from now on. Repeating it is harmless."""
        fresh = tuple(symbol for symbol in symbols if symbol not in self._stale)
        if not fresh:
            return
        self._stale.update(dict.fromkeys(fresh, 0))
        self._parts.counts.rest_fallbacks += len(fresh)
        self._parts.publish(StreamStale(self._parts.venue, fresh, age_ms))
        self._wake.set()

    def back(self, symbol: str) -> None:
        """The stream serves this symbol again. Cheap when it was never stale."""
        if self._stale.pop(symbol, None) is not None:
            self._returned.append(symbol)
            if not self._stale:
                self._tell_returned()

    async def run(self) -> None:
        """Serve whatever is stale until cancelled."""
        while True:
            self._tell_returned()
            if not self._stale:
                self._wake.clear()
                await self._wake.wait()
            await self._turn()

    def _next(self, now_ns: int) -> str | None:
        for symbol, not_before_ns in self._stale.items():
            if not_before_ns <= now_ns:
                return symbol
        return None

    async def _turn(self) -> None:
        clock = self._parts.clock
        symbol = self._next(clock.monotonic_ns())
        if symbol is None:
            await clock.sleep(0.25)
            return
        self._stale[symbol] = self._stale.pop(symbol)  # to the back of the queue
        try:
            found = await self._books.fetch(symbol)
        except VenueRefused as error:
            self._refused(symbol, error)
        except VenueError as error:
            await self._failed(error, symbol)
        else:
            self._failures = 0
            if found is None:
                await clock.sleep(CLOSED_PAUSE_S)
            elif symbol in self._stale:
                self._books.put(*found)

    def _refused(self, symbol: str, error: VenueRefused) -> None:
        if symbol in self._stale:
            self._stale[symbol] = self._parts.clock.monotonic_ns() + REFUSED_PAUSE_NS
        self._parts.publish(VenueSaid(self._parts.venue, f"over REST: {error}", symbol))

    async def _failed(self, error: VenueError, symbol: str) -> None:
        if self._failures == 0:
            self._parts.publish(VenueSaid(self._parts.venue, f"over REST: {error}", symbol))
        self._failures += 1
        pause_ms = backoff_ms(self._failures, BACKOFF_CAP_MS, self._parts.clock.jitter)
        await self._parts.clock.sleep(pause_ms / 1e3)

    def _tell_returned(self) -> None:
        if self._returned:
            self._parts.publish(StreamBack(self._parts.venue, tuple(self._returned)))
            self._returned.clear()
