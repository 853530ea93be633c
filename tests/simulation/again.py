"""Invariant 21: recovering twice is recovering once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from arbit.risk.breaker import FLAG

if TYPE_CHECKING:
    from tests.simulation.world import World

TABLES = ("cycles", "orders", "fills", "ledger", "incidents")
OF_A_START = ("starts", "nonce", "requests", "audited", "counted", "heard")  # written anew by each
# Somebody's open order, and what nothing explains, are told of at every start; what a venue states
# later is found by whoever lives then.
LEFT_OUT = {
    "incidents": " WHERE kind NOT IN ('foreign', 'drift')",
    "ledger": " WHERE kind NOT IN ('late_fee', 'cost')",
}
WAIT_S = 240.0
GRACE_S = (0.0, 0.01, 0.03, 0.06, 0.15)


class Again:
    """Kills the daemon in the middle of things, and lets it recover twice, doing nothing else."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def must_change_nothing(self) -> None:
        """The second time nothing is written that was not there after the first."""
        world = self._world
        world.closing = True
        world.plant_at_the_end()
        await asyncio.sleep(world.rng.choice(GRACE_S) + 3 * world.plan.latency_ms / 1e3)
        world.process.die("again")
        first = await self._recovered()
        if first is not None and not self._open():
            second = await self._recovered()
            for table in second or {}:
                fresh = second[table] - first[table] if second is not None else set()
                if fresh or (second is not None and first[table] - second[table]):
                    world.watch.say(21, f"a second recovery changes {table}: {sorted(fresh)[:2]}")
        world.closing = False

    async def _recovered(self) -> dict[str, set[str]] | None:
        """The database after a life that only recovers; None when it did not end well."""
        world = self._world
        world.boot()
        life, process = world.life, world.process
        if life is None:
            return None
        life._options = replace(life._options, recover_only=True)
        if not await world.until(lambda: not process.alive, WAIT_S):
            world.watch.say(18, f"a recovery does not end: {world.finale.why()}")
            return None
        return self._rows() if process.killed_at == "exit" else None

    def _open(self) -> int:
        sql = "SELECT count(*) FROM cycles WHERE ended_ns=0"
        return int(self._world.watch.reader.execute(sql).fetchone()[0])

    def _rows(self) -> dict[str, set[str]]:
        reader, found = self._world.watch.reader, {}
        for table in TABLES:
            sql = f"SELECT * FROM {table}"  # noqa: S608  names are ours
            rows = reader.execute(sql + LEFT_OUT.get(table, ""))
            found[table] = {repr(tuple(row)) for row in rows}
        marks = ",".join("?" * len(OF_A_START))
        sql = f"SELECT name, value FROM flags WHERE name NOT IN ({marks})"  # noqa: S608  only marks
        sql += " AND name NOT LIKE 'costs:%'"  # found with what is stated later
        flags = map(tuple, reader.execute(sql, OF_A_START))
        found["flags"] = {repr((name, _timeless(name, value))) for name, value in flags}
        return found


def _timeless(name: str, value: str) -> str:
    """A flag's value without what time alone changes: a rest may be over between two recoveries."""
    told = json.loads(value) if name == FLAG else {}
    if not told.get("rested_at_ns"):
        return value
    return json.dumps({**told, "state": "rests, or probes"})
