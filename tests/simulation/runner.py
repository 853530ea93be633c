"""Runs seeds one after the other in one process, each from a clean slate."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Callable, Iterable, Iterator

from arbit.venues.ccxt import loader
from tests.simulation.plan import Plan
from tests.simulation.store import Disk
from tests.simulation.world import Result, World

COLLECT_EVERY = 5


@contextlib.contextmanager
def workshop() -> Iterator[Disk]:
    """A disk, everything imported, and a garbage collector that waits for us to call it."""
    loader.errors()  # imported now: inside a simulation it would reach for the real world
    disk = Disk()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        with warnings.catch_warnings():  # who is killed before it began never awaits
            warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
            yield disk
    finally:
        gc.enable()
        gc.unfreeze()
        disk.close()


def run_seeds(
    seeds: Iterable[int],
    plan_of: Callable[[int], Plan | None] = lambda _: None,
    tend: Callable[[World], None] = lambda _: None,
) -> Iterator[Result]:
    """The result of each seed. `tend` may change a world before it runs."""
    with workshop() as disk:
        for number, seed in enumerate(seeds):
            world = World(seed, disk, plan_of(seed))
            tend(world)
            yield world.run()
            del world
            if number % COLLECT_EVERY == 0:
                gc.collect()
