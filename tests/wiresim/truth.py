"""What each book truly was, and when: every picture that the venue has shown of it.

The venue's own matching book is read, not what was sent; a picture is the ten best levels a side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from arbit.domain.book import OrderBook
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.market import Market

LEVELS = 10
Rows = tuple[tuple[int, int], ...]
Picture = tuple[Rows, Rows]


class Truth:
    """Every picture of every book. `now_ns` is virtual time."""

    def __init__(self, market: Market, now_ns: Callable[[], int]) -> None:
        self._market = market
        self._now_ns = now_ns
        self._until_ns: dict[str, dict[Picture, int]] = {symbol: {} for symbol in market.pairs}
        self._now: dict[str, Picture] = {}
        self.note(market.pairs)

    def note(self, symbols: Iterable[str]) -> None:
        """These books may have changed: what is shown from now on."""
        now_ns = self._now_ns()
        for symbol in symbols:
            picture, before = self.picture(symbol), self._now.get(symbol)
            if picture != before:
                if before is not None:
                    self._until_ns[symbol][before] = now_ns
                    self._until_ns[symbol][top_of(before)] = now_ns
                self._now[symbol] = picture

    def picture(self, symbol: str) -> Picture:
        """As the venue has it now."""
        book = self._market.pairs[symbol].book
        return tuple(book.top(BID, LEVELS)), tuple(book.top(ASK, LEVELS))

    def age_ns(self, symbol: str, picture: Picture) -> int | None:
        """How long ago the venue last had it so; None when it never did. Of a picture or a top."""
        if picture in {self._now[symbol], top_of(self._now[symbol])}:
            return 0
        until_ns = self._until_ns[symbol].get(picture)
        return None if until_ns is None else self._now_ns() - until_ns


def top_of(picture: Picture) -> Picture:
    """Its best level a side: a top alone is another picture than any of ten levels."""
    return picture[0][:1], picture[1][:1]


def picture_of(book: OrderBook) -> Picture:
    """The ten best levels of a book of the daemon's."""
    return _rows(book.bids), _rows(book.asks)


def _rows(side: Any) -> Rows:
    pairs = zip(side.keys[:LEVELS], side.qtys[:LEVELS], strict=True)
    return tuple((key * side.sign, qty) for key, qty in pairs)
