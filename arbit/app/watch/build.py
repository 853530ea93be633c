"""One venue put together for any command that watches books: reached, listed, desked and fed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal

from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import (
    Addresses,
    FeedParts,
    RestSide,
    alpaca_addresses,
    make_feed,
    proved_levels,
)
from arbit.app.watch.venue import Desk, DeskSetup, RunSetup, VenueRun
from arbit.app.watch.watchlist import Watchlist, watchlist
from arbit.books import BookCache
from arbit.config import KEY_TO_READ, SANDBOXES, SPEAKS_ALPACA, Settings, VenueSettings, venue_key
from arbit.config.addresses import half_addressed
from arbit.domain.errors import FrameError, UserError, VenueRefused, VenueUnreachable
from arbit.domain.market import Market
from arbit.ports import Clock, Listener
from arbit.venues.alpaca.feed import AlpacaFeed
from arbit.venues.kraken.feed import KrakenFeed

SANDBOX = "sandbox"
SYNTHETIC, LIVE = "synthetic", "live"
KEY_REFUSED = ("401", "403")  # how an answer begins that says so


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a venue is, and a wait for the untimely end of a server of our own."""

    at: Addresses
    companion: Callable[[], Awaitable[None]] | None = None


async def reach(
    venue: VenueSettings, stack: AsyncExitStack, child: Callable[[], SandboxChild]
) -> Reached:
    """The venue's addresses; a sandbox's own server is started when none is configured.

    UserError for a part of them: what is not set would be completed by another place's.
    """
    of_alpaca = venue.name in SPEAKS_ALPACA
    if (why := half_addressed(venue)) is not None:
        raise UserError(why)
    if venue.name in SANDBOXES and not venue.rest_url:
        server = child().facing("alpaca") if of_alpaca else child()
        at = (await stack.enter_async_context(server)).address
        own = Addresses(at.rest_url, at.ws_url, at.data_url, at.private_ws_url)
        return Reached(own, server.ended)
    if of_alpaca:
        return Reached(alpaca_addresses(venue))
    return Reached(Addresses(venue.rest_url or "", venue.ws_url or ""))


async def listed(venue: VenueSettings, rest: RestSide) -> dict[str, Market]:
    """Every market of the venue. VenueError names it, UserError a key that it refuses."""
    try:
        return dict(await rest.catalog.markets())
    except VenueRefused as error:
        if venue.name in KEY_TO_READ and error.text.startswith(KEY_REFUSED):
            raise UserError(_refused_key(venue, error.text)) from None
        what = f"{venue.name} does not say what it lists: {error}"
        raise VenueRefused(what, method=error.method, symbol=error.symbol) from None
    except FrameError as error:
        raise FrameError(f"{venue.name}: {error}", error.symbol) from None
    except VenueUnreachable as error:
        raise VenueUnreachable(f"{venue.name} could not be reached: {error}") from None


def _refused_key(venue: VenueSettings, words: str) -> str:
    said = f"{venue_key(venue.name, 'api_key')} and {venue_key(venue.name, 'api_secret')}"
    whose = "of this sandbox"
    if venue.name not in SANDBOXES:
        host = venue_key(venue.name, "alpaca_host")
        whose = f"of Alpaca's {venue.alpaca_host} account ({host}={venue.alpaca_host})"
    return f"{said}: expected a key {whose}, the venue refuses it: {words}"


def watched(
    settings: Settings,
    venue: VenueSettings,
    markets: Mapping[str, Market],
    account_fees: Mapping[str, Decimal] | None = None,
) -> Watchlist:
    """What to watch. UserError when it holds no triangle."""
    scan = settings.scan
    watch = watchlist(venue, markets, scan.start_assets, scan.min_edge_bps, account_fees)
    if not watch.triangles:
        named = ", ".join(venue.symbols) or f"its {len(markets)} markets"
        raise UserError(f"venue {venue.name!r}: no triangle among {named}")
    return watch


@dataclass(frozen=True, slots=True)
class RunParts:
    """What a run is made of. `simulate` trades on paper beside the measuring (`fitness`)."""

    settings: Settings
    venue: VenueSettings
    watch: Watchlist
    markets: dict[str, Market]
    reached: Reached
    rest: RestSide
    clock: Clock
    publish: Listener
    simulate: bool = False


def build_run(parts: RunParts) -> VenueRun:
    """The desk, its feed, and the run that drives both."""
    venue, clock = parts.venue, parts.clock
    desk = Desk(
        DeskSetup(
            venue=venue,
            scan=parts.settings.scan,
            watch=parts.watch,
            markets=parts.markets,
            publish=parts.publish,
            clock_ns=clock.monotonic_ns,
            simulate=parts.simulate,
            proved_levels=proved_levels(venue),
            rotation=parts.settings.rotation,
        )
    )
    feed = make_feed(
        FeedParts(
            venue=venue,
            at=parts.reached.at,
            rest=parts.rest,
            sink=desk.cache,
            clock=clock,
            publish=parts.publish,
            markets=parts.markets,
            learn=desk.learn,
            symbols=parts.watch.symbols,
        )
    )
    market = SYNTHETIC if venue.name in SANDBOXES else LIVE
    setup = RunSetup(market, parts.settings.linger_us * 1_000, parts.reached.companion)
    run = VenueRun(desk, feed, clock, setup)
    _take_turns(feed, desk.cache, run)
    return run


def _take_turns(feed: object, cache: BookCache, run: VenueRun) -> None:
    """Our own feeds say when their buffer is drained; the others wake the loop once per batch."""
    if isinstance(feed, KrakenFeed | AlpacaFeed):
        feed.on_drained = run.drained
    else:
        cache.on_touched = run.soon
