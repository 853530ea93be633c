"""What one venue's fault storm costs the lane of another: `python -m tests.bench.lanes`.

One `arbit live` process trades on two sandboxes (processes of their own), each in its lane. While
one of them is calm throughout, every fault that the other's wire knows is switched on and off in
turn over its /control. A round is a calm stretch and a stormy one of the same length (A/B/A/B), and
the figure of a round is the calm lane's p99 in the storm over its p99 without. Both ways: each of
the two is the stormed one once.

Measured on the calm lane, in one stretch:
- `decision`: the daemon's own histogram (`arbit_decision_seconds`), from a frame's receipt to the
  end of the turn that decided about it;
- `wire`: from the time that the venue stamped on a book message until the same moment: here what
  waited in the socket because the loop was busy elsewhere counts too;
- `loop`: how late a timer of 1 ms is: whether anything held the loop at all.

Prints JSON: for each way and figure the median of the rounds' ratios, and what they were made of.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arbit.app.live import LiveRun
from arbit.app.live_lane import Built, LiveLane, LiveOptions
from arbit.app.loop import run_on_best_loop
from arbit.app.venue import VenueRun
from arbit.clock import SystemClock
from arbit.config import Override, VenueSettings, load_settings, venue_key
from arbit.domain.histogram import Histogram
from arbit.ports import Listener
from arbit.risk.kill import Orders
from arbit.venues.dial import Connection, Dialer, FrameHandler
from tests.bench.processes import CORES, ROOT, Talker, middle, share, talking, tell

FACES = {"sandbox": "kraken", "kraken": "kraken", "sandbox-alpaca": "alpaca"}
KEY = (
    "sandbox-trade-key",
    "c2FuZGJveCB0cmFkZSBzZWNyZXQsIG1hZGUgdXAgYW5kIHB1YmxpYywgc2l4dHktZm91ciBieXRlcyBsb25nISE=",
)
STAMPS = (b'"timestamp":"', b'"t":"')
STEP_S = 0.05  # a fault is switched on so often
LASTS = 4  # steps that each of them lasts
PROBE_S = 0.001
READY_S = 30.0
FIGURES = ("decision", "wire", "loop")
# Nothing that a storm does may end the trading that makes the noise.
PATIENT = {
    "ARBIT_RISK__MAX_DAILY_LOSS": "1000000",
    "ARBIT_RISK__COOLDOWN_MS": "0",
    "ARBIT_RISK__MAX_CRASHES": "1000",
    "ARBIT_RISK__UNWIND_BUDGET_BPS": "1000",
    "ARBIT_RISK__ORDER_RATE_PER_S": "100",
    "ARBIT_RISK__BREAKER_PAUSE_S": "1",
    "ARBIT_RISK__BREAKER_FAILURES": "1000",
    "ARBIT_RISK__GRACE_S": "1",
    "ARBIT_LOG_LEVEL": "error",
}


# --- the daemon's process ---


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
        before = {name: self._counted(name) for name in self.by_name}
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            if asked["say"] == "books":
                tell({name: lane.books for name, lane in self.by_name.items()})
                continue
            after = {name: self._counted(name) for name in self.by_name}
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
    options = LiveOptions(tuple(facts["venues"]), real=True)
    run = BenchRun(settings, options, SystemClock(), NoScreen())
    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        group.create_task(run.answer())


# --- the parent ---


class Venue:
    """A sandbox as a process of its own, and the storm on it."""

    def __init__(self, name: str, profile: str, seed: int) -> None:
        self.name = name
        face = FACES[name]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "arbit.sandbox", "--json", "--ends-with-parent"),
                *("--profile", profile, "--seed", str(seed), "--taker-fee-bps", "1"),
                *(() if face == "kraken" else ("--face", face)),
                *(("--tier", "pro") if face == "kraken" else ()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        if len(CORES) > 1:
            os.sched_setaffinity(self._process.pid, {CORES[1]})
        if self._process.stdout is None:
            raise RuntimeError("a sandbox without output")
        self._ready: dict[str, Any] = json.loads(self._process.stdout.readline())

    def settings(self) -> dict[str, str]:
        """The settings that point the daemon here."""
        ready = self._ready
        found = {
            "rest_url": ready["rest"],
            "ws_url": ready["ws"],
            "private_ws_url": ready.get("private_ws", ready["ws"]),
            "taker_fee_bps": "1",
            "backoff_cap_s": "1",
            "connect_attempts_per_10min": "120",
        }
        if FACES[self.name] == "kraken":
            found["rate_tier"] = "pro"
            found["api_key"], found["api_secret"] = KEY
        else:
            found["data_url"] = ready["data"]
        return {venue_key(self.name, name): text for name, text in found.items()}

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One question to its control; None when it does not like it."""
        host, port = str(self._ready["rest"]).removeprefix("http://").split("/")[0].split(":")
        with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as asked:
            asked.request(method, path, None if body is None else json.dumps(body))
            answer = asked.getresponse()
            read = answer.read()
            return json.loads(read) if answer.status == 200 else None

    @contextmanager
    def storm(self, seed: int) -> Iterator[list[str]]:
        """Every fault it knows, in a seeded order, each for a moment; the names of those set."""
        kinds = [kind["name"] for kind in self.ask("GET", "/control/faults")["kinds"]]
        random.Random(seed).shuffle(kinds)
        over, struck = threading.Event(), list[str]()

        def strike() -> None:
            on: list[int] = []
            while not over.wait(STEP_S):
                name = kinds[len(struck) % len(kinds)]
                struck.append(name)
                answer = self.ask("POST", "/control/faults", {"name": name})
                if answer is not None:
                    on.append(answer["id"])
                if len(on) > LASTS:
                    self.ask("DELETE", f"/control/faults?id={on.pop(0)}")

        thread = threading.Thread(target=strike)
        thread.start()
        try:
            yield struck
        finally:
            over.set()
            thread.join()
            self.ask("DELETE", "/control/faults")

    def end(self) -> None:
        """Its parent has gone."""
        self._process.terminate()
        self._process.communicate(timeout=10)


