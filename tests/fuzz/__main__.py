"""Harmed frames into all parsers and live connections: `python -m tests.fuzz --frames 200000`.

`--start K` begins at a frame, `--seed S` draws others, `--jobs J` shares the blocks among
processes, `--json` prints the tally as one line. Exit code 1 with findings; each prints the line
that plays it again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.campaign import gathered
from tests.fuzz.runner import BLOCK, DOORS, Tally, kind_of, run
from tests.fuzz.seeds import missing


def replay(number: int, seed: int) -> str:
    """The command that plays a finding again: one frame, or a life up to it."""
    block = number // BLOCK
    alone = kind_of(block) in DOORS
    start, frames = (number, 1) if alone else (block * BLOCK, number - block * BLOCK + 1)
    return f"python -m tests.fuzz --start {start} --frames {frames} --seed {seed}"


def shared(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The blocks' lines, from processes of our own."""
    same = ["--frames", str(asked.frames), "--start", str(asked.start)]
    same += ["--seed", str(asked.seed), "--jobs", str(asked.jobs)]
    return gathered(["tests.fuzz", "--worker", str(n), *same] for n in range(asked.jobs))


def table(title: str, counts: Counter[str]) -> str:
    """How many of each, most first."""
    rows = [f"  {count:>9}  {name}" for name, count in counts.most_common()]
    return "\n".join([title, *rows])


def told(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every block's line, from wherever."""
    if asked.jobs > 1 and asked.worker is None:
        yield from shared(asked)
        return
    step = (asked.worker or 0, asked.jobs)
    for tally in run(asked.start, asked.frames, asked.seed, step):
        yield tally.line()


def main() -> int:
    """Run, tell, and say by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    began_s, tally = time.monotonic(), Tally()
    for line in told(asked):
        if asked.worker is not None:
            print(json.dumps(line), flush=True)
            continue
        tally.add(line)
        for number, said in line["findings"]:
            print(f"frame {number}: {said}\n    {replay(number, asked.seed)}", flush=True)
    if asked.worker is not None:
        return 0
    if not asked.json:
        print(table("frames by parser, question and live scene", tally.by_target))
        print(table("frames by mutation (one frame may have several)", tally.by_way))
        print(table("errors that came out, all of them ours", tally.errors))
        for name in missing():
            print(f"not harmed, for it is not there (set SHARED_DATA): {name}")
    summary = {
        "frames": tally.frames,
        "findings": len(tally.findings),
        "seconds": round(time.monotonic() - began_s, 1),
        "cpu_seconds": round(tally.cpu_s, 1),
        "frames_per_cpu_second": round(tally.frames / max(tally.cpu_s, 1e-9)),
        "slowest_ms": round(tally.slowest_s * 1_000),
        "peak_mib": tally.peak_bytes >> 20,
        "live_frames": sum(n for name, n in tally.by_target.items() if name.startswith("live")),
        "recordings_missing": missing(),
    }
    print(json.dumps(summary))
    return 1 if tally.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
