"""The proof, run and told: `python -m tests.trust` writes `docs/TRUST.md`.

`--tier full` runs the whole of it (hours on two cores), `quick` a few minutes' worth; `--only WORD`
the part of that name or module, or those that have the word in either; `--jobs J` for the processes
of each part; `--json` prints the outcome as one line. Exit code 1 when a part that was run does not
hold.

What each part told stands in `trust.json` beside the page. With `--only` the others keep what they
told last, with the commit of then, so that hours can be spread over several sittings; the page says
which parts were run on other code than the newest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import arbit
from arbit.config import Settings
from tests.trust.page import Ran, keep, page, recalled
from tests.trust.parts import PARTS, Part

ROOT = Path(__file__).parents[2]
LONGEST_S = 6 * 3_600
CODE = tuple(f"HEAD:{name}" for name in ("arbit", "migrations", "tests", "requirements-dev.lock"))
WRITTEN = {"docs/TRUST.md", "docs/trust.json"}


def run(part: Part, tier: str, jobs: int, of: Mapping[str, str]) -> Ran:
    """Run one part as a process of its own, and read the last line of what it says."""
    asked = (part.full if tier == "full" else part.quick).format(jobs=jobs)
    command = f"python -m {part.module} {asked}"
    print(f"{command} ...", file=sys.stderr, flush=True)
    began_s = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", part.module, *asked.split(), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as ran:
        ends = threading.Timer(LONGEST_S, ran.kill)
        ends.start()
        for line in ran.stdout or ():  # told as it comes: a part may take an hour
            lines = [line.rstrip()]
            print(lines[-1], file=sys.stderr, flush=True)
        ends.cancel()
    seconds = round(time.monotonic() - began_s, 1)
    return Ran(part, command, seconds, ran.wait(), _last(lines), tier == "full", of)


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
        "commit": _git("rev-parse", "HEAD") + (" and changes" if _changed() else ""),
        "date of the commit": _git("show", "-s", "--format=%cI", "HEAD"),
        "code": hashlib.sha256(_git("rev-parse", *CODE).encode()).hexdigest()[:16],
        "version": arbit.__version__,
        "configuration (defaults), SHA-256": hashlib.sha256(defaults).hexdigest()[:16],
        "Python": platform.python_version(),
        "tier": tier,
    }


def _changed() -> bool:
    """Whether anything differs from the commit, but for what this command writes itself."""
    return any(line[3:] not in WRITTEN for line in _git("status", "--porcelain").splitlines())


def _git(*words: str) -> str:
    ran = subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return ran.stdout.rstrip()


def main() -> int:
    """Run the parts, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tier", choices=("quick", "full"), default="quick")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "TRUST.md")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    of, kept = facts(asked.tier), asked.out.with_name("trust.json")
    wanted = [part for part in PARTS if asked.only in {part.word, part.module}]
    wanted = wanted or [part for part in PARTS if asked.only in f"{part.module} {part.word}"]
    if not asked.only:
        keep(kept, [])
    failed = []
    for part in wanted:
        one = run(part, asked.tier, asked.jobs, of)
        failed += [part.word] if not one.holds else []
        told = {each.part.word: each for each in recalled(kept)}  # another may run beside this
        told[part.word] = one
        ran = [told[each.word] for each in PARTS if each.word in told]
        keep(kept, ran)  # hours may be cut short: what is done is done
        asked.out.write_text(page(ran), encoding="utf-8")
    if asked.json:
        print(json.dumps({"parts": len(wanted), "failed": failed, **of}))
    else:
        print(f"{len(wanted) - len(failed)} of {len(wanted)} parts hold; written to {asked.out}")
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    raise SystemExit(main())
