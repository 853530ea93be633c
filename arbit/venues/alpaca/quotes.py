"""The tops of books held against the `quotes` of the same stream.

Both channels tell of one book, so they may differ only for as long as one is ahead of the other. A
top that differs for longer than the tolerance has lost a change, and nothing else would show it: a
message of this venue carries neither a number nor a checksum. Prices alone are compared: whether a
quote's size is that of one level is nowhere stated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.book import BookSide, OrderBook
from arbit.domain.money import EXACT
from arbit.venues.alpaca.wire import Quote

MS = 1_000_000
TOLERANCE_NS = 1_000 * MS


@dataclass(slots=True)
class _Seen:
    """A symbol's last quote, its top as of now, and since when they differ (0: they agree)."""

    quote: tuple[Decimal, Decimal] | None = None
    book: OrderBook | None = None
    differs_ns: int = 0


class Quotes:
    """Watches the symbols it is told of. Times are monotonic nanoseconds."""

    def __init__(self, tolerance_ns: int = TOLERANCE_NS) -> None:
        self._tolerance_ns = tolerance_ns
        self._seen: dict[str, _Seen] = {}

    def quote(self, message: Quote, now_ns: int) -> None:
        """The venue says what a symbol's top is. Of a symbol that has no book it is kept."""
        seen = self._seen.setdefault(message.S, _Seen())
        seen.quote = (message.bp, message.ap)
        self._compare(seen, now_ns)

    def book(self, book: OrderBook, now_ns: int) -> None:
        """A symbol's book is this now."""
        seen = self._seen.setdefault(book.symbol, _Seen())
        seen.book = book
        self._compare(seen, now_ns)

    def begin(self, symbol: str) -> None:
        """A new whole book comes: what was said before it proves nothing against it."""
        self._seen[symbol] = _Seen()

    def overdue(self, now_ns: int) -> Iterator[tuple[str, str]]:
        """The symbols whose top has differed for too long, and what was said of it."""
        for symbol, seen in list(self._seen.items()):
            late_ns = now_ns - seen.differs_ns if seen.differs_ns else 0
            if late_ns > self._tolerance_ns and seen.book is not None and seen.quote is not None:
                bid, ask = seen.quote
                ours = "/".join(str(one) for one in _top(seen.book))
                yield symbol, f"its quotes say {bid}/{ask} for {late_ns // MS} ms, ours {ours}"

    def _compare(self, seen: _Seen, now_ns: int) -> None:
        book = seen.book
        if book is None or seen.quote is None or not book.bids.keys or not book.asks.keys:
            seen.differs_ns = 0  # a market of one side is not believed anyway
        elif _top(book) == seen.quote:
            seen.differs_ns = 0
        elif not seen.differs_ns:
            seen.differs_ns = now_ns


def _top(book: OrderBook) -> tuple[Decimal, Decimal]:
    return _best(book, book.bids), _best(book, book.asks)


def _best(book: OrderBook, side: BookSide) -> Decimal:
    """The best price; 0 for an empty side, as a quote words one."""
    best = side.best()
    return Decimal(0) if best is None else Decimal(best).scaleb(-book.price_decimals, EXACT)
