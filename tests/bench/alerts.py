"""What a storm of alerts and scrapes does to a lane that trades: `python -m tests.bench.alerts`.

For each kind of hostile receiver (it hangs, answers 500, drips, floods, sends huge heads, speaks no
TLS) one `arbit live` trades on a sandbox, each a process of its own, with its log, its history, its
alerts to two receivers over TLS and its page of metrics. Stretches take turns, calm, storm,
storm, calm and so on: ten thousand alerts and ten thousand scrapes in all, from a third process.

- **Loop lag**: how late a timer of 1 ms is, without the time in which the loop was ready to run and
  another process had its core (`ours`; the wall's own and what the loop's thread has worked
  meanwhile are told too). The figure is the 99.9th percentile, storm less calm.
- **A trade is lost** when the venue's log and the daemon's database disagree about anything once
  all is over (`tests.checker`), when an event was not heard by every witness, when the loop stood
  still in a storm so that nothing was decided on, or when of what the venue sent (its frames) the
  storms made fewer decisions or cycles than the calms: by more than 3.5 standard errors of the
  stretches' own differences, pair by pair, and by more than a tenth. `seen_from` says how large a
  loss must be to be told from chance. A decision is about all frames that had come until then, and
  a cycle waits for the venue: an exchange that is slower in a storm, for it shares the machine,
  makes fewer of both. How long it took for an order is told beside them.

Exit code 1 when the lag grows by 5 ms or more for any kind, or a trade was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arbit.app.store import DATABASE
from tests.bench.alerts_others import KINDS, others
from tests.bench.lanes import PATIENT
from tests.bench.processes import CORES, Talker, talking
from tests.checker import compare
from tests.integration.alert_receiver import certificate
from tests.integration.live_desk import Exchange, furnish

MOST_MS = 5.0
ERRORS, SHARE = 3.5, 0.1  # so far below, and so many of them, is no chance any more
FEWEST = 6  # pairs: of fewer nothing is said
READY_S = 60.0
FIRST = -15  # a niceness; the daemon's is of another class
SETTINGS = PATIENT | {
    "ARBIT_LOG_LEVEL": "info",
    "ARBIT_LOG_JSON": "true",
    "ARBIT_METRICS_PORT": "0",
    "ARBIT_ALERTS__MIN_SEVERITY": "info",
    "ARBIT_ALERTS__REPEAT_AFTER_S": "10",
    "ARBIT_ALERTS__PER_MINUTE": "60",
    "ARBIT_ALERTS__ALLOW_PRIVATE": "127.0.0.1",
}

Stretch = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much of it: alerts and scrapes are of all storms together."""

    alerts: int = 10_000
    scrapes: int = 10_000
    seconds: float = 6.0
    rounds: int = 4
    kinds: tuple[str, ...] = KINDS
    first: bool = False  # before all others, where the machine is not ours alone

    @property
    def storms(self) -> int:
        """How many stretches are."""
        return self.rounds * len(self.kinds)

    @property
    def orders(self) -> list[bool]:
        """Of each round, whether its storm comes first."""
        return [bool(number % 2) for number in range(self.rounds)]


