"""Kills a trading daemon at random moments: `python -m tests.crash --kills 200`.

The exchange runs on. After each kill a start recovers and the independent checker compares every
order, fill and balance; now and then a second recovery must change nothing. Exit code 1 with what
was found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash.desk import Desk, Tally

TWICE_EVERY = 10


def campaign(desk: Desk, kills: int) -> None:
    """So many kills, each followed by a recovery and a check."""
    began = time.monotonic()
    for number in range(1, kills + 1):
        desk.kill_once()
        desk.recover()
        found = desk.check()
        if number % TWICE_EVERY == 0 or number == kills:
            before = desk.rows()
            desk.recover()
            after = desk.rows()
            desk.tally.findings += [
                f"kill {number}: a second recovery changed {name}: "
                f"{set(map(str, rows)) ^ set(map(str, after[name]))}"
                for name, rows in before.items()
                if rows != after[name]
            ]
        desk.count()
        if found or number % TWICE_EVERY == 0:
            tally = desk.tally
            sys.stdout.write(
                f"{time.monotonic() - began:.0f} s  kills {tally.kills}, orders {tally.orders}, "
                f"fills {tally.fills}, cycles taken up {tally.recovered}, "
                f"findings {len(tally.findings)}\n"
            )
            sys.stdout.flush()
        if desk.tally.findings:
            return


def one_desk(folder: Path, seed: int, kills: int, transport: str) -> Tally:
    """A campaign on an exchange of its own."""
    with Desk(folder, seed, transport=transport) as desk:
        campaign(desk, kills)
        return desk.tally


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--order-transport", choices=("ws", "rest"), default="ws")
    parser.add_argument("--desks", type=int, default=5, help="exchanges side by side")
    options = parser.parse_args()
    shares = [
        options.kills // options.desks + (desk < options.kills % options.desks)
        for desk in range(options.desks)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(options.desks) as pool,
    ):
        running = [
            pool.submit(
                one_desk,
                Path(folder) / f"desk-{number}",
                options.seed + number,
                share,
                options.order_transport,
            )
            for number, share in enumerate(shares)
            if share
        ]
        tallies = [one.result() for one in running]
    findings = [line for tally in tallies for line in tally.findings]
    for line in findings:
        sys.stdout.write(line + "\n")
    sys.stdout.write(
        f"{sum(t.kills for t in tallies)} kills, {sum(t.orders for t in tallies)} orders, "
        f"{sum(t.fills for t in tallies)} fills, {sum(t.recovered for t in tallies)} cycles taken "
        f"up, {len(findings)} findings\n"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
