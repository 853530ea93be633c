"""The daemon of a soak as a process of its own: it trades, and tells how it is when it is asked.

`python -m tests.soak.daemon '{"venue": "...", "settings": {...}}'`. Memories that a count bounds
are given small bounds, so that they are full when it has warmed up: what grows then has no bound.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

from arbit.app.live.lane import Built, LiveLane, LiveOptions
from arbit.app.live.run import LiveRun
from arbit.app.loop import run_on_best_loop
from arbit.app.watch.venue import VenueRun
from arbit.clock import SystemClock
from arbit.config import Override, VenueSettings, load_settings
from arbit.domain.events import BreakerChanged, Event
from arbit.execution import rounding
from arbit.ports import Listener
from tests.bench.lanes_daemon import NoScreen
from tests.bench.processes import of_this_process, starved_s, tell
from tests.patches import replaced
from tests.simulation.bounds import SMALL
from tests.soak.figures import Lates

PROBE_S = 0.001
ROOMY = 16  # times the bounds of the simulation's small memories
FEW_ROWS = 400  # of the venue's ledger, remembered; the usual bound takes hours to fill
PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024 if hasattr(os, "sysconf") else 4.0


class SoakLane(LiveLane):
    """A lane that is looked at."""

    run: VenueRun | None = None
    breaker: list[tuple[str, str]]

    async def _build(
        self, venue: VenueSettings, publish: Listener, stack: AsyncExitStack, *, real: bool
    ) -> Built:
        self.breaker = []

        def heard(event: Event) -> None:
            if isinstance(event, BreakerChanged):
                self.breaker.append((event.state, event.reason))
            publish(event)

        built = await super()._build(venue, heard, stack, real=real)
        self.run = built[0]
        return built


class SoakRun(LiveRun):
    """A `LiveRun` of one lane, that tells its parent how it is."""

    def _lane(self, name: str) -> SoakLane:
        return SoakLane(self._settings, self._options, self._clock, self._screen, name)

    async def answer(self) -> None:
        """Questions on standard input until it is closed; then an end in order."""
        loop = asyncio.get_running_loop()
        self._lates, self._own = Lates(), Lates()
        probe = loop.create_task(self._probe())
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            if json.loads(line)["say"] == "warm":
                self._lates, self._own = Lates(), Lates()
            tell(self._figures())
        probe.cancel()
        self._stop_all()

    async def _probe(self) -> None:
        """How late a timer is, again and again; and without what another process had the core."""
        starved = starved_s()
        while True:
            began_ns = time.perf_counter_ns()
            await asyncio.sleep(PROBE_S)
            late_ms = (time.perf_counter_ns() - began_ns) / 1e6 - PROBE_S * 1e3
            before, starved = starved, starved_s()
            self._lates.add(max(0.0, late_ms))
            self._own.add(max(0.0, late_ms - (starved - before) * 1e3))

    def _figures(self) -> dict[str, Any]:
        (lane,) = self.lanes
        run = lane.run if isinstance(lane, SoakLane) else None
        trader = lane.trader
        if run is None or trader is None or not isinstance(lane, SoakLane):
            return {"up": False}
        said, lane.breaker = lane.breaker, []
        return {
            "up": trader.started,
            "rss_mb": rss_mb(),
            "tasks": len(asyncio.all_tasks()),
            "descriptors": descriptors(),
            "messages": run.feed.counts.frames,
            "orders": trader.engine.orders,
            "cycles": dict(trader.engine.ends),
            "rebalances": dict(trader.engine.conversions),
            "state": trader.breaker.state().value,
            "breaker": said,
            "late_p50_ms": self._lates.quantile_ms(0.5),
            "late_p999_ms": self._lates.quantile_ms(0.999),
            "late_most_ms": self._lates.most_ms,
            "own_p999_ms": self._own.quantile_ms(0.999),
            "own_most_ms": self._own.most_ms,
            "starved_s": starved_s(),
        }


def rss_mb() -> float:
    """The memory that this process holds now."""
    return int(of_this_process("statm").split()[1]) * PAGE_KB / 1024


def descriptors() -> int:
    """How many files and sockets are open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # no path is made: see of_this_process


async def daemon(facts: dict[str, Any]) -> None:
    """`arbit live` on this venue, and what its parent asks."""
    overrides = [Override("soak", key, text) for key, text in facts["settings"].items()]
    settings = load_settings(None, {}, overrides)
    run = SoakRun(settings, LiveOptions((facts["venue"],)), SystemClock(), NoScreen())
    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        group.create_task(run.answer())


if __name__ == "__main__":
    bounds = [
        (module, name, most * ROOMY) for module, of in SMALL.items() for name, most in of.items()
    ]
    bounds.append((rounding, "MAX_ROWS", FEW_ROWS))
    with replaced(bounds):
        run_on_best_loop(daemon(json.loads(sys.argv[1])))
