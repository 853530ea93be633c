"""What is wrong with settings beyond what their own bounds say, before anything is contacted."""

from __future__ import annotations

from collections.abc import Iterator

from arbit.config import Settings, VenueSettings, venue_key
from arbit.config.addresses import half_addressed
from arbit.config.venue import BUILT_IN
from arbit.domain.errors import UserError
from arbit.venues.ccxt.loader import exchange_class


def wrong_together(settings: Settings) -> list[str]:
    """One line for each thing that a command would complain of once it came to it."""
    return [line for venue in _used(settings) for line in _of_venue(settings, venue)]


def _used(settings: Settings) -> Iterator[VenueSettings]:
    names = dict.fromkeys([*settings.venues, *settings.default_venues])
    return (settings.venue(name) for name in names)


def _of_venue(settings: Settings, venue: VenueSettings) -> Iterator[str]:
    if (why := _unknown(settings, venue.name)) is not None:
        yield why
    if (half := half_addressed(venue)) is not None:
        yield half
    halves = {"api_key": venue.api_key, "api_secret": venue.api_secret}
    missing = [name for name, value in halves.items() if value is None]
    if len(missing) == 1:
        (other,) = halves.keys() - set(missing)
        key, beside = venue_key(venue.name, missing[0]), venue_key(venue.name, other)
        yield f"{key}: expected with {beside}, both or neither; it is unset"


def _unknown(settings: Settings, name: str) -> str | None:
    """Why this is no venue: neither built in nor known to ccxt, which is asked only then."""
    if name in BUILT_IN:
        return None
    try:
        exchange_class(name, streams=False)
    except UserError as error:
        key = "ARBIT_VENUES" if name in settings.venues else "ARBIT_DEFAULT_VENUES"
        return f"{key}: {error}"
    return None
