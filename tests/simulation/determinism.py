"""The same seed is the same run, whoever runs it: `python -m tests.simulation.determinism`.

`--seeds N` seeds from `--start K` are run by two processes that differ in hash seed, time zone,
date, working folder, and in their order: what is remembered from seed to seed would show, too.
`--of tests.wiresim` compares another simulation, `--house alpaca` another venue's. Their trace
hashes must be equal, seed by seed. Exit code 1 when one is not; `--json` prints the figures as one
line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
A_YEAR_S = 366 * 86_400
# A process told a date of its own, by whatever way it asks; whatever looks at the real one would
# show. Its modules are there first: some bind a way to the date as they are imported.
DATED = (
    "import importlib, runpy, sys\n"
    "from tests.simulation import dates\n"
    "shift_s, module = int(sys.argv.pop(1)), sys.argv.pop(1)\n"
    "importlib.import_module(f'{module}.__main__')\n"
    "dates.shift(shift_s)\n"
    "del sys.modules[f'{module}.__main__']\n"  # it is run now, not imported
    "runpy.run_module(module, run_name='__main__', alter_sys=True)\n"
)


@dataclass(frozen=True, slots=True)
class Around:
    """What a process runs in."""

    hash_seed: str
    zone: str
    shift_s: int
    backwards: bool


HERE = Around(hash_seed="1", zone="UTC", shift_s=0, backwards=False)
THERE = Around(hash_seed="77", zone="Asia/Tokyo", shift_s=A_YEAR_S, backwards=True)


def hashes(module: str, seeds: range, around: Around, *more: str) -> dict[str, str]:
    """What one process tells of each seed, in a folder of its own; findings are told by name."""
    environ = {**os.environ, "PYTHONHASHSEED": around.hash_seed, "TZ": around.zone}
    environ["PYTHONPATH"] = str(ROOT)
    asked = ["--seeds", str(len(seeds)), "--start", str(seeds.start), "--hashes"]
    asked += ["--backwards"] if around.backwards else []
    command = [sys.executable, "-c", DATED, str(around.shift_s), module, *asked, *more]
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            command, env=environ, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
    told = (line.split(maxsplit=1) for line in ran.stdout.splitlines())
    return {words[0]: words[-1] for words in told if words}


def compared(module: str, seeds: range, *more: str) -> tuple[dict[str, str], dict[str, str]]:
    """What each of the two processes tells, by seed; `more` are further arguments of theirs."""
    with ThreadPoolExecutor(2) as both:  # a thread waits for each: they run at once
        one, two = both.map(lambda around: hashes(module, seeds, around, *more), (HERE, THERE))
    return one, two


def differing(one: dict[str, str], two: dict[str, str]) -> list[str]:
    """Seeds of which they tell another thing, or only one of them anything."""
    return [seed for seed in sorted({*one, *two}) if one.get(seed) != two.get(seed)]


def main() -> int:
    """Compare, and say by the exit code whether anything differed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--of", default="tests.simulation")
    parser.add_argument("--house", default="", help="whose rules `tests.simulation` plays")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began_s, seeds = time.monotonic(), range(asked.start, asked.start + asked.seeds)
    one, two = compared(asked.of, seeds, *(["--house", asked.house] if asked.house else []))
    differ = differing(one, two)
    summary = {
        "seeds": asked.seeds,
        "seconds": round(time.monotonic() - began_s, 1),
        "told": [len(one), len(two)],
        "differ": len(differ),
    }
    if not asked.json:
        for seed in differ:
            print(f"differs: {seed} {one.get(seed)} {two.get(seed)}")
    print(json.dumps(summary))
    whole = len(one) == len(two) == asked.seeds
    return 0 if whole and not differ else 1


if __name__ == "__main__":
    raise SystemExit(main())
