"""Telemetry for a run: logs of what happened, metrics of what is; neither can hurt the deciding."""

from __future__ import annotations

import asyncio
import contextlib
import platform
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from arbit import __version__
from arbit.app.health import LaneHealth
from arbit.app.history import HISTORY
from arbit.app.readings import reading_of, trading_of
from arbit.app.trader import Trader
from arbit.app.venue import VenueRun
from arbit.config import Settings
from arbit.domain.histogram import Histogram
from arbit.domain.readings import ProcessReading, VenueReading
from arbit.persistence.recorder import Recorder
from arbit.ports import Clock
from arbit.telemetry.hub import Hub
from arbit.telemetry.logs import EventLog, set_up_logs
from arbit.telemetry.metrics import MetricsPage

LOOK_S = 0.1
LATE_MS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 1_000.0, 5_000.0)


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
        self._lanes: list[tuple[VenueRun, Trader, Recorder, LaneHealth]] = []
        self._late_ms = Histogram(LATE_MS)
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

    def show_lane(
        self, run: VenueRun, trader: Trader, recorder: Recorder, health: LaneHealth
    ) -> None:
        """From now on the page shows this lane too: its trading, its history, and how it is."""
        self._lanes.append((run, trader, recorder, health))

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
                group = await stack.enter_async_context(asyncio.TaskGroup())
                stack.callback(group.create_task(self._look(), name="loop-lag").cancel)
                self._logger.info("metrics_served", url=self.metrics_url)
            yield
            for hub in self._losses.hubs:
                await hub.heard(self._clock)
            for log in self._logs:
                log.close()

    async def _look(self) -> None:
        """How late a timer is, again and again."""
        while True:
            began_ns = self._clock.monotonic_ns()
            await self._clock.sleep(LOOK_S)
            late_ms = (self._clock.monotonic_ns() - began_ns) / 1e6 - LOOK_S * 1e3
            self._late_ms.observe(max(0.0, late_ms))

    def _process(self) -> ProcessReading:
        return ProcessReading(
            lost_events=self._losses.lost_events,
            dropped_witnesses=self._losses.dropped_listeners,
            info=self._info(),
            late_ms=self._late_ms,
        )

    def _info(self) -> dict[str, str]:
        """What was built and configured: nothing of it is a secret or a path."""
        runs = [*self._runs, *(lane[0] for lane in self._lanes)]
        return {
            "version": __version__,
            "python": platform.python_version(),
            "venues": ",".join(sorted(run.desk.setup.venue.name for run in runs)),
            "policy": self._settings.risk.policy.value,
            "reference": self._settings.scan.reference_currency,
        }

    def _history_bytes(self) -> int:
        """The size of history's file; 0 where a server keeps it, or there is none yet."""
        if self._settings.history_url is not None:
            return 0
        with contextlib.suppress(OSError):
            return (self._settings.data_dir / HISTORY).stat().st_size
        return 0

    def _readings(self) -> list[VenueReading]:
        now_ns, size_bytes = self._clock.monotonic_ns(), self._history_bytes()
        return [
            *(reading_of(run, now_ns) for run in self._runs),
            *(
                replace(
                    reading_of(run, now_ns),
                    trading=trading_of(trader, recorder, size_bytes),
                    health=health.told.health.value,
                    why=health.told.detail,
                )
                for run, trader, recorder, health in self._lanes
            ),
        ]
