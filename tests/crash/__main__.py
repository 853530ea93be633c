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
from pathlib import Path

from tests.crash.desk import Desk

TWICE_EVERY = 10


def campaign(desk: Desk, kills: int, tell: bool = True) -> None:
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
        if tell and (found or number % TWICE_EVERY == 0):
            tally = desk.tally
            sys.stdout.write(
                f"{time.monotonic() - began:.0f} s  kills {tally.kills}, orders {tally.orders}, "
                f"fills {tally.fills}, cycles taken up {tally.recovered}, "
                f"findings {len(tally.findings)}\n"
            )
            sys.stdout.flush()
        if desk.tally.findings:
            return


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--order-transport", choices=("ws", "rest"), default="ws")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Desk(Path(folder) / "desk", options.seed, transport=options.order_transport) as desk,
    ):
        campaign(desk, options.kills)
        tally = desk.tally
        for line in tally.findings:
            sys.stdout.write(line + "\n")
        sys.stdout.write(
            f"{tally.kills} kills, {tally.orders} orders, {tally.fills} fills, "
            f"{tally.recovered} cycles taken up, {len(tally.findings)} findings\n"
        )
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
