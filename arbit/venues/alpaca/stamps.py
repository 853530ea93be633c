"""Times as Alpaca writes them: RFC 3339 to the nanosecond, in any zone, or only a day.

Source: docs.alpaca.markets; recorded: `2024-07-18T04:10:33.389152169-04:00` beside stamps with Z.
`datetime` knows microseconds only, so the fraction is read apart from it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from arbit.domain.errors import FrameError

SECOND_NS = 1_000_000_000
MOST_NS = 2**62  # the year 2116: beyond that it is no time of a trade
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:?\d\d)", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def stamp_ns(value: object) -> int:
    """A stamp as nanoseconds since 1970. FrameError when it is none."""
    found = _STAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise FrameError(f"{value!r:.40} is no time")
    zone = "+00:00" if found[4] == "Z" else found[4]
    whole_ns = _whole_ns(f"{found[1]}T{found[2]}{zone}", value)
    return _sane(whole_ns + int((found[3] or "0")[:9].ljust(9, "0")), value)


def day_ns(value: object) -> int:
    """The begin (UTC) of a day like `2022-08-12`. FrameError when it is none."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise FrameError(f"{value!r:.40} is no day")
    return _sane(_whole_ns(f"{value}T00:00:00+00:00", value), value)


def http_date_ns(text: str) -> int:
    """A header's Date, in whole seconds. FrameError when it is none."""
    try:
        found = parsedate_to_datetime(text)
        seconds = int(found.replace(tzinfo=found.tzinfo or UTC).timestamp())
    except (ValueError, TypeError, OverflowError):
        raise FrameError(f"{text!r:.40} is no date") from None
    return _sane(seconds * SECOND_NS, text)


def rfc3339(wall_ns: int) -> str:
    """To the microsecond, rounded down, in UTC."""
    seconds, rest_ns = divmod(max(0, wall_ns), SECOND_NS)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest_ns // 1_000:06d}Z"


def _whole_ns(text: str, value: object) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp()) * SECOND_NS
    except (ValueError, OverflowError):
        raise FrameError(f"{value!r:.40} is no time") from None


def _sane(found_ns: int, value: object) -> int:
    if not 0 <= found_ns < MOST_NS:
        raise FrameError(f"{value!r:.40} is no time")
    return found_ns
