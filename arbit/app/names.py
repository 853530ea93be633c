"""Names of venues, without contacting or importing any."""

from __future__ import annotations

from arbit.config.venue import BUILT_IN
from arbit.venues.ccxt.loader import known


def venue_names() -> list[str]:
    """Those built in, then the exchanges of ccxt by name."""
    return [*BUILT_IN, *(name for name in known("async_support") if name not in BUILT_IN)]
