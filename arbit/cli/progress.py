"""Progress while a run lasts: a live table on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence

from rich.console import Console
from rich.live import Live

from arbit.app.venue import VenueRun
from arbit.cli.screen import live_view, plain_line

REFRESH_S = 0.25
PLAIN_EVERY_S = 5.0


@contextlib.asynccontextmanager
async def silence(_runs: Sequence[VenueRun]) -> AsyncIterator[None]:
    """Show nothing."""
    yield


@contextlib.asynccontextmanager
async def live_table(runs: Sequence[VenueRun], total_s: float | None) -> AsyncIterator[None]:
    """A table redrawn a few times a second, gone when the run is over."""
    started = asyncio.get_running_loop().time()

    def draw() -> None:
        elapsed_s = asyncio.get_running_loop().time() - started
        live.update(live_view(runs, elapsed_s, total_s), refresh=True)

    with Live(console=Console(), refresh_per_second=4, transient=True, auto_refresh=False) as live:
        async with _every(REFRESH_S, draw):
            yield


@contextlib.asynccontextmanager
async def plain_lines(runs: Sequence[VenueRun], _total_s: float | None) -> AsyncIterator[None]:
    """A line at the start and every few seconds."""
    started = asyncio.get_running_loop().time()
    for run in runs:
        note = "SYNTHETIC MARKET, nothing here is real" if run.market == "synthetic" else run.market
        watch = run.desk.setup.watch
        sys.stdout.write(
            f"{run.desk.setup.venue.name}: {note}; {len(watch.symbols)} books, "
            f"{len(watch.triangles)} triangles\n"
        )
    sys.stdout.flush()

    def tell() -> None:
        elapsed_s = asyncio.get_running_loop().time() - started
        sys.stdout.write(plain_line(runs, elapsed_s) + "\n")
        sys.stdout.flush()

    async with _every(PLAIN_EVERY_S, tell):
        yield


@contextlib.asynccontextmanager
async def _every(seconds: float, action: Callable[[], object]) -> AsyncIterator[None]:
    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            action()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(repeat())
        try:
            yield
        finally:
            task.cancel()
