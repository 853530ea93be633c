"""What a storm of alerts and scrapes does to the loop that trades: `python -m tests.bench.alerts`.

A daemon's own telemetry on one loop, as in `live`: hub, log, alerts to two receivers over TLS, the
page of metrics. Stretches take turns, a calm one and a storm: alerts by the thousand, scrapes by
the thousand, and receivers that hang, fail, drip, flood or speak no TLS. In each a timer looks how
late the loop is, and another stands in for trading: a turn of it that comes 50 ms late is lost.
Receivers and scrapers are a process of their own, and only what the loop's own thread has worked
meanwhile counts as late: a machine whose cores others use would tell of them. Exit code 1 when
the 99.9th percentile of lateness grows by 5 ms or more, or a storm loses turns that a calm did not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import logging
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp

from arbit.app.alerting import Alerting
from arbit.app.loop import run_on_best_loop
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.config.alerts import AlertSettings
from arbit.domain.events import BreakerChanged, IncidentSeen
from arbit.domain.readings import ProcessReading
from arbit.telemetry.hub import Hub
from arbit.telemetry.logs import EventLog, set_up_logs
from arbit.telemetry.metrics import MetricsPage
from arbit.telemetry.server import MetricsServer
from tests.integration.alert_receiver import (
    Behave,
    certificate,
    drips,
    floods,
    hangs,
    huge_headers,
    receiving,
    status,
)

MOST_MS = 5.0
LOOK_S = 0.001
TRADE_S = 0.002  # a turn of what stands for trading
TOO_LATE_S = 0.05  # by then the book it decided on is another
HOSTILE: dict[str, Behave] = {
    "hangs": hangs,
    "answers 500": status(500),
    "drips": drips,
    "floods": floods,
    "huge headers": huge_headers,
}
NO_TLS = "no TLS"


@dataclass(frozen=True)
class Scale:
    """How much of it."""

    alerts: int = 10_000
    scrapes: int = 10_000
    seconds: float = 5.0
    rounds: int = 3
    kinds: tuple[str, ...] = (*HOSTILE, NO_TLS)


@dataclass
class Stretch:
    """What one stretch showed."""

    late_ms: list[float]
    trades: int = 0
    lost: int = 0
    scraped: int = 0
    told: int = 0

    @property
    def p999_ms(self) -> float:
        """The lateness that one look in a thousand exceeds."""
        ordered = sorted(self.late_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.999))]


def others(pipe: Connection, folder: str) -> None:
    """The process of the receivers and the scrapers: `(kind)` opens, `(url, count)` scrapes."""
    logging.disable()  # those who hang up on it are no news
    asyncio.run(_others(pipe, Path(folder)))


async def _others(pipe: Connection, folder: Path) -> None:
    behaviours = {**HOSTILE, NO_TLS: None}
    async with contextlib.AsyncExitStack() as stack:
        ports = {}
        for kind, behave in behaviours.items():
            tls = None if kind == NO_TLS else folder
            ports[kind] = (await stack.enter_async_context(receiving(tls, behave))).port
        pipe.send(ports)
        loop = asyncio.get_running_loop()
        while (asked := await loop.run_in_executor(None, pipe.recv)) is not None:
            pipe.send(await _scraped(*asked))


async def _scraped(url: str, count: int, seconds: float) -> int:
    """So many scrapes, forty at once, for so long at most; how many came back whole."""
    done, left, until_s = 0, count, time.monotonic() + seconds

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal done, left
        while left > 0 and time.monotonic() < until_s:
            left -= 1
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with session.get(url) as response:
                    await response.read()
                    done += 1

    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await asyncio.gather(*(worker(session) for _ in range(40)))
    return done


class Bench:
    """One daemon's telemetry, and the stretches that are played to it."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self.clock = SystemClock(1)
        self.pipe, theirs = multiprocessing.Pipe()
        certificate(folder, "127.0.0.1")
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=others, args=(theirs, str(folder)), daemon=True)
        self.process.start()
        self.ports: dict[str, int] = self.pipe.recv()

    async def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kinds": {}}
        for kind in self.scale.kinds:
            calm: list[Stretch] = []
            storm: list[Stretch] = []
            for _ in range(self.scale.rounds):
                calm.append(await self.stretch(kind, stormy=False))
                storm.append(await self.stretch(kind, stormy=True))
            found["kinds"][kind] = self.told(calm, storm)
        found["growth_ms"] = max(one["growth_ms"] for one in found["kinds"].values())
        self.pipe.send(None)
        return found

    @staticmethod
    def told(calm: list[Stretch], storm: list[Stretch]) -> dict[str, Any]:
        before, after = (statistics.median(one.p999_ms for one in some) for some in (calm, storm))
        return {
            "calm_p999_ms": round(before, 3),
            "storm_p999_ms": round(after, 3),
            "growth_ms": round(after - before, 3),
            "turns": sum(one.trades for one in storm),
            "lost_calm": sum(one.lost for one in calm),
            "lost_storm": sum(one.lost for one in storm),
            "alerts": sum(one.told for one in storm),
            "scrapes": sum(one.scraped for one in storm),
        }

    @asynccontextmanager
    async def telemetry(self, kind: str) -> AsyncIterator[tuple[Hub, str]]:
        """What `live` has: a hub with a log and alerts behind it, and a page."""
        at = f"https://127.0.0.1:{self.ports[kind]}/x"
        alerts = AlertSettings.model_validate(
            {
                "discord_url": at,
                "webhook_url": at,
                "min_severity": "info",
                "repeat_after_s": 10,
                "per_minute": 60,
                "allow_private": ["127.0.0.1"],
                "ca_file": certificate(self.folder, "127.0.0.1"),
            }
        )
        hub = Hub(asyncio.get_running_loop().call_soon)
        settings = Settings(alerts=alerts)
        alerting = Alerting(settings, self.clock, hub.publish, lambda: 0.0)
        logger = set_up_logs(
            as_json=True, level="info", wall_ns=self.clock.wall_ns, stream=io.StringIO()
        )
        hub.listen(EventLog(logger, self.clock.monotonic_ns))
        witness = alerting.witness("abcde")
        if witness is not None:
            hub.listen(witness)

        def process() -> ProcessReading:
            return ProcessReading(alerts=alerting.counts())

        page = MetricsPage(list, self.clock, process)
        async with alerting.at_work(), MetricsServer(page, "127.0.0.1", 0, self.clock) as server:
            yield hub, server.url

    async def stretch(self, kind: str, *, stormy: bool) -> Stretch:
        """Some seconds, calm or not. The end of the telemetry is not measured."""
        found = Stretch([])
        loop = asyncio.get_running_loop()
        async with self.telemetry(kind) as (hub, url):
            over = loop.time() + self.scale.seconds
            async with asyncio.TaskGroup() as group:
                group.create_task(self.look(found, over))
                group.create_task(self.trade(found, over))
                if stormy:
                    group.create_task(self.flood(hub, found, over))
                    self.pipe.send((url, self.scale.scrapes, self.scale.seconds))
            if stormy:
                found.scraped = await loop.run_in_executor(None, self.pipe.recv)
            assert hub.lost_events == 0
            assert hub.dropped_listeners == 0
        return found

    async def look(self, found: Stretch, over: float) -> None:
        """How late a timer is, as far as this loop was at work meanwhile."""
        loop = asyncio.get_running_loop()
        while loop.time() < over:
            began, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(LOOK_S)
            late_s = time.perf_counter() - began - LOOK_S
            found.late_ms.append(max(0.0, min(late_s, time.thread_time() - worked)) * 1e3)

    async def trade(self, found: Stretch, over: float) -> None:
        """A turn whenever one is due; one that our own work keeps for too long is lost."""
        due_s = time.monotonic()
        until_s = due_s + over - asyncio.get_running_loop().time()
        while due_s < until_s:
            worked_s = time.thread_time()
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            found.trades += 1
            found.lost += time.thread_time() - worked_s > TOO_LATE_S
            due_s += TRADE_S

    async def flood(self, hub: Hub, found: Stretch, over: float) -> None:
        """Alerts, evenly over the stretch: trips, and incidents of ever other venues."""
        loop = asyncio.get_running_loop()
        began, most = loop.time(), self.scale.alerts
        while found.told < most and loop.time() < over:
            due = min(most, int(most * (loop.time() - began) / (0.9 * self.scale.seconds)) + 1)
            for number in range(found.told, due):
                venue = f"v{number % 700}"
                hub.publish(
                    BreakerChanged(venue, ("halted", "active")[number % 2], "drift", "x" * 200)
                    if number % 3
                    else IncidentSeen(venue, "late_fill", "y" * 200)
                )
            found.told = max(found.told, due)
            await asyncio.sleep(0.002)


def run(scale: Scale) -> dict[str, Any]:
    """All of it."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), scale)
        try:
            return run_on_best_loop(bench())
        finally:
            bench.process.terminate()
            bench.process.join()


def broken(found: dict[str, Any]) -> list[str]:
    """What does not hold, in words."""
    said = []
    for kind, one in found["kinds"].items():
        if one["growth_ms"] >= MOST_MS:
            said.append(f"{kind}: p99.9 of lateness grew by {one['growth_ms']} ms")
        if one["lost_storm"] > one["lost_calm"]:
            said.append(f"{kind}: {one['lost_storm']} turns were lost, {one['lost_calm']} in calm")
    return said


def main() -> int:
    """Measure, tell, and say by the exit code whether it holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=Scale.rounds)
    parser.add_argument("--seconds", type=float, default=Scale.seconds)
    asked = parser.parse_args()
    found = run(Scale(rounds=asked.rounds, seconds=asked.seconds))
    print(json.dumps(found, indent=2))
    said = broken(found)
    print("\n".join(said) or "it holds")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
