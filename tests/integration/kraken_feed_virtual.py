"""A venue that lives in virtual time: half an hour of it passes in a moment."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from arbit.books import BookCache
from arbit.domain.book import Level
from arbit.domain.errors import VenueUnreachable
from arbit.domain.events import Event
from arbit.venues.dial import FrameHandler
from arbit.venues.kraken.feed import KrakenFeed, KrakenFeedSetup, Surroundings
from tests.unit.venues.kraken.wire import Reference, instruments, reply, system
from tests.unit.venues.virtual import ScriptedReader, VirtualClock

HEARTBEAT = b'{"channel":"heartbeat"}'


class JitteryClock(VirtualClock):
    """Virtual time with the chance of a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)

    def jitter(self) -> float:
        return self._chance.random()


class _Line:
    """One open socket; what it is sent, the venue answers in the next turn of the loop."""

    def __init__(self, venue: Venue, handler: FrameHandler) -> None:
        self.venue = venue
        self.handler = handler
        self.open = True
        self.deaf = venue.deaf

    def send(self, payload: bytes) -> None:
        if self.open and not self.deaf:
            asyncio.get_running_loop().call_soon(self._answer, json.loads(payload))

    def close(self) -> None:
        self.open = False
        self.venue.lines = [line for line in self.venue.lines if line is not self]

    abort = close

    def cut(self) -> None:
        self.close()
        self.handler.on_lost("connection lost")

    def hear(self, *frames: bytes) -> None:
        for payload in frames:
            if self.open and not self.venue.silent:
                self.handler.on_frame(payload)

    def _answer(self, request: dict[str, object]) -> None:
        params, number = request.get("params"), request["req_id"]
        if not isinstance(params, dict):
            self.hear(reply("pong", req_id=number))
        elif request["method"] == "unsubscribe":
            self.venue.unsubscribed += 1
        elif params["channel"] == "instrument":
            words = dict.fromkeys(self.venue.books, "online")
            self.hear(reply("subscribe", result={"channel": "instrument"}, req_id=number))
            self.hear(instruments("snapshot", **words))
        else:
            for symbol in params["symbol"]:
                result = {"channel": "book", "symbol": symbol, "depth": params["depth"]}
                self.hear(reply("subscribe", result=result, req_id=number))
                self.hear(self.venue.books[symbol].again())


@dataclass
class Venue:
    """Opens sockets, or refuses to, or cuts each as soon as it is open."""

    clock: VirtualClock
    symbols: Sequence[str]
    refuses: bool = False
    cuts: bool = False
    silent: bool = False
    deaf: bool = False  # what is opened now talks, and hears nothing
    lines: list[_Line] = field(default_factory=list)
    dialled_ns: list[int] = field(default_factory=list)
    unsubscribed: int = 0

    def __post_init__(self) -> None:
        self.books = {symbol: Reference(symbol) for symbol in self.symbols}
        for n, reference in zip(count(), self.books.values(), strict=False):
            price = Decimal(100 + n)
            bids = [(f"{price - step:.1f}", "1.000") for step in (0, 1, 2)]
            asks = [(f"{price + step:.1f}", "1.000") for step in (1, 2, 3)]
            reference.snapshot(bids, asks)

    async def dial(self, url: str, handler: FrameHandler) -> _Line:
        self.dialled_ns.append(self.clock.monotonic_ns())
        if self.refuses:
            raise VenueUnreachable("connection refused")
        line = _Line(self, handler)
        self.lines.append(line)
        loop = asyncio.get_running_loop()
        loop.call_soon(line.cut) if self.cuts else loop.call_soon(line.hear, system("online"))
        return line

    async def beat(self) -> None:
        while True:
            await self.clock.sleep(1.0)
            for line in list(self.lines):
                line.hear(HEARTBEAT)

    def top(self, symbol: str) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        reference = self.books[symbol]
        return (
            tuple(Level(Decimal(p), Decimal(q)) for p, q in reference.best_bids),
            tuple(Level(Decimal(p), Decimal(q)) for p, q in reference.best_asks),
        )

    def most_dials_in(self, seconds: int) -> int:
        window_ns = seconds * 1_000_000_000
        times = self.dialled_ns
        return max(sum(t <= at < t + window_ns for at in times) for t in times)


@dataclass
class Scene:
    clock: VirtualClock
    venue: Venue
    cache: BookCache
    feed: KrakenFeed
    reader: ScriptedReader
    events: list[Event]


@asynccontextmanager
async def scene(
    symbols: Sequence[str], *, per_socket: int = 200, rest: bool = False, seed: int = 1
) -> AsyncIterator[Scene]:
    clock = JitteryClock(seed)
    venue = Venue(clock, symbols)
    cache = BookCache()
    cache.watch(symbols, clock.monotonic_ns())
    reader = ScriptedReader(clock)
    events: list[Event] = []
    setup = KrakenFeedSetup("kraken", "ws://nowhere", depth=10, symbols_per_socket=per_socket)
    around = Surroundings(reader=reader if rest else None, dial=venue.dial)
    feed = KrakenFeed(setup, cache, clock, events.append, around)
    running = [asyncio.create_task(one) for one in (feed.run(symbols), venue.beat())]
    try:
        yield Scene(clock, venue, cache, feed, reader, events)
    finally:
        for task in running:
            task.cancel()
        ends = await asyncio.gather(*running, return_exceptions=True)
    assert [end for end in ends if not isinstance(end, asyncio.CancelledError)] == []
