"""What each subscription has been told, and what it must be told next.

A client holds only the best ``depth`` levels of a side. After every message it cuts its book to
that depth, so a level pushed out is never removed by name, and a level that comes back into
scope must be sent again. One channel keeps one picture for all sockets at one depth.
"""

from arbit.sandbox.book import ASK, BID, Book
from arbit.sandbox.checksum import CHECKSUM_LEVELS, Level, book_checksum
from arbit.sandbox.instruments import Instrument
from arbit.sandbox.kraken.words import BookFrame


class BookChannel:
    """The picture that subscribers of one symbol at one depth hold."""

    def __init__(self, pair: Instrument, depth: int, book: Book, at_ns: int) -> None:
        self.pair = pair
        self.depth = depth
        self._book = book
        self._sides: list[list[Level]] = [book.top(BID, depth), book.top(ASK, depth)]
        self._at_ns = at_ns

    def snapshot(self) -> BookFrame:
        """The picture as last published."""
        bids, asks = tuple(self._sides[BID]), tuple(self._sides[ASK])
        return BookFrame(self.pair, "snapshot", bids, asks, self._checksum(), self._at_ns)

    def publish(self, at_ns: int) -> BookFrame | None:
        """Bring the picture up to date; the update to send, or None if nothing in scope moved."""
        bids, asks = self._advance(BID), self._advance(ASK)
        if not bids and not asks:
            return None
        self._at_ns = at_ns
        return BookFrame(self.pair, "update", bids, asks, self._checksum(), at_ns)

    def in_top_ten(self, side: int, level: Level) -> bool:
        """Whether this level is one that the checksum covers."""
        return level in self._sides[side][:CHECKSUM_LEVELS]

    def _checksum(self) -> int:
        asks, bids = self._sides[ASK][:CHECKSUM_LEVELS], self._sides[BID][:CHECKSUM_LEVELS]
        return book_checksum(asks, bids)

    def _advance(self, side: int) -> tuple[Level, ...]:
        before = self._sides[side]
        after = self._book.top(side, self.depth)
        if before == after:
            return ()
        self._sides[side] = after
        was, now = dict(before), dict(after)
        # A level that is gone is removed by name only when the client could not know otherwise:
        # one that sorts behind a full book is cut by the client itself.
        full = len(after) == self.depth
        gone = [
            (price, 0)
            for price in was
            if price not in now and not (full and _behind(side, price, after[-1][0]))
        ]
        return tuple(gone + [level for level in after if was.get(level[0]) != level[1]])


def _behind(side: int, price: int, last: int) -> bool:
    return price < last if side == BID else price > last
