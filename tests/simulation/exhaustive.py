"""Not by chance but everywhere: kill at every seam (or resume), fail at every chance, once each.

`python -m tests.simulation.exhaustive` takes twenty-one short scenarios. Each runs once untouched,
to count; then once for every seam of its first life (each side of a commit and of a send), killed
there (`--seams`, and what is done when nothing else is asked for). `--resumes` kills at every
resume, `--pairs` at every pair of seams (the second one in the life that recovers) for the first
five, cut to one cycle, `--fail` lets every fault strike at each of its chances, and every write
fail in each way, once each. `--scenario NAME` takes one, `--every N` each N-th point alone,
`--jobs J` shares the scenarios among processes, `--json` prints one line at the end and nothing
else. Exit code 1 with findings.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.campaign import gathered
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
    transport: str = "ws"
    cycles: int = 2
    seconds: float = 1.0

    def plan(self) -> Plan:
        """Its plan: one seed's settings, everything else as stated."""
        plan = plan_of(9_001)
        plan.benign, plan.kills = False, 0
        plan.seconds, plan.cycles = self.seconds, self.cycles
        plan.rates, plan.timed = dict(self.rates), list(self.timed)
        plan.latency_ms, plan.jitter_ms, plan.feed_ms = 10.0, 2.0, 10.0
        plan.skew_s, plan.weather_hz, plan.tier = 0.0, 0.0, "pro"
        plan.read_lag_ms, plan.plants_every_ms = self.read_lag_ms, 400
        plan.small, plan.twice, plan.transport = False, False, self.transport
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
    Scenario("over REST", transport="rest", risk={"deadline_ms": 3_000}),
)
STORE = ("full", "locked")  # how a write fails: for good, or because somebody else is writing


class Tally:
    """What was run, and what was found."""

    def __init__(self, disk: Disk, tell: Callable[[str], None] = lambda _: None) -> None:
        self._disk = disk
        self._tell = tell
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
            self._tell(self.findings[-1])
        if sum(self.runs.values()) % COLLECT_EVERY == 0:
            gc.collect()
        return world

    def told(self) -> dict[str, Any]:
        """The figures, as JSON can carry them."""
        return {"runs": dict(self.runs), "kills": self.kills, "findings": self.findings}


def _changes(world: World) -> str:
    script = sorted(world.swarm.script) or world.kill_script
    return str(script or (world.failing.fail_at, world.failing.kind))


def kills(tally: Tally, scenario: Scenario, *, seams: bool, resumes: bool, every: int = 1) -> None:
    """Killed at every seam, and at every resume (or at each `every`-th)."""
    whole = tally.run(scenario, "untouched", lambda world: None)
    first = whole.processes[0]
    for point in range(1, first.points + 1, every) if seams else ():
        tally.run(scenario, "seam", _killing({1: (point, 0)}))
    for tick in range(1, first.ticks + 1, every) if resumes else ():
        tally.run(scenario, "resume", _killing({1: (0, tick)}))


def kill_twice(tally: Tally, scenario: Scenario, *, every: int = 1) -> None:
    """Cut to one cycle: killed at every seam, and then at every seam of the life that recovers."""
    scenario = replace(scenario, cycles=1, seconds=0.4)
    whole = tally.run(scenario, "untouched", lambda world: None)
    for point in range(1, whole.processes[0].points + 1, every):
        once = tally.run(scenario, "seam", _killing({1: (point, 0)}))
        again = once.processes[1].points if len(once.processes) > 1 else 0
        for second in range(1, again + 1, every):
            tally.run(scenario, "pair", _killing({1: (point, 0), 2: (second, 0)}))


def failures(tally: Tally, scenario: Scenario, *, every: int = 1) -> None:
    """Every fault at each of its chances, and every write in each way, once each."""
    whole = tally.run(scenario, "untouched", lambda world: None)
    for name in CALL_FAULTS:
        for chance in range(1, whole.swarm.asked[name] + 1, every):
            tally.run(scenario, "fault", _striking(name, chance))
    for kind in STORE:
        for write in range(1, whole.failing.writes + 1, every):
            tally.run(scenario, f"write {kind}", _failing(write, kind))


