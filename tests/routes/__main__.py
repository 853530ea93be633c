"""`python -m tests.routes --markets 1000`: routing equals a search of everything, or exit code 1.

And each rebalance in such markets ends nearer its target within its budget. `--seed S` begins
there; `--json` prints the figures as one line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.routes.held import differences
from tests.routes.rebalances import flaws


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.routes")
    parser.add_argument("--markets", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args(arguments)
    began, counts, wrong = time.perf_counter(), Counter[str](), list[str]()
    for seed in range(told.seed, told.seed + told.markets):
        wrong += differences(seed, counts)
        wrong += flaws(seed, counts)
    figures = {
        "markets": told.markets,
        "seconds": round(time.perf_counter() - began, 1),
        **dict(sorted(counts.items())),
        "findings": len(wrong),
    }
    if told.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:>24}  {value}" for name, value in figures.items()))
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
