"""A breaker that trips, in simulation: event, metric, log line, alert, in that order, once each."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from arbit.domain.alert import Alert, Answer, Severity
from arbit.domain.events import AlertsChanged, BreakerChanged, Event
from arbit.telemetry.alerts import Alerts, Manners
from arbit.telemetry.alerts_courier import Courier
from arbit.telemetry.logs import EventLog
from tests.simulation.loop import Process
from tests.simulation.plan import plan_of
from tests.simulation.runner import workshop
from tests.simulation.world import World

SEED = 2
TRIPPED = {"reducing", "halted"}
KIND = "breaker_changed"


class Lines:
    """Stands in for the logger: a simulation has every library's put aside."""

    def __init__(self) -> None:
        self.written: list[tuple[str, dict[str, Any]]] = []

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  its name is the library's
        return level >= logging.INFO

    def log(self, _level: int, name: str, **said: Any) -> None:
        self.written.append((name, said))


class Told:
    """A seed's run, with the witnesses of `live` beside those of the simulation.

    `ways` has, for each change of the breaker, who knew of it, as they came to know.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.changes: list[BreakerChanged] = []
        self.ways: list[list[str]] = []
        self.queued: list[Alert] = []
        self._heard_of = 0
        self._counted: Counter[tuple[int, str]] = Counter()
        self._halts, self._heard = world.around.published, world.around.heard
        world.around.published, world.around.heard = self.published, self.heard
        courier = Courier("webhook", self.deliver, world.clock, self.changed)
        manners = Manners(Severity.INFO, repeat_after_ns=0, per_minute=60)
        self._lines = Lines()
        logger: Any = self._lines
        self._log = EventLog(logger, world.clock.monotonic_ns)
        self._alerts = Alerts(manners, world.clock, [courier]).witness()
        courier.put = self.queued.append  # type: ignore[method-assign, assignment]  # as handed

    async def deliver(self, _alert: Alert) -> Answer:
        return Answer()

    def changed(self, _event: AlertsChanged) -> None:
        """Of no interest here."""

    def published(self, process: Process, event: Event) -> None:
        """The event is told: the first of all. The metric is right in the very same turn."""
        self._halts(process, event)
        if not isinstance(event, BreakerChanged):
            return
        self.changes.append(event)
        self.ways.append(["event"])
        life = self.world.life
        if life is not None and life.trader is not None:
            counted = life.trader.breaker.changes[event.state]  # what the page shows
            key = life.process.number, event.state
            self.ways[-1] += ["metric"] * (counted - self._counted[key])
            self._counted[key] = counted

    def heard(self, event: Event) -> None:
        """Witnesses hear it later: the log, then the alerts, as the hub of a lane has them."""
        self._heard(event)
        lines, alerts = len(self._lines.written), len(self.queued)
        self._log(event)
        fresh = [said for name, said in self._lines.written[lines:] if name == KIND]
        self._alerts(event)
        if isinstance(event, BreakerChanged):
            ways = self.ways[self._heard_of]
            self._heard_of += 1
            ways += ["log" for said in fresh if said["state"] == event.state]
            ways += ["alert" for one in self.queued[alerts:] if one.state == event.state]


def test_a_breaker_that_trips_is_told_in_every_way_once() -> None:
    with workshop() as disk:
        told = Told(World(SEED, disk, plan_of(SEED)))
        result = told.world.run()
    assert result.violations == []
    trips = [n for n, event in enumerate(told.changes) if event.state in TRIPPED]
    assert len(trips) >= 2, "the seed is one in which it trips"
    assert [told.ways[n] for n in trips] == [["event", "metric", "log", "alert"]] * len(trips)
    alerts = [one for one in told.queued if one.kind == KIND]
    critical = [one.state for one in alerts if one.severity is Severity.CRITICAL]
    assert critical == [told.changes[n].state for n in trips]
