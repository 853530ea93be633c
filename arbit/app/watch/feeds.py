"""Builds the feed a venue's settings ask for. ccxt is imported only when one needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from arbit.config import SPEAKS_ALPACA, SPEAKS_KRAKEN, AlpacaHost, Feed, VenueSettings
from arbit.domain.errors import BrokenRule
from arbit.domain.market import Market
from arbit.ports import BookSink, Clock, Listener, MarketCatalog, MarketFeed
from arbit.venues.alpaca.account import keys_of
from arbit.venues.alpaca.catalog import AlpacaCatalog
from arbit.venues.alpaca.feed import AlpacaFeed, AlpacaFeedSetup
from arbit.venues.alpaca.feed import Surroundings as AlpacaSurroundings
from arbit.venues.alpaca.http import Http
from arbit.venues.alpaca.rate import DATA_PER_MIN, TRADING_PER_MIN, Budget
from arbit.venues.alpaca.reader import AlpacaReader, WatchedReader
from arbit.venues.alpaca.traces import LEVELS as COMPARED_LEVELS
from arbit.venues.ccxt.catalog import catalog_for
from arbit.venues.ccxt.client import RestClient
from arbit.venues.ccxt.kraken_feed import KrakenCcxtFeed, ccxt_feed
from arbit.venues.ccxt.reader import reader_for
from arbit.venues.ccxt.rest_feed import RestFeed
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.kraken.checksum import WINDOW as CHECKSUM_WINDOW
from arbit.venues.kraken.feed import KrakenFeed, KrakenFeedSetup, Surroundings
from arbit.venues.kraken.parse import Instrument
from arbit.venues.looks import LookingReader

LOOK_S = 4.0  # for one look at Alpaca's books: an older answer would prove nothing any more
KRAKEN_WS_URL = "wss://ws.kraken.com/v2"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a venue is reached; empty means its own public address."""

    rest_url: str = ""
    ws_url: str = ""
    data_url: str = ""
    private_ws_url: str = ""


def alpaca_addresses(venue: VenueSettings) -> Addresses:
    """Alpaca's own addresses, or those that were set. Source: docs.alpaca.markets."""
    host = "api.alpaca.markets"
    if venue.alpaca_host is AlpacaHost.PAPER:
        host = f"paper-{host}"
    books = f"wss://stream.data.alpaca.markets/v1beta3/crypto/{venue.alpaca_data_location}"
    return Addresses(
        rest_url=venue.rest_url or f"https://{host}",
        ws_url=venue.ws_url or books,
        data_url=venue.data_url or "https://data.alpaca.markets",
        private_ws_url=venue.private_ws_url or f"wss://{host}/stream",
    )


class Closes(Protocol):
    """Holds connections."""

    async def close(self) -> None:
        """Close them."""
        ...


@dataclass(frozen=True, slots=True)
class RestSide:
    """The questions one can ask a venue, and the client that must be closed at the end."""

    client: Closes
    catalog: MarketCatalog
    reader: LookingReader
    settings: CcxtSettings  # of the feeds that poll, or go through ccxt


def rest_side(venue: VenueSettings, at: Addresses, clock: Clock) -> RestSide:
    """The REST side of a venue.

    UserError for an exchange id that ccxt does not know, and without a key where one is needed.
    """
    settings = CcxtSettings(
        venue=venue.name,
        exchange_id="kraken" if venue.name in SPEAKS_KRAKEN else venue.name,
        rest_url=at.rest_url,
        ws_url=at.ws_url,
        depth=venue.book_depth,
        max_book_age_ms=venue.max_book_age_ms,
        watchdog_ms=venue.watchdog_ms,
        backoff_cap_ms=int(venue.backoff_cap_s * 1000),
        connects_per_10min=venue.connect_attempts_per_10min,
        rest_calls_per_s=venue.rest_calls_per_s,
    )
    if venue.name in SPEAKS_ALPACA:
        return _alpaca_side(venue, at, clock, settings)
    client = RestClient(settings, clock)
    catalog = catalog_for(client)
    return RestSide(client, catalog, reader_for(client, catalog), settings)


@dataclass(frozen=True, slots=True)
class AlpacaHosts:
    """Alpaca's two: one lists what is traded, the other tells books."""

    trading: Http
    data: Http

    async def close(self) -> None:
        """Close the connections to both."""
        await self.trading.close()
        await self.data.close()


