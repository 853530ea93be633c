"""The same seed is the same run, whoever runs it: `python -m tests.simulation.determinism`.

`--seeds N` seeds from `--start K` are run by two processes that differ in hash seed, time zone,
date and working folder; `--of tests.wiresim` compares another simulation. Their trace hashes must
be equal, line by line. Exit code 1 when one is not; `--json` prints the figures as one line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
A_YEAR_S = 366 * 86_400
# A process told a date of its own; whatever looks at the real one would show.
DATED = (
    "import runpy, sys, time\n"
    "true, shift_s = time.time, int(sys.argv.pop(1))\n"
    "time.time = lambda: true() + shift_s\n"
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)\n"
)


def hashes(module: str, seeds: range, *, hash_seed: str, zone: str, shift_s: int) -> list[str]:
    """The lines that one process tells, in a folder of its own."""
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "PYTHONPATH": str(ROOT)}
    asked = ["--seeds", str(len(seeds)), "--start", str(seeds.start), "--hashes"]
    command = [sys.executable, "-c", DATED, str(shift_s), module, *asked]
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            command, env=environ, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
    return ran.stdout.splitlines()


def compared(module: str, seeds: range) -> tuple[list[str], list[str]]:
    """What each of the two processes tells."""
    return (
        hashes(module, seeds, hash_seed="1", zone="UTC", shift_s=0),
        hashes(module, seeds, hash_seed="77", zone="Asia/Tokyo", shift_s=A_YEAR_S),
    )


def main() -> int:
    """Compare, and say by the exit code whether anything differed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--of", default="tests.simulation")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began_s, seeds = time.monotonic(), range(asked.start, asked.start + asked.seeds)
    one, two = compared(asked.of, seeds)
    differ = [a for a, b in zip(one, two, strict=False) if a != b]
    summary = {
        "seeds": asked.seeds,
        "seconds": round(time.monotonic() - began_s, 1),
        "told": [len(one), len(two)],
        "differ": len(differ),
    }
    if not asked.json:
        print("\n".join(f"differs: {line}" for line in differ))
    print(json.dumps(summary))
    whole = len(one) == len(two) == asked.seeds
    return 0 if whole and not differ else 1


if __name__ == "__main__":
    raise SystemExit(main())
