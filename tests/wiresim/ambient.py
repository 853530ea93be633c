"""Time and chance of the libraries, from the seed: what the daemon's own rooms never reach for.

Inside the simulation's guard (threads, real sockets and files of the system stay forbidden) the
names that ccxt, aiohttp, picows and the sandbox's server ask are given virtual answers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import aiohappyeyeballs
import aiohttp.connector
import picows.api

from tests.patches import replaced
from tests.simulation.clock import WALL_START_NS
from tests.simulation.guards import guarded
from tests.simulation.loop import OWNER, SimLoop
from tests.wiresim.ends import StubSocket

_context = functools.cache(ssl.create_default_context)


async def _stub(addr_infos: Any, **_: Any) -> StubSocket:
    """In the place of a race of real sockets: says where to."""
    host, port = addr_infos[0][4][:2]
    return StubSocket(("127.0.0.1", 0), (host, port))


def _shared_context(*_: Any, cafile: str | None = None, **__: Any) -> ssl.SSLContext:
    """Reading the certificates costs more than a whole seed; nobody speaks TLS here."""
    return _context(cafile=cafile)


def _chance(rng: random.Random) -> dict[tuple[Any, str], Any]:
    def chosen_uuid() -> uuid.UUID:
        return uuid.UUID(int=rng.getrandbits(128), version=4)

    return {
        (os, "urandom"): rng.randbytes,
        (uuid, "uuid4"): chosen_uuid,
        (random, "random"): rng.random,
        (random, "getrandbits"): rng.getrandbits,
        (random, "shuffle"): rng.shuffle,
        (random, "randint"): rng.randint,
        (random, "uniform"): rng.uniform,
    }


def _time(loop: SimLoop, skew_ns: Callable[[], int]) -> dict[tuple[Any, str], Any]:
    def wall_ns() -> int:
        ours = OWNER.get() is not None
        return WALL_START_NS + loop.now_ns + (skew_ns() if ours else 0)

    def wall_s() -> float:
        return wall_ns() / 1e9

    def monotonic_ns() -> int:
        return loop.now_ns

    real_gmtime = time.gmtime

    def gmtime(seconds: float | None = None) -> time.struct_time:
        return real_gmtime(wall_s() if seconds is None else seconds)

    return {
        (time, "time"): wall_s,
        (time, "time_ns"): wall_ns,
        (time, "monotonic"): loop.time,
        (time, "monotonic_ns"): monotonic_ns,
        (time, "perf_counter"): loop.time,
        (time, "gmtime"): gmtime,
        (aiohttp.connector, "monotonic"): loop.time,
    }


@contextlib.contextmanager
def ambient(loop: SimLoop, rng: random.Random, skew_ns: Callable[[], int]) -> Iterator[None]:
    """While open the outside world is the simulation's. `skew_ns` is the daemon's wall clock's."""
    targets = {
        **_time(loop, skew_ns),
        **_chance(rng),
        (ssl, "create_default_context"): _shared_context,
        (aiohappyeyeballs, "start_connection"): _stub,
        (picows.api, "_HAS_AIOFASTNET"): False,
    }
    with guarded(loop.time), replaced((*what, value) for what, value in targets.items()):
        yield
