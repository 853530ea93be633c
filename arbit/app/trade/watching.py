"""Telemetry for a run: logs of what happened, metrics of what is; neither can hurt the deciding."""

from __future__ import annotations

import asyncio
import contextlib
import math
import platform
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from arbit import __version__
from arbit.app.log_file import open_log_file
from arbit.app.store import HISTORY
from arbit.app.trade.health import LaneHealth
from arbit.app.trade.readings import reading_of, trading_of
from arbit.app.trade.trader import Trader
from arbit.app.watch.venue import VenueRun
from arbit.config import AlertSettings, Settings
from arbit.domain.histogram import Histogram
from arbit.domain.readings import AlertCounts, ProcessReading, ReceiverReading, VenueReading
from arbit.persistence.recorder import Recorder
from arbit.ports import Clock
from arbit.telemetry.hub import Hub
from arbit.telemetry.logs import EventLog, Logger, set_up_logs
from arbit.telemetry.logs_clean import Redactor
from arbit.telemetry.logs_table import FILE_FAILED
from arbit.telemetry.metrics import MetricsPage

LOOK_S = 0.1
LATE_MS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 1_000.0, 5_000.0)

if TYPE_CHECKING:
    from arbit.app.alerts.alerting import Alerting


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

    def __init__(self, settings: Settings, clock: Clock, *, daemon: bool = False) -> None:
        """A `daemon` keeps a log file, tells persons of trouble, and others that it is alive."""
        self._settings = settings
        self._daemon = daemon
        self._left = ExitStack()
        self._alerting: Alerting | None = None
        self._clock = clock
        self._runs: Sequence[VenueRun] = ()
        self._lanes: list[tuple[VenueRun, Trader, Recorder, LaneHealth]] = []
        self._late_ms = Histogram(LATE_MS)
        self._no_file = ""  # why no log file is kept, until it is told
        self._logger = self._set_up()
        self._logs: list[EventLog] = []
        self._losses = HubLosses()
        self.hub = self.lane_hub()
        self.metrics_url = ""

    def lane_hub(self, run: str = "") -> Hub:
        """Another hub with a log behind it, for a lane whose run this is."""
        hub = Hub(asyncio.get_running_loop().call_soon)
        log = EventLog(self._logger, self._clock.monotonic_ns, run)
        hub.listen(log)
        if self._alerting is not None and (witness := self._alerting.witness(run)):
            hub.listen(witness)
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
        if self._no_file:  # not before: what keeps a run from starting is one line
            self._logger.warning(FILE_FAILED, why=self._no_file)
            self._no_file = ""
        self._lanes.append((run, trader, recorder, health))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve /metrics while open, when a port is set. UserError when the port is taken."""
        async with AsyncExitStack() as stack:
            stack.callback(self._left.close)
            stack.callback(self._say_unwritten)
            stack.push_async_callback(self._heard)  # what alerting has to say at the end, too
            if self._daemon and _is_told(self._settings.alerts):
                from arbit.app.alerts.alerting import Alerting

                told = (self.hub.publish, self._decided_ago_s)
                self._alerting = Alerting(self._settings, self._clock, *told)
                await stack.enter_async_context(self._alerting.at_work())
                if witness := self._alerting.witness():
                    self.hub.listen(witness)
            stack.push_async_callback(self._heard)
            if self._settings.metrics_port is not None:
                from arbit.telemetry.server import MetricsServer

                page = MetricsPage(self._readings, self._clock, self._process)
                host, port = self._settings.metrics_host, self._settings.metrics_port
                server = MetricsServer(page, host, port, self._clock)
                self.metrics_url = (await stack.enter_async_context(server)).url
                await stack.enter_async_context(self._looking())
                self._logger.info("metrics_served", url=self.metrics_url)
            yield

    def _set_up(self) -> Logger:
        settings, clock = self._settings, self._clock
        file, why = open_log_file(settings, clock, self._left) if self._daemon else (None, "")
        logger = set_up_logs(
            as_json=settings.log_json,
            level=settings.log_level,
            wall_ns=clock.wall_ns,
            file=file,
            redact=Redactor(settings.secrets()),
        )
        self._no_file = why
        return logger

    async def _heard(self) -> None:
        """Until every witness has heard what was published, so far as it is bounded."""
        for hub in self._losses.hubs:
            await hub.heard(self._clock)

    def _say_unwritten(self) -> None:
        for log in self._logs:
            log.close()

    def receivers(self) -> list[ReceiverReading]:
        """How those do who are told of trouble; empty where nobody is."""
        return [] if self._alerting is None else self._alerting.receivers()

    def _decided_ago_s(self) -> float | None:
        """How long ago the lane that decided longest ago did; None while none is at work.

        One that has not decided yet, or ended by itself, is dead to whoever waits for it.
        """
        now_ns = self._clock.monotonic_ns()
        at_work = [run for run, *_ in self._lanes if run.closed_ns is None]
        told_s = [
            None if run.ended_ns is not None else run.decided_ago_s(now_ns) for run in at_work
        ]
        return max((math.inf if one is None else one for one in told_s), default=None)

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[None]:
        """Look at how late the loop is while open; an error of a lane stays what it is."""
        stack = AsyncExitStack()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        look = group.create_task(self._look(), name="loop-lag")
        try:
            yield
        finally:
            look.cancel()
            await stack.aclose()  # a group that heard of an error would make a group of it

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
            alerts=AlertCounts() if self._alerting is None else self._alerting.counts(),
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

    def _readings(self) -> Iterator[VenueReading]:
        """Each as it is when it is asked for."""
        for run in self._runs:
            yield reading_of(run, self._clock.monotonic_ns())
        size_bytes = self._history_bytes() if self._lanes else 0
        for run, trader, recorder, health in self._lanes:
            yield replace(
                reading_of(run, self._clock.monotonic_ns()),
                trading=trading_of(trader, recorder, size_bytes),
                health=health.told.health.value,
                why=health.told.detail,
            )


def _is_told(alerts: AlertSettings) -> bool:
    """Whether anybody is: else nothing of it is even imported."""
    return bool(alerts.discord_url or alerts.webhook_url or alerts.deadman_url)