def _alpaca_side(
    venue: VenueSettings, at: Addresses, clock: Clock, settings: CcxtSettings
) -> RestSide:
    keys, plan = keys_of(venue), venue.alpaca_plan.value
    hosts = AlpacaHosts(
        Http(at.rest_url, keys, Budget(TRADING_PER_MIN), clock),
        Http(at.data_url, keys, Budget(DATA_PER_MIN[plan]), clock, total_s=LOOK_S),
    )
    catalog = AlpacaCatalog(hosts.trading)
    reader = AlpacaReader(hosts.data, catalog, venue.alpaca_data_location.value, clock)
    return RestSide(hosts, catalog, reader, settings)


@dataclass(frozen=True, slots=True)
class FeedParts:
    """What any feed is given."""

    venue: VenueSettings
    at: Addresses
    rest: RestSide
    sink: BookSink
    clock: Clock
    publish: Listener
    markets: Mapping[str, Market]
    learn: Callable[[Instrument], None]
    symbols: Sequence[str] = ()  # that will be watched


def proved_levels(venue: VenueSettings) -> int | None:
    """How deep this venue's books are proved: the ten best levels, where they are streamed.

    Kraken's checksum covers so many (docs.kraken.com, guide "book checksum v2"; the subscription
    is deeper, so that the ten are always complete). Of Alpaca's as many are held against REST.
    """
    if venue.effective_feed is Feed.REST:
        return None
    if venue.name in SPEAKS_ALPACA:
        return COMPARED_LEVELS
    return CHECKSUM_WINDOW if venue.name in SPEAKS_KRAKEN else None


def make_feed(parts: FeedParts) -> MarketFeed:
    """The feed of the venue's `effective_feed`."""
    kind = parts.venue.effective_feed
    if kind is Feed.NATIVE:
        return alpaca_feed(parts) if parts.venue.name in SPEAKS_ALPACA else native_feed(parts)
    made = RestFeed if kind is Feed.REST else ccxt_feed
    feed = made(
        parts.rest.settings,
        parts.sink,
        parts.clock,
        parts.publish,
        parts.markets,
        _polled(parts),
    )
    if isinstance(feed, KrakenCcxtFeed):
        feed.learn = parts.learn
    return feed


def _polled(parts: FeedParts) -> LookingReader:
    """Whom a feed that polls asks: of Alpaca, one question about all that it polls."""
    reader = parts.rest.reader
    if isinstance(reader, AlpacaReader):
        return WatchedReader(reader, parts.symbols, parts.clock)
    return reader


def native_feed(parts: FeedParts) -> KrakenFeed:
    """Our own Kraken feed."""
    venue = parts.venue
    setup = KrakenFeedSetup(
        venue=venue.name,
        ws_url=parts.at.ws_url or KRAKEN_WS_URL,
        depth=venue.book_depth,
        max_book_age_ms=venue.max_book_age_ms,
        symbols_per_socket=venue.symbols_per_socket,
        watchdog_ms=venue.watchdog_ms,
        backoff_cap_ms=int(venue.backoff_cap_s * 1000),
        connects_per_10min=venue.connect_attempts_per_10min,
    )
    around = Surroundings(parts.rest.reader, parts.markets, parts.learn)
    return KrakenFeed(setup, parts.sink, parts.clock, parts.publish, around)


def alpaca_feed(parts: FeedParts) -> AlpacaFeed:
    """Our own Alpaca feed. BrokenRule with another venue's reader."""
    venue, reader = parts.venue, parts.rest.reader
    if not isinstance(reader, AlpacaReader):
        raise BrokenRule(f"{venue.name}: books are compared with Alpaca's own over REST")
    setup = AlpacaFeedSetup(
        venue=venue.name,
        ws_url=parts.at.ws_url,
        keys=keys_of(venue),
        plan=venue.alpaca_plan.value,
        depth=venue.book_depth,
        max_book_age_ms=venue.max_book_age_ms,
        watchdog_ms=venue.watchdog_ms,
        backoff_cap_ms=int(venue.backoff_cap_s * 1000),
        connects_per_10min=venue.connect_attempts_per_10min,
    )
    around = AlpacaSurroundings(reader, parts.markets)
    return AlpacaFeed(setup, parts.sink, parts.clock, parts.publish, around)
