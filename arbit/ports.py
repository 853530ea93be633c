"""The doors between rooms, as Protocols. Nothing here does anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from arbit.domain.book import BookView, Disbelief, Integrity, Level, OrderBook, Source
from arbit.domain.events import Event, FeedCounts
from arbit.domain.market import Market
from arbit.domain.order import OrderIntent, OrderReport


class Clock(Protocol):
    """The only source of time and chance."""

    def monotonic_ns(self) -> int:
        """Monotonic nanoseconds: for ages, timeouts and order of events."""
        ...

    def wall_ns(self) -> int:
        """UTC nanoseconds since 1970: for records and venue deadlines only."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1) from the process's own seeded source."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Run `callback` at monotonic `when_ns`; the returned function cancels it."""
        ...


class BookSink(Protocol):
    """Where feeds hand their books. Synchronous; never raises for a known symbol."""

    def put(self, book: OrderBook, *, seen_ns: int, confirmed_ns: int, source: Source) -> None:
        """This book is verified as of `confirmed_ns`; its symbol is touched."""
        ...

    def disbelieve(self, symbol: str, reason: Disbelief) -> None:
        """Stop believing the symbol's book until the next `put`."""
        ...

    def confirm(self, symbol: str, confirmed_ns: int, *, depth: bool = False) -> None:
        """An independent look agreed with the book held: its top is that young again.

        With `depth` the look compared the levels behind the top as well.
        """
        ...

    def set_status(self, symbol: str, reason: Disbelief | None) -> None:
        """MARKET_STATUS or VENUE_STATUS while the market does not trade, None when it does."""
        ...


class MarketFeed(Protocol):
    """Verified books of one venue."""

    integrity: Integrity
    counts: FeedCounts

    async def run(self, symbols: Sequence[str]) -> None:
        """Feed the sink with these symbols until cancelled. Never returns silently."""
        ...

    async def confirm(self, symbols: Sequence[str]) -> None:
        """Take an independent look at these symbols now (a candidate's legs), within limits."""
        ...

    def states(self) -> Mapping[str, str]:
        """Each connection's state in a word, for the screen."""
        ...

    def orderbook_stream(self, symbols: Sequence[str]) -> AsyncIterator[BookView]:
        """An async iterator of verified books: for scripts and tests, beside `run`."""
        ...


class MarketCatalog(Protocol):
    """What a venue lists, with increments, minima, status and its published ladder's fees."""

    async def markets(self) -> Mapping[str, Market]:
        """Every listed market by symbol. VenueUnreachable when nobody answers."""
        ...


class BookReader(Protocol):
    """Questions about books, asked over REST: independent of the stream, rate-limited."""

    async def tops(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Best bid and ask of every market, in one call."""
        ...

    async def depth(self, symbol: str, depth: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """Bids and asks of one market, best first."""
        ...


class OrderGateway(Protocol):
    """The one door through which an order leaves."""

    def send(self, intent: OrderIntent) -> Awaitable[OrderReport]:
        """Send once, and report what became of it. Never retried."""
        ...


class Listener(Protocol):
    """A witness of events. It must not block; if it raises it is counted and dropped."""

    def __call__(self, event: Event, /) -> None:
        """Take note."""
        ...
