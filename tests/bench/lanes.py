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
`starved_s` is how long the daemon was ready to run and another had its core: much of it, and no
figure means anything.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arbit.config import venue_key
from arbit.risk.kill import Orders
from tests.bench.processes import CORES, ROOT, Talker, middle, talking

FACES = {"sandbox": "kraken", "kraken": "kraken", "sandbox-alpaca": "alpaca"}
KEY = (
    "sandbox-trade-key",
    "c2FuZGJveCB0cmFkZSBzZWNyZXQsIG1hZGUgdXAgYW5kIHB1YmxpYywgc2l4dHktZm91ciBieXRlcyBsb25nISE=",
)
STEP_S = 0.05  # a fault is switched on so often
LASTS = 4  # steps that each of them lasts
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
    """Both ways, each with a daemon and sandboxes of its own: a storm may lock a key out."""
    ways = [way(venues, stormed, scale) for stormed in venues]
    return {"rounds": scale.rounds, "seconds": scale.seconds, "ways": ways}


def way(venues: tuple[str, str], stormed: str, scale: Scale) -> dict[str, Any]:
    """One way, this venue the stormed one."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = {name: Venue(name, scale.profile, seed) for seed, name in enumerate(venues, 1)}
        data = Path(folder) / "var"
        settings = {
            **PATIENT,
            "ARBIT_DATA_DIR": str(data),
            "ARBIT_LOCK_DIR": str(Path(folder) / "locks"),
        }
        for venue in running.values():
            stack.callback(venue.end)
            settings |= venue.settings()
        facts = {"venues": venues, "settings": settings}
        told = stack.enter_context(talking("tests.bench.lanes_daemon", facts, core=0))
        (calm,) = set(venues) - {stormed}
        return one_way(told, running[stormed], calm, scale, data)


def main() -> None:
    """Both ways, as JSON."""
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
