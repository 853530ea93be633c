"""Binance partial-depth frames as books. They carry no checksum: each frame is a whole new top.

Source: Binance spot API documentation, "Partial Book Depth Streams" on a combined stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbit.domain.book import OrderBook, scaled
from arbit.domain.errors import FrameError

MAX_DIGITS = 30  # of a price or a quantity, before and after the point together
# The quote assets Binance lists, longest first: its symbols are written without a separator.
QUOTES = (
    *("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "BIDR", "IDRT", "DAI"),
    *("BTC", "ETH", "BNB", "TRX", "XRP", "EUR", "GBP", "TRY", "BRL", "JPY", "AUD", "RUB"),
)


def symbol_of(stream: str) -> str:
    """`ethbtc@depth5@100ms` as `ETH/BTC`. FrameError when the name ends in no known quote."""
    name = stream.partition("@")[0].upper()
    for quote in QUOTES:
        if name.endswith(quote) and len(name) > len(quote):
            return f"{name[: -len(quote)]}/{quote}"
    raise FrameError(f"stream {stream!r} names no market whose quote asset is known")


def book_of(frame: Mapping[str, Any]) -> OrderBook:
    """The book a frame shows, at the precision of its digits. FrameError when it shows none."""
    try:
        stream, data = frame["stream"], frame["data"]
        bids = [(str(price), str(qty)) for price, qty in data["bids"]]
        asks = [(str(price), str(qty)) for price, qty in data["asks"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"not a partial-depth frame: {error!r}") from None
    symbol = symbol_of(str(stream))
    rows = bids + asks
    for digits in (digits for row in rows for digits in row if len(digits) > MAX_DIGITS):
        raise FrameError(f"not a partial-depth frame: {digits[:MAX_DIGITS]}...", symbol)
    book = OrderBook(
        symbol,
        depth=max(len(bids), len(asks), 1),
        price_decimals=max((_decimals(price) for price, _ in rows), default=0),
        qty_decimals=max((_decimals(qty) for _, qty in rows), default=0),
    )
    try:
        book.replace(_levels(book, bids), _levels(book, asks))
    except ValueError as error:
        raise FrameError(f"not a partial-depth frame: {error}", symbol) from None
    if 0 in book.bids.keys or 0 in book.asks.keys:
        raise FrameError("not a partial-depth frame: a price of 0", symbol)
    return book


def _levels(book: OrderBook, rows: list[tuple[str, str]]) -> list[tuple[int, int, bytes]]:
    return [
        (scaled(price, book.price_decimals), scaled(qty, book.qty_decimals), b"")
        for price, qty in rows
    ]


def _decimals(digits: str) -> int:
    return len(digits.partition(".")[2])
