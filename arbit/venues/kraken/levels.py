"""From the levels on the wire to an `OrderBook` of integers, within what any market could hold."""

from __future__ import annotations

from collections.abc import Iterable

from arbit.domain.book import OrderBook
from arbit.venues.kraken.instruments import plausible
from arbit.venues.kraken.parse import WireBook, WireLevel, decimals_of, level_of

Habit = tuple[int, int] | None
SHOWS_HABIT = 10  # so many levels, all written alike, are no chance
MAX_UNITS = 10**24  # no price and no quantity of this world, and beyond what exact views keep


def book_for(wire: WireBook, depth: int, known: tuple[int, int] = (0, 0)) -> OrderBook:
    """An empty book at the precision of the wire's own digits, at least the `known` one.

    Raises ValueError for more digits than any price has.
    """
    price_decimals, qty_decimals = known
    for level in (*wire.bids, *wire.asks):
        price_digits, qty_digits = decimals_of(level)
        price_decimals = max(price_decimals, price_digits)
        qty_decimals = max(qty_decimals, qty_digits)
    if not plausible(price_decimals, qty_decimals):
        raise ValueError(f"{price_decimals} and {qty_decimals} decimals")
    return OrderBook(
        wire.symbol, depth=depth, price_decimals=price_decimals, qty_decimals=qty_decimals
    )


def habit_of(wire: WireBook, before: Habit) -> Habit:
    """The decimals that each price, and each quantity, of a snapshot is written with.

    None when they differ, or are too few to show a habit. ValueError when they differ and did not
    `before`: the checksum covers digits and not where the point stands among them, so that a
    number which is written otherwise than its like may be another number.
    """
    levels = (*wire.bids, *wire.asks)
    found = {decimals_of(level) for level in levels}
    if len(found) == 1 and (len(levels) >= SHOWS_HABIT or found == {before}):
        return found.pop()
    if len(found) > 1 and before is not None:
        raise ValueError("its numbers are not written as they were")
    return None


def apply(book: OrderBook, wire: WireBook, *, padded: bool = False) -> None:
    """Apply one message. ValueError for a number that is none, and then the book is as before.

    So is one, where each is `padded` to the book's precision, that is not.
    """
    prices, qtys = book.price_decimals, book.qty_decimals
    book.apply(
        _levels(wire.bids, prices, qtys, padded=padded),
        _levels(wire.asks, prices, qtys, padded=padded),
    )


def _levels(
    levels: Iterable[WireLevel], prices: int, qtys: int, *, padded: bool
) -> list[tuple[int, int, bytes]]:
    rows = [level_of(level, prices, qtys, padded=padded) for level in levels]
    for price, qty, _ in rows:
        if price >= MAX_UNITS or qty >= MAX_UNITS:
            raise ValueError("a number beyond any price or quantity")
    return rows
