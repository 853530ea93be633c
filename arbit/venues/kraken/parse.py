"""Kraken WebSocket v2 frames as typed values. Pure: bytes in, a value or a domain error out.

Prices and quantities are kept as raw tokens until they become integers: the venue's checksum is
made of the very digits it sent, and a float would lose their trailing zeros.
Source: docs.kraken.com, spot WebSocket v2, channels status, heartbeat, book, instrument, ticker.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from arbit.domain.errors import FrameError, VenueRefused
from arbit.venues.kraken.instruments import Instrument, Instruments, instruments_of

__all__ = [
    "Ack",
    "BookMessage",
    "Heartbeat",
    "Ignored",
    "Instrument",
    "Instruments",
    "Message",
    "Pong",
    "Refusal",
    "SystemStatus",
    "Top",
    "WireBook",
    "WireLevel",
    "decimals_of",
    "level_of",
    "parse",
    "power_of_ten",
]

_POINT = ord(".")
_BOOK_PREFIX = b'{"channel":"book"'


class WireLevel(Struct, gc=False):
    """One level as it came: two raw JSON number tokens."""

    price: Raw
    qty: Raw


class WireBook(Struct, gc=False):
    """One symbol's part of a book message. `checksum` is unsigned CRC-32 of the top ten."""

    symbol: str
    checksum: int
    bids: list[WireLevel] = []
    asks: list[WireLevel] = []
    timestamp: str = ""


class BookMessage(Struct, gc=False):
    """A message of the book channel. Any other `type` is no message: it means we know not what."""

    channel: str
    type: Literal["snapshot", "update"]
    data: list[WireBook]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The socket is alive. It says nothing about any book."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The reply to an application ping."""

    req_id: int


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """The trading engine's state: online, cancel_only, post_only, maintenance or a new word."""

    system: str

    @property
    def online(self) -> bool:
        """True only for `online`; any word we do not know is not."""
        return self.system == "online"


@dataclass(frozen=True, slots=True)
class Ack:
    """The venue accepted a request. Empty (or 0) where it named no channel, symbol or depth."""

    method: str
    channel: str
    symbol: str
    req_id: int | None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """The venue said no: a domain error, and the request it answers."""

    error: VenueRefused
    req_id: int | None


@dataclass(frozen=True, slots=True)
class Top:
    """Best bid and ask of one symbol from the ticker channel (no checksum: a cross-check only)."""

    symbol: str
    bid: Decimal
    ask: Decimal


@dataclass(frozen=True, slots=True)
class Ignored:
    """Understood, and of no use to this feed; `kind` is from a closed list."""

    kind: str


Message = (
    BookMessage | Heartbeat | Pong | SystemStatus | Ack | Refusal | Instruments | Top | Ignored
)

IGNORED_CHANNELS = frozenset({"trade", "ohlc", "level3", "executions", "balances"})
IGNORED_METHODS = frozenset(
    {
        "add_order",
        "amend_order",
        "edit_order",
        "cancel_order",
        "cancel_all",
        "cancel_all_orders_after",
        "batch_add",
        "batch_cancel",
    }
)

_book_decoder = msgspec.json.Decoder(BookMessage)
_decoder = msgspec.json.Decoder(dict[str, Raw])
_text_decoder = msgspec.json.Decoder(str)


class _WireStatus(Struct):
    system: str


class _WireTop(Struct):
    symbol: str
    bid: Decimal
    ask: Decimal


class _WireResult(Struct):
    channel: str = ""
    symbol: str = ""
    depth: int = 0


class _WireReply(Struct):
    method: str = ""
    success: bool = True
    error: str = ""
    symbol: str = ""
    req_id: int | None = None
    result: Any = None


