"""Kraken's instrument channel: what the venue states of each market, and when to ask it again.

The list is read entry by entry: one pair that makes no sense must not hide a thousand others, nor
a change of status among them. What a pair does not say, or says in a way that makes no sense, is
None; a status like that is UNKNOWN, and then the market is not traded.
Source: docs.kraken.com, spot WebSocket v2, channel instrument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from arbit.domain.errors import FrameError
from arbit.domain.market import MarketStatus
from arbit.venues.backoff import MS, RETRY_CAP_NS, RETRY_NS

MAX_DECIMALS = 20
MAX_MAGNITUDE = 30  # powers of ten: no increment and no minimum is further from one
WAIT_NS = 5_000 * MS  # by far the largest frame
AGAIN_NS = 600_000 * MS  # a change that we missed is known after ten minutes at most

# What a number or a text of an entry may raise: not of its type, no UTF-8, out of a Decimal's range
_ODD = (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError)
_UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One pair of the instrument channel. None (or no text) where the message did not say."""

    symbol: str
    base: str
    quote: str
    status: MarketStatus
    price_decimals: int | None
    qty_decimals: int | None
    price_increment: Decimal | None
    qty_increment: Decimal | None
    qty_min: Decimal | None
    cost_min: Decimal | None


@dataclass(frozen=True, slots=True)
class Instruments:
    """A message of the instrument channel; `snapshot` means it is the whole list.

    `unreadable` counts the entries that do not even name their market; they are left out.
    """

    snapshot: bool
    pairs: tuple[Instrument, ...]
    unreadable: int = 0


class InstrumentsDue:
    """When the instrument channel is to be asked for again, in monotonic nanoseconds."""

    def __init__(self) -> None:
        self.at_ns = 0
        self._tries = 0

    def opened(self) -> None:
        """A new socket: nothing was asked on it."""
        self.at_ns = self._tries = 0

    def asked(self, now_ns: int) -> None:
        """A question went out; without an answer the next one follows ever more rarely."""
        self.at_ns = now_ns + min(RETRY_CAP_NS, WAIT_NS << min(self._tries, 10))
        self._tries += 1

    def heard(self, message: Instruments, now_ns: int) -> None:
        """A message came. One that hides an entry may have hidden a change."""
        if message.snapshot:
            self.at_ns, self._tries = now_ns + AGAIN_NS, 0
        elif message.unreadable:
            self.missed(now_ns)

    def missed(self, now_ns: int) -> None:
        """A message was lost, and with it perhaps a change of status."""
        self.at_ns = min(self.at_ns, now_ns + RETRY_NS)


class _WirePair(Struct):
    symbol: str
    base: str = ""
    quote: str = ""
    status: str | None = None
    price_precision: int | None = None
    qty_precision: int | None = None
    price_increment: Decimal | None = None
    qty_increment: Decimal | None = None
    qty_min: Decimal | None = None
    cost_min: Decimal | None = None


class _WireData(Struct):
    pairs: list[Raw] = []


_data_decoder = Decoder(_WireData)
_pair_decoder = Decoder(_WirePair)
_fields_decoder = Decoder(dict[str, Raw])
_text_decoder = Decoder(str)
_whole_decoder = Decoder(int)
_exact_decoder = Decoder(Decimal)


def instruments_of(data: Raw, *, snapshot: bool) -> Instruments:
    """The `data` of an instrument message. msgspec.DecodeError when it holds no list of pairs."""
    return _instruments(_data_decoder.decode(data).pairs, snapshot=snapshot)


def instruments_of_objects(data: Any, *, snapshot: bool) -> Instruments:
    """The same from a message that was decoded already. FrameError when it holds no such list."""
    pairs = data.get("pairs") if isinstance(data, Mapping) else None
    if not isinstance(pairs, list):
        raise FrameError("an instrument message without pairs")
    return _instruments([_written(entry) for entry in pairs], snapshot=snapshot)


def plausible(price_decimals: int, qty_decimals: int) -> bool:
    """Whether a market could have this many digits after the point."""
    return 0 <= price_decimals <= MAX_DECIMALS and 0 <= qty_decimals <= MAX_DECIMALS


def _instruments(entries: Sequence[Raw | bytes], *, snapshot: bool) -> Instruments:
    found = [pair for entry in entries if (pair := _pair(entry)) is not None]
    return Instruments(snapshot, tuple(found), len(entries) - len(found))


def _written(entry: Any) -> bytes:
    """An entry as JSON again: floats get their shortest digits, which are the venue's own."""
    try:
        return msgspec.json.encode(entry)
    except _UNWRITABLE:
        return _essentials(entry)


def _essentials(entry: Any) -> bytes:
    if not isinstance(entry, Mapping):
        return b"null"
    kept = {name: entry.get(name) for name in ("symbol", "status")}
    try:
        return msgspec.json.encode({k: v for k, v in kept.items() if isinstance(v, str)})
    except _UNWRITABLE:
        return b"null"


def _pair(entry: Raw | bytes) -> Instrument | None:
    try:
        wire: _WirePair | None = _pair_decoder.decode(entry)
    except _ODD:
        wire = _odd_pair(entry)
    if wire is None or not wire.symbol:
        return None
    return Instrument(
        symbol=wire.symbol,
        base=wire.base,
        quote=wire.quote,
        status=MarketStatus.of(wire.status),
        price_decimals=_decimals(wire.price_precision),
        qty_decimals=_decimals(wire.qty_precision),
        price_increment=_amount(wire.price_increment) or None,
        qty_increment=_amount(wire.qty_increment) or None,
        qty_min=_amount(wire.qty_min),
        cost_min=_amount(wire.cost_min),
    )


def _odd_pair(entry: Raw | bytes) -> _WirePair | None:
    """A pair of which some field is of another type than it should be: each field on its own."""
    try:
        fields = _fields_decoder.decode(entry)
    except _ODD:
        return None
    return _WirePair(
        symbol=_read(_text_decoder, fields.get("symbol")) or "",
        base=_read(_text_decoder, fields.get("base")) or "",
        quote=_read(_text_decoder, fields.get("quote")) or "",
        status=_read(_text_decoder, fields.get("status")),
        price_precision=_read(_whole_decoder, fields.get("price_precision")),
        qty_precision=_read(_whole_decoder, fields.get("qty_precision")),
        price_increment=_read(_exact_decoder, fields.get("price_increment")),
        qty_increment=_read(_exact_decoder, fields.get("qty_increment")),
        qty_min=_read(_exact_decoder, fields.get("qty_min")),
        cost_min=_read(_exact_decoder, fields.get("cost_min")),
    )


def _read(decoder: Decoder[T], token: Raw | None) -> T | None:
    try:
        return None if token is None else decoder.decode(token)
    except _ODD:
        return None


def _decimals(digits: int | None) -> int | None:
    return digits if digits is not None and plausible(digits, digits) else None


def _amount(value: Decimal | None) -> Decimal | None:
    """The value if it is finite, not negative and of this world."""
    if value is None or not value.is_finite() or value < 0:
        return None
    return value if abs(value.adjusted()) <= MAX_MAGNITUDE else None
