"""What the breaker says of itself, against what it has kept: a halt must hold, and outlive a kill.

Told at once, as it moves: `_move` writes its flag and then tells, in one turn. So what it says and
what the database says are the same but for two cases, both of which are known for what they are:
while the journal could not keep what was written (`Keeper.unwritten`), and when the process was
killed between the commit and the word.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from arbit.domain.events import BreakerChanged, Event, KillChanged, OrderRefused
from arbit.domain.records import Batch
from arbit.risk.breaker import FLAG
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.daemon import Life
    from tests.simulation.world import World

MILD_FIRST = ("active", "probing", "reducing", "halted")
END = "the end"  # of the seed: nothing is read any more


class Halts:
    """The breaker of the daemon's present life."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._said = ""  # what it said last
        self._moved = ""  # the same, but not of how it was restored: that is not written anew
        self._just_kept = ""  # by the very last commit, when nothing was said since
        self._trips = 0  # in a row, as they were kept last
        self._killed_ns = 0  # when this life last said that it sees the kill switch on

    def told(self, process: Process, event: Event) -> None:
        """The breaker tells, in the turn in which it moves; and that the kill switch is seen on."""
        if process is not self._world.process:
            return
        if isinstance(event, KillChanged | OrderRefused) and _killed(event):
            self._killed_ns = self._world.loop.now_ns
        if not isinstance(event, BreakerChanged):
            return
        life = self._world.life
        self._said, self._just_kept = event.state, ""
        if life is not None and life.trader is not None:  # before there is one it is restored
            self._moved = event.state

    def committed(self, batch: Batch) -> None:
        """Something was written just now."""
        kept = [json.loads(flag.value) for flag in batch.flags if flag.name == FLAG]
        self._just_kept = kept[-1]["state"] if kept else ""
        for word in kept:  # what waited to be written is written in the order in which it came
            trips = word["trips"] if word["state"] != MILD_FIRST[0] else 0
            if 0 < trips < self._trips:
                self._world.watch.say(9, f"the breaker's trip {trips} is kept after a later one")
            self._trips = trips

    def killed(self) -> bool:
        """Whether this life has seen a kill, and nobody has resumed since."""
        return self._killed_ns > self._world.operator.resumed_ns

    def in_force(self) -> str:
        """How far trading is stopped: by what the breaker keeps, or says, whichever is more."""
        return max(self._kept(), self._said or MILD_FIRST[0], key=MILD_FIRST.index)

    def died(self, life: Life) -> None:
        """This life is over, well or not: a later one finds what the breaker was last."""
        moved, between = self._moved, life.process.killed_at == "commit-after"
        just_kept = self._just_kept
        self._said = self._moved = self._just_kept = ""
        self._trips = self._killed_ns = 0  # that a halt outlives it is looked at here
        if not moved or life.trader is None or life.process.killed_at == END:
            return
        kept = self._kept()
        if kept == moved or life.trader.engine.keeper.unwritten or (between and just_kept == kept):
            return
        self._world.watch.say(9, f"the breaker was {moved} at the end of a life, kept is {kept}")

    def _kept(self) -> str:
        sql = "SELECT value FROM flags WHERE name=?"
        row = self._world.watch.reader.execute(sql, (FLAG,)).fetchone()
        return str(json.loads(row["value"])["state"]) if row is not None else MILD_FIRST[0]


def _killed(event: KillChanged | OrderRefused) -> bool:
    """Whether it tells that the kill switch is on."""
    if isinstance(event, KillChanged):
        return event.state == "on"
    return event.code == "kill_switch"
