"""Frames that no client of Alpaca's data stream should be hurt by."""

from typing import Final

Frame = str | bytes

STAMP: Final = "2026-01-01T00:00:00.000000001Z"


def frames(symbol: str) -> dict[str, Frame]:
    """Every frame by name, aimed at ``symbol``."""

    def book(bids: str, asks: str = "[]", stamp: str = f'"{STAMP}"') -> str:
        return f'[{{"T":"o","S":"{symbol}","t":{stamp},"b":{bids},"a":{asks}}}]'

    return {
        "bad_json": '[{"T":"o","S":}]',
        "truncated": book('[{"p":1.0,"s":1.0}]')[:40],
        "binary": b"\x00\xff\xfe\x80garbage\x00",
        "empty": "",
        "empty_array": "[]",
        "object": '{"T":"o"}',
        "scalar": "42",
        "null": "null",
        "array_of_null": "[null]",
        "nested_arrays": "[[]]",
        "no_type": f'[{{"S":"{symbol}"}}]',
        "unknown_type": '[{"T":"weather","S":"' + symbol + '"}]',
        "unknown_symbol": book('[{"p":1.0,"s":1.0}]').replace(symbol, "NO/SUCH"),
        "no_symbol": '[{"T":"o","t":"' + STAMP + '","b":[],"a":[]}]',
        "bids_null": book("null"),
        "bids_object": book("{}"),
        "level_number": book("[1]"),
        "price_null": book('[{"p":null,"s":1.0}]'),
        "price_text": book('[{"p":"cheap","s":1.0}]'),
        "price_nan": book('[{"p":NaN,"s":1.0}]'),
        "price_overflow": book('[{"p":1e400,"s":1.0}]'),
        "price_huge": book('[{"p":' + "9" * 400 + ',"s":1.0}]'),
        "price_negative": book('[{"p":-1.0,"s":1.0}]'),
        "size_negative": book('[{"p":1.0,"s":-1.0}]'),
        "size_missing": book('[{"p":1.0}]'),
        "stamp_number": book('[{"p":1.0,"s":1.0}]', stamp="7"),
        "stamp_odd": book('[{"p":1.0,"s":1.0}]', stamp='"yesterday"'),
        "deep": "[" * 3_000 + "]" * 3_000,
    }


SHAPES: Final[tuple[str, ...]] = tuple(frames("BTC/USD"))


def garbage(shape: str, turn: int, symbol: str) -> Frame:
    """The frame of that shape; ``each`` goes through all of them, by turn."""
    name = SHAPES[turn % len(SHAPES)] if shape == "each" else shape
    return frames(symbol)[name]
