"""The planted venue's books: kept from the tokens it sends, and checked by a checksum of its own.

It shares nothing with the feed: whoever breaks one of the two is found out by the other.
Source: docs.kraken.com, spot WebSocket v2, channel book, and its guide "book checksum v2".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from decimal import Decimal

from arbit.app.doctor_known.answers import Planted, Rows

CHECKED = 10
STAMP = "2026-01-01T00:00:00.000000Z"


class PlantedBook:
    """One market's book as the venue has it. Rows are (price, quantity) as they are written."""

    def __init__(self, market: Planted) -> None:
        self.market = market
        self._bids = {Decimal(price): qty for price, qty in market.bids}
        self._asks = {Decimal(price): qty for price, qty in market.asks}

    @property
    def bids(self) -> Rows:
        """Best first."""
        return self._rows(self._bids, falling=True)

    @property
    def asks(self) -> Rows:
        """Best first."""
        return self._rows(self._asks, falling=False)

    def facing(self, side: str) -> list[tuple[Decimal, Decimal]]:
        """What an order of this side trades with."""
        rows = self.asks if side == "buy" else self.bids
        return [(Decimal(price), Decimal(qty)) for price, qty in rows]

    def snapshot(self, false_bid: tuple[str, str] | None = None) -> bytes:
        """All of it; with a bid that is not there its checksum stays that of the true book."""
        bids = self.bids if false_bid is None else (false_bid, *self.bids)
        return self._frame("snapshot", bids, self.asks)

    def opens(self) -> bytes:
        """The bids of the gap come."""
        for price, qty in self.market.opens:
            self._bids[Decimal(price)] = qty
        return self._frame("update", self.market.opens, ())

    def takes(self, side: str, price: Decimal, qty: Decimal) -> bytes:
        """An order took this much of a level."""
        level = self._asks if side == "buy" else self._bids
        left = Decimal(level[price]) - qty
        level[price] = f"{left:.{self.market.qty_digits}f}"
        row = ((self._price(price), level[price]),)
        if not left:
            del level[price]
        bids, asks = ((), row) if side == "buy" else (row, ())
        return self._frame("update", bids, asks)

    def _frame(self, kind: str, bids: Rows, asks: Rows) -> bytes:
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self.market.symbol}",'
            f'"bids":[{_levels(bids)}],"asks":[{_levels(asks)}],'
            f'"checksum":{self._checksum()},"timestamp":"{STAMP}"}}]}}'
        ).encode()

    def _checksum(self) -> int:
        rows = (*self.asks[:CHECKED], *self.bids[:CHECKED])
        digits = "".join(token.replace(".", "").lstrip("0") for row in rows for token in row)
        return zlib.crc32(digits.encode())

    def _rows(self, levels: dict[Decimal, str], *, falling: bool) -> Rows:
        return tuple((self._price(one), levels[one]) for one in sorted(levels, reverse=falling))

    def _price(self, price: Decimal) -> str:
        return f"{price:.{self.market.price_digits}f}"


def _levels(rows: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in rows)
