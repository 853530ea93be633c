"""Runs `arbit fitness` on live or synthetic venues: build, watch, stop, judge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from arbit.app.child import SandboxChild
from arbit.app.feeds import Addresses, FeedParts, make_feed, proved_levels, rest_side
from arbit.app.loop import run_on_best_loop
from arbit.app.venue import Desk, DeskSetup, VenueRun
from arbit.app.watching import Telemetry
from arbit.app.watchlist import watchlist
from arbit.books import BookCache
from arbit.clock import SystemClock
from arbit.config import Settings, VenueSettings
from arbit.domain.errors import UserError
from arbit.fitness.report import Report
from arbit.ports import Clock, Listener
from arbit.venues.kraken.feed import KrakenFeed

SANDBOX = "sandbox"
SYNTHETIC, LIVE = "synthetic", "live"
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
        async with AsyncExitStack() as stack:
            telemetry = Telemetry(self._settings, self._clock)
            await stack.enter_async_context(telemetry.serve())
            for name in self._options.venues:
                self.runs.append(await self._build(name, telemetry.hub.publish, stack))
            telemetry.show(self.runs)
            self._screen.begin(self.runs)
            try:
                await self._watch()
            finally:
                self._screen.end()
            return [run.report() for run in self.runs]

    async def _watch(self) -> None:
        """Feed every venue until the time is up. Ctrl-C ends the watching, not the report."""
        me = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(run.run(), name=f"{run.desk.setup.venue.name}-lane")
                    for run in self.runs
                ]
                tasks.append(group.create_task(self._show()))
                await self._time_is_up()
                for task in tasks:
                    task.cancel()
        except asyncio.CancelledError:
            if me is None or me.uncancel() > 0:  # asked twice: stop at once
                raise
        except BaseExceptionGroup as several:
            raise _first(several) from several

    async def _time_is_up(self) -> None:
        """Wait out the run; then let the paper cycles under way end, for as long as that may take.

        A cycle cut off half-way would be a loss that never happened.
        """
        if self._options.seconds is None:
            await asyncio.Event().wait()
        await self._clock.sleep(self._options.seconds or 0.0)
        for run in self.runs:
            run.desk.lane.close()
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
        venue = self._settings.venue(name)
        at = await self._reach(venue, stack)
        rest = rest_side(venue, at, self._clock)
        stack.push_async_callback(rest.client.close)
        markets = dict(await rest.catalog.markets())
        scan = self._settings.scan
        watch = watchlist(venue, markets, scan.start_assets, scan.min_edge_bps)
        if not watch.symbols:
            raise UserError(f"venue {name!r}: no triangle among its {len(markets)} markets")
        desk = Desk(
            DeskSetup(
                venue=venue,
                scan=scan,
                watch=watch,
                markets=markets,
                publish=publish,
                clock_ns=self._clock.monotonic_ns,
                simulate=self._options.simulate,
                proved_levels=proved_levels(venue),
            )
        )
        feed = make_feed(
            FeedParts(
                venue=venue,
                at=at,
                rest=rest,
                sink=desk.cache,
                clock=self._clock,
                publish=publish,
                markets=markets,
                learn=desk.learn,
            )
        )
        market = SYNTHETIC if name == SANDBOX else LIVE
        run = VenueRun(desk, feed, self._clock, market, self._settings.linger_us * 1_000)
        _take_turns(feed, desk.cache, run)
        return run

    async def _reach(self, venue: VenueSettings, stack: AsyncExitStack) -> Addresses:
        """The venue's addresses; the sandbox's own server is started when none is configured."""
        if venue.name != SANDBOX or venue.rest_url:
            return Addresses(venue.rest_url or "", venue.ws_url or "")
        child = SandboxChild(self._options.profile, self._options.seed)
        address = (await stack.enter_async_context(child)).address
        return Addresses(address.rest_url, address.ws_url)


def _take_turns(feed: object, cache: BookCache, run: VenueRun) -> None:
    """Our own feed says when its buffer is drained; the others wake the loop once per batch."""
    if isinstance(feed, KrakenFeed):
        feed.on_drained = run.drained
    else:
        cache.on_touched = run.soon


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error inside: a user's mistake found by a task is still one line."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def run_fitness(settings: Settings, options: FitnessOptions, screen: Screen) -> list[Report]:
    """The whole command on real time: build, watch, stop, judge."""
    return run_on_best_loop(FitnessRun(settings, options, SystemClock(), screen)())
