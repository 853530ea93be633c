"""Runs seeds one after the other in one process, each from a clean slate."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from arbit.venues.ccxt import loader
from tests.simulation.plan import Plan
from tests.simulation.store import Disk
from tests.simulation.world import Result, World

COLLECT_EVERY = 5

Told = TypeVar("Told", covariant=True)  # noqa: PLC0105  what a seed came to


class Runs(Protocol[Told]):
    """A world of one seed."""

    def run(self) -> Told:
        """The whole of it."""
        ...


@contextlib.contextmanager
def clean_slate() -> Iterator[Disk]:
    """A disk, and a garbage collector that waits for us to call it."""
    loader.errors()  # imported now: inside a simulation it would reach for the real world
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


@contextlib.contextmanager
def workshop() -> Iterator[Disk]:
    """A clean slate for the daemon over frames in memory."""
    with clean_slate() as disk, warnings.catch_warnings():
        # Who is killed before it began never awaits.
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        yield disk


def one_by_one(seeds: Iterable[int], make: Callable[[int], Runs[Told]]) -> Iterator[Told]:
    """The result of each seed's world. What is left of them is collected now and then."""
    for number, seed in enumerate(seeds):
        world = make(seed)
        yield world.run()
        del world
        if number % COLLECT_EVERY == 0:
            gc.collect()


def run_seeds(
    seeds: Iterable[int],
    plan_of: Callable[[int], Plan | None] = lambda _: None,
    tend: Callable[[World], None] = lambda _: None,
) -> Iterator[Result]:
    """The result of each seed. `tend` may change a world before it runs."""
    with workshop() as disk:

        def make(seed: int) -> World:
            world = World(seed, disk, plan_of(seed))
            tend(world)
            return world

        yield from one_by_one(seeds, make)
