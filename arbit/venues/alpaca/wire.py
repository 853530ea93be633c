"""Frames of Alpaca's market data stream as typed values. Pure: bytes in, values out.

A frame is a JSON array of messages. Numbers are read from their own digits (Decimal), never through
a float. A message that makes no sense becomes `Broken`, so that it costs no more than it must; a
frame that is none at all is a FrameError.
Source: docs.alpaca.markets, "Real-time Crypto Data": messages `o` (order books) and `q` (quotes).
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Raw, Struct

from arbit.domain.errors import FrameError
from arbit.venues.looks import within_bounds

MAX_MESSAGES = 20_000  # of one frame
MAX_LEVELS = 20_000  # a side, of one message
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError)


class WireLevel(Struct, gc=False):
    """One level: price and size. A size of 0 removes the level."""

    p: Decimal
    s: Decimal


class BookMessage(Struct, tag_field="T", tag="o", gc=False):
    """One symbol's levels: all of them when `r` is true, else those that changed."""

    S: str
    t: str = ""
    b: list[WireLevel] | None = None
    a: list[WireLevel] | None = None
    r: bool = False


class Quote(Struct, tag_field="T", tag="q", gc=False):
    """Best bid and ask of one symbol, and the sizes there. 0 for a side that is empty."""

    S: str
    bp: Decimal
    ap: Decimal
    bs: Decimal = Decimal(0)
    as_: Decimal = msgspec.field(name="as", default=Decimal(0))


class Success(Struct, tag_field="T", tag="success"):
    """`connected` once the socket is open, `authenticated` once the key is accepted."""

    msg: str


class Subscribed(Struct, tag_field="T", tag="subscription"):
    """The full state of this socket's subscriptions after a request."""

    orderbooks: list[str] | None = None
    quotes: list[str] | None = None


class Refused(Struct, tag_field="T", tag="error"):
    """An error: see `codes`."""

    code: int
    msg: str = ""


class Ignored(Struct):
    """Understood, and of no use to this feed."""

    kind: str


class Broken(Struct):
    """A message that makes no sense. `symbol` is the one it names; empty when it names none.

    `kind` is its type, empty when it has none: then it may have been a book's.
    """

    kind: str
    symbol: str
    why: str

    @property
    def of_a_book(self) -> bool:
        """Whether a change of a book may be lost with it."""
        return self.kind in ("", "o")


Message = BookMessage | Quote | Success | Subscribed | Refused | Ignored | Broken
_Known = BookMessage | Quote | Success | Subscribed | Refused

IGNORED_KINDS = frozenset({"t", "b", "u", "d"})  # trades, and bars of minutes and days

_frame = msgspec.json.Decoder(list[_Known])
_parts = msgspec.json.Decoder(list[Raw])
_message = msgspec.json.Decoder(_Known)
_anything = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)


def parse(payload: bytes) -> list[Message]:
    """The messages of one frame, in order. FrameError when it is no array of messages."""
    try:
        found: list[Message] = [*_frame.decode(payload)]
    except _UNREADABLE:
        found = _one_by_one(payload)
    if len(found) > MAX_MESSAGES:
        raise FrameError(f"a frame of {len(found)} messages")
    return [_bounded(one) for one in found]


def _one_by_one(payload: bytes) -> list[Message]:
    try:
        parts = _parts.decode(payload)
    except _UNREADABLE as error:
        raise FrameError(f"not an Alpaca frame: {error}") from None
    return [_single(bytes(part)) for part in parts[: MAX_MESSAGES + 1]]


def _single(part: bytes) -> Message:
    try:
        found: _Known = _message.decode(part)
    except _UNREADABLE as error:
        kind, symbol = _peek(part)
        return Ignored(kind) if kind in IGNORED_KINDS else Broken(kind, symbol, str(error)[:200])
    return found


def _peek(part: bytes) -> tuple[str, str]:
    """The type and the symbol of a broken message, as far as it has them."""
    try:
        fields = _anything.decode(part)
    except _UNREADABLE:
        return "", ""
    return _text_of(fields.get("T")), _text_of(fields.get("S"))


def _text_of(raw: Raw | None) -> str:
    try:
        return _text.decode(raw) if raw is not None else ""
    except _UNREADABLE:
        return ""


def _bounded(message: Message) -> Message:
    if type(message) is BookMessage:
        for side in (message.b, message.a):
            if side is not None and len(side) > MAX_LEVELS:
                return Broken("o", message.S, f"{len(side)} levels on one side")
    elif type(message) is Quote and not (within_bounds(message.bp) and within_bounds(message.ap)):
        return Broken("q", message.S, "a price that no market could have")
    return message
