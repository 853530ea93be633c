"""Does any test notice? `python -m tests.mutation` bends the money's code and looks who does.

Every mutant of the modules in `targets` is run against that module's tests; the page
`docs/mutation.md` tells the score, and each survivor with the reason why it may live, which is
written by hand in `survivors.toml`. `--part ledger` runs a part alone, `--only TEXT` the mutants
whose name has it, `--list` runs nothing, `--json` prints the tally as one line, `--keep FILE` takes
from a file what is known of modules that are as they were, tests and all. Exit code 1 when a part
is below 90 % or a survivor has no reason. Needs the extra `mutation`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.mutation.campaign import campaign
from tests.mutation.page import LEAST, PAGE, Tally, page, reasons, table
from tests.mutation.targets import TARGETS, Target
from tests.mutation.witness import KILLED


def _names(targets: list[Target], only: str) -> int:
    from tests.mutation.mutants import mutants_of  # noqa: PLC0415  the extra may be missing
    from tests.mutation.nursery import ROOT  # noqa: PLC0415  the extra may be missing

    for target in targets:
        for mutant in mutants_of((ROOT / target.path).read_text("utf-8")):
            if only in mutant.name:
                print(f"{target.path} {mutant.name}")
    return 0


def main() -> int:
    """Run, tell, write the page when all was run, and say by the exit code whether it is enough."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--part", action="append", choices=sorted({one.part for one in TARGETS}))
    parser.add_argument("--path", help="one module alone")
    parser.add_argument("--only", default="", help="only mutants whose name has this text")
    parser.add_argument("--list", action="store_true", help="name the mutants and run nothing")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="a file to keep ends in, and to take them from")
    asked = parser.parse_args()
    targets = [
        one
        for one in TARGETS
        if (not asked.part or one.part in asked.part) and asked.path in {None, one.path}
    ]
    if asked.list:
        return _names(targets, asked.only)
    tally = Tally()
    for line in campaign(targets, asked.only, asked.keep):
        tally.add(line)
        if not asked.json and line.get("end", KILLED) != KILLED:
            print(f"{line['end']:9} {line['path']} {line['name']}", flush=True)
    known = reasons()
    whole = len(targets) == len(TARGETS) and not asked.only
    if whole:
        PAGE.write_text(page(tally, known), "utf-8")
    print(json.dumps(tally.summary(known)) if asked.json else table(tally))
    for said in tally.complaints(known, whole=whole):
        print(said, file=sys.stderr)
    low = any(score < LEAST for score in tally.scores().values())
    empty = whole and not all(tally.ends.get(one.path) for one in TARGETS)
    return 1 if low or empty or tally.unexplained(known) else 0


if __name__ == "__main__":
    raise SystemExit(main())
