"""Kraken's book checksum: CRC-32 over the digits of the ten best levels of each side.

Asks from low to high, then bids from high to low; of each level the price then the quantity,
without the point and without leading zeros. A thinner book uses what it has.
Source: docs.kraken.com, guide "book checksum v2".
"""

from __future__ import annotations

from zlib import crc32

from arbit.domain.book import BookSide, OrderBook

WINDOW = 10


def checksum(book: OrderBook) -> int:
    """The checksum of the digits the venue sent (each level's `marks`)."""
    return crc32(b"".join(book.asks.marks[:WINDOW] + book.bids.marks[:WINDOW]))


def padded_checksum(book: OrderBook) -> int:
    """The checksum of the same levels with every number padded to the book's precision.

    For a wire whose numbers come unpadded: FIX documents that the padding is still meant.
    """
    return crc32(b"".join(_digits(book.asks) + _digits(book.bids)))


def _digits(side: BookSide) -> list[bytes]:
    rows = zip(side.keys[:WINDOW], side.qtys[:WINDOW], strict=True)
    return [b"%d%d" % (key * side.sign, qty) for key, qty in rows]
