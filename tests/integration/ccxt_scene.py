"""A sandbox exchange, and a feed of ours connected to it over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from arbit.books import BookCache
from arbit.clock import SystemClock
from arbit.domain.book import BookView, Disbelief, Level, Source
from arbit.domain.events import Event
from arbit.domain.market import Market
from arbit.sandbox.server import SandboxServer
from arbit.venues.ccxt.catalog import catalog_for
from arbit.venues.ccxt.client import RestClient
from arbit.venues.ccxt.feed import CcxtFeed
from arbit.venues.ccxt.kraken_feed import KrakenCcxtFeed, ccxt_feed
from arbit.venues.ccxt.reader import reader_for
from arbit.venues.ccxt.rest_feed import RestFeed
from arbit.venues.ccxt.settings import CcxtSettings

GUARD_S = 20.0
STEP_S = 0.01
Feed = CcxtFeed | RestFeed
Maker = type[CcxtFeed] | type[RestFeed] | Callable[..., Feed]


@dataclass
class Scene:
    server: SandboxServer
    settings: CcxtSettings
    clock: SystemClock
    cache: BookCache
    markets: dict[str, Market]
    feed: Feed
    events: list[Event] = field(default_factory=list)

    def why_not(self, symbol: str) -> Disbelief | None:
        max_age_ns = self.settings.max_book_age_ms * 1_000_000
        return self.cache.why_not(symbol, self.clock.monotonic_ns(), max_age_ns)

    def believed(self) -> set[str]:
        return {symbol for symbol in self.markets if self.why_not(symbol) is None}

    def all_believed(self) -> bool:
        return len(self.believed()) == len(self.markets)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def about(self, symbol: str, kind: type[Event]) -> list[Any]:
        return [event for event in self.of(kind) if event.symbol == symbol]

    async def until(self, true: Callable[[], bool], why: str = "") -> None:
        """Wait for a condition, under a generous guard."""
        for _ in range(int(GUARD_S / STEP_S)):
            if true():
                return
            await asyncio.sleep(STEP_S)
        raise AssertionError(
            f"never: {why}; {self.feed.states()} {self.feed.counts} {self.events[-5:]}"
        )

    def venue_top_ten(self) -> Tops:
        books = cast("dict[str, Any]", self.server.control.state(10)["books"])
        return {
            symbol: (pairs(books[symbol]["bids"]), pairs(books[symbol]["asks"])) for symbol in books
        }

    def venue_top_ten_of_ours(self) -> Tops:
        venue = self.venue_top_ten()
        return {symbol: venue[symbol] for symbol in self.markets}

    def views(self) -> list[BookView]:
        found = (self.cache.last_known(symbol) for symbol in self.markets)
        return [view for view in found if view is not None]

    def source(self, symbol: str) -> Source:
        return self.cache.source[self.cache.index(symbol)]

    def our_top_ten(self) -> Tops:
        found = {}
        for symbol in self.markets:
            view = self.cache.last_known(symbol)
            if view is not None:
                found[symbol] = (rows(view.bids[:10]), rows(view.asks[:10]))
        return found


Row = tuple[Decimal, Decimal]
Tops = dict[str, tuple[list[Row], list[Row]]]


def pairs(tokens: list[list[str]]) -> list[Row]:
    return [(Decimal(price), Decimal(qty)) for price, qty in tokens]


def rows(levels: tuple[Level, ...]) -> list[Row]:
    return [(level.price, level.qty) for level in levels]


@asynccontextmanager
async def connected(
    make: Maker = ccxt_feed, *, count: int = 6, **changes: Any
) -> AsyncIterator[Scene]:
    """The sandbox with its first `count` markets fed by `make`; its failure is the test's."""
    clock = SystemClock(seed=1)
    async with SandboxServer("calm", 7) as server:
        settings = replace(
            CcxtSettings(
                "sandbox",
                rest_url=server.rest_url,
                ws_url=server.ws_url,
                rest_calls_per_s=100.0,
                backoff_cap_ms=400,
                rest_timeout_ms=2000,
                rest_tries=2,
            ),
            **changes,
        )
        async with RestClient(settings, clock) as client:
            catalog = catalog_for(client)
            listed = await catalog.markets()
            markets = {symbol: listed[symbol] for symbol in list(listed)[:count]}
            cache = BookCache()
            cache.watch(markets)
            events: list[Event] = []
            reader = reader_for(client, catalog)

            def told(event: Event) -> None:
                events.append(event)

            feed = make(settings, cache, clock, told, markets, reader)
            running = asyncio.create_task(feed.run(list(markets)))
            try:
                yield Scene(server, settings, clock, cache, markets, feed, events)
                assert not running.done(), running.exception()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


def plain_feed(*arguments: Any) -> CcxtFeed:
    """The feed any exchange gets, on Kraken's wire: ccxt's own handler and books."""
    return CcxtFeed(*arguments)


def kraken_feed(*arguments: Any) -> KrakenCcxtFeed:
    return KrakenCcxtFeed(*arguments)
