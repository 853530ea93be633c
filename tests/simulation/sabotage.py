"""Are the checkers any good? Every planted bug must be caught.

`python -m tests.simulation.sabotage`.
Each saboteur is planted, and seeds are run until one finds something. One that survives
`--seeds` of them is a hole in the simulation. `--only NAME` runs one, `--most N` the first N.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.simulation import saboteurs, saboteurs_books
from tests.simulation.runner import run_seeds
from tests.simulation.saboteurs import ALL, Saboteur

SEEDS = 1_000
assert saboteurs_books.__name__ != saboteurs.__name__  # imported for what it enters


@contextlib.contextmanager
def planted(saboteur: Saboteur) -> Iterator[None]:
    """Its patches, while open."""
    undo: list[tuple[Any, str, Any]] = []

    def sets(owner: Any, name: str, value: Any) -> None:
        kept = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
        undo.append((owner, name, kept))
        setattr(owner, name, value)

    saboteur.plant(sets)
    try:
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)


def hunt(saboteur: Saboteur, seeds: int) -> tuple[int, str]:
    """How many seeds it took, and what gave it away; (0, "") when nothing did."""
    with planted(saboteur):
        for number, result in enumerate(run_seeds(range(seeds)), 1):
            if result.violations:
                return number, result.violations[0]
    return 0, ""


def main() -> int:
    """1 when one survives."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--most", type=int, default=len(ALL))
    parser.add_argument("--json", action="store_true", help="its last line always is")
    asked = parser.parse_args()
    chosen = [ALL[name] for name in asked.only] or list(ALL.values())[: asked.most]
    survivors, by_invariant = [], Counter[str]()
    for saboteur in chosen:
        began_s = time.monotonic()
        number, said = hunt(saboteur, asked.seeds)
        took_s = time.monotonic() - began_s
        by_invariant[said.split("]")[0].lstrip("[")] += 1
        survivors += [] if number else [saboteur.name]
        told = f"seed {number}: {said[:90]}" if number else "SURVIVED"
        print(f"{saboteur.name:28} {took_s:6.1f} s  {told}", flush=True)
    caught = len(chosen) - len(survivors)
    tally = {"saboteurs": len(chosen), "caught": caught, "survivors": survivors}
    print(json.dumps(tally | {"by_invariant": dict(sorted(by_invariant.items()))}))
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
