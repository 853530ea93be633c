"""The contestants of `feed`: `python -m tests.bench.contest '{"who": "ours", "venue": {...}}'`.

`ours` is `KrakenFeed`, every message verified by its checksum, into a `BookCache`: each message
reaches the cache. `ccxt` is ccxt.pro's `watch_order_book`, a loop a symbol, as its manual shows it,
its checksum off as is its default, on the uvloop that we run on ourselves: a message reaches its
user when the loop comes round, so messages of one symbol that arrive together come out as one book.

Each says when it is subscribed, and then for every line {"sent": n, "last_ms": {symbol: ms}}, which
names the part of the tape that is being sent to it, what that part cost and how much came out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Protocol

from arbit.app.loop import run_on_best_loop
from arbit.books import BookCache
from arbit.clock import SystemClock
from arbit.venues.ccxt import loader
from arbit.venues.kraken.feed import KrakenFeed, KrakenFeedSetup, Surroundings
from tests.bench.processes import cpu_s, tell

POLL_S = 0.005


class Contestant(Protocol):
    """A way to keep books from a socket."""

    @property
    def delivered(self) -> int:
        """How many messages, or books, have come out so far."""
        ...

    async def subscribe(self) -> None:
        """Hold a book of every symbol."""
        ...

    def reached(self, part: dict[str, Any]) -> bool:
        """Whether the whole part has been taken in."""
        ...

    def tops(self) -> dict[str, list[float]]:
        """Best bid and ask of every symbol, to compare at the end."""
        ...

    async def close(self) -> None:
        """Leave nothing behind."""
        ...


class Ours:
    """Our own feed, verified."""

    def __init__(self, venue: dict[str, Any]) -> None:
        clock = SystemClock()
        self._symbols = venue["symbols"]
        self._cache = BookCache()
        self._cache.watch(self._symbols, clock.monotonic_ns())
        setup = KrakenFeedSetup("bench", venue["ws"], depth=venue["depth"])
        self._feed = KrakenFeed(setup, self._cache, clock, lambda _: None, Surroundings())
        self._expected = len(self._symbols)
        self._running: asyncio.Task[None] | None = None

    @property
    def delivered(self) -> int:
        """Every verified message is a book put."""
        return self._cache.puts

    async def subscribe(self) -> None:
        """Start the feed and wait for every snapshot."""
        self._running = asyncio.get_running_loop().create_task(self._feed.run(self._symbols))
        while self._feed.counts.verified < self._expected:
            await asyncio.sleep(POLL_S)

    def reached(self, part: dict[str, Any]) -> bool:
        """Verified as many as were sent; RuntimeError for a single one that was not."""
        counts = self._feed.counts
        if counts.failed or counts.bad_frames or counts.resyncs:
            raise RuntimeError(f"not the venue's books: {counts}")
        if counts.verified < self._expected + part["sent"]:
            return False
        self._expected += part["sent"]
        return True

    def tops(self) -> dict[str, list[float]]:
        """From the cache."""
        found = {}
        for symbol in self._symbols:
            view = self._cache.last_known(symbol)
            if view is not None:
                found[symbol] = [float(view.bids[0].price), float(view.asks[0].price)]
        return found

    async def close(self) -> None:
        """Stop the feed."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])


class Ccxt:
    """ccxt.pro's own Kraken, pointed at the bench's venue."""

    def __init__(self, venue: dict[str, Any]) -> None:
        self._symbols, self._depth = venue["symbols"], venue["depth"]
        made = loader.exchange_class("kraken", streams=True)({"enableRateLimit": False})
        made.urls["api"]["public"] = made.urls["api"]["private"] = venue["rest"]
        names = ("public", "private", "publicV2", "privateV2")
        made.urls["api"]["ws"].update(dict.fromkeys(names, venue["ws"]))
        self._exchange: Any = made
        self._watching: list[asyncio.Task[None]] = []
        self.delivered = 0

    async def subscribe(self) -> None:
        """Load the markets, start a loop a symbol, wait for every snapshot."""
        await self._exchange.load_markets()
        loop = asyncio.get_running_loop()
        self._watching = [loop.create_task(self._watch(symbol)) for symbol in self._symbols]
        while self.delivered < len(self._symbols):
            await asyncio.sleep(POLL_S)

    async def _watch(self, symbol: str) -> None:
        watch, depth = self._exchange.watch_order_book, self._depth
        while True:
            await watch(symbol, depth)
            self.delivered += 1

    def reached(self, part: dict[str, Any]) -> bool:
        """Every book carries the timestamp of its last message."""
        for task in self._watching:
            if task.done():
                task.result()
        books = self._exchange.orderbooks
        return all((books[s]["timestamp"] or 0) >= at_ms for s, at_ms in part["last_ms"].items())

    def tops(self) -> dict[str, list[float]]:
        """From the books that ccxt keeps."""
        books = self._exchange.orderbooks
        return {s: [books[s]["bids"][0][0], books[s]["asks"][0][0]] for s in self._symbols}

    async def close(self) -> None:
        """Stop every loop, then the exchange."""
        for task in self._watching:
            task.cancel()
        await asyncio.wait(self._watching)
        await self._exchange.close()


async def contest(contestant: Contestant) -> None:
    """Subscribe, then take part after part until the parent is done."""
    await contestant.subscribe()
    loop = asyncio.get_running_loop()
    while True:
        before_s, before = cpu_s(), contestant.delivered
        tell({"ready": True, "tops": contestant.tops()})
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            await contestant.close()
            return
        part = json.loads(line)
        while not contestant.reached(part):
            await asyncio.sleep(POLL_S)
        ended_ns, used_s = time.monotonic_ns(), cpu_s() - before_s
        delivered = contestant.delivered - before
        tell({"ended_ns": ended_ns, "cpu_s": used_s, "delivered": delivered})


def main() -> None:
    """Which one, and where."""
    asked = json.loads(sys.argv[1])
    made: Contestant = Ours(asked["venue"]) if asked["who"] == "ours" else Ccxt(asked["venue"])
    run_on_best_loop(contest(made))


if __name__ == "__main__":
    main()