@dataclass(frozen=True, slots=True)
class Scale:
    """How long and how often."""

    rounds: int = 5
    seconds: float = 6.0
    profile: str = "volatile"


def one_way(daemon: Talker, stormed: Venue, calm: str, scale: Scale, data: Path) -> dict[str, Any]:
    """Rounds of one way: the calm lane's figures, and their ratios."""
    rounds = []
    for number in range(scale.rounds):
        _whole(daemon, data)
        quiet = _stretch(daemon, scale.seconds)
        with stormed.storm(number) as struck:
            stormy = _stretch(daemon, scale.seconds)
        rounds.append(
            {
                "calm": quiet[calm],
                "storm": stormy[calm],
                "stormed": stormy[stormed.name],
                "faults": len(struck),
            }
        )
    ratios = {name: middle([_ratio(one, f"{name}_p99_ms") for one in rounds]) for name in FIGURES}
    return {"stormed": stormed.name, "measured": calm, "median_ratio": ratios, "rounds": rounds}


def _ratio(one: dict[str, Any], name: str) -> float:
    return round(float(one["storm"][name]) / max(float(one["calm"][name]), 1e-3), 3)


def _stretch(daemon: Talker, seconds: float) -> dict[str, Any]:
    daemon.say({"say": "figures"})
    daemon.hear()
    time.sleep(seconds)
    daemon.say({"say": "figures"})
    return daemon.hear()


def _whole(daemon: Talker, data: Path) -> None:
    """Wait until every lane believes most of its books again; each is told to go on."""
    if data.exists():
        for name in FACES:
            Orders(data, name).resume()
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        daemon.say({"say": "books"})
        told = daemon.hear()
        if all(believed >= 0.8 * books for believed, books in told.values()):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the lanes do not come to: {told}")


def measure(venues: tuple[str, str], scale: Scale) -> dict[str, Any]:
    """Both ways."""
    with tempfile.TemporaryDirectory() as folder:
        running = [Venue(name, scale.profile, seed) for seed, name in enumerate(venues, 1)]
        data = Path(folder) / "var"
        settings = {
            **PATIENT,
            "ARBIT_DATA_DIR": str(data),
            "ARBIT_LOCK_DIR": str(Path(folder) / "locks"),
        }
        for venue in running:
            settings |= venue.settings()
        facts = {"venues": venues, "settings": settings}
        try:
            with talking("tests.bench.lanes", facts, core=0) as told:
                ways = [
                    one_way(told, stormed, calm.name, scale, data)
                    for stormed, calm in (running, running[::-1])
                ]
        finally:
            for venue in running:
                venue.end()
    return {"rounds": scale.rounds, "seconds": scale.seconds, "ways": ways}


def main() -> None:
    """Both ways, as JSON."""
    if len(sys.argv) > 1 and sys.argv[1].startswith("{"):
        run_on_best_loop(daemon(json.loads(sys.argv[1])))
        return
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--seconds", type=float, default=6.0)
    asked.add_argument("--venues", default="sandbox,kraken", help="two of: " + ", ".join(FACES))
    asked.add_argument("--profile", default="volatile")
    said = asked.parse_args()
    first, second = said.venues.split(",")
    figures = measure((first, second), Scale(said.rounds, said.seconds, said.profile))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
