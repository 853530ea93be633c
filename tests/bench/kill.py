"""How soon after the kill switch the last order leaves, under a storm of book updates.

`python -m tests.bench.kill [--rounds 20]`: a daemon trades on the sandbox's largest market; the
kill file is made at random moments, and a tap on the wire tells which orders still came out after
it. Prints the update rate that it stood under. Absolute times: for the note, not for a test.
"""

from __future__ import annotations

import argparse
import http.client
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from arbit.risk.kill import Orders, kill, unkill
from tests.bench.tap import Tap
from tests.crash.desk import Desk

QUIET_S = 0.6
FIRST_S = 60.0


class KillDesk(Desk):
    """A desk on the largest market, whose orders are matched at once."""

    profile = "whole-venue"
    match_ms = 0
    pace = 3


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


def wait_for_orders(tap: Tap, more_than: int) -> int:
    """Until the daemon trades (again)."""
    deadline = time.monotonic() + FIRST_S
    while (found := len(tap.stamps_ns)) <= more_than and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


def measure(desk: Desk, tap: Tap, rounds: int, port: int) -> tuple[list[float], float]:
    """The worst latency of each round in ms (0 when nothing left any more), and frames/s."""
    chance, operator = random.Random(1), Orders(desk.data, "sandbox")
    wait_for_orders(tap, 0)
    began, frames = time.monotonic(), level_updates(port)
    worst = []
    for _ in range(rounds):
        wait_for_orders(tap, len(tap.stamps_ns))
        time.sleep(chance.uniform(0.0, 0.3))
        at_ns = time.time_ns()
        kill(desk.data)
        time.sleep(QUIET_S)
        worst.append(max(((one - at_ns) / 1e6 for one in tap.stamps_ns if one > at_ns), default=0))
        unkill(desk.data)
        operator.resume()  # a kill in mid-cycle has left the breaker reducing
    rate = (level_updates(port) - frames) / (time.monotonic() - began)
    return worst, rate


def contest(desk: Desk, rounds: int, port: int) -> tuple[list[float], float, int]:
    """What `measure` found with a daemon behind a tap, and how many orders went by."""
    address = urlsplit(desk.ws_url)
    with Tap(address.port or 0) as tap:
        desk.ws_url = address._replace(netloc=f"127.0.0.1:{tap.port}").geturl()
        daemon = desk.daemon("--fee-bps", "1", "--metrics-port", str(port))
        try:
            worst, rate = measure(desk, tap, rounds, port)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=60)
        return worst, rate, len(tap.stamps_ns)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--port", type=int, default=19_464)
    parser.add_argument("--pace", type=int, default=2, help="of the market; more, more updates")
    options = parser.parse_args()
    KillDesk.pace = options.pace
    with tempfile.TemporaryDirectory() as folder, KillDesk(Path(folder) / "desk", 1) as desk:
        worst, rate, orders = contest(desk, options.rounds, options.port)
    worst.sort()
    sys.stdout.write(
        f"{len(worst)} kills, {orders} orders, under {rate:.0f} book frames/s: last order after "
        f"the trigger median {worst[len(worst) // 2]:.2f} ms, worst {worst[-1]:.2f} ms\n"
    )
    return 0 if worst[-1] < 50 and orders else 1


if __name__ == "__main__":
    sys.exit(main())
