"""Runs seeds one after the other in one process, each from a clean slate."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator

from arbit.venues.ccxt import loader
from tests.simulation.runner import clean_slate, one_by_one
from tests.simulation.store import Disk
from tests.wiresim.plan import Plan
from tests.wiresim.world import Result, WireWorld


@contextlib.contextmanager
def workshop() -> Iterator[Disk]:
    """A disk, everything imported, and a garbage collector that waits for us to call it."""
    loader.exchange_class("kraken", streams=False)  # now: inside it would reach for the real world
    # The venue's server tells of every client that was cut off in the middle of a request.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    with clean_slate() as disk:
        yield disk


def run_seeds(
    seeds: Iterable[int],
    plan_of: Callable[[int], Plan | None] = lambda _: None,
    tend: Callable[[WireWorld], None] = lambda _: None,
) -> Iterator[Result]:
    """The result of each seed. `tend` may change a world before it runs."""
    with workshop() as disk:

        def make(seed: int) -> WireWorld:
            world = WireWorld(seed, disk, plan_of(seed))
            tend(world)
            return world

        yield from one_by_one(seeds, make)
