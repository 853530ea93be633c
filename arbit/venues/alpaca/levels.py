"""From levels on the wire to an `OrderBook` of integers, kept whole or known to be cut.

Alpaca's books have no agreed depth: the stream tells of every level, however deep, and never tells
a level again because others before it went away. So a book that is cut to a size has a hole behind
the cut. What lies beyond it is not kept (it would look like the next level), and a side that has
shrunk to less than what we show is `hollow`: it must be asked for anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from arbit.domain.book import BookSide, OrderBook
from arbit.domain.money import EXACT, decimals_of
from arbit.venues.alpaca.wire import WireLevel
from arbit.venues.looks import MAX_DECIMALS, within_bounds

MAX_UNITS = 10**24  # no price and no quantity of this world, and beyond what exact views keep
LEAST_KEPT = 100
KEPT_FOR_SHOWN = 4  # so many times what is shown
_MARK = b""  # this venue has no checksum, hence no digits to keep for one

Rows = list[tuple[int, int]]


class KeptBook:
    """One symbol's book: `shown` levels a side are promised, more are kept behind them.

    Its precision is at least `known` (decimals of price and quantity), and becomes finer when the
    wire's digits do: then `book` is another `OrderBook`, as old integers would mean other prices.
    """

    __slots__ = ("_edges", "_kept", "_shown", "book")

    def __init__(self, symbol: str, shown: int, known: tuple[int, int] = (0, 0)) -> None:
        self._shown = shown
        self._kept = max(LEAST_KEPT, KEPT_FOR_SHOWN * shown)
        self._edges: dict[int, int] = {}  # by a side's sign: the last key that is known to be whole
        self.book = OrderBook(
            symbol, depth=self._kept, price_decimals=known[0], qty_decimals=known[1]
        )

    def replace(self, bids: Sequence[WireLevel], asks: Sequence[WireLevel]) -> None:
        """Make it exactly these levels. ValueError for a number that is none."""
        bid_rows, ask_rows = self._rows(bids, asks)
        self._edges.clear()
        self.book.bids.clear()
        self.book.asks.clear()
        self._put(bid_rows, ask_rows)

    def update(self, bids: Sequence[WireLevel], asks: Sequence[WireLevel]) -> None:
        """Apply one message of changes. ValueError for a number that is none; then as before."""
        self._put(*self._rows(bids, asks))

    @property
    def hollow(self) -> bool:
        """Whether levels that should be shown were cut away once and are not known any more."""
        return any(
            side.sign in self._edges and len(side.keys) < self._shown
            for side in (self.book.bids, self.book.asks)
        )

    def _put(self, bids: Rows, asks: Rows) -> None:
        book = self.book
        self._put_side(book.bids, bids)
        self._put_side(book.asks, asks)
        book.version += 1

    def _put_side(self, side: BookSide, rows: Rows) -> None:
        edge = self._edges.get(side.sign)
        for price, qty in rows:
            if edge is None or price * side.sign <= edge:
                side.put(price, qty, _MARK)
        if len(side.keys) > self._kept:
            self._edges[side.sign] = side.keys[self._kept - 1]
            side.truncate(self._kept)

    def _rows(self, bids: Sequence[WireLevel], asks: Sequence[WireLevel]) -> tuple[Rows, Rows]:
        book = self.book
        prices, qtys = book.price_decimals, book.qty_decimals
        try:
            return _units(bids, prices, qtys), _units(asks, prices, qtys)
        except _FinerError:
            finer = _needed((*bids, *asks), prices, qtys)
            rows = _units(bids, *finer), _units(asks, *finer)
            self._refine(*finer)
            return rows

    def _refine(self, prices: int, qtys: int) -> None:
        """The same book at a finer precision. ValueError when its numbers would not fit."""
        old = self.book
        by_price, by_qty = 10 ** (prices - old.price_decimals), 10 ** (qtys - old.qty_decimals)
        new = OrderBook(old.symbol, depth=old.depth, price_decimals=prices, qty_decimals=qtys)
        for source, target in ((old.bids, new.bids), (old.asks, new.asks)):
            target.keys = [key * by_price for key in source.keys]
            target.qtys = [qty * by_qty for qty in source.qtys]
            target.marks = list(source.marks)
            if any(abs(units) >= MAX_UNITS for units in (*target.keys, *target.qtys)):
                raise ValueError(f"{prices} and {qtys} decimals do not fit this book")
        new.version = old.version
        self._edges = {sign: edge * by_price for sign, edge in self._edges.items()}
        self.book = new


class _FinerError(ValueError):
    """A number has more decimals than the book."""


def _units(levels: Iterable[WireLevel], prices: int, qtys: int) -> Rows:
    return [(_price(level.p, prices), units_of(level.s, qtys)) for level in levels]


def _price(value: Decimal, decimals: int) -> int:
    units = units_of(value, decimals)
    if not units:
        raise ValueError("a price of 0")
    return units


def units_of(value: Decimal, decimals: int) -> int:
    """A number as an integer with `decimals` digits after the point.

    ValueError for one that is none, is below zero, or has more decimals than that.
    """
    if not within_bounds(value) or value < 0:
        raise ValueError(f"{value!s:.40} is no price and no quantity")
    scaled = value.scaleb(decimals, EXACT)
    units = int(scaled)
    if units != scaled:
        raise _FinerError(f"{value!s:.40} has more than {decimals} decimals")
    if units >= MAX_UNITS:
        raise ValueError(f"{value!s:.40} is beyond any price or quantity")
    return units


def _needed(levels: Iterable[WireLevel], prices: int, qtys: int) -> tuple[int, int]:
    for level in levels:
        if not within_bounds(level.p) or not within_bounds(level.s):
            raise ValueError(f"{level.p!s:.40} x {level.s!s:.40} is no level")
        prices = max(prices, decimals_of(level.p))
        qtys = max(qtys, decimals_of(level.s))
    if max(prices, qtys) > MAX_DECIMALS:
        raise ValueError(f"{prices} and {qtys} decimals")
    return prices, qtys
