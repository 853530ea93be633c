"""The whole daemon in virtual time, seed by seed: `python -m tests.simulation --seeds 1000`.

`--seed S` replays one seed, `--start K` begins there, `--jobs J` shares the seeds among processes,
`--json` prints the tally as one line, `--hashes` a line for each seed. `--house alpaca` plays
another venue's rules. Exit code 1 with findings.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tests import campaign
from tests.simulation import figures
from tests.simulation.houses import NAMES, house_of
from tests.simulation.runner import run_seeds
from tests.simulation.world import PHASES, Result

MODULE = "tests.simulation"


class Tally:
    """What many seeds came to."""

    def __init__(self, soon_s: float = figures.READY_OWN_S) -> None:
        self._soon_s = soon_s
        self.seeds = 0
        self.numbers: Counter[str] = Counter()
        self.cycles: Counter[str] = Counter()
        self.faults: Counter[tuple[str, str]] = Counter()
        self.kills: Counter[tuple[str, str]] = Counter()
        self.halts: Counter[str] = Counter()
        self.violations: dict[int, list[str]] = {}
        self.ready_s: list[float] = []
        self.own_s: list[float] = []

    def add(self, told: dict[str, Any]) -> None:
        """One seed's line."""
        self.seeds += 1
        for name in ("orders", "lives", "planted", "attempted", "seconds", "handles", "points"):
            self.numbers[name] += told[name]
        self.cycles.update(told["cycles"])
        self.halts.update(told["halts"])
        for name in ("faults", "kills"):
            getattr(self, name).update({(a, b): count for a, b, count in told[name]})
        if told["ready_s"] >= 0:
            self.ready_s.append(told["ready_s"])
            self.own_s.append(told["own_s"])
        if told["violations"]:
            self.violations[told["seed"]] = told["violations"]

    def together(self) -> list[str]:
        """What no seed could say alone: too few opportunities were taken, too many were slow."""
        missed = figures.missed(self.numbers["planted"], self.numbers["attempted"])
        return [said for said in (missed, figures.slow(self.own_s, self._soon_s)) if said]

    def summary(self, wall_s: float) -> dict[str, Any]:
        """The figures."""
        attempted, planted = self.numbers["attempted"], self.numbers["planted"]
        return {
            "seeds": self.seeds,
            "seconds": round(wall_s, 1),
            "cycles": sum(self.cycles.values()),
            "orders": self.numbers["orders"],
            "faults": sum(self.faults.values()),
            "kills": sum(self.kills.values()),
            "lives": self.numbers["lives"],
            "simulated_hours": round(self.numbers["seconds"] / 3_600, 2),
            "planted": planted,
            "attempted": attempted,
            "attempted_share": round(attempted / planted, 4) if planted else None,
            **_ready("ready", self.ready_s),
            **_ready("own", self.own_s),
            "violating_seeds": len(self.violations),
            "cycles_by_end": dict(sorted(self.cycles.items())),
            "faults_by_phase": _nested(self.faults),
            "kills_by_phase": _nested(self.kills),
        }


def _ready(name: str, seconds: list[float]) -> dict[str, float | None]:
    """How long after faults stop it trades: `own` is without its waits for the venue's limits."""
    shares = {"p50": 0.5, "p99": 0.99, "most": 1.0}
    return {f"{name}_s_{of}": figures.quantile(seconds, share) for of, share in shares.items()}


def _nested(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (name, phase), count in sorted(counts.items()):
        nested.setdefault(name, {})[phase] = count
    return nested


def line_of(result: Result) -> dict[str, Any]:
    """A seed's result as JSON can carry it."""
    told = asdict(result)
    told |= {"cycles": dict(result.cycles), "halts": dict(result.halts)}
    for name in ("faults", "kills"):
        told[name] = [[a, b, count] for (a, b), count in sorted(getattr(result, name).items())]
    return told


def table(tally: Tally, known: Sequence[str]) -> str:
    """Each fault by phase, how often."""
    head = f"{'fault':16}" + "".join(f"{phase:>10}" for phase in PHASES)
    rows = [head]
    for name in known:
        counts = [tally.faults.get((name, phase), 0) for phase in PHASES]
        rows.append(f"{name:16}" + "".join(f"{count:>10}" for count in counts))
    for name in sorted({where for where, _ in tally.kills}):
        counts = [tally.kills.get((name, phase), 0) for phase in PHASES]
        rows.append(f"kill {name:11.11}" + "".join(f"{count:>10}" for count in counts))
    return "\n".join(rows)


def main() -> int:
    """Run, tell, and say by the exit code whether anything was found."""
    asked = campaign.asked_for(__doc__.split("\n")[0], 1_000, NAMES)
    house = house_of(asked.house)
    tally = Tally(house.soon_s)
    began_s = time.monotonic()
    campaign.run(
        MODULE, asked, map(line_of, run_seeds(campaign.seeds_of(asked), house.plan_of)), tally
    )
    if asked.worker:
        return 0
    summary = tally.summary(time.monotonic() - began_s)
    if not asked.json and not asked.hashes:
        print(table(tally, house.faults))
        print("cycles by end:", dict(sorted(tally.cycles.items())))
        print("breaker and exits:", dict(sorted(tally.halts.items())))
    if not asked.hashes:
        shown = summary if asked.json else {k: v for k, v in summary.items() if "_by_" not in k}
        print(json.dumps(shown))
    for said in tally.together():
        print(f"[18] {said}", file=sys.stderr)
    return 1 if tally.violations or tally.together() else 0


if __name__ == "__main__":
    raise SystemExit(main())
