"""Telemetry for a run: logs of what happened, metrics of what is; neither can hurt the deciding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from arbit.app.trader import Trader
from arbit.app.venue import VenueRun
from arbit.config import Settings
from arbit.domain.readings import VenueReading
from arbit.fitness.episodes import Stage
from arbit.ports import Clock
from arbit.telemetry.hub import Hub
from arbit.telemetry.logs import EventLog, set_up_logs
from arbit.telemetry.metrics import MetricsPage
from arbit.telemetry.server import MetricsServer


class Telemetry:
    """The hub every room publishes to, the log behind it, and the page that reads the runs."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._runs: Sequence[VenueRun] = ()
        self._trader: Trader | None = None
        self.hub = Hub(asyncio.get_running_loop().call_soon)
        logger = set_up_logs(
            as_json=settings.log_json, level=settings.log_level, wall_ns=clock.wall_ns
        )
        self._log = EventLog(logger, clock.monotonic_ns)
        self.hub.listen(self._log)
        self._logger = logger
        self.metrics_url = ""

    def show(self, runs: Sequence[VenueRun], trader: Trader | None = None) -> None:
        """From now on the page shows these runs, and the trading on the first of them."""
        self._runs = runs
        self._trader = trader

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve /metrics while open, when a port is set. UserError when the port is taken."""
        async with AsyncExitStack() as stack:
            if self._settings.metrics_port is not None:
                page = MetricsPage(self._readings, self._clock, self.hub)
                server = MetricsServer(
                    page, self._settings.metrics_host, self._settings.metrics_port
                )
                self.metrics_url = (await stack.enter_async_context(server)).url
                self._logger.info("metrics_served", url=self.metrics_url)
            yield
            await self.hub.heard(self._clock)
            self._log.close()

    def _readings(self) -> list[VenueReading]:
        found = [reading_of(run) for run in self._runs]
        if self._trader is not None:
            found[0] = replace(found[0], trading=self._trader.reading())
        return found


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
    )
