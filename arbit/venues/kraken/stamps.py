"""Times as Kraken writes them: RFC 3339, in UTC."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime

from arbit.domain.errors import FrameError

SECOND_NS = 1_000_000_000
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def rfc3339(wall_ns: int) -> str:
    """To the millisecond, rounded down: a deadline is never later than it was meant."""
    seconds, rest_ns = divmod(wall_ns, SECOND_NS)
    return f"{_whole(seconds)}.{rest_ns // 1_000_000:03d}Z"


@functools.lru_cache(maxsize=64)
def _whole(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def stamp_ns(text: str) -> int:
    """A stamp as nanoseconds since 1970. FrameError when it is none."""
    found = _STAMP.fullmatch(text)
    if found is None:
        raise FrameError(f"{text!r:.40} is no time")
    try:
        whole = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)  # strptime: 8 us more
    except ValueError:
        raise FrameError(f"{text!r:.40} is no time") from None
    return int(whole.timestamp()) * SECOND_NS + int((found[2] or "0").ljust(9, "0"))