def _killing(script: dict[int, tuple[int, int]]) -> Callable[[World], None]:
    def tend(world: World) -> None:
        world.kill_script = script

    return tend


def _striking(name: str, chance: int) -> Callable[[World], None]:
    def tend(world: World) -> None:
        world.swarm.script = {(name, chance)}

    return tend


def _failing(write: int, kind: str) -> Callable[[World], None]:
    def tend(world: World) -> None:
        world.failing.fail_at, world.failing.kind = write, kind

    return tend


def chosen(only: list[str], most: int) -> Iterator[tuple[int, Scenario]]:
    """The scenarios asked for, numbered."""
    for number, scenario in enumerate(SCENARIOS):
        if number < most and (not only or scenario.name in only):
            yield number, scenario


def examine(number: int, asked: argparse.Namespace, tell: Callable[[str], None]) -> dict[str, Any]:
    """Everything asked for of one scenario."""
    scenario, began_s = SCENARIOS[number], time.monotonic()
    with workshop() as disk:
        tally = Tally(disk, tell)
        seams = asked.seams or not (asked.resumes or asked.pairs or asked.fail)
        if seams or asked.resumes:
            kills(tally, scenario, seams=seams, resumes=asked.resumes, every=asked.every)
        if asked.pairs and number < PAIRED:
            kill_twice(tally, scenario, every=asked.every)
        if asked.fail:
            failures(tally, scenario, every=asked.every)
    seconds = round(time.monotonic() - began_s, 1)
    return {"scenario": scenario.name, "seconds": seconds, **tally.told()}


def _line(told: dict[str, Any]) -> str:
    runs, found = sum(told["runs"].values()), len(told["findings"])
    how = ", ".join(f"{count} {kind}" for kind, count in told["runs"].items())
    return f"{told['scenario']:28} {told['seconds']:7.1f} s {runs:6} runs ({how}), {found} findings"


def lines(asked: argparse.Namespace, numbers: list[int]) -> Iterator[dict[str, Any]]:
    """What each scenario came to, in this process or in several of our own."""
    if asked.jobs == 1:
        for number in numbers:
            tell = (lambda _: None) if asked.json or asked.worker else _say
            yield examine(number, asked, tell)
        return
    flags = [f"--{one}" for one in ("seams", "resumes", "pairs", "fail") if getattr(asked, one)]
    flags += ["--every", str(asked.every), "--worker"]
    shares = (numbers[job :: asked.jobs] for job in range(asked.jobs))
    yield from gathered(
        (
            ["tests.simulation.exhaustive", *flags]
            + [word for number in mine for word in ("--number", str(number))]
            for mine in shares
            if mine
        ),
        ends_well=(0, 1),
    )


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """1 with findings."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("--seams", "--resumes", "--pairs", "--fail", "--json"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--scenario", action="append", default=[])
    parser.add_argument("--most", type=int, default=len(SCENARIOS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, action="append", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    began_s, runs, killed, found = time.monotonic(), Counter[str](), 0, list[str]()
    numbers = asked.number or [number for number, _ in chosen(asked.scenario, asked.most)]
    for told in lines(asked, numbers):
        if asked.worker:
            print(json.dumps(told), flush=True)
        elif not asked.json:
            if asked.jobs > 1:
                print(*told["findings"], sep="\n" if told["findings"] else "", flush=True)
            print(_line(told), flush=True)
        runs.update(told["runs"])
        killed += told["kills"]
        found += told["findings"]
    summary = {
        "scenarios": len(numbers),
        "runs": dict(runs),
        "points": sum(runs.values()) - runs["untouched"],
        "pairs": runs["pair"],
        "failures": runs["fault"] + sum(runs[f"write {kind}"] for kind in STORE),
        "kills": killed,
        "findings": found if asked.json else len(found),
        "seconds": round(time.monotonic() - began_s, 1),
    }
    if not asked.worker:
        print(json.dumps(summary))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
