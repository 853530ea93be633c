"""Are the checkers any good? Every planted bug must be caught.

`python -m tests.simulation.sabotage`.
Each saboteur is planted, and seeds are run until one finds something: the seeds that it names
itself, if any, then `--seeds` from `--start` on. One that survives them is a hole in the
simulation. `--only NAME` runs one (as often as it is given),
`--most N` the first N, `--after NAME` those after it. `--having FAULT` runs only seeds whose plan
has that fault. `--house alpaca` hunts those of that venue's rules, in its own house. What is told
of each: how many seeds it took, in which seed, and every invariant that this seed says does not
hold.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from tests.patches import patched
from tests.simulation import figures
from tests.simulation.houses import NAMES, house_of
from tests.simulation.runner import run_seeds
from tests.simulation.saboteurs import ALL, Saboteur
from tests.simulation.saboteurs_alpaca import ALPACA

SEEDS = 1_000
INVARIANTS = range(1, 23)  # each must be what gives some planted bug away
ROOMS = ("", "_books", "_costs", "_limits", "_lives", "_more", "_proof", "_stock")
# Imported for what they enter.
ENTERED = tuple(import_module(f"tests.simulation.saboteurs{room}") for room in ROOMS)


@dataclass(frozen=True, slots=True)
class Caught:
    """How a planted bug came to light; `seeds` 0 when it did not."""

    seeds: int = 0
    seed: int = 0
    said: tuple[str, ...] = ()

    @property
    def invariants(self) -> tuple[int, ...]:
        """The numbers of those that do not hold."""
        found = (re.match(r"\[(\d+)\]", one) for one in self.said)
        return tuple(sorted({int(one[1]) for one in found if one is not None}))


def hunt(saboteur: Saboteur, seeds: Iterable[int], house: str = NAMES[0]) -> Caught:
    """Run seeds until one gives it away."""
    plan_of = house_of(house).plan_of
    wanted = [one for seed in seeds for one in ([seed, seed] if saboteur.twice else [seed])]
    before: dict[int, str] = {}
    planted = attempted = 0
    with patched(saboteur.plant):
        for number, result in enumerate(run_seeds(wanted, plan_of), 1):
            said = list(result.violations)
            if before.setdefault(result.seed, result.hash) != result.hash:
                said.append(f"[17] another run: {before[result.seed]} and {result.hash}")
            planted, attempted = planted + result.planted, attempted + result.attempted
            if missed := figures.missed(planted, attempted):
                said.append(f"[18] {missed}")
            if said:
                return Caught(number, result.seed, tuple(said))
    return Caught()


def seeds_having(faults: Sequence[str], start: int, count: int, house: str = NAMES[0]) -> list[int]:
    """Seeds whose plan has each of these faults."""
    found, plan_of = [], house_of(house).plan_of
    for seed in range(start, start + count):
        plan = plan_of(seed)
        has = {*plan.rates, *(name for _, name in plan.timed), plan.transport, plan.tier}
        has |= {"poor"} if "0" in plan.balances.values() else set()
        has |= {"benign"} if plan.benign else set()
        if has >= set(faults):
            found.append(seed)
    return found


def chosen(
    only: Sequence[str], after: str, most: int, among: Mapping[str, Saboteur] = ALL
) -> list[Saboteur]:
    """Those asked for, in the order in which they are entered."""
    if only:
        return [among[name] for name in only]
    names = list(among)
    first = names.index(after) + 1 if after else 0
    return [among[name] for name in names[first : first + most]]


def main() -> int:
    """1 when one survives."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--after", default="")
    parser.add_argument("--most", type=int, default=len(ALL))
    parser.add_argument("--house", choices=NAMES, default=NAMES[0])
    parser.add_argument("--json", action="store_true", help="its last line always is")
    parser.add_argument("--having", action="append", default=[])
    asked = parser.parse_args()
    among = ALL if asked.house == NAMES[0] else ALPACA
    seeds = seeds_having(asked.having, asked.start, asked.seeds, asked.house)
    survivors, by_invariant = [], Counter[int]()
    saboteurs_asked = chosen(asked.only, asked.after, asked.most, among)
    for saboteur in saboteurs_asked:
        began_s = time.monotonic()
        known = () if asked.having else saboteur.seeds
        caught = hunt(saboteur, [*known, *seeds], asked.house)
        took_s = time.monotonic() - began_s
        by_invariant.update(caught.invariants)
        survivors += [] if caught.seeds else [saboteur.name]
        told = f"{caught.seeds} seeds, {caught.seed}: {list(caught.invariants)} "
        told += caught.said[0][:90] if caught.said else ""
        told = told if caught.seeds else f"SURVIVED {len(seeds)} seeds"
        print(f"{saboteur.name:30} {took_s:6.1f} s  {told}", flush=True)
    whole = among is ALL and len(saboteurs_asked) == len(ALL)
    without = [one for one in INVARIANTS if whole and not by_invariant[one]]
    tally = {
        "saboteurs": len(saboteurs_asked),
        "caught": len(saboteurs_asked) - len(survivors),
        "survivors": survivors,
        "by_invariant": dict(sorted(by_invariant.items())),
        "invariants_without": without,
    }
    print(json.dumps(tally))
    return 1 if survivors or without else 0


if __name__ == "__main__":
    raise SystemExit(main())
