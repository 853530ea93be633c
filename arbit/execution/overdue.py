"""How long the books may go without having been found equal before nothing new begins."""

from __future__ import annotations

from arbit.execution.setup import MS

OVERDUE_NS = 300_000 * MS  # no new cycle once the books have not been found to agree for so long
OVERDUE_WANTED_NS = 30_000 * MS  # or when something asked for a look so long ago


def why_overdue(now_ns: int, agreed_ns: int, wanted_ns: int, failure: str) -> str:
    """Why a look must come first; empty while it need not. All times are monotonic.

    `wanted_ns` is since when a look is wanted that has not come to its end, 0 when none is.
    """
    since_ns = now_ns - agreed_ns
    waits = wanted_ns > 0 and now_ns - wanted_ns > OVERDUE_WANTED_NS
    if since_ns <= OVERDUE_NS and not waits:
        return ""
    why = f": {failure}" if failure else ""
    return f"the books have not been compared for {since_ns // (1_000 * MS)} s{why}"
