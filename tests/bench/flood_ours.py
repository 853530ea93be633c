"""A contestant: `KrakenFeed`, every message verified by checksum, into a `BookCache`.

Takes the venue's facts as its argument; says when it is subscribed, and what the flood cost it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from arbit.app.loop import run_on_best_loop
from arbit.books import BookCache
from arbit.clock import SystemClock
from arbit.venues.kraken.feed import KrakenFeed, KrakenFeedSetup, Surroundings
from tests.bench.processes import cpu_s, tell


async def contest(venue: dict[str, Any], expected: int) -> None:
    """Subscribe, take the flood, tell."""
    clock, cache = SystemClock(), BookCache()
    cache.watch(venue["symbols"], clock.monotonic_ns())
    setup = KrakenFeedSetup("bench", venue["ws"], depth=venue["depth"])
    feed = KrakenFeed(setup, cache, clock, lambda _: None, Surroundings())
    wanted, reached = len(venue["symbols"]), asyncio.Event()

    def drained() -> None:
        if feed.counts.verified >= wanted:
            reached.set()

    feed.on_drained = drained
    running = asyncio.get_running_loop().create_task(feed.run(venue["symbols"]))
    await reached.wait()
    reached.clear()
    wanted += expected
    tell({"ready": True})
    before_s = cpu_s()
    await reached.wait()
    ended_ns, used_s = time.monotonic_ns(), cpu_s() - before_s
    running.cancel()
    views = {symbol: cache.last_known(symbol) for symbol in venue["symbols"]}
    tops = {
        symbol: [float(view.bids[0].price), float(view.asks[0].price)]
        for symbol, view in views.items()
        if view is not None
    }
    bad = feed.counts.failed + feed.counts.bad_frames
    tell({"ended_ns": ended_ns, "cpu_s": used_s, "tops": tops, "failed": bad})


if __name__ == "__main__":
    _facts = json.loads(sys.argv[1])
    run_on_best_loop(contest(_facts["venue"], _facts["expected"]))
