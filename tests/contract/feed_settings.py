"""The sandbox venue's settings with a feed of one's choice, quick enough for a test."""

from __future__ import annotations

from arbit.config import Settings, VenueSettings

ALPACA = "alpaca"  # the native feed of the other venue


def venue_with(settings: Settings, feed: str) -> VenueSettings:
    """Validated like a user's own: an unknown feed is an error here too."""
    base = settings.venue("sandbox").model_dump()
    if feed == ALPACA:
        return settings.venue("sandbox-alpaca")
    return VenueSettings.model_validate({**base, "feed": feed, "rest_calls_per_s": 20})
