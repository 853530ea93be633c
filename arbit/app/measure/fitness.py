"""Runs `arbit fitness` on live or synthetic venues: build, watch, stop, judge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from arbit.app.loop import run_on_best_loop
from arbit.app.trade.history import recording, watch
from arbit.app.trade.watching import Telemetry
from arbit.app.watch.build import RunParts, build_run, listed, reach, watched
from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import rest_side
from arbit.app.watch.venue import VenueRun
from arbit.clock import SystemClock
from arbit.config import SPEAKS_ALPACA, SPEAKS_KRAKEN, Settings
from arbit.domain.errors import first_of
from arbit.fitness.report import Report
from arbit.ports import Clock, Listener
from arbit.telemetry.hub import Hub
from arbit.venues.ccxt.loader import exchange_class

# Three legs and three tries to come home, each a latency; and a while for the pauses between.
DRAIN_LATENCIES = 9
DRAIN_STEP_MS = 50
DRAIN_MIN_STEPS = 30


@dataclass(frozen=True, slots=True)
class FitnessOptions:
    """What the command line adds to the settings. `seconds` None runs until stopped."""

    venues: Sequence[str]
    simulate: bool
    seconds: float | None
    profile: str = "calm"
    seed: int = 1
    persist: bool = False


class Screen(Protocol):
    """Shows the runs while they last. `refresh` is called every `every_s` seconds."""

    @property
    def every_s(self) -> float:
        """Seconds between two refreshes."""
        ...

    def begin(self, runs: Sequence[VenueRun]) -> None:
        """The runs are built and about to start."""
        ...

    def refresh(self, elapsed_s: float) -> None:
        """So long have they run."""
        ...

    def end(self) -> None:
        """They have stopped; the report follows."""
        ...


class FitnessRun:
    """The venues of one command, from the first question to the report."""

    def __init__(
        self, settings: Settings, options: FitnessOptions, clock: Clock, screen: Screen
    ) -> None:
        self._settings = settings
        self._options = options
        self._clock = clock
        self._screen = screen
        self.runs: list[VenueRun] = []

    async def __call__(self) -> list[Report]:
        """Run for the time given or until cancelled; either way the reports come out."""
        check_names(self._settings)
        async with AsyncExitStack() as stack:
            telemetry = Telemetry(self._settings, self._clock)
            await stack.enter_async_context(telemetry.serve())
            for name in self._options.venues:
                self.runs.append(await self._build(name, telemetry.hub.publish, stack))
            telemetry.show(self.runs)
            if self._options.persist:
                await self._persist(telemetry.hub, stack)
            self._screen.begin(self.runs)
            try:
                await self._watch()
            finally:
                self._screen.end()
            return [run.report() for run in self.runs]

    async def _persist(self, hub: Hub, stack: AsyncExitStack) -> None:
        """Keep each venue's episodes, and what was watched for them."""
        for run in self.runs:
            name = run.desk.setup.venue.name
            recorder = await stack.enter_async_context(
                recording(self._settings, name, f"{name}:fitness", hub, self._clock)
            )
            watch(recorder, run.desk.setup.watch)

    async def _watch(self) -> None:
        """Feed every venue until the time is up. Ctrl-C ends the watching, not the report."""
        me = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                runs = [
                    group.create_task(run.run(), name=f"{run.desk.setup.venue.name}-lane")
                    for run in self.runs
                ]
                beside = [group.create_task(self._show()), group.create_task(self._time_is_up())]
                # Every venue broken: there is nothing left to wait for.
                gone = group.create_task(_all_ended(runs))
                await asyncio.wait([beside[1], gone], return_when=asyncio.FIRST_COMPLETED)
                for task in (*runs, *beside, gone):
                    task.cancel()
        except asyncio.CancelledError:
            if me is None or me.uncancel() > 0:  # asked twice: stop at once
                raise
        except BaseExceptionGroup as several:
            raise first_of(several) from several

    async def _time_is_up(self) -> None:
        """Wait out the run; then let the paper cycles under way end, for as long as that may take.

        A cycle cut off half-way would be a loss that never happened.
        """
        if self._options.seconds is None:
            await asyncio.Event().wait()
        await self._clock.sleep(self._options.seconds or 0.0)
        for run in self.runs:
            run.close()
        longest_ms = max(run.desk.setup.scan.latency_ms for run in self.runs)
        rounds = DRAIN_LATENCIES * longest_ms // DRAIN_STEP_MS + DRAIN_MIN_STEPS
        for _ in range(rounds):
            if all(run.desk.lane.idle for run in self.runs):
                return
            await self._clock.sleep(DRAIN_STEP_MS / 1e3)

    async def _show(self) -> None:
        """Refresh the screen, for as long as the runs last."""
        started_ns = self._clock.monotonic_ns()
        while True:
            await self._clock.sleep(self._screen.every_s)
            self._screen.refresh((self._clock.monotonic_ns() - started_ns) / 1e9)

    async def _build(self, name: str, publish: Listener, stack: AsyncExitStack) -> VenueRun:
        venue, options = self._settings.venue(name), self._options
        reached = await reach(venue, stack, lambda: SandboxChild(options.profile, options.seed))
        rest = rest_side(venue, reached.at, self._clock)
        stack.push_async_callback(rest.client.close)
        markets = await listed(venue, rest)
        return build_run(
            RunParts(
                settings=self._settings,
                venue=venue,
                watch=watched(self._settings, venue, markets),
                markets=markets,
                reached=reached,
                rest=rest,
                clock=self._clock,
                publish=publish,
                simulate=options.simulate,
            )
        )


def check_names(settings: Settings, named: Sequence[str] = ()) -> None:
    """UserError for a venue, in the settings or named, that is none: a slip would change nothing.

    All of them are looked at before anything is started.
    """
    for name in (*settings.venues, *named):
        if name not in SPEAKS_KRAKEN | SPEAKS_ALPACA:
            exchange_class(name, streams=False)


async def _all_ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


def run_fitness(settings: Settings, options: FitnessOptions, screen: Screen) -> list[Report]:
    """The whole command on real time: build, watch, stop, judge."""
    return run_on_best_loop(FitnessRun(settings, options, SystemClock(), screen)())
