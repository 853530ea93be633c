"""The whole daemon of `arbit fitness --simulate` as a contestant, with a watch on its decisions.

`python -m tests.bench.daemon '{"rest": ..., "ws": ...}'` builds everything that the command builds
(settings, REST client, catalogue, feed, books, every triangle, episodes, paper, metrics off) and
differs in one thing: frames pass through a stopwatch on their way from picows to the feed. It
reads the sender's stamp out of each book frame, and notes how old it is when the lane's turn is
over. It says when every book is live; after a heartbeat on each socket it tells what it saw.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arbit.app.loop import run_on_best_loop
from arbit.app.measure.fitness import FitnessOptions, FitnessRun
from arbit.app.watch.venue import VenueRun
from arbit.clock import SystemClock
from arbit.config import Override, load_settings
from arbit.venues.dial import Connection, FrameHandler, PicowsDialer
from arbit.venues.kraken.feed import KrakenFeed
from tests.bench.processes import (
    Talker,
    cpu_s,
    middle,
    peak_rss_mb,
    share,
    starved_s,
    talking,
    tell,
)
from tests.bench.wire import HEARTBEAT, STAMP, Splitter, masked_frame, read_head, upgrade_request

LATENCY_RATE = 3_000
MAX_SECONDS = 120.0
NS_A_US = 1_000


class Stopwatch:
    """Dials as production does, and listens in on the way."""

    def __init__(self) -> None:
        self.ages_ns: list[int] = []
        self.waiting: list[int] = []
        self.sockets = 0
        self.ends = 0
        self.first_cpu_s = 0.0
        self.first_starved_s = 0.0
        self.first_ns = 0
        self._dial = PicowsDialer()

    async def __call__(self, url: str, handler: FrameHandler) -> Connection:
        """Dial."""
        self.sockets += 1
        return await self._dial(url, _Ear(handler, self))

    def begin(self) -> None:
        """The first stamped frame."""
        self.first_ns, self.first_cpu_s = time.monotonic_ns(), cpu_s()
        self.first_starved_s = starved_s()

    def decided(self) -> None:
        """A turn is over: everything that waited for it has been decided about."""
        now_ns = time.monotonic_ns()
        self.ages_ns += [now_ns - stamped_ns for stamped_ns in self.waiting]
        self.waiting.clear()


class _Ear:
    """Between picows and the feed."""

    def __init__(self, handler: FrameHandler, watch: Stopwatch) -> None:
        self._handler = handler
        self._watch = watch

    def on_frame(self, payload: bytes) -> None:
        """Read the stamp, pass on."""
        stamped = payload[STAMP]
        if stamped.isdigit():
            if not self._watch.first_ns:
                self._watch.begin()
            self._watch.waiting.append(int(stamped))
        elif payload == HEARTBEAT:
            self._watch.ends += 1
        self._handler.on_frame(payload)

    def on_drained(self) -> None:
        """Pass on, which is when the lane takes its turn; then look at the watch."""
        self._handler.on_drained()
        self._watch.decided()

    def on_lost(self, why: str) -> None:
        """Pass on."""
        self._handler.on_lost(why)


class Watcher:
    """In the place of the screen: starts the stopwatch, and ends the run."""

    every_s = 0.02

    def __init__(self) -> None:
        self.watch = Stopwatch()
        self.result: dict[str, Any] = {}
        self._runs: Sequence[VenueRun] = ()
        self._ready = False

    def begin(self, runs: Sequence[VenueRun]) -> None:
        """The runs are built and not yet started."""
        self._runs = runs
        self._feed.dial = self.watch

    @property
    def _feed(self) -> KrakenFeed:
        feed = self._runs[0].feed
        if not isinstance(feed, KrakenFeed):
            raise TypeError("this bench measures our own feed")
        return feed

    def refresh(self, _: float) -> None:
        """Say when every book is live; when the tape has ended, count up and leave."""
        symbols = len(self._runs[0].desk.setup.watch.symbols)
        if not self._ready and self._feed.counts.verified >= symbols:
            self._ready = True
            tell({"ready": True, "symbols": symbols})
        elif self.watch.sockets and self.watch.ends >= self.watch.sockets:
            self.watch.ends = 0
            self.result = self._counted(time.monotonic_ns())
            for task in asyncio.all_tasks():
                if task.get_name() == "bench":
                    task.cancel()

    def end(self) -> None:
        """Nothing to clear."""

    def _counted(self, now_ns: int) -> dict[str, Any]:
        watch, desk, counts = self.watch, self._runs[0].desk, self._feed.counts
        ages = watch.ages_ns
        quarter = max(1, len(ages) // 4)
        parts = [ages[at : at + quarter] for at in range(0, quarter * 4, quarter)]
        return {
            "decided": len(ages),
            "seconds": (now_ns - watch.first_ns) / 1e9,
            "cpu_s": cpu_s() - watch.first_cpu_s,
            "starved_s": starved_s() - watch.first_starved_s,
            "median_us": [share(part, 0.5) / NS_A_US for part in parts if part],
            "p99_us": [share(part, 0.99) / NS_A_US for part in parts if part],
            "turns": desk.lane.turns,
            "evaluations": desk.scanner.tally.evaluations,
            "refused": sum(desk.scanner.tally.refused.values()),
            "triangles": len(desk.setup.watch.triangles),
            "episodes": {stage.name: n for stage, n in desk.episodes.reached.items()},
            "bad": counts.failed + counts.bad_frames + counts.resyncs + counts.reconnects,
            "rss_mb": peak_rss_mb(),
        }


LINGER_US = 500


@dataclass(frozen=True, slots=True)
class Latencies:
    """Median age of a message, in us: at our decision (asleep or lingering between messages), and
    at a bare socket's receive."""

    asleep_us: float
    lingering_us: float
    bare_us: float


