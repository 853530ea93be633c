"""Writes Kraken v2 recordings for tests: padded numbers and true checksums, from plain books."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

Rows = Sequence[tuple[str, str]]

SPECS = {"BTC/USD": (1, 8), "ETH/BTC": (5, 8), "ETH/USD": (2, 8)}


def snapshot(symbol: str, bids: Rows, asks: Rows, *, checksum: int | None = None) -> str:
    """A book snapshot as one line of JSON; `checksum` overrides the true one."""
    price_digits, qty_digits = SPECS[symbol]
    sides = [
        [(f"{float(p):.{price_digits}f}", f"{float(q):.{qty_digits}f}") for p, q in side]
        for side in (bids, asks)
    ]
    true = crc32("".join(_mark(p) + _mark(q) for side in sides[::-1] for p, q in side).encode())
    told = [",".join(f'{{"price":{p},"qty":{q}}}' for p, q in side) for side in sides]
    return (
        '{"channel":"book","type":"snapshot","data":[{"symbol":"' + symbol + '","bids":['
        f'{told[0]}],"asks":[{told[1]}],"checksum":{true if checksum is None else checksum}}}]}}'
    )


def _mark(number: str) -> str:
    return number.replace(".", "").lstrip("0")


def instruments(*symbols: str, status: str = "online") -> str:
    """An instrument snapshot that states minima."""
    pairs = [
        {
            "symbol": symbol,
            "base": symbol.split("/")[0],
            "quote": symbol.split("/")[1],
            "status": status,
            "price_precision": SPECS.get(symbol, (1, 8))[0],
            "qty_precision": 8,
            "price_increment": 10.0 ** -SPECS.get(symbol, (1, 8))[0],
            "qty_increment": 1e-8,
            "qty_min": 0.0001,
            "cost_min": 0.00002,
        }
        for symbol in symbols
    ]
    data = {"assets": [], "pairs": pairs}
    return json.dumps({"channel": "instrument", "type": "snapshot", "data": data})


def quiet() -> list[str]:
    """Three books without a gap: 100 USD a BTC, 10 ETH a BTC."""
    return [
        snapshot("BTC/USD", [("99.9", "50")], [("100", "50")]),
        snapshot("ETH/BTC", [("0.0999", "500")], [("0.1", "500")]),
        snapshot("ETH/USD", [("9.99", "500")], [("10.1", "500")]),
    ]


def gap() -> str:
    """ETH/USD pays 5 % more than the way through BTC costs."""
    return snapshot("ETH/USD", [("10.5", "500")], [("10.6", "500")])


def write(path: Path, *timed: tuple[float, str]) -> Path:
    """A recording of frames wrapped with their receive time, given in seconds."""
    base_ns = 1_756_639_000_000_000_000
    lines = [
        f'{{"frame":{line},"received_ns":{base_ns + int(at_s * 1_000_000_000)}}}'
        for at_s, line in timed
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
