"""Rests: no triangle is begun again inside the rest that its last cycle began, over restarts too.

Told from what was committed and what leaves. Where the daemon's clock was set meanwhile, only
rests that began in the same life are held against it.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from arbit.domain.records import Batch
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.plan import Plan
    from tests.simulation.watch import Watch
    from tests.simulation.world import World

MS = 1_000_000
LONGER = 10  # times, after a cycle that went wrong
WRONG = ("unwound", "held")
LIKELY = 0.25


def draw(plan: Plan) -> None:
    """Some of the seeds that have bounds of what is owned rest for so long that restarts see it."""
    rng = random.Random(f"rests {plan.seed}")
    if plan.inventory and rng.random() < LIKELY:
        plan.risk["cooldown_ms"] = rng.choice((500, 3_000))
        plan.kills = max(plan.kills, 2)


def route_of(path: str) -> str:
    """One name for a way round and for its reversal."""
    return min(path, ">".join(reversed(path.split(">"))))


class Rests:
    """Watches one world."""

    def __init__(self, world: World, watch: Watch) -> None:
        self._world = world
        self._watch = watch
        self._until: dict[str, tuple[int, Process]] = {}  # by route
        self._over: set[str] = set()
        self.heeded = 0  # how often a triangle was begun not long after its rest

    def committed(self, batch: Batch) -> None:
        """Cycles that are over: their triangles rest from the moment in which they ended."""
        world = self._world
        for record in batch.cycles:
            if record.kind is None and record.ended_ns and record.cycle_id not in self._over:
                self._over.add(record.cycle_id)
                factor = LONGER if record.state.value in WRONG else 1
                rest_ns = world.settings.risk.cooldown_ms * MS * factor
                # A failing journal commits an end late. Where the clock was set back since, nobody
                # can say by how much, and nothing is held against the daemon.
                ago_ns = world.clock.wall_ns() - record.ended_ns
                until_ns = world.loop.now_ns + (rest_ns - ago_ns if ago_ns >= 0 else 0)
                self._until[route_of(record.path)] = until_ns, world.process

    def begins(self, client_id: str, plan_text: str) -> None:
        """The first order of a cycle of a triangle is about to leave, of this plan."""
        world, plan = self._world, json.loads(plan_text)
        path = ">".join([plan[0][2], *(leg[3] for leg in plan)])
        until_ns, process = self._until.get(route_of(path), (0, world.process))
        told = process is world.process or not world.mishaps.jumps
        left_ns = until_ns - world.loop.now_ns
        self.heeded += bool(until_ns) and left_ns > -5_000 * MS
        if left_ns > MS and told and not world.mishaps.upheavals.restored:
            self._watch.say(7, f"{client_id} begins {path}, which rests for {left_ns // MS} ms yet")
