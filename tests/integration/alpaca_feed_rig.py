"""The Alpaca feed on real sockets against the sandbox's own Alpaca, judged by the venue's books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from arbit.books import BookCache
from arbit.clock import SystemClock
from arbit.domain.book import Disbelief, Source
from arbit.domain.events import Event
from arbit.sandbox.alpaca.keys import TRADE_KEY, TRADE_SECRET
from arbit.sandbox.server import SandboxOptions, SandboxServer
from arbit.venues.alpaca.catalog import AlpacaCatalog
from arbit.venues.alpaca.feed import AlpacaFeed, AlpacaFeedSetup, Surroundings
from arbit.venues.alpaca.http import Http, Keys
from arbit.venues.alpaca.rate import Budget
from arbit.venues.alpaca.reader import AlpacaReader

MS = 1_000_000
GUARD_S = 20.0
TOP = 10
BTC, ETH = "BTC/USD", "ETH/USD"
KEYS = Keys(TRADE_KEY, TRADE_SECRET)
Rows = tuple[list[tuple[str, str]], ...]


@dataclass(frozen=True, slots=True)
class Options:
    """What a rig is made of. Ages in ms. No `symbols`: all that are listed."""

    profile: str = "calm"
    seed: int = 7
    keys: Keys = KEYS
    plan: str = "free"
    max_book_age_ms: int = 700
    watchdog_ms: int = 1_000
    symbols: tuple[str, ...] = ()
    sandbox: SandboxOptions = field(default_factory=SandboxOptions)


@dataclass
class Rig:
    """A sandbox, the feed on it, and everything that was told."""

    sandbox: SandboxServer
    options: Options
    feed: AlpacaFeed
    cache: BookCache
    clock: SystemClock
    symbols: list[str]
    events: list[Event]
    running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.running = asyncio.ensure_future(self.feed.run(self.symbols))

    async def stop(self) -> BaseException | None:
        """Stop the feed; what it ended with, if it had ended by itself."""
        if self.running is None:
            return None
        self.running.cancel()
        (end,) = await asyncio.gather(self.running, return_exceptions=True)
        return end if isinstance(end, Exception) else None

    def fault(self, name: str, **params: Any) -> None:
        self.sandbox.faults.set(name, **params)

    def reason(self, symbol: str = BTC) -> Disbelief | None:
        return self.cache.reason[self.cache.index(symbol)]

    def why_not(self, symbol: str = BTC) -> Disbelief | None:
        max_age_ns = self.options.max_book_age_ms * MS
        return self.cache.why_not(symbol, self.clock.monotonic_ns(), max_age_ns)

    def sources(self) -> set[Source]:
        return set(self.cache.source)

    def all_live(self) -> bool:
        return not any(self.cache.reason) and self.sources() == {Source.WS}

    def held(self) -> dict[str, Rows]:
        """The top ten a side of every book, as this side holds it."""
        found = {}
        for symbol in self.symbols:
            view = self.cache.last_known(symbol)
            sides = (view.bids, view.asks) if view is not None else ((), ())
            found[symbol] = tuple(
                [(f"{one.price.normalize():f}", f"{one.qty.normalize():f}") for one in side[:TOP]]
                for side in sides
            )
        return found

    def truth(self) -> dict[str, Rows]:
        """The same, as the venue has it."""
        books = self.sandbox.control.state(TOP, None)["books"]
        assert isinstance(books, dict)
        return {
            symbol: tuple(
                [(_plain(price), _plain(qty)) for price, qty in books[symbol][side]]
                for side in ("bids", "asks")
            )
            for symbol in self.symbols
        }

    def true(self) -> bool:
        return self.held() == self.truth()

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool], what: str) -> float:
        """Wait for it; how long that took, in seconds."""
        began_ns = self.clock.monotonic_ns()
        try:
            async with asyncio.timeout(GUARD_S):
                while not holds():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"not within {GUARD_S:.0f} s: {what}; {self.events[-3:]}")
        return (self.clock.monotonic_ns() - began_ns) / 1e9

    async def live(self) -> None:
        await self.until(self.all_live, "every book is believed")

    async def freeze_and_agree(self) -> None:
        """The market stops; every book ends as the venue's own, streamed and believed."""
        self.sandbox.market.freeze()
        await self.until(lambda: self.true() and self.all_live(), "ours are the venue's")


def _plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _built(sandbox: SandboxServer, options: Options, hosts: tuple[Http, Http]) -> Rig:
    clock, cache, events = hosts[0].clock, BookCache(), list[Event]()
    assert isinstance(clock, SystemClock)
    symbols = list(options.symbols or sandbox.market.pairs)
    cache.watch(symbols, clock.monotonic_ns())
    catalog = AlpacaCatalog(hosts[0])
    reader = AlpacaReader(hosts[1], catalog, "us", clock)
    setup = AlpacaFeedSetup(
        venue="sandbox-alpaca",
        ws_url=sandbox.ws_url,
        keys=options.keys,
        plan=options.plan,
        depth=TOP,
        max_book_age_ms=options.max_book_age_ms,
        watchdog_ms=options.watchdog_ms,
        backoff_cap_ms=1_000,
    )
    feed = AlpacaFeed(setup, cache, clock, events.append, Surroundings(reader))
    return Rig(sandbox, options, feed, cache, clock, symbols, events)


@asynccontextmanager
async def beside(sandbox: SandboxServer, options: Options | None = None) -> AsyncIterator[Rig]:
    """A feed on a sandbox that runs already; not started."""
    made, clock = options or Options(), SystemClock(seed=1)
    hosts = (
        Http(sandbox.rest_url, made.keys, Budget(), clock),
        Http(sandbox.addresses["data"], made.keys, Budget(), clock),
    )
    rig = _built(sandbox, made, hosts)
    try:
        yield rig
    finally:
        end = await rig.stop()
        for host in hosts:
            await host.close()
    assert end is None, end


@asynccontextmanager
async def rigged(options: Options | None = None) -> AsyncIterator[Rig]:
    """A sandbox and a feed on it, with every book believed."""
    made = options or Options()
    async with (
        SandboxServer(made.profile, made.seed, options=made.sandbox, face="alpaca") as sandbox,
        beside(sandbox, made) as rig,
    ):
        rig.start()
        await rig.live()
        yield rig
