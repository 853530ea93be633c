"""One symbol's order book: integers at the wire's precision, and frozen views of it.

`OrderBook` is the one mutable value of the domain. A feed owns it and changes it; everybody else
gets a `BookView`. Prices and quantities are integers: a price of 63501.6 on a market whose wire
carries one decimal is 635016. That keeps every digit, compares exactly, and is what a venue's
checksum is made of. Increments (what an order must be a multiple of) live in `Market`.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import BPS, EXACT, ONE
from arbit.domain.triangle import Side


class Source(enum.StrEnum):
    """How a book reached us."""

    WS = "ws"
    REST = "rest"
    RECORDED = "recorded"


class Integrity(enum.StrEnum):
    """How a feed proves that its book is the venue's book. `live` refuses NONE.

    CROSS_CHECKED is for a venue with neither checksum nor sequence: nothing proves a single
    message, but the book is held all the time against what the venue says of it elsewhere.
    """

    CHECKSUM = "checksum"
    SEQUENCE = "sequence"
    CROSS_CHECKED = "cross_checked"
    NONE = "none"


class Disbelief(enum.StrEnum):
    """Every reason why a book, or a triangle of books, is not to be believed. Closed."""

    NO_BOOK = "no_book"  # nothing verified has arrived in this connection epoch
    DISCONNECTED = "disconnected"  # the socket that carried it is gone
    FEED_SILENT = "feed_silent"  # the socket is open but nothing at all arrives
    CHECKSUM = "checksum"  # our book is not the venue's book
    BAD_FRAME = "bad_frame"  # a message for it could not be understood
    DIVERGED = "diverged"  # an independent look showed another top, twice
    REFUSED = "refused"  # the venue refused the subscription
    MARKET_STATUS = "market_status"  # the market is not online
    VENUE_STATUS = "venue_status"  # the venue as a whole is not online
    CROSSED = "crossed"  # best bid at or above best ask
    ONE_SIDED = "one_sided"  # a side is empty
    STALE = "stale"  # older than max_book_age_ms and not confirmed since
    SKEW = "skew"  # the three legs were last confirmed too far apart


@dataclass(frozen=True, slots=True)
class Level:
    """One price level: quote per base, and base units."""

    price: Decimal
    qty: Decimal


@dataclass(frozen=True, slots=True)
class BookView:
    """A frozen look at a book, best levels first. Ages are monotonic nanoseconds.

    `seen_ns` is when its last change was received, `confirmed_ns` when it was last proved to be
    the venue's own (a verified update, or an independent look that agreed).
    """

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    version: int
    source: Source
    seen_ns: int
    confirmed_ns: int

    def facing(self, side: Side) -> tuple[Level, ...]:
        """The levels an order of `side` would trade with: asks for a buy, bids for a sell."""
        return self.asks if side is Side.BUY else self.bids

    def within(self, side: Side, bps: Decimal | None) -> tuple[Level, ...]:
        """Those of them that are no further than `bps` from the first; all where it is None."""
        levels = self.facing(side)
        if bps is None or not levels:
            return levels
        share, top = EXACT.divide(bps, BPS), levels[0].price
        if side is Side.BUY:
            worst = EXACT.multiply(top, EXACT.add(ONE, share))
            return tuple(level for level in levels if level.price <= worst)
        worst = EXACT.multiply(top, EXACT.subtract(ONE, share))
        return tuple(level for level in levels if level.price >= worst)


class BookSide:
    """One side as parallel lists, best first.

    `keys` are prices for asks and negated prices for bids, so both are sorted ascending and the
    best is always first. `marks` are the digits a checksum is made of, kept beside each level.
    """

    __slots__ = ("keys", "marks", "qtys", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.qtys: list[int] = []
        self.marks: list[bytes] = []

    def put(self, price: int, qty: int, mark: bytes) -> None:
        """Set the level at `price`; a quantity of 0 removes it (removing nothing is harmless)."""
        key = price * self.sign
        keys = self.keys
        index = bisect_left(keys, key)
        if index < len(keys) and keys[index] == key:
            if qty:
                self.qtys[index] = qty
                self.marks[index] = mark
            else:
                del keys[index], self.qtys[index], self.marks[index]
        elif qty:
            keys.insert(index, key)
            self.qtys.insert(index, qty)
            self.marks.insert(index, mark)

    def truncate(self, depth: int) -> None:
        """Forget what lies deeper than `depth`: the venue stops telling us about it."""
        if len(self.keys) > depth:
            del self.keys[depth:], self.qtys[depth:], self.marks[depth:]

    def clear(self) -> None:
        """Forget every level."""
        self.keys.clear()
        self.qtys.clear()
        self.marks.clear()

    def best(self) -> int | None:
        """The best price as an integer, or None when the side is empty."""
        return self.keys[0] * self.sign if self.keys else None


class OrderBook:
    """The book of one symbol at one precision and one depth.

    A change of precision needs a new `OrderBook`: old integers would mean other prices.
    `version` counts `touch` calls, one for each message applied.
    """

    __slots__ = ("asks", "bids", "depth", "price_decimals", "qty_decimals", "symbol", "version")

    def __init__(self, symbol: str, *, depth: int, price_decimals: int, qty_decimals: int) -> None:
        self.symbol = symbol
        self.depth = depth
        self.price_decimals = price_decimals
        self.qty_decimals = qty_decimals
        self.bids = BookSide(-1)
        self.asks = BookSide(1)
        self.version = 0

    def replace(
        self,
        bids: Iterable[tuple[int, int, bytes]],
        asks: Iterable[tuple[int, int, bytes]],
    ) -> None:
        """Make the book exactly this snapshot."""
        self.bids.clear()
        self.asks.clear()
        self.apply(bids, asks)

    def apply(
        self,
        bids: Iterable[tuple[int, int, bytes]],
        asks: Iterable[tuple[int, int, bytes]],
    ) -> None:
        """Apply every level of one message in order, then cut both sides to the depth."""
        for price, qty, mark in bids:
            self.bids.put(price, qty, mark)
        for price, qty, mark in asks:
            self.asks.put(price, qty, mark)
        self.bids.truncate(self.depth)
        self.asks.truncate(self.depth)
        self.version += 1

    def clear(self) -> None:
        """Forget everything: nothing here is believed any more."""
        self.bids.clear()
        self.asks.clear()
        self.version += 1

    def flaw(self) -> Disbelief | None:
        """ONE_SIDED or CROSSED when the tops are not a market, else None."""
        if not self.bids.keys or not self.asks.keys:
            return Disbelief.ONE_SIDED
        if -self.bids.keys[0] >= self.asks.keys[0]:
            return Disbelief.CROSSED
        return None

    def view(
        self, *, source: Source, seen_ns: int, confirmed_ns: int, levels: int | None = None
    ) -> BookView:
        """A frozen copy in exact decimals, of the best `levels` a side where that is given."""
        return BookView(
            symbol=self.symbol,
            bids=self._levels(self.bids, levels),
            asks=self._levels(self.asks, levels),
            version=self.version,
            source=source,
            seen_ns=seen_ns,
            confirmed_ns=confirmed_ns,
        )

    def _levels(self, side: BookSide, most: int | None) -> tuple[Level, ...]:
        price_exponent, qty_exponent = -self.price_decimals, -self.qty_decimals
        return tuple(
            Level(
                Decimal(key * side.sign).scaleb(price_exponent), Decimal(qty).scaleb(qty_exponent)
            )
            for key, qty in zip(side.keys[:most], side.qtys[:most], strict=True)
        )


def scaled(digits: str, decimals: int) -> int:
    """A plain decimal string as an integer with `decimals` digits after the point.

    Raises ValueError when the string is no plain non-negative number or carries digits that do
    not fit (a precision change): such a number must never be rounded into a book.
    """
    whole, _, fraction = digits.partition(".")
    if len(fraction) > decimals:
        kept_digits, extra = fraction[:decimals], fraction[decimals:]
        if extra.strip("0"):
            raise ValueError(f"{digits!r} has more than {decimals} decimals")
        fraction = kept_digits
    text = (whole or "0") + fraction.ljust(decimals, "0")
    if digits in ("", ".") or not text.isascii() or not text.isdigit():
        raise ValueError(f"{digits!r} is not a plain number")
    return int(text)