def parse(payload: bytes) -> Message:
    """One frame as a value. FrameError for anything else, whatever the bytes are."""
    try:
        if payload.startswith(_BOOK_PREFIX):
            return _book_decoder.decode(payload)
        return _general(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        raise FrameError(f"not a Kraken v2 frame: {error}", symbol=_named_symbol(payload)) from None


def _general(payload: bytes) -> Message:
    fields = _decoder.decode(payload)
    if "method" in fields or "error" in fields:
        return _reply(payload)
    channel = _text_decoder.decode(fields.get("channel", Raw(b"null")))
    kind = _text_decoder.decode(fields["type"]) if "type" in fields else ""
    if channel == "heartbeat":
        return Heartbeat()
    if channel == "book":
        return _book_decoder.decode(payload)
    if channel in IGNORED_CHANNELS:
        return Ignored(channel)
    data = fields.get("data", Raw(b"null"))
    if channel == "status":
        rows = msgspec.json.decode(data, type=list[_WireStatus])
        if not rows:
            raise FrameError("a status message without data")
        return SystemStatus(rows[0].system)
    if channel == "instrument":
        return instruments_of(data, snapshot=kind == "snapshot")
    if channel == "ticker":
        tops = msgspec.json.decode(data, type=list[_WireTop])
        if not tops:
            raise FrameError("a ticker message without data")
        return Top(tops[0].symbol, tops[0].bid, tops[0].ask)
    raise FrameError(f"unknown channel {channel!r}")


def _reply(payload: bytes) -> Message:
    reply = msgspec.json.decode(payload, type=_WireReply)
    if reply.error or not reply.success:
        symbol = reply.symbol or None
        text = reply.error or "refused without a reason"
        return Refusal(VenueRefused(text, method=reply.method, symbol=symbol), reply.req_id)
    if reply.method == "pong":
        return Pong(reply.req_id or 0)
    if reply.method in ("subscribe", "unsubscribe"):
        result = msgspec.convert(reply.result or {}, _WireResult)
        return Ack(reply.method, result.channel, result.symbol, reply.req_id, result.depth)
    if reply.method in IGNORED_METHODS:
        return Ignored(reply.method)
    raise FrameError(f"unknown method {reply.method!r}")


class _Named(Struct):
    symbol: Any = None


class _NamedBook(Struct):
    channel: Any = None
    data: Any = None


def _named_symbol(payload: bytes) -> str | None:
    """The one symbol a broken book frame still names, so that its book can be disbelieved."""
    try:
        frame = msgspec.json.decode(payload, type=_NamedBook)
        if frame.channel != "book" or not isinstance(frame.data, list) or not frame.data:
            return None
        symbol = msgspec.convert(frame.data[0], _Named).symbol
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    return symbol if isinstance(symbol, str) else None


def level_of(
    wire: WireLevel, price_decimals: int, qty_decimals: int, *, padded: bool = False
) -> tuple[int, int, bytes]:
    """A wire level as (price, quantity, checksum digits), integers at the book's precision.

    Raises ValueError for anything but a plain non-negative JSON number that fits the precision:
    null, strings, exponents, negatives, and more digits than the book holds; where numbers come
    `padded`, fewer as well.
    """
    price, qty = bytes(wire.price), bytes(wire.qty)
    price_digits = price.replace(b".", b"")
    qty_digits = qty.replace(b".", b"")
    # The usual case, and the hottest code of the daemon: the venue pads every number to its
    # precision, so its digits are the units, and stripping their zeros is cheaper than writing
    # the integers out again (a quarter of the whole function, measured by tests/bench/feed.py).
    if (
        len(price) > price_decimals
        and price[~price_decimals] == _POINT
        and len(qty) > qty_decimals
        and qty[~qty_decimals] == _POINT
        and price_digits.isdigit()
        and qty_digits.isdigit()
        and (price_units := int(price_digits))
    ):
        mark = price_digits.lstrip(b"0") + (qty_digits.lstrip(b"0") or b"0")
        return price_units, int(qty_digits), mark
    if padded and decimals_of(wire) != (price_decimals, qty_decimals):
        raise ValueError(f"level {price!r} {qty!r} is not written as the others are")
    return _unusual_level((price, qty), (price_digits, qty_digits), price_decimals, qty_decimals)


def _unusual_level(
    tokens: tuple[bytes, bytes], digits: tuple[bytes, bytes], price_decimals: int, qty_decimals: int
) -> tuple[int, int, bytes]:
    """A level that is not padded to the book's precision, or none at all."""
    price, qty = tokens
    price_units, qty_units = map(int, digits)
    if price_units <= 0 or qty_units < 0 or not digits[1].isdigit():
        raise ValueError(f"level {price!r} {qty!r} is out of range")
    mark = b"%d%d" % (price_units, qty_units)
    price_units = _padded(price, price_units, price_decimals)
    return price_units, _padded(qty, qty_units, qty_decimals), mark


def decimals_of(wire: WireLevel) -> tuple[int, int]:
    """How many digits after the point the two tokens carry."""
    return _fraction_digits(bytes(wire.price)), _fraction_digits(bytes(wire.qty))


def _fraction_digits(token: bytes) -> int:
    return len(token.partition(b".")[2])


def _padded(token: bytes, units: int, decimals: int) -> int:
    missing = decimals - _fraction_digits(token)
    if missing >= 0:
        return units * power_of_ten(missing)
    whole, rest = divmod(units, power_of_ten(-missing))
    if rest:
        raise ValueError(f"{token!r} has more than {decimals} decimals")
    return whole


def power_of_ten(exponent: int) -> int:
    """10 to a non-negative power, as an integer."""
    return int("1" + "0" * exponent)
