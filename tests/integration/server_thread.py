"""An exchange of our own that lives in a thread beside commands which are this process's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

from arbit.sandbox.options import SandboxOptions
from arbit.sandbox.server import SandboxServer

GUARD_S = 60
Started = tuple[SandboxServer, asyncio.AbstractEventLoop, asyncio.Event]


@contextlib.contextmanager
def served(face: str = "kraken", profile: str = "calm") -> Iterator[SandboxServer]:
    """It runs while this is entered. Its account is of the highest rank: nobody waits."""
    there: Queue[Started] = Queue()

    async def runs() -> None:
        async with SandboxServer(
            profile, 7, face=face, options=SandboxOptions(tier="pro")
        ) as running:
            enough = asyncio.Event()
            there.put((running, asyncio.get_running_loop(), enough))
            await enough.wait()

    with ThreadPoolExecutor(1) as thread:
        living = thread.submit(asyncio.run, runs())
        running, loop, enough = there.get(timeout=GUARD_S)
        try:
            yield running
        finally:
            loop.call_soon_threadsafe(enough.set)
            living.result(GUARD_S)


def at(server: SandboxServer, venue: str) -> dict[str, str]:
    """Its addresses, as settings of this venue name them."""
    reached, start = server.addresses, f"ARBIT_VENUES__{venue.upper().replace('-', '_')}__"
    names = {"rest": "REST_URL", "ws": "WS_URL", "data": "DATA_URL", "private_ws": "PRIVATE_WS_URL"}
    return {start + key: reached[name] for name, key in names.items() if name in reached}
