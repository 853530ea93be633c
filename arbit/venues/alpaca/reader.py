"""Questions about books over REST: `GET /v1beta3/crypto/{location}/latest/orderbooks`.

One question tells the whole books of any number of symbols, so every look is of that kind.
Source: docs.alpaca.markets, "Latest Orderbook"; numbers come as JSON numbers, or as strings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from arbit.domain.book import Level
from arbit.domain.errors import FrameError, VenueRefused
from arbit.domain.market import MarketStatus
from arbit.ports import Clock, MarketCatalog
from arbit.venues.alpaca.catalog import Questions
from arbit.venues.looks import DepthLook, LookingReader, StatusLook, TopsLook, within_bounds

MOST_SYMBOLS = 100  # of one question
MOST_LEVELS = 20_000  # a side
REFUSED_NS = 30_000_000_000  # a symbol that the venue refuses is not asked about again before this
KEY_REFUSED = ("401", "403")  # then it is not about a symbol
GAP_NS = 500_000_000  # between two questions: within what any plan leaves to those that can wait


class BooksReader(LookingReader, Protocol):
    """A reader that tells many whole books at once."""

    async def look_books(self, symbols: Sequence[str]) -> Mapping[str, DepthLook]:
        """The books of these symbols, both sides of any length. VenueError without an answer."""
        ...


class AlpacaReader:
    """Books of any listed market, asked for anew each time, at least `gap_ns` apart."""

    def __init__(
        self,
        data: Questions,
        catalog: MarketCatalog,
        location: str,
        clock: Clock,
        *,
        gap_ns: int = GAP_NS,
    ) -> None:
        self._data = data
        self._catalog = catalog
        self._path = f"/v1beta3/crypto/{location}/latest/orderbooks"
        self._clock = clock
        self._listed: tuple[str, ...] = ()
        self._refused: dict[str, int] = {}  # until when, monotonic ns
        self._gap_ns = gap_ns
        self._turn = asyncio.Lock()
        self._asked_ns = -gap_ns

    async def look_books(self, symbols: Sequence[str]) -> Mapping[str, DepthLook]:
        """The books of these symbols; one that the venue does not tell is absent.

        One symbol that it refuses spoils a question about many, so then each is asked for alone,
        and that one is left out for a while. VenueRefused when nothing is left.
        """
        now_ns = self._clock.monotonic_ns()
        asked = [symbol for symbol in symbols if self._refused.get(symbol, 0) <= now_ns]
        if not asked:
            raise VenueRefused("the venue tells none of these books", method="books")
        found: dict[str, DepthLook] = {}
        for at in range(0, len(asked), MOST_SYMBOLS):
            part = asked[at : at + MOST_SYMBOLS]
            try:
                found.update(await self._ask(part))
            except VenueRefused as error:
                if error.text.startswith(KEY_REFUSED) or len(part) == 1:
                    raise
                found.update(await self._one_by_one(part))
        return {symbol: found[symbol] for symbol in asked if symbol in found}

    async def _one_by_one(self, symbols: Sequence[str]) -> dict[str, DepthLook]:
        """VenueRefused, in the last one's words, when all of them are refused."""
        found: dict[str, DepthLook] = {}
        last: VenueRefused | None = None
        for symbol in symbols:
            try:
                found.update(await self._ask([symbol]))
            except VenueRefused as error:
                self._refused[symbol] = self._clock.monotonic_ns() + REFUSED_NS
                last = error
        if last is not None and not found:
            raise last
        return found

    async def _ask(self, symbols: Sequence[str]) -> Mapping[str, DepthLook]:
        async with self._turn:  # whoever asks in a loop must not use a minute's budget up at once
            wait_ns = self._asked_ns + self._gap_ns - self._clock.monotonic_ns()
            if wait_ns > 0:
                await self._clock.sleep(wait_ns / 1e9)
            self._asked_ns = self._clock.monotonic_ns()
        body, answer = await self._data.question(self._path, {"symbols": ",".join(symbols)})
        return parse_books(body, answer.sent_ns)

    async def look_tops(self) -> TopsLook:
        """Every listed market's top. VenueError without a usable answer."""
        if not self._listed:
            self._listed = tuple(sorted(await self._catalog.markets()))
        sent_ns = self._clock.monotonic_ns()
        return tops_of(sent_ns, await self.look_books(self._listed))

    async def look_depth(self, symbol: str, depth: int) -> DepthLook:
        """One market's book. VenueRefused for one that the venue does not tell."""
        return book_in(await self.look_books([symbol]), symbol, depth)

    async def look_status(self) -> StatusLook:
        """Nobody knows: its clock is that of the stock market, and crypto has none."""
        return StatusLook(self._clock.monotonic_ns(), online=None)

    async def look_markets(self) -> Mapping[str, MarketStatus]:
        """Every listed market's status, asked for anew."""
        return {symbol: one.status for symbol, one in (await self._catalog.markets()).items()}

    async def tops(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Best bid and ask of every market that has both."""
        return (await self.look_tops()).tops

    async def depth(self, symbol: str, depth: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """Bids and asks of one market, best first."""
        look = await self.look_depth(symbol, depth)
        return look.bids, look.asks


@dataclass(slots=True)
class _Batch:
    """One answer about all watched books, and which of them a caller was given already."""

    sent_ns: int
    books: Mapping[str, DepthLook]
    given: set[str]


class WatchedReader:
    """A `LookingReader` of the watched symbols alone, all of them in one question.

    Questions are at least `gap_ns` apart; who asks in between is given what the last one brought,
    once each. A symbol that is asked for is watched from then on. `heard` is told every answer.
    """

    def __init__(
        self, reader: BooksReader, symbols: Sequence[str], clock: Clock, gap_ns: int = GAP_NS
    ) -> None:
        self.heard: Callable[[Mapping[str, DepthLook]], None] = lambda _: None
        self._reader = reader
        self._symbols = dict.fromkeys(symbols)
        self._clock = clock
        self._gap_ns = gap_ns
        self._turn = asyncio.Lock()
        self._last: _Batch | None = None
        self.asked_ns = 0  # when the last question left

    async def look_all(self) -> Mapping[str, DepthLook]:
        """Every watched book, asked for now. VenueError without a usable answer."""
        async with self._turn:
            return (await self._renewed()).books

    async def look_tops(self) -> TopsLook:
        """Every watched book's top, asked for now."""
        async with self._turn:
            batch = await self._renewed()
        return tops_of(batch.sent_ns, batch.books)

    async def look_depth(self, symbol: str, depth: int) -> DepthLook:
        """One watched book. VenueRefused for one that the venue does not tell."""
        async with self._turn:
            batch = self._last
            if symbol not in self._symbols and len(self._symbols) < MOST_SYMBOLS:
                self._symbols[symbol], batch = None, None
            young = batch is not None and self._clock.monotonic_ns() - batch.sent_ns < self._gap_ns
            if batch is None or not young or symbol in batch.given:
                batch = await self._renewed()
            batch.given.add(symbol)
        return book_in(batch.books, symbol, depth)

    async def look_status(self) -> StatusLook:
        """As the reader behind it."""
        return await self._reader.look_status()

    async def look_markets(self) -> Mapping[str, MarketStatus]:
        """As the reader behind it."""
        return await self._reader.look_markets()

    async def tops(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Best bid and ask of every watched market that has both."""
        return (await self.look_tops()).tops

    async def depth(self, symbol: str, depth: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """Bids and asks of one market, best first."""
        look = await self.look_depth(symbol, depth)
        return look.bids, look.asks

    async def _renewed(self) -> _Batch:
        """A new answer, as soon as the gap allows. The turn is ours meanwhile."""
        wait_ns = self.asked_ns + self._gap_ns - self._clock.monotonic_ns()
        if self.asked_ns and wait_ns > 0:
            await self._clock.sleep(wait_ns / 1e9)
        self.asked_ns = self._clock.monotonic_ns()
        books = await self._reader.look_books(tuple(self._symbols))
        sent_ns = min((look.sent_ns for look in books.values()), default=self.asked_ns)
        self._last = _Batch(sent_ns, books, set())
        self.heard(books)
        return self._last


def tops_of(sent_ns: int, books: Mapping[str, DepthLook]) -> TopsLook:
    """The tops of those books that have two sides, as of the first of their questions."""
    whole = {symbol: look for symbol, look in books.items() if look.bids and look.asks}
    return TopsLook(
        min((look.sent_ns for look in whole.values()), default=sent_ns),
        {symbol: (one.bids[0].price, one.asks[0].price) for symbol, one in whole.items()},
        {symbol: (one.bids[0].qty, one.asks[0].qty) for symbol, one in whole.items()},
    )


def book_in(books: Mapping[str, DepthLook], symbol: str, depth: int) -> DepthLook:
    """One book of an answer, cut to a depth. VenueRefused when it is not among them."""
    look = books.get(symbol)
    if look is None:
        raise VenueRefused(f"the venue tells no book of {symbol}", method="books", symbol=symbol)
    return DepthLook(look.sent_ns, look.bids[:depth], look.asks[:depth])


def parse_books(body: Any, sent_ns: int) -> Mapping[str, DepthLook]:
    """The books of an answer by symbol, best levels first. FrameError for anything else."""
    books = body.get("orderbooks") if isinstance(body, Mapping) else None
    if not isinstance(books, Mapping):
        raise FrameError("latest/orderbooks: no books in the answer")
    found = {}
    for symbol, entry in books.items():
        if not isinstance(entry, Mapping):
            raise FrameError(f"latest/orderbooks {symbol:.40}: no book", symbol)
        bids, asks = _levels(entry.get("b"), symbol), _levels(entry.get("a"), symbol)
        bids.sort(key=lambda level: -level.price)
        asks.sort(key=lambda level: level.price)
        found[symbol] = DepthLook(sent_ns, tuple(bids), tuple(asks))
    return found


def _levels(rows: Any, symbol: str) -> list[Level]:
    if rows is None:  # how some servers write an empty list
        return []
    if not isinstance(rows, list) or len(rows) > MOST_LEVELS:
        raise FrameError(f"latest/orderbooks {symbol:.40}: no list of levels", symbol)
    try:
        return [level for level in map(_level, rows) if level.qty]
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise FrameError(f"latest/orderbooks {symbol:.40}: {error!s:.120}", symbol) from None


def _level(row: Any) -> Level:
    level = Level(_number(row["p"]), _number(row["s"]))
    if level.price <= 0 or level.qty < 0:
        raise ValueError(f"a level of {level.price!s:.40} and {level.qty!s:.40}")
    return level


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise TypeError(f"{value!r:.40} is no number")
    number = Decimal(value)
    if not within_bounds(number):
        raise ValueError(f"{value!r:.40} is no number that a market could have")
    return number
