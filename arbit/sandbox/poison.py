"""Frames that no client should be hurt by. Each is a text or binary message for one symbol."""

from typing import Final

Frame = str | bytes

_BOOK: Final = '{"channel":"book","type":"update","data":%s}'
_LEVEL: Final = (
    '[{"symbol":"%s","bids":[%s],"asks":[],"checksum":1,"timestamp":"2026-01-01T00:00:00.000000Z"}]'
)


def _book(symbol: str, level: str) -> str:
    return _BOOK % (_LEVEL % (symbol, level))


def shapes(symbol: str) -> dict[str, Frame]:
    """Every poison frame by name, aimed at ``symbol``."""
    return {
        "bad_json": '{"channel":"book","type":update}',
        "truncated": _book(symbol, '{"price":1.0,"qty":1.0}')[:70],
        "binary": b"\x00\xff\xfe\x80garbage\x00",
        "empty": "",
        "top_level_array": '[{"channel":"book"}]',
        "top_level_scalar": "42",
        "null": "null",
        "unknown_symbol": _book("NO/SUCH", '{"price":1.0,"qty":1.0}'),
        "unknown_channel": '{"channel":"weather","type":"update","data":[{"symbol":"BTC/USD"}]}',
        "data_missing": '{"channel":"book","type":"update"}',
        "data_null": _BOOK % "null",
        "data_empty": _BOOK % "[]",
        "data_object": _BOOK % "{}",
        "price_null": _book(symbol, '{"price":null,"qty":1.0}'),
        "price_text": _book(symbol, '{"price":"cheap","qty":1.0}'),
        "price_nan": _book(symbol, '{"price":NaN,"qty":1.0}'),
        "price_overflow": _book(symbol, '{"price":1e400,"qty":1.0}'),
        "price_huge": _book(symbol, '{"price":' + "9" * 400 + ',"qty":1.0}'),
        "qty_negative": _book(symbol, '{"price":1.0,"qty":-1.0}'),
        "qty_missing": _book(symbol, '{"price":1.0}'),
        "checksum_text": (_BOOK % (_LEVEL % (symbol, ""))).replace(':1,"time', ':"one","time'),
        "bids_object": (_BOOK % (_LEVEL % (symbol, ""))).replace('"bids":[]', '"bids":{}'),
        "deep": '{"channel":"book","type":"update","data":' + "[" * 3_000 + "]" * 3_000 + "}",
    }


POISON_SHAPES: Final[tuple[str, ...]] = tuple(shapes("BTC/USD"))


def poison_frame(shape: str, turn: int, symbol: str) -> Frame:
    """The frame of that shape; ``each`` goes through all of them, by turn."""
    name = POISON_SHAPES[turn % len(POISON_SHAPES)] if shape == "each" else shape
    return shapes(symbol)[name]
