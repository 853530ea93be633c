"""Alpaca's market data stream made by hand: text in, text out, nothing shared with the feed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

Row = tuple[str, str]  # price and size, as written on the wire

BIDS: Sequence[Row] = (("100.0", "1.000"), ("99.9", "2.000"), ("99.5", "3.5"))
ASKS: Sequence[Row] = (("100.1", "1.5"), ("100.3", "2.25"), ("101", "0.075"))
STAMP = "2026-01-01T00:00:00.123456789Z"
CONNECTED = b'[{"T":"success","msg":"connected"}]'
AUTHENTICATED = b'[{"T":"success","msg":"authenticated"}]'


def frame(*messages: str) -> bytes:
    return f"[{','.join(messages)}]".encode()


def rows(levels: Iterable[Row]) -> str:
    return ",".join(f'{{"p":{price},"s":{size}}}' for price, size in levels)


def book(
    symbol: str,
    bids: Iterable[Row] = (),
    asks: Iterable[Row] = (),
    *,
    whole: bool = False,
    at: str = STAMP,
) -> str:
    reset = ',"r":true' if whole else ""
    return f'{{"T":"o","S":"{symbol}","t":"{at}",' f'"b":[{rows(bids)}],"a":[{rows(asks)}]{reset}}}'


def quote(symbol: str, bid: str, ask: str) -> str:
    return f'{{"T":"q","S":"{symbol}","bp":{bid},"bs":1,"ap":{ask},"as":1.5,' f'"t":"{STAMP}"}}'


def error(code: int, msg: str = "words") -> bytes:
    return json.dumps([{"T": "error", "code": code, "msg": msg}]).encode()


def subscribed(orderbooks: Sequence[str], quotes: Sequence[str] = ()) -> bytes:
    state = {"trades": [], "quotes": list(quotes), "orderbooks": list(orderbooks), "bars": []}
    return json.dumps([{"T": "subscription", **state}]).encode()


class Reference:
    """The book a client must hold by the venue's guide, from wire tokens. Slow and plain."""

    def __init__(self, symbol: str, bids: Iterable[Row] = BIDS, asks: Iterable[Row] = ASKS) -> None:
        self.symbol = symbol
        self.bids: dict[Decimal, Row] = {}
        self.asks: dict[Decimal, Row] = {}
        self.apply(bids, asks)

    def apply(self, bids: Iterable[Row] = (), asks: Iterable[Row] = ()) -> None:
        for side, changes in ((self.bids, bids), (self.asks, asks)):
            for price, size in changes:
                if Decimal(size) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = (price, size)

    @property
    def best_bids(self) -> list[Row]:
        return [self.bids[key] for key in sorted(self.bids, reverse=True)]

    @property
    def best_asks(self) -> list[Row]:
        return [self.asks[key] for key in sorted(self.asks)]

    def whole(self) -> str:
        return book(self.symbol, self.best_bids, self.best_asks, whole=True)

    def change(self, bids: Iterable[Row] = (), asks: Iterable[Row] = ()) -> str:
        bids, asks = list(bids), list(asks)
        self.apply(bids, asks)
        return book(self.symbol, bids, asks)

    def quote(self) -> str:
        return quote(self.symbol, self.best_bids[0][0], self.best_asks[0][0])
