"""Cycles at an Alpaca of our own, and every figure of them checked: issue 5's acceptance.

`python -m tests.alpaca_day --cycles 50` starts the exchange and the real `arbit live` on it, lets
it trade, lets the exchange state its fees, starts the daemon again until it knows them all, and
compares the exchange's log with the daemon's database: every order, fill and fee, and each balance
to the last decimal. Prints one line of JSON; exit code 1 with findings.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.alpaca_day.desk import LIVES_MOST, AlpacaDesk, Day, verdict, waiting


def traded(desk: AlpacaDesk) -> dict[str, Any]:
    """One day: trade, post, take in what was posted, compare."""
    began_s, found = time.monotonic(), list[str]()
    report, wrong = desk.live("--cycles", str(desk.day.cycles))
    traded_s, lives = time.monotonic() - began_s, 1
    found += [wrong] if wrong else []
    desk.post_fees()
    while lives < LIVES_MOST:  # a start asks for fees; of many in a row it may not have them all
        again, wrong = desk.live("--recover-only")
        lives += 1
        found += [wrong] if wrong else []
        if wrong or not waiting(desk.read()[1]):
            break
    for name, one in (("the day", report), ("the last start", again)):
        if one and (one["breaker"], one["failure"], one["open_cycles"]) != ("active", "", 0):
            found.append(f"{name}: {one['breaker']} ({one['breaker_why']}), {one['failure']}")
    told = verdict(*desk.read(), desk.day.cycles)
    found += [checked] if (checked := desk.database_checked()) else []
    figures: dict[str, Any] = {
        "seconds": round(time.monotonic() - began_s, 1),
        "traded_s": round(traded_s, 1),
    }
    figures |= {"lives": lives, "profit": report.get("profit", {})}
    return {**figures, **told, "findings": found + told["findings"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--daily", action="store_true", help="one fee for each asset and day")
    parser.add_argument("--rounding", choices=("half_up", "down", "up"), default="half_up")
    parser.add_argument("--cost-rounding", choices=("", "half_up", "down", "up"), default="")
    parser.add_argument("--pace", type=int, default=1, help="seconds of market in one, to 20")
    parser.add_argument("--post-after-s", type=int, default=20, help="when a fee is stated")
    parser.add_argument("--requests-per-minute", type=int, default=200, help="0: no limit")
    parser.add_argument("--keep", type=Path, help="a new folder that is not taken away afterwards")
    asked = parser.parse_args(arguments)
    day = Day(
        cycles=asked.cycles,
        seed=asked.seed,
        daily=asked.daily,
        rounding=asked.rounding,
        cost_rounding=asked.cost_rounding,
        pace=asked.pace,
        post_after_s=asked.post_after_s,
        requests_per_minute=asked.requests_per_minute,
    )
    with tempfile.TemporaryDirectory() as folder:
        with AlpacaDesk(asked.keep or Path(folder) / "desk", day) as desk:
            told = traded(desk)
        print(json.dumps(told))
    return 1 if told["findings"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
