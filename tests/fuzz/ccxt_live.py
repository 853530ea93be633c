"""ccxt's own Kraken client under our guard, hearing harmed frames: the feed without its socket.

Frames go through the client's `handle_message`, JSON decoder and all, as a socket would hand them
in; the books that our mixin verifies are held against the venue's.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
from aiohttp import WSMessage, WSMsgType
from ccxt.async_support.base.ws import (  # type: ignore[import-untyped]  # it has no types
    client as ccxt_client,
)

from arbit.books import BookCache
from arbit.domain.market import Market, MarketStatus
from arbit.venues.ccxt.kraken_feed import KrakenCcxtFeed
from arbit.venues.ccxt.settings import CcxtSettings
from tests.fuzz.live import Scene
from tests.fuzz.parsers import Wrong
from tests.fuzz.public_live import SYMBOLS, Books, Venue
from tests.simulation.clock import SimClock
from tests.unit.venues.kraken.wire import reply


class Guarded(Books):
    """A `KrakenCcxtFeed` whose watchers are played: they ask again as soon as a book is lost."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene, Venue(scene))
        clock = SimClock(scene.loop, scene.rng)
        self.cache = BookCache()
        self.cache.watch(SYMBOLS, clock.monotonic_ns())
        markets = {
            symbol: Market(
                *(symbol, symbol[:3], symbol[4:]),
                price_decimals=1,
                qty_decimals=3,
                status=MarketStatus.ONLINE,
            )
            for symbol in SYMBOLS
        }
        settings = CcxtSettings("kraken", depth=10)
        told: Any = None  # nobody asks over REST here: the fallback's tasks do not run
        self.feed = KrakenCcxtFeed(settings, self.cache, clock, lambda _: None, markets, told)
        self.feed.beliefs.watch(SYMBOLS)
        self.feed.listed_statuses(SYMBOLS)
        scene.inside(self._connect)
        self.numbers = 0

    def _connect(self) -> None:
        exchange = self.feed.make_exchange()
        exchange.asyncio_loop = self.scene.loop
        self.client = exchange.client(exchange.urls["api"]["ws"]["publicV2"])

    def as_read(self, rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """As floats: zeros at the end are lost, and are made again."""
        return [(f"{float(price):.1f}", f"{float(qty):.3f}") for price, qty in rows]

    def forget(self) -> None:
        """There was no socket, so there is nothing to close."""
        exchange = self.feed._exchange
        if exchange.session is not None:
            exchange.session.detach()
        exchange.clients, exchange.session = {}, None

    def arrive(self, payload: bytes) -> None:
        """One frame, as text where it is some: aiohttp closes a socket for any other."""
        try:
            message = WSMessage(WSMsgType.TEXT, payload.decode(), None)
        except UnicodeDecodeError:
            message = WSMessage(WSMsgType.BINARY, payload, None)
        self.scene.inside(lambda: self.client.handle_message(message))

    def good(self) -> None:
        """Every lost book is asked for again, and the venue goes on."""
        for symbol in sorted(set(SYMBOLS) - set(self.believed())):
            self.numbers += 1
            self.feed._exchange._note(self.numbers, [symbol])
            result = {"channel": "book", "symbol": symbol, "depth": 10}
            self.arrive(reply("subscribe", result=result, req_id=self.numbers))
            self.arrive(self.venue.books[symbol].again())
            self.check()
        for symbol in SYMBOLS:
            frame = self.venue.moved(symbol)
            self.venue.recent.append(frame)
            self.arrive(frame)
            self.check()


def play(scene: Scene) -> None:
    """A client's life among harmed frames. Wrong with the first finding."""
    ccxt_client.json_parser = scene.rng.choice((orjson, json))
    guarded = Guarded(scene)
    try:
        _played(scene, guarded)
    finally:
        guarded.forget()
        ccxt_client.json_parser = orjson


def _played(scene: Scene, guarded: Guarded) -> None:
    guarded.good()
    for _ in range(scene.frames):
        payload = scene.harm(guarded.venue.recent, "public")
        if not guarded.forged(payload):
            guarded.arrive(payload)
            guarded.check()
        if scene.rng.random() < 0.5:
            guarded.online(guarded.arrive)
            guarded.good()
            scene.run_for(0.01)
    guarded.online(guarded.arrive)
    for _ in range(3):
        guarded.good()
    if len(guarded.believed()) < len(SYMBOLS):
        raise Wrong(f"not live again: {guarded.believed()} of {SYMBOLS}")
