"""Times as clients of Alpaca write them in a query."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from arbit.sandbox.alpaca.answers import unprocessable

NS: Final = 1_000_000_000
STAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2}))?"
)


def wall_ns(text: str) -> int | None:
    """Wall nanoseconds of a date or an RFC 3339 time; None when it is neither."""
    found = STAMP.fullmatch(text)
    if found is None:
        return None
    zone = "+00:00" if found[4] in (None, "Z") else found[4]
    try:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}{zone}")
    except ValueError:
        return None
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution * 1_000_000)
    return seconds * NS + int((found[3] or "0").ljust(9, "0"))


def moment_of(query: Mapping[str, str], name: str) -> int | None:
    """The time that a query names, if it names one; raises ``Denied`` when it cannot be read."""
    text = query.get(name, "")
    if not text:
        return None
    # A plus sign that a client did not escape has become a blank.
    moment = wall_ns(text.replace(" ", "+"))
    if moment is None:
        raise unprocessable(f"invalid {name}: {text}")
    return moment
