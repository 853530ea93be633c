"""The daemon of `lanes` as a process of its own: it trades, and tells its parent what it is asked.

`python -m tests.bench.lanes_daemon '{"venues": [...], "settings": {...}}'`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from arbit.app.live.lane import Built, LiveLane, LiveOptions
from arbit.app.live.run import LiveRun
from arbit.app.loop import run_on_best_loop
from arbit.app.watch.venue import VenueRun
from arbit.clock import SystemClock
from arbit.config import Override, VenueSettings, load_settings
from arbit.domain.histogram import Histogram
from arbit.ports import Listener
from arbit.venues.dial import Connection, Dialer, FrameHandler
from tests.bench.processes import share, starved_s, tell

STAMPS = (b'"timestamp":"', b'"t":"')
PROBE_S = 0.001


class Ears:
    """Dials as a feed would, and notes what each book message was when it had been decided about.

    Stamps are read when a stretch is over: until then it is two appends a message.
    """

    def __init__(self, dial: Dialer) -> None:
        self._dial = dial
        self.waiting: list[bytes] = []
        self.seen: list[tuple[bytes, int]] = []

    async def __call__(self, url: str, handler: FrameHandler) -> Connection:
        """Dial."""
        return await self._dial(url, _Ear(handler, self))

    def decided(self) -> None:
        """A turn is over."""
        now_ns = time.time_ns()
        self.seen += [(payload, now_ns) for payload in self.waiting]
        self.waiting.clear()

    def ages_ms(self) -> list[float]:
        """How old each stamped message was, since the last call."""
        seen, self.seen = self.seen, []
        found = [(stamp_ns(payload), at_ns) for payload, at_ns in seen]
        return [(at_ns - stamped_ns) / 1e6 for stamped_ns, at_ns in found if stamped_ns]


class _Ear:
    def __init__(self, handler: FrameHandler, ears: Ears) -> None:
        self._handler = handler
        self._ears = ears

    def on_frame(self, payload: bytes) -> None:
        """Note, pass on."""
        self._ears.waiting.append(payload)
        self._handler.on_frame(payload)

    def on_drained(self) -> None:
        """Pass on, which is when the lane takes its turn."""
        self._handler.on_drained()
        self._ears.decided()

    def on_lost(self, why: str) -> None:
        """Pass on."""
        self._handler.on_lost(why)


def stamp_ns(payload: bytes) -> int:
    """The wall time that a venue stamped on a message; 0 where there is none."""
    for mark in STAMPS:
        start = payload.find(mark) + len(mark)
        if start >= len(mark):
            text = payload[start : payload.index(b'"', start)].decode()
            with suppress(ValueError):
                return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1e6) * 1_000
    return 0


class BenchLane(LiveLane):
    """A lane whose feed has ears."""

    ears: Ears
    run: VenueRun | None = None

    async def _build(
        self, venue: VenueSettings, publish: Listener, stack: AsyncExitStack, *, real: bool
    ) -> Built:
        built = await super()._build(venue, publish, stack, real=real)
        self.run = built[0]
        feed: Any = self.run.feed
        self.ears = feed.dial = Ears(feed.dial)
        return built

    @property
    def books(self) -> tuple[int, int]:
        """How many books are believed, of how many."""
        if self.run is None or self.trader is None or not self.trader.started:
            return 0, 1
        reasons = self.run.desk.cache.reason
        return sum(reason is None for reason in reasons), len(reasons)


class BenchRun(LiveRun):
    """A `LiveRun` that tells its parent what it is asked."""

    def _lane(self, name: str) -> BenchLane:
        return BenchLane(self._settings, self._options, self._clock, self._screen, name)

    @property
    def by_name(self) -> dict[str, BenchLane]:
        """Its lanes."""
        return {lane.name: lane for lane in self.lanes if isinstance(lane, BenchLane)}

    async def answer(self) -> None:
        """Questions on standard input until it is closed; then an end in order."""
        loop = asyncio.get_running_loop()
        lates: list[float] = []
        probe = loop.create_task(_probe(lates))
        self._starved, self.starved_s = starved_s(), 0.0
        before = {name: self._counted(name) for name in self.by_name}
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            if asked["say"] == "books":
                tell({name: lane.books for name, lane in self.by_name.items()})
                continue
            after = {name: self._counted(name) for name in self.by_name}
            self.starved_s, starved = starved_s() - self._starved, starved_s()
            self._starved = starved
            found = {name: self._figures(name, before[name], lates) for name in after}
            before = after
            lates.clear()
            tell(found)
        probe.cancel()
        self._stop_all()

    def _counted(self, name: str) -> tuple[list[int], int, int]:
        lane = self.by_name[name]
        run, trader = lane.run, lane.trader
        if run is None or trader is None:
            return [0], 0, 0
        counts = run.feed.counts
        trouble = counts.failed + counts.bad_frames + counts.resyncs + counts.reconnects
        return list(run.decisions_ms.counts), trader.engine.orders, trouble

    def _figures(
        self, name: str, before: tuple[list[int], int, int], lates: Sequence[float]
    ) -> dict[str, float]:
        lane = self.by_name[name]
        after = self._counted(name)
        ages = lane.ears.ages_ms()
        if lane.run is None or not ages:
            return {}
        stretch = Histogram(lane.run.decisions_ms.bounds)
        old = before[0] if len(before[0]) == len(after[0]) else [0] * len(after[0])
        stretch.counts = [now - then for now, then in zip(after[0], old, strict=True)]
        return {
            "decision_p50_ms": stretch.quantile(0.5) or 0.0,
            "decision_p99_ms": stretch.quantile(0.99) or 0.0,
            "decisions": stretch.count,
            "wire_p50_ms": share(ages, 0.5),
            "wire_p99_ms": share(ages, 0.99),
            "messages": len(ages),
            "loop_p99_ms": share(lates, 0.99) if lates else 0.0,
            "loop_most_ms": max(lates, default=0.0),
            "orders": after[1] - before[1],
            "troubles": after[2] - before[2],
            "starved_s": round(self.starved_s, 3),
        }


async def _probe(lates: list[float]) -> None:
    """How late a timer is, in ms, again and again."""
    while True:
        began_ns = time.perf_counter_ns()
        await asyncio.sleep(PROBE_S)
        lates.append((time.perf_counter_ns() - began_ns) / 1e6 - PROBE_S * 1e3)


class NoScreen:
    """Shows nothing."""

    every_s = 3600.0

    def preamble(self, said: object) -> None:
        """Nothing."""

    def refresh(self, run: object, trader: object, elapsed_s: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


async def daemon(facts: dict[str, Any]) -> None:
    """`arbit live` on these venues, and what its parent asks."""
    overrides = [Override("bench", key, text) for key, text in facts["settings"].items()]
    settings = load_settings(None, {}, overrides)
    options = LiveOptions(tuple(facts["venues"]), real=True, cap=Decimal(1_000_000))
    run = BenchRun(settings, options, SystemClock(), NoScreen())
    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        group.create_task(run.answer())


if __name__ == "__main__":
    run_on_best_loop(daemon(json.loads(sys.argv[1])))
