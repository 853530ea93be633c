"""The daemon over in-memory sockets, seed by seed: `python -m tests.wiresim --seeds 1000`.

`--seed S` replays one seed, `--start K` begins there, `--jobs J` shares the seeds among processes,
`--json` prints the tally as one line, `--hashes` a line for each seed. Exit code 1 with findings.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tests.wiresim.runner import run_seeds
from tests.wiresim.world import Result

REPLAY = "python -m tests.wiresim --seed {}"
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


def lines(first: int, count: int, step: int) -> Iterator[dict[str, Any]]:
    """Run seeds in this process."""
    began_s = time.process_time()
    for result in run_seeds(range(first, first + count, step)):
        yield line_of(result, time.process_time() - began_s)
        began_s = time.process_time()


def shared(first: int, count: int, jobs: int) -> Iterator[dict[str, Any]]:
    """Run seeds in `jobs` processes of our own, every one taking each `jobs`-th."""
    with contextlib.ExitStack() as stack:
        workers = []
        for number in range(jobs):
            command = [sys.executable, "-m", "tests.wiresim", "--worker", "--start"]
            command += [str(first + number), "--seeds", str(count - number), "--step", str(jobs)]
            worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            workers.append(stack.enter_context(worker))
        for worker in workers:  # whoever is ahead waits in its pipe: order is by worker
            for line in worker.stdout or ():
                yield json.loads(line)
        for worker in workers:
            if worker.wait():
                raise SystemExit(f"a worker ended with {worker.returncode}")


def main() -> int:
    """Run, tell, and say by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--hashes", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    first, count = (asked.start, asked.seeds) if asked.seed is None else (asked.seed, 1)
    began_s, tally = time.monotonic(), Tally()
    one = asked.jobs == 1 or asked.worker
    for told in lines(first, count, asked.step) if one else shared(first, count, asked.jobs):
        if asked.worker:
            print(json.dumps(told), flush=True)
            continue
        tally.add(told)
        if asked.hashes:
            print(told["seed"], told["hash"])
        for said in told["violations"]:
            print(f"seed {told['seed']}: {said}\n    {REPLAY.format(told['seed'])}", flush=True)
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
