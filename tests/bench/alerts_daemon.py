"""The daemon of `alerts` as a process of its own: it trades, and measures what it is asked to.

`python -m tests.bench.alerts_daemon '{"settings": {...}, "log": "PATH", "first": false}'`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from arbit.app.live.lane import Built, LaneAround, LiveLane, LiveOptions
from arbit.app.live.run import LiveRun
from arbit.app.loop import run_on_best_loop
from arbit.app.trade.told import LiveReport
from arbit.app.watch.venue import VenueRun
from arbit.clock import SystemClock
from arbit.config import Override, load_settings
from arbit.domain.events import BreakerChanged, Event, IncidentSeen
from arbit.domain.histogram import Histogram
from arbit.telemetry.alerts import Alerts
from arbit.telemetry.buckets import Bucket
from arbit.telemetry.hub import Hub
from tests.bench.lanes_daemon import NoScreen
from tests.bench.processes import of_this_process, share, starved_s, tell

LOOK_S = 0.001
PUBLISH_S = 0.002
SETTLES_S = 4.0  # longer than any delivery
VENUES = 700  # more than topics are kept of
RR = 5


class AlertsLane(LiveLane):
    """A lane that lets its instruments be seen."""

    hub: Hub | None = None
    around: LaneAround | None = None
    run: VenueRun | None = None
    standstills = 0

    async def _live(
        self, built: Built, around: LaneAround, hub: Hub, stack: AsyncExitStack
    ) -> LiveReport:
        self.run, self.around, self.hub = built[0], around, hub
        self.run.desk.standstill.tell(self._stood_still)
        return await super()._live(built, around, hub, stack)

    def _stood_still(self, _since_ns: int) -> None:
        self.standstills += 1

    @property
    def trades(self) -> bool:
        """Whether it believes its books, and has traded once."""
        if self.run is None or self.trader is None or not self.trader.started:
            return False
        reasons = self.run.desk.cache.reason
        believed = sum(reason is None for reason in reasons) >= 0.8 * len(reasons)
        return believed and sum(self.trader.engine.ends.values()) > 0

    @property
    def alerts(self) -> Alerts:
        """Those of its process."""
        assert self.around is not None
        alerting = self.around.telemetry._alerting
        assert alerting is not None
        assert alerting._alerts is not None
        return alerting._alerts

    def counts(self) -> Counter[str]:
        """Running totals."""
        assert self.run is not None
        assert self.trader is not None
        assert self.hub is not None
        engine = self.trader.engine
        counts = self.alerts.counts()
        return Counter(
            {
                "frames": self.run.feed.counts.frames,
                "decisions": self.run.decisions_ms.count,
                "orders": engine.orders,
                "cycles": sum(engine.ends.values()),
                "standstills": self.standstills,
                "lost_events": self.hub.lost_events + self.hub.dropped_listeners,
                "deliveries": sum(counts.sent.values()) + sum(counts.failed.values()),
            }
        )

    def spans(self) -> dict[str, list[int]]:
        """How long things took so far, by bucket: see `_histograms`."""
        return {name: list(one.counts) for name, (one, _) in self._histograms().items()}

    def since(self, before: dict[str, list[int]]) -> dict[str, float | None]:
        """What they took since then, in ms."""
        found = {}
        for name, (whole, share_below) in self._histograms().items():
            since = Histogram(whole.bounds)
            pairs = zip(whole.counts, before[name], strict=True)
            since.counts = [now - then for now, then in pairs]
            value = since.quantile(share_below)
            found[name] = None if value is None else round(value, 2)
        return found

    def _histograms(self) -> dict[str, tuple[Histogram, float]]:
        """From receipt to decision, from there to the wire, and until an order was over."""
        assert self.run is not None
        assert self.trader is not None
        tally = self.trader.engine.settling.tally
        return {
            "decision_p99_ms": (self.run.decisions_ms, 0.99),
            "to_wire_p50_ms": (tally.to_wire_ms, 0.5),
            "order_p50_ms": (tally.order_ms, 0.5),
        }

    def refused(self) -> Counter[str]:
        """Cycles and orders that our own gate refused, by code."""
        assert self.trader is not None
        return Counter(self.trader.engine.refusals)


class Lateness:
    """How late a timer is: by the wall, without what others had of our core, by our own work."""

    def __init__(self) -> None:
        self.wall_ms: list[float] = []
        self.ours_ms: list[float] = []
        self.worked_ms: list[float] = []

    async def look(self, over_s: float) -> None:
        """Again and again."""
        loop = asyncio.get_running_loop()
        while loop.time() < over_s:
            starved, worked, began = starved_s(), time.thread_time(), time.perf_counter()
            await asyncio.sleep(LOOK_S)
            late_s = max(0.0, time.perf_counter() - began - LOOK_S)
            worked_s, waited_s = time.thread_time() - worked, starved_s() - starved
            self.wall_ms.append(late_s * 1e3)
            self.ours_ms.append(max(0.0, late_s - waited_s) * 1e3)
            self.worked_ms.append(min(late_s, worked_s) * 1e3)

    def told(self) -> dict[str, float]:
        """The value that one look in a thousand exceeds, in ms."""
        kinds = {"wall": self.wall_ms, "ours": self.ours_ms, "worked": self.worked_ms}
        return {f"{name}_p999_ms": round(share(some, 0.999), 3) for name, some in kinds.items()}


class AlertsRun(LiveRun):
    """A `LiveRun` that plays stretches to itself when its parent asks for one."""

    def _lane(self, name: str) -> AlertsLane:
        return AlertsLane(self._settings, self._options, self._clock, self._screen, name)

    @property
    def lane(self) -> AlertsLane:
        """The only one."""
        (lane,) = self.lanes
        assert isinstance(lane, AlertsLane)
        return lane

    async def answer(self) -> None:
        """Questions on standard input until it is closed; then an end in order."""
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            if asked["say"] == "ready":
                around = self.lane.around
                url = "" if around is None else around.telemetry.metrics_url
                tell({"trades": self.lane.trades, "url": url})
            else:
                tell(await self.stretch(asked["seconds"], asked["alerts"]))
        self._stop_all()

    async def stretch(self, seconds: float, alerts: int) -> dict[str, Any]:
        """Some seconds, calm without alerts. What is left over afterwards is not measured."""
        lane, late, loop = self.lane, Lateness(), asyncio.get_running_loop()
        before, starved = lane.counts(), starved_s()
        spans, refused = lane.spans(), lane.refused()
        over_s = loop.time() + seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(late.look(over_s))
            if alerts:
                group.create_task(self._storm(alerts, seconds))
        after = lane.counts()
        found: dict[str, Any] = {name: after[name] - before[name] for name in after}
        found |= late.told() | {"looks": len(late.wall_ms), "alerts": alerts}
        found |= lane.since(spans) | {"refused": dict(lane.refused() - refused)}
        found["starved_s"] = round(starved_s() - starved, 3)
        await self._forgiven()
        return found

    async def _storm(self, alerts: int, seconds: float) -> None:
        """Alerts, evenly over the stretch: trips, and incidents of ever other venues."""
        loop, hub = asyncio.get_running_loop(), self.lane.hub
        assert hub is not None
        began_s, told = loop.time(), 0
        while told < alerts:
            due = min(alerts, int(alerts * (loop.time() - began_s) / (0.95 * seconds)) + 1)
            for number in range(told, due):
                hub.publish(_alarm(number))
            told = max(told, due)
            await asyncio.sleep(PUBLISH_S)

    async def _forgiven(self) -> None:
        """Nothing waits and nobody is rested: each stretch begins as the first one did."""
        alerts = self.lane.alerts
        loop, per_minute = asyncio.get_running_loop(), alerts._manners.per_minute
        alerts._topics.clear()
        rates = {one: Bucket(per_minute, 60 * 10**9 // per_minute) for one in alerts._rate}
        alerts._rate.update(rates)
        until_s = loop.time() + SETTLES_S
        for courier in alerts.couriers:
            for queue in (courier._critical, courier._others):
                kept = [letter for letter in queue if letter is courier._carried]
                queue.clear()
                queue.extend(kept)
            while courier._carried is not None and loop.time() < until_s:
                await asyncio.sleep(0.02)
            if courier._carried is None:
                courier._critical.clear()
                courier._others.clear()
            courier._failures = courier._not_before_ns = courier._asked_ns = 0


def _alarm(number: int) -> Event:
    venue = f"v{number % VENUES}"
    if number % 3:
        return BreakerChanged(venue, ("halted", "active")[number % 2], "drift", "x" * 200)
    return IncidentSeen(venue, "late_fill", "y" * 200)


async def daemon(facts: dict[str, Any]) -> None:
    """`arbit live` on the sandbox, and what its parent asks."""
    assert of_this_process("schedstat"), "a system that does not say who had our core"
    overrides = [Override("bench", key, text) for key, text in facts["settings"].items()]
    settings = load_settings(None, {}, overrides)
    options = LiveOptions(("sandbox",), real=True)
    run = AlertsRun(settings, options, SystemClock(), NoScreen())
    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        group.create_task(run.answer())


def main(facts: dict[str, Any]) -> None:
    """Its log goes to a file, as a service's does."""
    with Path(facts["log"]).open("wb") as log:
        os.dup2(log.fileno(), 2)
    if facts["first"]:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(RR))
    run_on_best_loop(daemon(facts))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
