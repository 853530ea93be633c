"""Alerts: what is worth a person's look, told to each receiver without ever holding trading up.

A witness of events like any other: it looks an event up in the table, puts what is to be told into
queues, and returns. Couriers, one a receiver with a task of its own, carry it out later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from arbit.domain.alert import Alert, Severity
from arbit.domain.events import Event
from arbit.domain.readings import AlertCounts, ReceiverReading
from arbit.ports import Clock
from arbit.telemetry.alerts_courier import Courier
from arbit.telemetry.alerts_table import Sorted, alert_of, sort_out
from arbit.telemetry.buckets import Bucket
from arbit.telemetry.logs_clean import Redactor

NS = 1_000_000_000
MAX_TOPICS = 500
TICK_S = 1.0
STEP_S = 0.02


@dataclass(frozen=True, slots=True)
class Manners:
    """Whom to spare what: the settings that say how much is told, in our units.

    `redact` takes our secrets out of words that came from elsewhere.
    """

    least: Severity
    repeat_after_ns: int
    per_minute: int
    amounts: bool = False
    redact: Redactor = field(default_factory=lambda: Redactor(()))


class Alerts:
    """Sorts out what is told, and hands it to the couriers.

    The same state of a topic is told once in `repeat_after_ns`; what came meanwhile is told then,
    as a number. More than `per_minute` wait for their turn the same way. Critical alerts have a
    rate of their own, so that nothing lesser takes their place.
    """

    def __init__(self, manners: Manners, clock: Clock, couriers: Sequence[Courier]) -> None:
        self._manners = manners
        self._clock = clock
        self.couriers = couriers
        self._topics: dict[str, _Topic] = {}
        refill_ns = 60 * NS // manners.per_minute
        self._rate = {critical: Bucket(manners.per_minute, refill_ns) for critical in (True, False)}
        self.merged = 0
        self.dropped = 0

    def witness(self, run: str = "") -> Callable[[Event], None]:
        """A listener for a hub; `run` is the run whose events it hears."""

        def hear(event: Event) -> None:
            found, manners = sort_out(event), self._manners
            if found is not None and not self._only_counts(found):
                alert = alert_of(event, manners.redact, found, amounts=manners.amounts)
                self.tell(replace(alert, run=run))

        return hear

    def _only_counts(self, found: Sorted) -> bool:
        """Whether its like waits to be told already: in a storm that is all that is done."""
        topic = self._topics.get(found.topic)
        waiting = None if topic is None else topic.waiting
        if topic is None or waiting is None or waiting.state != found.state:
            return False
        topic.more += 1
        self.merged += 1
        return True

    def tell(self, alert: Alert) -> None:
        """Tell it now, or count it to what is told of its topic later."""
        now_ns, topic = self._clock.monotonic_ns(), self._topics.get(alert.topic)
        open_now = topic is not None and topic.bad
        if alert.severity < self._manners.least and not (alert.back and open_now):
            return
        alert = replace(alert, at_ns=self._clock.wall_ns())
        if topic is None:
            topic = self._begin(alert.topic)
        fresh = topic.state != alert.state
        topic.state, topic.bad = alert.state, not alert.back
        waits = not fresh and now_ns - topic.told_ns < self._manners.repeat_after_ns
        if waits or not self._rated(alert, now_ns):
            topic.waiting, topic.more = alert, topic.more + 1
            self.merged += 1
            return
        self._send(topic, alert, now_ns)

    def counts(self) -> AlertCounts:
        """What became of them so far."""
        return AlertCounts(
            sent={one.name: one.sent for one in self.couriers},
            dropped={one.name: one.dropped + self.dropped for one in self.couriers},
            failed={one.name: one.failed for one in self.couriers},
            undelivered={one.name: one.undelivered for one in self.couriers},
            merged=self.merged,
        )

    def receivers(self) -> list[ReceiverReading]:
        """How each receiver does."""
        return [courier.reading() for courier in self.couriers]

    async def run(self) -> None:
        """Own the couriers, and tell what has waited for its turn."""
        async with asyncio.TaskGroup() as group:
            for courier in self.couriers:
                group.create_task(courier.run(), name=f"alerts to {courier.name}")
            while True:
                await self._clock.sleep(TICK_S)
                self.tick()

    def tick(self) -> None:
        """Tell what has waited long enough."""
        now_ns = self._clock.monotonic_ns()
        for topic in list(self._topics.values()):
            alert = topic.waiting
            if alert is not None and now_ns - topic.told_ns >= self._manners.repeat_after_ns:
                self._overdue(topic, alert, now_ns)

    async def finish(self, within_s: float) -> None:
        """Tell what waits, and give every courier this long to have brought its letters.

        `run` goes on meanwhile. What is not delivered then is said by each courier.
        """
        now_ns = self._clock.monotonic_ns()
        for topic in self._topics.values():
            if topic.waiting is not None and topic.waiting.severity is Severity.CRITICAL:
                self._overdue(topic, topic.waiting, now_ns)
        for courier in self.couriers:
            courier.hurry()
        until_ns = now_ns + round(within_s * NS)
        while any(one.hurrying for one in self.couriers) and self._clock.monotonic_ns() < until_ns:
            await self._clock.sleep(STEP_S)
        for courier in self.couriers:
            courier.close()

    def _overdue(self, topic: _Topic, alert: Alert, now_ns: int) -> None:
        if self._rated(alert, now_ns):
            self._send(topic, replace(alert, count=topic.more), now_ns)

    def _send(self, topic: _Topic, alert: Alert, now_ns: int) -> None:
        topic.told_ns, topic.waiting, topic.more = now_ns, None, 0
        for courier in self.couriers:
            courier.put(alert)

    def _rated(self, alert: Alert, now_ns: int) -> bool:
        return self._rate[alert.severity is Severity.CRITICAL].take(now_ns)

    def _begin(self, name: str) -> _Topic:
        if len(self._topics) >= MAX_TOPICS:  # what was begun longest ago is forgotten
            self.dropped += self._topics.pop(next(iter(self._topics))).more
        topic = self._topics[name] = _Topic()
        return topic


class _Topic:
    """What was told of one thing last, and what waits to be."""

    __slots__ = ("bad", "more", "state", "told_ns", "waiting")

    def __init__(self) -> None:
        self.state = ""
        self.bad = False
        self.told_ns = -(10**18)
        self.waiting: Alert | None = None
        self.more = 0
