"""Kraken v2 frames made and checked by hand: text in, text out, nothing shared with the feed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

Row = tuple[str, str]  # price and quantity, as written on the wire

BIDS: Sequence[Row] = (("100.0", "1.000"), ("99.9", "2.000"), ("99.5", "3.500"))
ASKS: Sequence[Row] = (("100.1", "1.500"), ("100.3", "2.250"), ("101.0", "0.075"))


def crc(bids: Iterable[Row], asks: Iterable[Row]) -> int:
    """The venue's checksum of these rows, best first, as its guide words it."""
    rows = [*list(asks)[:10], *list(bids)[:10]]
    return zlib.crc32("".join(digits(token) for row in rows for token in row).encode())


def digits(token: str) -> str:
    return token.replace(".", "").lstrip("0")


def entry(symbol: str, bids: Iterable[Row], asks: Iterable[Row], checksum: int) -> str:
    return (
        f'{{"symbol":"{symbol}","bids":[{_rows(bids)}],"asks":[{_rows(asks)}],'
        f'"checksum":{checksum},"timestamp":"2026-01-01T00:00:00.000000Z"}}'
    )


def _rows(rows: Iterable[Row]) -> str:
    return ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in rows)


def book_frame(kind: str, *entries: str) -> bytes:
    return f'{{"channel":"book","type":"{kind}","data":[{",".join(entries)}]}}'.encode()


def reply(method: str, *, success: bool = True, **more: object) -> bytes:
    return json.dumps({"method": method, "success": success, **more}).encode()


def system(word: str) -> bytes:
    row = {"version": "2.0.10", "system": word, "api_version": "v2", "connection_id": 1}
    return json.dumps({"channel": "status", "type": "update", "data": [row]}).encode()


def instruments(kind: str, **status_of: str) -> bytes:
    pairs = ",".join(pair(symbol, status) for symbol, status in status_of.items())
    text = f'{{"channel":"instrument","type":"{kind}","data":{{"assets":[],"pairs":[{pairs}]}}}}'
    return text.encode()


def pair(symbol: str, status: str, price_precision: int = 1, qty_precision: int = 3) -> str:
    name = symbol.replace("_", "/")
    base, _, quote = name.partition("/")
    return (
        f'{{"symbol":"{name}","base":"{base}","quote":"{quote}","status":"{status}",'
        f'"price_precision":{price_precision},"qty_precision":{qty_precision},'
        f'"price_increment":0.1,"qty_increment":0.001,"qty_min":0.01,"cost_min":0.5}}'
    )


class Reference:
    """The book a client must hold by the venue's guide, from wire tokens. Slow and plain."""

    def __init__(self, symbol: str, depth: int = 10) -> None:
        self.symbol = symbol
        self.depth = depth
        self.bids: dict[Decimal, Row] = {}
        self.asks: dict[Decimal, Row] = {}

    def snapshot(self, bids: Iterable[Row] = BIDS, asks: Iterable[Row] = ASKS) -> bytes:
        self.bids, self.asks = {}, {}
        self.apply(bids, asks)
        return self.again()

    def again(self) -> bytes:
        """The snapshot of the book as it stands."""
        return book_frame(
            "snapshot", entry(self.symbol, self.best_bids, self.best_asks, self.checksum)
        )

    def update(self, bids: Iterable[Row] = (), asks: Iterable[Row] = ()) -> bytes:
        return book_frame("update", self.update_entry(bids, asks))

    def update_entry(self, bids: Iterable[Row] = (), asks: Iterable[Row] = ()) -> str:
        bids, asks = list(bids), list(asks)
        self.apply(bids, asks)
        return entry(self.symbol, bids, asks, self.checksum)

    def apply(self, bids: Iterable[Row], asks: Iterable[Row]) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, qty in rows:
                if Decimal(qty) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = (price, qty)
        for key in sorted(self.bids, reverse=True)[self.depth :]:
            del self.bids[key]
        for key in sorted(self.asks)[self.depth :]:
            del self.asks[key]

    @property
    def best_bids(self) -> list[Row]:
        return [self.bids[key] for key in sorted(self.bids, reverse=True)]

    @property
    def best_asks(self) -> list[Row]:
        return [self.asks[key] for key in sorted(self.asks)]

    @property
    def checksum(self) -> int:
        return crc(self.best_bids, self.best_asks)


def tokens(line: bytes | str) -> Any:
    """A frame decoded with every number left as the text it was."""
    return json.loads(line, parse_float=str, parse_int=str)


def rows_of(levels: Iterable[dict[str, str]]) -> list[Row]:
    return [(level["price"], level["qty"]) for level in levels]