class Bench:
    """The receivers and scrapers, and a daemon and an exchange for each kind of receiver."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self.left = {"storms": scale.storms, "alerts": scale.alerts, "scrapes": scale.scrapes}
        self.pipe, theirs = multiprocessing.Pipe()
        self.authority = certificate(folder, "127.0.0.1")
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(
            target=others, args=(theirs, str(folder), not scale.first), daemon=True
        )
        self.process.start()
        self.to_core(self.process.pid, 0 if scale.first else 1)
        self.ports: dict[str, int] = self.pipe.recv()

    def kind(self, kind: str) -> dict[str, Any]:
        """Rounds against one kind of receiver, and whether the books agree afterwards."""
        folder = self.folder / kind.replace(" ", "-")
        folder.mkdir()
        with Exchange(folder / "venue") as exchange:
            self.to_core(exchange.pid, 1)
            with self.daemon(kind, folder, exchange) as (daemon, url):
                pairs = [self.pair(daemon, url, odd) for odd in self.scale.orders]
            disagree = compare(exchange.log, folder / "var" / DATABASE)
        found = told_of(pairs) | {"disagree": disagree, "rounds": pairs}
        said = {name: value for name, value in found.items() if name != "rounds"}
        print(json.dumps({kind: said}), file=sys.stderr, flush=True)
        return found

    def pair(self, daemon: Talker, url: str, odd: bool) -> tuple[Stretch, Stretch]:
        """A calm and a storm, in turned order where it is odd: an account trades ever less."""
        if odd:
            storm = self.stretch(daemon, url, **self.due())
            return self.stretch(daemon, url), storm
        calm = self.stretch(daemon, url)
        return calm, self.stretch(daemon, url, **self.due())

    @contextmanager
    def daemon(self, kind: str, folder: Path, exchange: Exchange) -> Iterator[tuple[Talker, str]]:
        """A daemon that trades, and where its page is."""
        at = f"https://127.0.0.1:{self.ports[kind]}/x"
        furnish(folder)
        settings = SETTINGS | exchange.addresses("sandbox")
        settings |= {
            "ARBIT_DATA_DIR": str(folder / "var"),
            "ARBIT_LOCK_DIR": str(folder / "locks"),
            "ARBIT_ALERTS__DISCORD_URL": at,
            "ARBIT_ALERTS__WEBHOOK_URL": at,
            "ARBIT_ALERTS__CA_FILE": str(self.authority),
            "ARBIT_VENUES__SANDBOX__TAKER_FEE_BPS": "1",
        }
        facts = {"settings": settings, "log": str(folder / "log"), "first": self.scale.first}
        with talking("tests.bench.alerts_daemon", facts, core=0) as daemon:
            end_s = time.monotonic() + READY_S
            while True:
                daemon.say({"say": "ready"})
                told = daemon.hear()
                if told["trades"]:
                    break
                if time.monotonic() > end_s:
                    last = (folder / "log").read_text().splitlines()[-5:]
                    raise RuntimeError("\n".join([f"{kind}: it does not come to trade", *last]))
                time.sleep(0.2)
            yield daemon, told["url"]

    def due(self) -> dict[str, int]:
        """How much the next storm must bring, so that all of it is brought in the end."""
        storms = max(1, self.left["storms"])
        return {name: -(-self.left[name] // storms) for name in ("alerts", "scrapes")}

    def stretch(self, daemon: Talker, url: str, alerts: int = 0, scrapes: int = 0) -> Stretch:
        """Some seconds, calm without alerts and scrapes."""
        seconds = self.scale.seconds
        daemon.say({"say": "stretch", "seconds": seconds, "alerts": alerts})
        if scrapes:
            self.pipe.send((url, scrapes, seconds))
        found = daemon.hear()
        found["scrapes"] = self.pipe.recv() if scrapes else 0
        if alerts:
            self.left["storms"] -= 1
            for name in ("alerts", "scrapes"):
                self.left[name] -= min(self.left[name], found[name])
        return found

    @staticmethod
    def to_core(pid: int | None, core: int) -> None:
        """Where it runs. The daemon has the first core; where it is before all others, what it
        leaves of that is for receivers and scrapers, so that the exchange is as quick as in a calm.
        """
        if pid is not None and len(CORES) > core:
            os.sched_setaffinity(pid, {CORES[core]})

    def end(self) -> None:
        """The other process goes."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        self.process.terminate()
        self.process.join()


