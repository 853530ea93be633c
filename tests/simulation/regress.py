"""One seed for each bug that was found and fixed: `python -m tests.simulation.regress`.

`regress.txt` has a row for each: a seed, the saboteur that plants the bug again, and what it was.
Seeds mean what `plan.py` draws from them, so a change of plans may leave a row that finds nothing:
those that do no more are told, and `--write` looks for the first seed of `--seeds` that does.
Replayed by the tests, without the bug: nothing may be found.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from tests.simulation.sabotage import SEEDS, hunt
from tests.simulation.saboteurs import ALL

FILE = Path(__file__).with_name("regress.txt")


@dataclass(frozen=True, slots=True)
class Row:
    """A bug that was fixed. `seed` finds it when `saboteur` plants it again."""

    seed: int
    saboteur: str
    what: str


def rows() -> list[Row]:
    """What the file says."""
    found = []
    for line in FILE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            seed, saboteur, what = line.split(maxsplit=2)
            found.append(Row(int(seed), saboteur, what))
    return found


def write(kept: list[Row]) -> None:
    """The rows anew, under the comments that are there."""
    old = FILE.read_text("utf-8").splitlines()
    head = [line for line in old if line.startswith("#")]
    lines = [*head, *(f"{row.seed} {row.saboteur} {row.what}" for row in kept)]
    FILE.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> int:
    """1 when a row finds its bug no more, and no other seed does."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    asked, kept, lost = parser.parse_args(), [], 0
    for row in rows():
        caught = hunt(ALL[row.saboteur], [row.seed])
        if not caught.seeds and asked.write:
            caught = hunt(ALL[row.saboteur], range(asked.seeds))
        lost += not caught.seeds
        kept.append(replace(row, seed=caught.seed) if caught.seeds else row)
        said = caught.said[0] if caught.seeds else "finds it no more"
        print(f"{kept[-1].seed:6} {row.saboteur:30} {said[:100]}", flush=True)
    if asked.write:
        write(kept)
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
