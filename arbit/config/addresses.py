"""Which addresses of a venue belong together."""

from __future__ import annotations

from collections.abc import Sequence

from arbit.config.kinds import SANDBOXES, SPEAKS_ALPACA
from arbit.config.text import venue_key
from arbit.config.venue import VenueSettings

_KRAKEN = ("rest_url", "ws_url")
_ALPACA = ("rest_url", "data_url", "ws_url", "private_ws_url")


def half_addressed(venue: VenueSettings) -> str | None:
    """What to say where some of a venue's addresses are set and others are not; else None.

    What is not set would be completed by another place's.
    """
    if venue.name not in SPEAKS_ALPACA | SANDBOXES:
        return None
    wanted = _ALPACA if venue.name in SPEAKS_ALPACA else _KRAKEN
    missing = [field for field in wanted if not getattr(venue, field)]
    return _half(venue.name, missing, wanted) if 0 < len(missing) < len(wanted) else None


def _half(name: str, missing: Sequence[str], wanted: Sequence[str]) -> str:
    *most, last = (venue_key(name, field) for field in wanted)
    every = "both or neither" if len(wanted) == len(_KRAKEN) else "all four or none"
    own = "the sandbox starts its own server" if name in SANDBOXES else "Alpaca's own are used"
    lacking = ", ".join(venue_key(name, field) for field in missing)
    return f"{', '.join(most)} and {last}: expected {every} (without them {own}); unset: {lacking}"
