"""The feed in virtual time, on a scripted socket that answers as Alpaca's stream does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from arbit.books import BookCache
from arbit.domain.book import Disbelief, Source
from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.domain.events import Event
from arbit.domain.market import Market, MarketStatus
from arbit.venues.alpaca.feed import AlpacaFeed, AlpacaFeedSetup, Surroundings
from arbit.venues.dial import FrameHandler
from arbit.venues.looks import DepthLook, StatusLook, TopsLook
from tests.unit.venues.alpaca.desk import KEYS, OTHER, PAIR, levels_of
from tests.unit.venues.alpaca.stream import (
    AUTHENTICATED,
    CONNECTED,
    Reference,
    error,
    frame,
    subscribed,
)
from tests.unit.venues.virtual import VirtualClock

MS = 1_000_000


class Line:
    """One open socket; what it is sent, the venue answers in the next turn of the loop."""

    def __init__(self, venue: Venue, handler: FrameHandler) -> None:
        self.venue = venue
        self.handler = handler
        self.open = True
        self.books: list[str] = []
        self.authenticated = False

    def send(self, payload: bytes) -> None:
        if self.open and not self.venue.deaf:
            asyncio.get_running_loop().call_soon(self._answer, json.loads(payload))

    def close(self) -> None:
        self.open = False

    abort = close

    def cut(self) -> None:
        if self.open:
            self.close()
            self.handler.on_lost("connection lost")

    def hear(self, *frames: bytes) -> None:
        for payload in frames:
            if self.open and not self.venue.silent:
                self.handler.on_frame(payload)
        if self.open:
            self.handler.on_drained()

    def _answer(self, request: dict[str, Any]) -> None:
        self.venue.asked.append(request)
        action = request["action"]
        if self.venue.errors.get(action):
            self.hear(error(self.venue.errors[action].pop(0)))
        elif action == "auth":
            self.authenticated = True
            self.hear(AUTHENTICATED)
        elif action == "unsubscribe":
            self.books = [one for one in self.books if one not in request["orderbooks"]]
            self.hear(subscribed(self.books))
        else:
            fresh = [one for one in request["orderbooks"] if one not in self.books]
            self.books += fresh
            self.hear(subscribed(self.books, self.books))
            for symbol in fresh:
                if symbol not in self.venue.mute:
                    self.hear(frame(self.venue.books[symbol].whole()))


@dataclass
class Venue:
    """Opens sockets, or refuses to; answers over REST with the same books."""

    clock: VirtualClock
    symbols: Sequence[str] = (PAIR, OTHER)
    refuses: bool = False
    silent: bool = False
    deaf: bool = False
    rest_down: bool = False
    mute: set[str] = field(default_factory=set)
    errors: dict[str, list[int]] = field(default_factory=dict)  # by action
    lines: list[Line] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    dialled_ns: list[int] = field(default_factory=list)
    looks_ns: list[int] = field(default_factory=list)
    statuses: dict[str, MarketStatus] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.books = {symbol: Reference(symbol) for symbol in self.symbols}

    @property
    def line(self) -> Line:
        """The socket that is open."""
        (found,) = [line for line in self.lines if line.open]
        return found

    async def dial(self, url: str, handler: FrameHandler) -> Line:
        self.dialled_ns.append(self.clock.monotonic_ns())
        if self.refuses:
            raise VenueUnreachable("connection refused")
        line = Line(self, handler)
        self.lines.append(line)
        asyncio.get_running_loop().call_soon(line.hear, CONNECTED)
        return line

    def say(self, *messages: str) -> None:
        self.line.hear(frame(*messages))

    async def look_books(self, symbols: Sequence[str]) -> dict[str, DepthLook]:
        sent_ns = self.clock.monotonic_ns()
        self.looks_ns.append(sent_ns)
        await self.clock.sleep(0.02)
        if self.rest_down:
            raise VenueUnreachable("nobody answers")
        return {
            symbol: DepthLook(sent_ns, levels_of(one.best_bids), levels_of(one.best_asks))
            for symbol, one in self.books.items()
            if symbol in symbols
        }

    async def look_tops(self) -> TopsLook:
        raise VenueRefused("the feed asks for its own symbols alone")

    async def look_depth(self, symbol: str, depth: int) -> DepthLook:
        raise VenueRefused("the feed asks for all its symbols at once")

    async def tops(self) -> Any:
        raise NotImplementedError

    async def depth(self, symbol: str, depth: int) -> Any:
        raise NotImplementedError

    async def look_status(self) -> StatusLook:
        return StatusLook(self.clock.monotonic_ns(), online=None)

    async def look_markets(self) -> dict[str, MarketStatus]:
        if self.rest_down:
            raise VenueUnreachable("nobody answers")
        return {**dict.fromkeys(self.symbols, MarketStatus.ONLINE), **self.statuses}


@dataclass
class Scene:
    """The feed on that venue, and all it told."""

    clock: VirtualClock
    venue: Venue
    cache: BookCache
    feed: AlpacaFeed
    events: list[Event]
    running: asyncio.Task[None]

    def reason(self, symbol: str = PAIR) -> Disbelief | None:
        return self.cache.reason[self.cache.index(symbol)]

    def why_not(self, symbol: str = PAIR) -> Disbelief | None:
        return self.cache.why_not(symbol, self.clock.now_ns, 3_000 * MS)

    def source(self, symbol: str = PAIR) -> Source:
        return self.cache.source[self.cache.index(symbol)]

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool], within_s: float = 30.0) -> float:
        """Move time until it holds; how long that took, in seconds."""
        began_ns = self.clock.now_ns
        while not holds():
            assert self.clock.now_ns - began_ns < within_s * 1e9, self.events[-5:]
            await self.clock.advance(0.05)
        return (self.clock.now_ns - began_ns) / 1e9


@asynccontextmanager
async def scene(
    venue: Venue | None = None,
    *,
    plan: str = "free",
    symbols: Sequence[str] = (PAIR, OTHER),
    ends: bool = False,
) -> AsyncIterator[Scene]:
    """With `ends` the feed's run is to have ended by itself."""
    clock = venue.clock if venue else VirtualClock()
    made = venue or Venue(clock, symbols)
    cache, events = BookCache(), list[Event]()
    cache.watch(symbols, clock.monotonic_ns())
    markets = {
        symbol: Market(
            symbol, base, quote, 1, 3, status=made.statuses.get(symbol, MarketStatus.ONLINE)
        )
        for symbol in symbols
        for base, _, quote in [symbol.partition("/")]
    }
    setup = AlpacaFeedSetup("alpaca", "ws://nowhere", KEYS, plan, depth=10)
    around = Surroundings(made, markets, made.dial)
    feed = AlpacaFeed(setup, cache, clock, events.append, around)
    running = asyncio.create_task(feed.run(symbols))
    try:
        yield Scene(clock, made, cache, feed, events, running)
        assert running.done() is ends
    finally:
        running.cancel()
        (end,) = await asyncio.gather(running, return_exceptions=True)
    assert ends or isinstance(end, asyncio.CancelledError), end
