"""How soon after the kill switch the last order leaves, under a storm of book updates.

`python -m tests.bench.kill [--rounds 20]`: a daemon trades on the sandbox's largest market; the
kill file is made at random moments, and the exchange's own log tells which requests still arrived
after it. Prints the update rate that it stood under. Absolute times: for the note, not for a test.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from arbit.risk.kill import kill, unkill
from tests.crash.desk import Desk

QUIET_S = 0.6
FIRST_S = 60.0


class KillDesk(Desk):
    """A desk on the largest market, whose orders are matched at once."""

    profile = "whole-venue"
    match_ms = 0


def requests_after(log: Path, at_ns: int) -> list[float]:
    """How long after `at_ns`, in ms, each order request arrived."""
    found = []
    for line in log.read_bytes().splitlines():
        if b'"kind":"request"' in line and b'"add_order"' in line:
            seen_ns = json.loads(line)["at"]
            if seen_ns > at_ns:
                found.append((seen_ns - at_ns) / 1e6)
    return found


def orders_in(log: Path) -> int:
    """How many order requests there are."""
    return log.read_bytes().count(b'"add_order"') if log.exists() else 0


def level_updates(port: int) -> float:
    """Book frames so far, by the daemon's own metrics."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    asked.request("GET", "/metrics")
    body = asked.getresponse().read().decode()
    asked.close()
    for line in body.splitlines():
        if line.startswith(("arbit_feed_frames_total", "arbit_frames_total")):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def wait_for_orders(log: Path, more_than: int) -> int:
    """Until the daemon trades (again)."""
    deadline = time.monotonic() + FIRST_S
    while (found := orders_in(log)) <= more_than and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def measure(desk: Desk, rounds: int, port: int) -> tuple[list[float], float]:
    """The worst latency of each round in ms (0 when nothing left any more), and frames/s."""
    log, chance = desk.state / "events.ndjson", random.Random(1)
    wait_for_orders(log, 0)
    began, frames = time.monotonic(), level_updates(port)
    worst = []
    for _ in range(rounds):
        wait_for_orders(log, orders_in(log))
        time.sleep(chance.uniform(0.0, 0.3))
        at_ns = time.time_ns()
        kill(desk.data)
        time.sleep(QUIET_S)
        worst.append(max(requests_after(log, at_ns), default=0.0))
        unkill(desk.data)
    rate = (level_updates(port) - frames) / (time.monotonic() - began)
    return worst, rate


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--port", type=int, default=19_464)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, KillDesk(Path(folder) / "desk", 1) as desk:
        daemon = desk.daemon("--fee-bps", "1", "--metrics-port", str(options.port))
        try:
            worst, rate = measure(desk, options.rounds, options.port)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=60)
    worst.sort()
    sys.stdout.write(
        f"{len(worst)} kills under {rate:.0f} book frames/s: last order after the trigger "
        f"median {worst[len(worst) // 2]:.2f} ms, worst {worst[-1]:.2f} ms\n"
    )
    return 0 if worst[-1] < 50 else 1


if __name__ == "__main__":
    sys.exit(main())
