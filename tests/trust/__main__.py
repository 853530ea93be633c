"""The proof, run and told: `python -m tests.trust` writes `docs/TRUST.md`.

`--tier full` runs the whole of it (hours on two cores), `quick` a few minutes' worth; `--only WORD`
the parts whose command has the word; `--jobs J` for the processes of each part; `--json` prints
the outcome as one line. Exit code 1 when a part does not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import arbit
from arbit.config import Settings
from tests.trust.page import Ran, page
from tests.trust.parts import PARTS, Part

ROOT = Path(__file__).parents[2]
LONGEST_S = 6 * 3_600


def run(part: Part, tier: str, jobs: int) -> Ran:
    """Run one part as a process of its own, and read the last line of what it says."""
    asked = (part.full if tier == "full" else part.quick).format(jobs=jobs)
    command = f"python -m {part.module} {asked}"
    print(f"{command} ...", file=sys.stderr, flush=True)
    began_s = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", part.module, *asked.split(), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    lines = ran.stdout.strip().splitlines()
    for line in lines[:-1]:
        print(line, file=sys.stderr)
    return Ran(
        part, command, time.monotonic() - began_s, ran.returncode, _last(lines), tier == "full"
    )


def _last(lines: list[str]) -> dict[str, Any]:
    try:
        told = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def facts(tier: str) -> dict[str, str]:
    """What was run, and on what."""
    defaults = Settings().model_dump_json().encode()
    return {
        "commit": _git("rev-parse", "HEAD") + (" and changes" if _git("status", "-s") else ""),
        "date of the commit": _git("show", "-s", "--format=%cI", "HEAD"),
        "version": arbit.__version__,
        "configuration (defaults), SHA-256": hashlib.sha256(defaults).hexdigest()[:16],
        "Python": platform.python_version(),
        "tier": tier,
    }


def _git(*words: str) -> str:
    ran = subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return ran.stdout.strip()


def main() -> int:
    """Run the parts, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tier", choices=("quick", "full"), default="quick")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "TRUST.md")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    of = facts(asked.tier)
    ran = [run(part, asked.tier, asked.jobs) for part in PARTS if asked.only in part.module]
    asked.out.write_text(page(of, ran), encoding="utf-8")
    failed = [one.part.module for one in ran if not one.holds]
    if asked.json:
        print(json.dumps({"parts": len(ran), "failed": failed, **of}))
    else:
        print(f"{len(ran) - len(failed)} of {len(ran)} parts hold; written to {asked.out}")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    raise SystemExit(main())
