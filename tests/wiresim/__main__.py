"""The daemon over in-memory sockets, seed by seed: `python -m tests.wiresim --seeds 1000`.

`--seed S` replays one seed, `--start K` begins there, `--jobs J` shares the seeds among processes,
`--json` prints the tally as one line, `--hashes` a line for each seed. Exit code 1 with findings.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tests import campaign
from tests.wiresim.runner import run_seeds
from tests.wiresim.world import Result

MODULE = "tests.wiresim"
COUNTERS = ("cycles", "requests", "faults", "halts")
NUMBERS = ("orders", "lives", "planted", "books", "wires", "seconds", "handles", "cpu_s")


class Tally:
    """What many seeds came to."""

    def __init__(self) -> None:
        self.seeds = 0
        self.numbers: Counter[str] = Counter()
        self.counted: dict[str, Counter[str]] = {name: Counter() for name in COUNTERS}
        self.violations: dict[int, list[str]] = {}
        self.slowest_s = 0.0

    def add(self, told: dict[str, Any]) -> None:
        """One seed's line."""
        self.seeds += 1
        for name in NUMBERS:
            self.numbers[name] += told[name]
        for name, counter in self.counted.items():
            counter.update(told[name])
        self.slowest_s = max(self.slowest_s, told["live_again_s"])
        if told["violations"]:
            self.violations[told["seed"]] = told["violations"]

    def summary(self, wall_s: float) -> dict[str, Any]:
        """The figures."""
        numbers = self.numbers
        return {
            "seeds": self.seeds,
            "seconds": round(wall_s, 1),
            "cpu_s_a_seed": round(numbers["cpu_s"] / max(1, self.seeds), 3),
            "simulated_hours": round(numbers["seconds"] / 3_600, 2),
            "cycles": sum(self.counted["cycles"].values()),
            "orders": numbers["orders"],
            "faults": sum(self.counted["faults"].values()),
            "lives": numbers["lives"],
            "sockets": numbers["wires"],
            "requests": sum(self.counted["requests"].values()),
            "books_checked": numbers["books"],
            "slowest_live_again_s": round(self.slowest_s, 2),
            "violating_seeds": len(self.violations),
        }


def line_of(result: Result, cpu_s: float) -> dict[str, Any]:
    """A seed's result as JSON can carry it."""
    told = asdict(result) | {"cpu_s": cpu_s}
    for name in COUNTERS:
        told[name] = dict(sorted(getattr(result, name).items()))
    return told


def lines(seeds: range) -> Iterator[dict[str, Any]]:
    """Run these seeds in this process."""
    began_s = time.process_time()
    for result in run_seeds(seeds):
        yield line_of(result, time.process_time() - began_s)
        began_s = time.process_time()


def main() -> int:
    """Run, tell, and say by the exit code whether anything was found."""
    asked, tally = campaign.asked_for(__doc__.split("\n")[0], 200), Tally()
    began_s = time.monotonic()
    campaign.run(MODULE, asked, lines(campaign.seeds_of(asked)), tally)
    if asked.worker:
        return 0
    if not asked.json and not asked.hashes:
        for name, counter in tally.counted.items():
            print(f"{name}:", dict(sorted(counter.items())))
    if not asked.hashes:
        print(json.dumps(tally.summary(time.monotonic() - began_s)))
    return 1 if tally.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
