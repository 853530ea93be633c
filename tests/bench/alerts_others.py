"""The process of hostile receivers and of scrapers: whoever is no daemon of ours in that bench."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

from tests.integration.alert_receiver import (
    Behave,
    drips,
    floods,
    hangs,
    huge_headers,
    receiving,
    status,
)

AT_ONCE = 40  # scrapers
PATIENCE_S = 10.0
BEHIND = 10  # the exchange, which has the same core: a market that slows down is no storm of ours
HOSTILE: dict[str, Behave] = {
    "hangs": hangs,
    "answers 500": status(500),
    "drips": drips,
    "floods": floods,
    "huge headers": huge_headers,
}
NO_TLS = "no TLS"
KINDS = (*HOSTILE, NO_TLS)


def others(pipe: Connection, folder: str, behind: bool) -> None:
    """Tells the ports of the receivers; `(url, count, seconds)` scrapes, None ends it."""
    logging.disable()  # those who hang up on it are no news
    if behind:
        os.nice(BEHIND)
    asyncio.run(_others(pipe, Path(folder)))


async def _others(pipe: Connection, folder: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        ports = {}
        for kind, behave in {**HOSTILE, NO_TLS: None}.items():
            tls = None if kind == NO_TLS else folder
            ports[kind] = (await stack.enter_async_context(receiving(tls, behave))).port
        pipe.send(ports)
        loop = asyncio.get_running_loop()
        while (asked := await loop.run_in_executor(None, pipe.recv)) is not None:
            pipe.send(await _scraped(*asked))


async def _scraped(url: str, count: int, seconds: float) -> int:
    """So many scrapes, forty at once, for so long at most; how many came back whole."""
    done, left, until_s = 0, count, time.monotonic() + seconds
    host, _, rest = url.removeprefix("http://").partition(":")
    port, _, path = rest.partition("/")

    async def worker() -> None:
        nonlocal done, left
        while left > 0 and time.monotonic() < until_s:
            left -= 1
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(PATIENCE_S):
                    whole = await _scrape(host, int(port), f"/{path}")
                    done += whole  # not in one: what others have added meanwhile would be lost

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return done


async def _scrape(host: str, port: int, path: str) -> bool:
    """Whether a page came whole. Cheaper than a client that knows all of HTTP: it is no rival."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split()[0])
        await reader.readexactly(size)
    finally:
        writer.transport.abort()
    return head.startswith(b"HTTP/1.1 200 ")
