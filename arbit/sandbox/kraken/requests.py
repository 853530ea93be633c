"""What a client may ask on the socket, checked field by field; refusals in the venue's words."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from arbit.sandbox.kraken import words

MAX_SYMBOLS: Final = 5_000
CHANNELS: Final = ("book", "ticker", "instrument")
TRIGGERS: Final = ("bbo", "trades")


class Refused(ValueError):
    """A request that cannot be taken; ``reply`` carries as much of it as could be read."""

    def __init__(self, error: str, method: str | None = None, req_id: int | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.method = method
        self.req_id = req_id


@dataclass(frozen=True, slots=True)
class Ping:
    """An application-level ping."""

    req_id: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription to make or to end."""

    method: str  # "subscribe" or "unsubscribe"
    req_id: int | None
    channel: str
    symbols: tuple[str, ...]
    depth: int
    snapshot: bool
    trigger: str


def peek(text: str) -> Any:
    """A client's frame as it is, numbers digit by digit; None when it is no JSON."""
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def read(text: str) -> Ping | Wanted:
    """Parse a client's frame; raises ``Refused`` with the venue's words."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(words.MALFORMED) from None
    if not isinstance(message, dict):
        raise Refused(words.MALFORMED)
    method, req_id = message.get("method"), message.get("req_id")
    if not isinstance(method, str):
        raise Refused(words.UNSUPPORTED_EVENT)
    if req_id is not None and (not isinstance(req_id, int) or isinstance(req_id, bool)):
        raise Refused(words.field_must_be("req_id", "number_integer"), method)
    try:
        return _read_method(method, req_id, message)
    except Refused as refused:
        raise Refused(refused.error, method, req_id) from None


def _read_method(method: str, req_id: int | None, message: dict[str, object]) -> Ping | Wanted:
    params = message.get("params")
    if method == "ping":
        if params is not None:
            raise Refused("Unsupported field: 'params' for the given msg type: ping")
        return Ping(req_id)
    if method not in ("subscribe", "unsubscribe"):
        raise Refused(words.UNSUPPORTED_EVENT)
    if not isinstance(params, dict):
        raise Refused(words.field_must_be("params", "object"))
    channel = params.get("channel")
    if channel == "status":
        raise Refused(words.SYMBOLS_MISSING)
    if not isinstance(channel, str) or channel not in CHANNELS:
        raise Refused(words.UNSUPPORTED_EVENT)
    symbols = () if channel == "instrument" else _symbols(params.get("symbol"))
    return Wanted(
        method=method,
        req_id=req_id,
        channel=channel,
        symbols=symbols,
        depth=_depth(params.get("depth", 10)),
        snapshot=_boolean(params.get("snapshot", True)),
        trigger=_trigger(params.get("event_trigger", "trades")),
    )


def _symbols(value: object) -> tuple[str, ...]:
    if value is None or value == []:
        raise Refused(words.SYMBOLS_MISSING)
    if not isinstance(value, list) or not all(isinstance(symbol, str) for symbol in value):
        raise Refused(words.field_must_be("symbol", "array of strings"))
    if len(value) > MAX_SYMBOLS:
        raise Refused(words.MALFORMED)
    return tuple(dict.fromkeys(value))


def _depth(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(words.field_must_be("depth", "number_integer"))
    if value not in words.BOOK_DEPTHS:
        raise Refused(words.DEPTH_UNKNOWN)
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(words.field_must_be("snapshot", "boolean"))
    return value


def _trigger(value: object) -> str:
    if not isinstance(value, str) or value not in TRIGGERS:
        raise Refused(words.TRIGGER_UNKNOWN)
    return value