def told_of(pairs: Sequence[tuple[Stretch, Stretch]]) -> dict[str, Any]:
    """The figures of one kind."""
    found: dict[str, Any] = {}
    for name in ("ours", "wall", "worked"):
        before, after = (
            statistics.median(one[f"{name}_p999_ms"] for one in some)
            for some in zip(*pairs, strict=True)
        )
        found[f"{name}_p999_ms"] = {
            "calm": before,
            "storm": after,
            "growth": round(after - before, 3),
        }
    names = ("frames", "decisions", "cycles", "orders", "standstills")
    for name in ("alerts", "scrapes", "deliveries", *names):
        calm, storm = (sum(one[name] for one in some) for some in zip(*pairs, strict=True))
        found[name] = storm if name in {"alerts", "scrapes"} else {"calm": calm, "storm": storm}
    for name in ("decision_p99_ms", "to_wire_p50_ms", "order_p50_ms"):
        found[name] = {
            "calm": [calm[name] for calm, _ in pairs],
            "storm": [storm[name] for _, storm in pairs],
        }
    for number, name in enumerate(("refused_calm", "refused_storm")):
        found[name] = dict(sum((Counter(pair[number]["refused"]) for pair in pairs), Counter()))
    found["lost_events"] = sum(one["lost_events"] for pair in pairs for one in pair)
    return found


def fewer(pairs: Sequence[tuple[Stretch, Stretch]], name: str) -> dict[str, float]:
    """How much fewer of it storms made of a frame than calms, and in how many standard errors."""
    rates = [[one[name] / max(1, one["frames"]) for one in pair] for pair in pairs]
    mean = statistics.fmean(calm for calm, _ in rates)
    if len(pairs) < FEWEST or not mean:
        return {"share": 0.0, "errors": 0.0, "seen_from": 1.0}
    differences = [(calm - storm) / mean for calm, storm in rates]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    found = statistics.fmean(differences)
    return {
        "share": round(found, 4),
        "errors": round(found / max(error, 1e-9), 2),
        "seen_from": round(max(SHARE, ERRORS * error), 4),
    }


def run(scale: Scale) -> dict[str, Any]:
    """All of it."""
    if scale.first:
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)  # and whatever begins from here on
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        bench = Bench(Path(folder), scale)
        stack.callback(bench.end)
        load = [round(one, 1) for one in os.getloadavg()]
        kinds = {kind: bench.kind(kind) for kind in scale.kinds}
        pairs = [pair for one in kinds.values() for pair in one["rounds"]]
        return {
            "load_average": {"before": load, "after": [round(one, 1) for one in os.getloadavg()]},
            "kinds": kinds,
            "growth_ms": max(one["ours_p999_ms"]["growth"] for one in kinds.values()),
            "alerts": sum(storm["alerts"] for _, storm in pairs),
            "scrapes": sum(storm["scrapes"] for _, storm in pairs),
            "asked": {"alerts": scale.alerts, "scrapes": scale.scrapes},
            "fewer": {name: fewer(pairs, name) for name in ("decisions", "cycles")},
        }


def broken(found: dict[str, Any]) -> list[str]:
    """What does not hold, in words."""
    said = []
    for kind, one in found["kinds"].items():
        growth = one["ours_p999_ms"]["growth"]
        if growth >= MOST_MS:
            said.append(f"{kind}: p99.9 of lateness grew by {growth} ms")
        said += [f"{kind}: {line}" for line in one["disagree"]]
        if one["lost_events"]:
            said.append(f"{kind}: {one['lost_events']} events or witnesses were lost")
        if one["standstills"]["storm"] > one["standstills"]["calm"]:
            said.append(f"{kind}: the loop stood still")
    for name, one in found["fewer"].items():
        if one["errors"] > ERRORS and one["share"] > SHARE:
            said.append(f"storms made {one['share']:.0%} fewer {name} of a frame than calms")
    for name, asked in found["asked"].items():
        if found[name] < asked:
            said.append(f"no such storm: {found[name]} of {asked} {name}")
    return said


def main() -> int:
    """Measure, tell, and say by the exit code whether it holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=Scale.rounds)
    parser.add_argument("--seconds", type=float, default=Scale.seconds)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--first", action="store_true", help="before all others (root alone)")
    asked = parser.parse_args()
    kinds = tuple(asked.kinds)
    found = run(Scale(rounds=asked.rounds, seconds=asked.seconds, kinds=kinds, first=asked.first))
    print(json.dumps(found, indent=2))
    said = broken(found)
    print("\n".join(said) or "it holds")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
