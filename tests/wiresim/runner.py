"""Runs seeds one after the other in one process, each from a clean slate."""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Callable, Iterable, Iterator

from arbit.venues.ccxt import loader
from tests.simulation.store import Disk
from tests.wiresim.plan import Plan
from tests.wiresim.world import Result, WireWorld

COLLECT_EVERY = 5


@contextlib.contextmanager
def workshop() -> Iterator[Disk]:
    """A disk, everything imported, and a garbage collector that waits for us to call it."""
    loader.errors()  # imported now: inside a simulation it would reach for the real world
    loader.exchange_class("kraken", streams=False)
    # The venue's server tells of every client that was cut off in the middle of a request.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    disk = Disk()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield disk
    finally:
        gc.enable()
        gc.unfreeze()
        disk.close()


def run_seeds(
    seeds: Iterable[int],
    plan_of: Callable[[int], Plan | None] = lambda _: None,
    tend: Callable[[WireWorld], None] = lambda _: None,
) -> Iterator[Result]:
    """The result of each seed. `tend` may change a world before it runs."""
    with workshop() as disk:
        for number, seed in enumerate(seeds):
            world = WireWorld(seed, disk, plan_of(seed))
            tend(world)
            yield world.run()
            del world
            if number % COLLECT_EVERY == 0:
                gc.collect()
