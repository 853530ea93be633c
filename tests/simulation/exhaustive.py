"""Not by chance but everywhere: kill at every seam (or resume), fail at every chance, once each.

`python -m tests.simulation.exhaustive` takes twenty short scenarios. Each runs once untouched, to
count; then once for every seam of its first life (each side of a commit and of a send), killed
there. `--resumes` kills at every resume as well, `--pairs` at every pair of seams (the second one
in the life that recovers) for the first five, `--fail` lets every fault strike at each of its
chances, and every write fail, once each. Exit code 1 with findings.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.plan import CALL_FAULTS, Plan, plan_of
from tests.simulation.runner import COLLECT_EVERY, workshop
from tests.simulation.store import Disk
from tests.simulation.world import World

PAIRED = 5


@dataclass(frozen=True, slots=True)
class Scenario:
    """A short run: which faults it has at what chance, and what happens when."""

    name: str
    rates: dict[str, float] = field(default_factory=dict)
    timed: tuple[tuple[float, str], ...] = ()
    risk: dict[str, Any] = field(default_factory=dict)
    read_lag_ms: int = 0

    def plan(self) -> Plan:
        """Its plan: one seed's settings, everything else as stated."""
        plan = plan_of(9_001)
        plan.benign, plan.seconds, plan.kills = False, 1.0, 0
        plan.rates, plan.timed = dict(self.rates), list(self.timed)
        plan.latency_ms, plan.jitter_ms, plan.feed_ms = 10.0, 2.0, 10.0
        plan.skew_s, plan.weather_hz, plan.tier = 0.0, 0.0, "pro"
        plan.read_lag_ms, plan.plants_every_ms = self.read_lag_ms, 400
        usual = {"policy": "sequential", "deadline_ms": 800, "resolve_margin_ms": 600}
        easy = {"breaker_failures": 1_000, "max_crashes": 1_000, "cooldown_ms": 0}
        plan.risk = {**plan.risk, **usual, **easy, **self.risk}
        plan.scan = {**plan.scan, "max_concurrent_cycles": 2}
        return plan


SCENARIOS = (
    Scenario("clean"),
    Scenario("partial fills", {"fill_share": 0.6}),
    Scenario("lost replies", {"lost_reply": 0.5}),
    Scenario("all legs at once", risk={"policy": "parallel"}),
    Scenario("the market moves away", timed=((0.03, "market_gap"), (0.45, "market_gap"))),
    Scenario("lost requests", {"lost_request": 0.5}),
    Scenario("late requests", {"late_request": 0.6}),
    Scenario("cut after acceptance", {"reset_after": 0.4}),
    Scenario("words that prove nothing", {"error_unknown": 0.5}),
    Scenario("odd replies", {"odd": 0.5, "truncated": 0.3}),
    Scenario("gaps in the stream", {"exec_gap": 0.2}),
    Scenario("disorder in the stream", {"exec_duplicate": 0.5, "exec_reorder": 0.5}),
    Scenario("reads lag", {"lost_reply": 0.4}, read_lag_ms=400),
    Scenario("matched late", {"match_delay": 0.5}),
    Scenario("the socket is cut", timed=((0.05, "line_cut"), (0.6, "line_cut"))),
    Scenario("the disk is full", timed=((0.06, "journal_full"),)),
    Scenario("the venue closes", timed=((0.06, "system_status"),)),
    Scenario("money comes", timed=((0.04, "deposit"), (0.5, "deposit"))),
    Scenario("killed by its operator", timed=((0.05, "operator_kill"),)),
    Scenario("stopped in mid-cycle", timed=((0.06, "sigterm"),)),
)


class Tally:
    """What was run, and what was found."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.runs: Counter[str] = Counter()
        self.kills = 0
        self.findings: list[str] = []

    def run(self, scenario: Scenario, kind: str, tend: Callable[[World], None]) -> World:
        """One run of a scenario, changed a little."""
        world = World(9_001, self._disk, scenario.plan())
        tend(world)
        result = world.run()
        self.runs[kind] += 1
        self.kills += sum(result.kills.values())
        for said in result.violations[:3]:
            self.findings.append(f"{scenario.name}, {kind} {_changes(world)}: {said}")
            print(self.findings[-1], flush=True)
        if sum(self.runs.values()) % COLLECT_EVERY == 0:
            gc.collect()
        return world


def _changes(world: World) -> str:
    script = sorted(world.swarm.script) or world.kill_script
    return str(script or world.failing.fail_at)


def kills(tally: Tally, scenario: Scenario, *, resumes: bool, pairs: bool, every: int = 1) -> None:
    """Killed at every seam (or each `every`-th); then at every resume and pair of seams."""
    whole = tally.run(scenario, "untouched", lambda world: None)
    first = whole.processes[0]
    for point in range(1, first.points + 1, every):
        once = tally.run(scenario, "seam", _killing({1: (point, 0)}))
        if pairs and len(once.processes) > 1:
            for again in range(1, once.processes[1].points + 1):
                tally.run(scenario, "pair", _killing({1: (point, 0), 2: (again, 0)}))
    for tick in range(1, first.ticks + 1) if resumes else ():
        tally.run(scenario, "resume", _killing({1: (0, tick)}))


def failures(tally: Tally, scenario: Scenario) -> None:
    """Every fault at each of its chances, and every write, once each."""
    whole = tally.run(scenario, "untouched", lambda world: None)
    for name in CALL_FAULTS:
        for chance in range(1, whole.swarm.asked[name] + 1):
            tally.run(scenario, "fault", _striking(name, chance))
    for write in range(1, whole.failing.writes + 1):
        tally.run(scenario, "write", _failing(write))


def _killing(script: dict[int, tuple[int, int]]) -> Callable[[World], None]:
    def tend(world: World) -> None:
        world.kill_script = script

    return tend


def _striking(name: str, chance: int) -> Callable[[World], None]:
    def tend(world: World) -> None:
        world.swarm.script = {(name, chance)}

    return tend


def _failing(write: int) -> Callable[[World], None]:
    def tend(world: World) -> None:
        world.failing.fail_at = write

    return tend


def chosen(only: list[str], most: int) -> Iterator[tuple[int, Scenario]]:
    """The scenarios asked for, numbered."""
    for number, scenario in enumerate(SCENARIOS):
        if number < most and (not only or scenario.name in only):
            yield number, scenario


def main() -> int:
    """1 with findings."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--resumes", action="store_true")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--fail", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--most", type=int, default=len(SCENARIOS))
    asked = parser.parse_args()
    began_s = time.monotonic()
    with workshop() as disk:
        tally = Tally(disk)
        for number, scenario in chosen(asked.only, asked.most):
            pairs = asked.pairs and number < PAIRED
            kills(tally, scenario, resumes=asked.resumes, pairs=pairs)
            if asked.fail:
                failures(tally, scenario)
            runs = sum(tally.runs.values())
            print(f"{scenario.name:28} {runs} runs, {len(tally.findings)} findings", flush=True)
    told = {
        "runs": dict(tally.runs),
        "kills": tally.kills,
        "findings": len(tally.findings),
        "seconds": round(time.monotonic() - began_s, 1),
    }
    print(json.dumps(told))
    return 1 if tally.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
