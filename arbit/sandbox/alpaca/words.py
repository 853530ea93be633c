"""What Alpaca says on its wires: numbers, stamps, frames and error bodies.

The data stream's numbers are JSON numbers as Go's encoder writes them: no padding, and an exponent
below 1e-6. Stamps are RFC 3339 with up to nanoseconds, their trailing zeros left out.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from arbit.sandbox.instruments import Instrument

NS: Final = 1_000_000_000
NEW_YORK: Final = timezone(timedelta(hours=-4))  # the offset of the recorded stamps
SMALL: Final = Decimal("0.000001")

Level = tuple[int, int]
Body = dict[str, object]

STREAM_ERRORS: Final[dict[int, str]] = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    500: "internal error",
}
"""The data stream's codes and messages (Alpaca's page on the streaming of market data)."""


def compact(value: object) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def text_of(amount: Decimal) -> str:
    """An amount as REST writes it: plain digits, no trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def token(units: int, precision: int) -> str:
    """A JSON number of so many ``10**-precision`` units."""
    value = Decimal(units).scaleb(-precision)
    if not units or abs(value) >= SMALL:
        return text_of(value)
    digits = str(units).rstrip("0")
    power = len(str(units)) - 1 - precision
    return f"{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{power}"


def stamp(wall_ns: int) -> str:
    """UTC with a ``Z``."""
    return _stamp(wall_ns, UTC).replace("+00:00", "Z")


def stamp_new_york(wall_ns: int) -> str:
    """The same moment with ``-04:00``, as a part of the venue's stamps have it."""
    return _stamp(wall_ns, NEW_YORK)


def _stamp(wall_ns: int, zone: timezone) -> str:
    seconds, rest = divmod(wall_ns, NS)
    whole = datetime.fromtimestamp(seconds, zone).isoformat()
    head, offset = whole[:19], whole[19:]
    digits = f"{rest:09d}".rstrip("0")
    return f"{head}.{digits}{offset}" if digits else f"{head}{offset}"


def day_of(wall_ns: int) -> str:
    """The UTC date."""
    return stamp(wall_ns)[:10]


def activity_stamp(wall_ns: int) -> str:
    """``YYYYMMDDHHMMSSmmm``, which an activity's id begins with."""
    moment = datetime.fromtimestamp(wall_ns // NS, UTC).strftime("%Y%m%d%H%M%S")
    return f"{moment}{wall_ns % NS // 1_000_000:03d}"


def success(message: str) -> str:
    """A control frame: ``connected`` or ``authenticated``."""
    return compact([{"T": "success", "msg": message}])


def stream_error(code: int, message: str = "") -> str:
    """An error frame of the data stream."""
    return compact([{"T": "error", "code": code, "msg": message or STREAM_ERRORS[code]}])


def _levels(listed: Instrument, levels: Iterable[Level]) -> str:
    places, lots = listed.price_precision, listed.qty_precision
    return ",".join(
        f'{{"p":{token(price, places)},"s":{token(qty, lots)}}}' for price, qty in levels
    )


def book_message(
    listed: Instrument, bids: Iterable[Level], asks: Iterable[Level], at: str, *, whole: bool
) -> str:
    """An order book message, without the array around it."""
    tail = ',"r":true' if whole else ""
    return (
        f'{{"T":"o","S":"{listed.symbol}","t":"{at}","b":[{_levels(listed, bids)}],'
        f'"a":[{_levels(listed, asks)}]{tail}}}'
    )


def quote_message(listed: Instrument, bid: Level, ask: Level, at: str) -> str:
    """A quote, without the array around it."""
    places, lots = listed.price_precision, listed.qty_precision
    return (
        f'{{"T":"q","S":"{listed.symbol}","bp":{token(bid[0], places)},'
        f'"bs":{token(bid[1], lots)},"ap":{token(ask[0], places)},"as":{token(ask[1], lots)},'
        f'"t":"{at}"}}'
    )


def book_json(listed: Instrument, bids: Iterable[Level], asks: Iterable[Level], at: str) -> str:
    """A book as REST shows it."""
    return f'{{"a":[{_levels(listed, asks)}],"b":[{_levels(listed, bids)}],"t":"{at}"}}'
