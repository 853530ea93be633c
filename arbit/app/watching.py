"""Telemetry for a run: logs of what happened, metrics of what is; neither can hurt the deciding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from arbit.app.trader import Trader
from arbit.app.venue import VenueRun
from arbit.config import Settings
from arbit.domain.readings import ProcessReading, VenueReading
from arbit.fitness.episodes import Stage
from arbit.ports import Clock
from arbit.telemetry.hub import Hub
from arbit.telemetry.logs import EventLog, set_up_logs
from arbit.telemetry.metrics import MetricsPage


class HubLosses:
    """What the hubs of a process lost, all together."""

    def __init__(self) -> None:
        self.hubs: list[Hub] = []

    @property
    def lost_events(self) -> int:
        """Events that no witness heard."""
        return sum(hub.lost_events for hub in self.hubs)

    @property
    def dropped_listeners(self) -> int:
        """Witnesses that raised."""
        return sum(hub.dropped_listeners for hub in self.hubs)


class Telemetry:
    """The hub every room publishes to, the log behind it, and the page that reads the runs.

    Each lane of `live` has a hub and a log of its own: what one has to tell in a storm neither
    crowds out the words of another nor makes them wait. The page is one, with the venue as a label.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._runs: Sequence[VenueRun] = ()
        self._lanes: list[tuple[VenueRun, Trader]] = []
        self._logger = set_up_logs(
            as_json=settings.log_json, level=settings.log_level, wall_ns=clock.wall_ns
        )
        self._logs: list[EventLog] = []
        self._losses = HubLosses()
        self.hub = self.lane_hub()
        self.metrics_url = ""

    def lane_hub(self) -> Hub:
        """Another hub with a log behind it, for a lane."""
        hub = Hub(asyncio.get_running_loop().call_soon)
        log = EventLog(self._logger, self._clock.monotonic_ns)
        hub.listen(log)
        self._logs.append(log)
        self._losses.hubs.append(hub)
        return hub

    def show(self, runs: Sequence[VenueRun]) -> None:
        """From now on the page shows these runs."""
        self._runs = runs

    def show_lane(self, run: VenueRun, trader: Trader) -> None:
        """From now on the page shows this lane too, and its trading."""
        self._lanes.append((run, trader))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve /metrics while open, when a port is set. UserError when the port is taken."""
        async with AsyncExitStack() as stack:
            if self._settings.metrics_port is not None:
                from arbit.telemetry.server import MetricsServer

                page = MetricsPage(self._readings, self._clock, self._process)
                server = MetricsServer(
                    page, self._settings.metrics_host, self._settings.metrics_port
                )
                self.metrics_url = (await stack.enter_async_context(server)).url
                self._logger.info("metrics_served", url=self.metrics_url)
            yield
            for hub in self._losses.hubs:
                await hub.heard(self._clock)
            for log in self._logs:
                log.close()

    def _process(self) -> ProcessReading:
        return ProcessReading(
            lost_events=self._losses.lost_events,
            dropped_witnesses=self._losses.dropped_listeners,
        )

    def _readings(self) -> list[VenueReading]:
        traded = [replace(reading_of(run), trading=trader.reading()) for run, trader in self._lanes]
        return [*(reading_of(run) for run in self._runs), *traded]


def reading_of(run: VenueRun) -> VenueReading:
    """What one venue's instruments show now."""
    desk = run.desk
    tally = desk.scanner.tally
    return VenueReading(
        venue=desk.setup.venue.name,
        counts=run.feed.counts,
        evaluations={"ws": tally.from_ws, "rest": tally.from_rest},
        refused={reason.value: count for reason, count in tally.refused.items()},
        episodes={stage.name.lower(): desk.episodes.reached[stage] for stage in Stage},
        # The first word alone: the counts behind it would make a new label set every second.
        feed_states={name: words.split()[0] for name, words in run.feed.states().items()},
        staleness_ms=dict(zip(desk.cache.symbols, tally.staleness_ms, strict=True)),
        decisions_ms=run.decisions_ms,
    )
