"""A venue asked what it lists and what it takes, for commands that look and leave."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from arbit.app.measure.fitness import check_names
from arbit.app.watch.build import LIVE, SYNTHETIC, Reached, listed, reach
from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import RestSide, rest_side
from arbit.config import SANDBOXES, Settings, VenueSettings
from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.domain.fee_ladder import FeeLadder
from arbit.domain.market import Market
from arbit.ports import Clock


@dataclass(frozen=True, slots=True)
class Facts:
    """What a venue says of its markets. A ladder that is not published, or no ladder, is absent."""

    venue: VenueSettings
    markets: dict[str, Market]
    ladders: Mapping[str, FeeLadder]
    reached: Reached
    rest: RestSide

    @property
    def market(self) -> str:
        """Whether any of it is real."""
        return SYNTHETIC if self.venue.name in SANDBOXES else LIVE


async def facts_of(settings: Settings, name: str, clock: Clock, stack: AsyncExitStack) -> Facts:
    """Reach the venue and ask. The sandbox's own server is started where none is configured.

    UserError for no venue's name, for half of its addresses and for a key that is needed and
    missing or refused; VenueError names the venue that gives no usable answer.
    """
    venue = settings.venue(name)
    check_names(settings, [name])
    server = SandboxChild("calm", 1, taker_fee_bps=venue.taker_fee_bps)
    reached = await reach(venue, stack, lambda: server)
    rest = rest_side(venue, reached.at, clock)
    stack.push_async_callback(rest.client.close)
    markets = await listed(venue, rest)
    return Facts(venue, markets, await _ladders(venue, rest), reached, rest)


async def _ladders(venue: VenueSettings, rest: RestSide) -> Mapping[str, FeeLadder]:
    try:
        return await rest.catalog.ladders()
    except VenueRefused as error:
        raise VenueRefused(f"{venue.name} does not say what it takes: {error}") from None
    except VenueUnreachable as error:
        raise VenueUnreachable(f"{venue.name} could not be reached: {error}") from None
