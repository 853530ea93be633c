"""A breaker that trips, in simulation: event, metric, log line, alert, in that order, once each."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest

from arbit.domain.alert import Alert, Answer, Severity
from arbit.domain.events import AlertsChanged, BreakerChanged, Event
from arbit.telemetry.alerts import Alerts, Manners
from arbit.telemetry.alerts_courier import Courier
from arbit.telemetry.logs import EventLog, set_up_logs
from tests.simulation.loop import Process
from tests.simulation.plan import plan_of
from tests.simulation.runner import workshop
from tests.simulation.world import World

SEED = 2
TRIPPED = {"reducing", "halted"}


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


class Told:
    """A seed's run, with the witnesses of `live` beside those of the simulation."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.order: list[tuple[str, str]] = []  # who knew of which state, as they came to know
        self.events: list[BreakerChanged] = []
        self.counted: Counter[tuple[int, str]] = Counter()
        self.queued: list[Alert] = []
        self.heard_ns: list[int] = []
        self._halts, self._heard = world.around.published, world.around.heard
        world.around.published, world.around.heard = self.published, self.heard
        courier = Courier("webhook", self.deliver, world.clock, self.changed)
        self.witness = Alerts(
            Manners(Severity.INFO, repeat_after_ns=0, per_minute=60), world.clock, [courier]
        ).witness()
        courier.put = self.queued.append  # type: ignore[method-assign, assignment]  # as handed

    async def deliver(self, _alert: Alert) -> Answer:
        return Answer()

    def changed(self, _event: AlertsChanged) -> None:
        """Of no interest here."""

    def published(self, process: Process, event: Event) -> None:
        """The event is told: the first of all. The metric is right in the very same turn."""
        self._halts(process, event)
        if isinstance(event, BreakerChanged):
            self.order.append(("event", event.state))
            life = self.world.life
            if life is not None and life.trader is not None:
                before = self.counted[life.process.number, event.state]
                counted = life.trader.breaker.changes[event.state]  # what the page shows
                assert counted == before + 1, "counted once"
                self.counted[life.process.number, event.state] = counted
                self.order.append(("metric", event.state))

    def heard(self, event: Event) -> None:
        """Witnesses hear it later: the log, then the alerts."""
        self._heard(event)
        before = len(self.queued)
        self.witness(event)
        if isinstance(event, BreakerChanged):
            self.events.append(event)
            self.heard_ns.append(self.world.clock.monotonic_ns())
            self.order.append(("log", event.state))
            assert len(self.queued) == before + 1, "an alert, and no more than one"
            self.order.append(("alert", self.queued[-1].state))


def test_a_breaker_that_trips_is_told_in_every_way_once() -> None:
    with workshop() as disk:
        told = Told(World(SEED, disk, plan_of(SEED)))
        result = told.world.run()
    assert result.violations == []
    trips = [event for event in told.events if event.state in TRIPPED]
    assert len(trips) >= 2, "the seed is one in which it trips"
    alerts = [one for one in told.queued if one.kind == "breaker_changed"]
    assert len(alerts) == len(told.events)
    critical = [one for one in alerts if one.severity is Severity.CRITICAL]
    assert [one.state for one in critical] == [event.state for event in trips]
    for ways in zip(*(_of(told.order, way) for way in ("event", "log")), strict=False):
        assert ways[0] < ways[1]
    stream = io.StringIO()
    logger = set_up_logs(as_json=True, level="info", wall_ns=lambda: 10**18, stream=stream)
    ages = iter(told.heard_ns)
    log = EventLog(logger, lambda: next(ages))
    for event in told.events:
        log(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) + log.unwritten == len(told.events)
    assert [line["state"] for line in lines][: len(trips)]


def _of(order: list[tuple[str, str]], way: str) -> list[int]:
    return [at for at, (one, _) in enumerate(order) if one == way]
