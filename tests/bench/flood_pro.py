"""A contestant: ccxt.pro's `watch_order_book`, a loop a symbol, as its manual shows it.

Its checksum stays off, as is its default; the loop is the same uvloop that we run on, which ccxt
alone would not use. Same facts in and same figures out as `flood_ours`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from arbit.app.loop import run_on_best_loop
from arbit.venues.ccxt import loader
from tests.bench.processes import cpu_s, tell


def exchange_at(venue: dict[str, Any]) -> Any:
    """ccxt's own Kraken, pointed at the bench's venue."""
    exchange = loader.exchange_class("kraken", streams=True)({"enableRateLimit": False})
    exchange.urls["api"]["public"] = exchange.urls["api"]["private"] = venue["rest"]
    sockets = exchange.urls["api"]["ws"]
    sockets.update(dict.fromkeys(("public", "private", "publicV2", "privateV2"), venue["ws"]))
    return exchange


async def watch(exchange: Any, symbol: str, venue: dict[str, Any], seen: asyncio.Event) -> Any:
    """Watch one symbol until its last message of the tape; the book as it stands then."""
    last_ms = venue["last_ms"][symbol]
    book = await exchange.watch_order_book(symbol, venue["depth"])
    seen.set()
    while (book["timestamp"] or 0) < last_ms:
        book = await exchange.watch_order_book(symbol, venue["depth"])
    return book


async def contest(venue: dict[str, Any]) -> None:
    """Subscribe, take the flood, tell."""
    exchange = exchange_at(venue)
    await exchange.load_markets()
    loop = asyncio.get_running_loop()
    subscribed = {symbol: asyncio.Event() for symbol in venue["last_ms"]}
    watching = {
        symbol: loop.create_task(watch(exchange, symbol, venue, seen))
        for symbol, seen in subscribed.items()
    }
    for seen in subscribed.values():
        await seen.wait()
    tell({"ready": True})
    before_s = cpu_s()
    books = {symbol: await task for symbol, task in watching.items()}
    ended_ns, used_s = time.monotonic_ns(), cpu_s() - before_s
    tops = {symbol: [book["bids"][0][0], book["asks"][0][0]] for symbol, book in books.items()}
    await exchange.close()
    tell({"ended_ns": ended_ns, "cpu_s": used_s, "tops": tops, "failed": 0})


if __name__ == "__main__":
    run_on_best_loop(contest(json.loads(sys.argv[1])["venue"]))