def latencies_us(venue: Talker, facts: dict[str, Any], rounds: int, seconds: int) -> Latencies:
    """Rounds in turn, medians of each."""
    part = {"rate": LATENCY_RATE, "first": 0, "count": LATENCY_RATE * seconds, "stamp": "sent"}
    kinds: list[dict[str, Any]] = [{"linger_us": 0}, {"linger_us": LINGER_US}, {"bare": True}]
    found: list[list[float]] = [[], [], []]
    for _ in range(rounds):
        for kept, kind in zip(found, kinds, strict=True):
            with talking("tests.bench.daemon", facts | kind, core=0) as reader:
                reader.hear()
                venue.say(part)
                venue.hear()
                heard = reader.hear()["median_us"]
                kept.append(middle(heard) if isinstance(heard, list) else heard)
    return Latencies(*(middle(kept) for kept in found))


def bare_socket(facts: dict[str, Any]) -> None:
    """The least that can be done with a frame in this language: a blocking read, and the clock.

    No event loop, no decoding: the time is taken the moment `recv` returns, before anything is
    looked at. Nothing that receives the same frames in this language can be much earlier.
    """
    host = facts["ws"].split("/")[2]
    address, _, port = host.partition(":")
    ages: list[int] = []
    with socket.create_connection((address, int(port))) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(upgrade_request(host))
        read_head(sock)
        params = {"channel": "book", "symbol": facts["symbols"], "depth": facts["depth"]}
        request = {"method": "subscribe", "params": params, "req_id": 1}
        sock.sendall(masked_frame(json.dumps(request).encode()))
        splitter, snapshots = Splitter(), 0
        while snapshots < len(facts["symbols"]):
            frames = splitter.feed(sock.recv(1 << 16))
            snapshots += sum(b'"type":"snapshot"' in frame for frame in frames if frame)
        tell({"ready": True})
        ended = False
        while not ended:
            data = sock.recv(1 << 16)
            now_ns = time.monotonic_ns()
            for payload in splitter.feed(data):
                ended = ended or payload == HEARTBEAT or not data
                if payload and payload[STAMP].isdigit():
                    ages.append(now_ns - int(payload[STAMP]))
    tell({"median_us": share(ages, 0.5) / NS_A_US})


async def daemon(facts: dict[str, Any]) -> dict[str, Any]:
    """The command, until the tape has ended."""
    overrides = [
        Override("bench", "ARBIT_VENUES__SANDBOX__REST_URL", facts["rest"]),
        Override("bench", "ARBIT_VENUES__SANDBOX__WS_URL", facts["ws"]),
        Override("bench", "ARBIT_LOG_LEVEL", "error"),
        Override("bench", "ARBIT_LINGER_US", str(facts.get("linger_us", 0))),
    ]
    settings = load_settings(None, {}, overrides)
    watcher = Watcher()
    options = FitnessOptions(("sandbox",), simulate=True, seconds=MAX_SECONDS)
    run = FitnessRun(settings, options, SystemClock(), watcher)
    task = asyncio.current_task()
    if task is not None:
        task.set_name("bench")
    await run()
    return watcher.result


def main() -> None:
    """One or the other."""
    facts = json.loads(sys.argv[1])
    if facts.get("bare"):
        bare_socket(facts)
    else:
        tell(run_on_best_loop(daemon(facts)))


if __name__ == "__main__":
    main()
