"""One suite for every feed: whatever brings the books, they end as the venue's own books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from arbit.app.watch.feeds import Addresses, FeedParts, make_feed, rest_side
from arbit.books import BookCache
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.book import BookView, Integrity, Level, Source
from arbit.domain.events import Event
from arbit.ports import MarketFeed
from arbit.sandbox.control import book_json
from arbit.sandbox.market import Market
from arbit.sandbox.server import SandboxServer
from tests.contract import in_process
from tests.contract.feed_settings import ALPACA, venue_with
from tests.contract.in_process import IN_PROCESS, played

TOP = 10
PATIENCE_S = 60.0

FEEDS = ("native", "ccxt", "rest", ALPACA, IN_PROCESS)
LEAST = {ALPACA: 10, IN_PROCESS: 6}  # so many markets; others list twelve
PROOF = {"rest": Integrity.NONE, ALPACA: Integrity.CROSS_CHECKED}


def witness(heard: list[Event]) -> Any:
    def note(event: Event, /) -> None:
        heard.append(event)

    return note


def top_of(view: BookView | None) -> tuple[list[tuple[Decimal, Decimal]], ...] | None:
    if view is None:
        return None
    return tuple(
        [(level.price, level.qty) for level in side[:TOP]] for side in (view.bids, view.asks)
    )


def truth_of(state: Mapping[str, Any]) -> tuple[list[tuple[Decimal, Decimal]], ...]:
    return tuple(
        [(Decimal(price), Decimal(qty)) for price, qty in state[side][:TOP]]
        for side in ("bids", "asks")
    )


@pytest.mark.parametrize("kind", FEEDS)
@played
async def test_when_the_market_freezes_every_symbol_ends_with_the_venues_top_ten(kind: str) -> None:
    cache = BookCache()
    async with fed(kind, cache) as (feed, market):
        symbols = sorted(market.pairs)
        await until(lambda: not any(cache.reason), "every book is believed")
        before = truths(market)
        await until(lambda: moved(kind, before, truths(market)), "the market has moved since")
        freeze(kind, market)
        await until(lambda: held(cache, symbols) == truths(market), "ours are the venue's")
    assert len(symbols) >= LEAST.get(kind, 12)
    assert feed.integrity is PROOF.get(kind, Integrity.CHECKSUM)
    assert set(cache.source) == {Source.REST if kind == "rest" else Source.WS}


@asynccontextmanager
async def fed(kind: str, cache: BookCache) -> AsyncIterator[tuple[MarketFeed, Market]]:
    """The feed of this kind, running, and the market that it is of."""
    if kind == IN_PROCESS:
        async with in_process.fed(cache) as scene:
            yield scene
        return
    face = "alpaca" if kind == ALPACA else "kraken"
    async with (
        SandboxServer(profile="calm", seed=11, face=face) as server,
        running(kind, server, cache, SystemClock(seed=1)) as feed,
    ):
        yield feed, server.market


def freeze(kind: str, market: Market) -> None:
    """It moves no more. In process pair by pair: the market's own time must go on there."""
    for symbol in sorted(market.pairs) if kind == IN_PROCESS else (None,):
        market.freeze(symbol)


def moved(kind: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether it has: where time costs nothing every single book, else some."""
    enough = all if kind == IN_PROCESS else any
    return enough(now[symbol] != top for symbol, top in before.items())


def truths(market: Market) -> dict[str, Any]:
    """The venue's own books, as its control interface tells them."""
    return {symbol: truth_of(book_json(pair, TOP)) for symbol, pair in market.pairs.items()}


def held(cache: BookCache, symbols: list[str]) -> dict[str, Any]:
    return {symbol: top_of(cache.last_known(symbol)) for symbol in symbols}


async def until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"not within {PATIENCE_S:.0f} s: {what}")


@asynccontextmanager
async def running(
    kind: str, server: SandboxServer, cache: BookCache, clock: SystemClock
) -> AsyncIterator[MarketFeed]:
    """The feed of this kind over real sockets, feeding every listed market."""
    heard: list[Event] = []
    venue = venue_with(Settings(), kind)
    at = Addresses(server.rest_url, server.ws_url, data_url=server.rest_url)
    rest = rest_side(venue, at, clock)
    try:
        markets = dict(await rest.catalog.markets())
        cache.watch(sorted(markets), clock.monotonic_ns())
        parts = FeedParts(
            venue=venue,
            at=at,
            rest=rest,
            sink=cache,
            clock=clock,
            publish=witness(heard),
            markets=markets,
            learn=lambda _: None,
        )
        feed = make_feed(parts)
        task = asyncio.ensure_future(feed.run(sorted(markets)))
        try:
            yield feed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await rest.client.close()


def test_the_comparison_notices_a_single_changed_digit() -> None:
    level = Level(Decimal("1.00"), Decimal("2.000"))
    other = Level(Decimal("1.00"), Decimal("2.001"))
    views = [BookView("A/B", (one,), (one,), 1, Source.WS, 1, 1) for one in (level, other)]
    assert top_of(views[0]) != top_of(views[1])
