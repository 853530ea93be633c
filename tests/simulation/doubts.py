"""Invariant 6: what became of an order is found out in time, while the venue answers.

An order may be unknown until its deadline and the margin have passed at the venue, and two
questions more (`asking.ASK_S`: each waits five seconds at the most). Where everything was well for
a while before that moment the two questions come at once, and `SOON_S` is enough.

Time counts only while it can be found out: the process runs and knows the venue's time, the journal
works, REST answers (`QUIET_S` after it last did not: a request that is lost is waited for, and what
failed is asked again after a pause), and the venue's request counter has room. Once it is not so,
time begins anew. A breaker that says `unresolved` has told it to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arbit.domain.records import Batch
from arbit.execution.asking import ASK_S
from arbit.risk.breaker import Reason
from tests.simulation.loop import SECOND_NS
from tests.simulation.ready import waits_for_the_venue

if TYPE_CHECKING:
    from tests.simulation.daemon import Life
    from tests.simulation.world import World

MS = 1_000_000
LOOK_NS = 100 * MS
QUIET_S = 9.0 + 4.0  # `rest_timeout_ms` and a second, and the longest pause of `retried`
ROUND_S = 2.0  # what a question itself takes, behind others in its key's turn
LATE_S = 2 * ASK_S[-1] + ROUND_S
SOON_S = 4.0
BEFORE_S = 2.0  # well for so long before it could be sure


@dataclass(slots=True)
class Doubt:
    """An order that is unknown: until when it may be, and since when nothing stands in the way."""

    sure_ns: int
    well_ns: int


class Doubts:
    """The orders that are unknown, and how long they have been so for no good reason."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[str, Doubt] = {}
        self._looks = False
        self._struck = 0
        self._quiet_ns = 0  # until then REST counts as one that does not answer
        self.settled = 0  # doubts that ended

    def committed(self, batch: Batch) -> None:
        """Something was written just now."""
        loop, venue = self._world.loop, self._world.venue
        for record in batch.orders:
            client_id = record.intent.client_id
            if record.state.value != "unknown":
                self.settled += self._open.pop(client_id, None) is not None
                continue
            margin_ns = int(self._world.plan.risk["resolve_margin_ms"]) * MS
            to_go_ns = record.intent.deadline_ns + margin_ns - venue.clock.wall_ns()
            new = Doubt(loop.now_ns + max(0, to_go_ns), loop.now_ns)
            self._open.setdefault(client_id, new)
        if self._open and not self._looks:
            self._looks = True
            venue.at(loop.now_ns + LOOK_NS, self._look)

    def forgotten(self) -> None:
        """The database is another one now."""
        self._open.clear()

    def _look(self) -> None:
        now_ns, life = self._world.loop.now_ns, self._world.life
        for client_id, doubt in list(self._open.items()):
            if life is None or self._hindered(life, client_id):
                doubt.well_ns = now_ns
            since_ns = max(doubt.well_ns, doubt.sure_ns)
            soon = doubt.well_ns < doubt.sure_ns - BEFORE_S * SECOND_NS
            if now_ns - since_ns > (SOON_S if soon else LATE_S) * SECOND_NS:
                del self._open[client_id]
                took_s = (now_ns - doubt.sure_ns) / SECOND_NS
                said = f"{client_id} is unknown {took_s:.1f} s after its deadline and the margin"
                self._world.watch.say(6, said)
        self._looks = bool(self._open)
        if self._looks:
            self._world.venue.at(now_ns + LOOK_NS, self._look)

    def _hindered(self, life: Life, client_id: str) -> bool:
        """Whether nobody could find it out now, or a person was told that it cannot be."""
        world, trader = self._world, life.trader
        if not world.process.alive or world.process.frozen or trader is None:
            return True
        if not any(work.cycle.order(client_id) for work in trader.engine.works.values()):
            return True  # a start has not come to it yet
        if trader.breaker.reason is Reason.UNRESOLVED or trader.engine.setup.venue_ns is None:
            return True
        if world.failing.failing or trader.engine.keeper.ok():
            return True
        return self._rest_fails() or waits_for_the_venue(life)

    def _rest_fails(self) -> bool:
        world, now_ns = self._world, self._world.loop.now_ns
        counts = world.swarm.counts.items()
        struck = sum(count for (name, _), count in counts if name.startswith("rest_"))
        if struck != self._struck or now_ns < world.venue.rest_down_ns:
            self._struck, self._quiet_ns = struck, now_ns + int(QUIET_S * SECOND_NS)
        return now_ns < self._quiet_ns
