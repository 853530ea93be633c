"""How soon the daemon trades again once faults stop, and what it waited for until then.

The house asks for ten seconds. What dominates is the venue's request counter: after a storm of
questions it is full, and what a lost stream missed, or a start, asks for page by page as it runs
dry (a third of a request a second in the starter tier). Half of all seeds are ready within two
seconds and one in a hundred takes two minutes; with counters that never fill the slowest of these
are ready within six seconds. So time in which a request waits for the venue is told apart: the
rest (`own_s`) is the daemon's own. `OWN_S` bounds it and `READY_S` all of it in any one seed; that
ten seconds of its own are enough for most seeds is demanded of many together (`figures.slow`).
A history of hundreds of orders has many pages (`PAGE_S`): that, too, is the venue's time alone.

Those that take longer: a breaker that rests, with which an operator helps after ten seconds
(`Finale`), a way home that the market makes long, books that differ, which wait for the next
comparison (`DOUBTED_S`), and a cycle whose money has left the account: its orders home are refused,
each later than the one before, until it is held (`PENNILESS_S`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbit.domain.records import Purpose

if TYPE_CHECKING:
    from arbit.app.trade.trader import Trader
    from tests.simulation.daemon import Life
    from tests.simulation.world import World

READY_S = 240.0
OWN_S = 30.0
DOUBTED_S = 70.0  # more, where books differ: they are compared again a minute later
PENNILESS_S = 60.0  # more, where an order home was refused for lack of money
STEP_S = 0.25
PAGE_S = 6.0  # more, for each fifty orders of the life: a page of history is two counts of a third
PAGE = 50  # of a second each, in the starter tier
NEVER_S = -1.0  # nobody waited for it: the seed's end is a halt
COUNTER_FULL = "the request counter has no room"
FOR_THE_VENUE = (COUNTER_FULL, "told to wait", "the request limit has no room")


class Ready:
    """Counts virtual time, from now on, until the daemon is ready."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began_ns = world.loop.now_ns
        self._waited_s = 0.0
        self._doubted = False  # whether the books were seen to differ
        self._penniless = False  # whether what a cycle has in hand was seen to be gone

    @property
    def all_s(self) -> float:
        """All of it."""
        return (self._world.loop.now_ns - self._began_ns) / 1e9

    @property
    def own_s(self) -> float:
        """Without the time in which the venue let no request through."""
        return self.all_s - self._waited_s

    def step(self) -> None:
        """A step of `STEP_S` has passed without it."""
        life = self._world.life
        if life is not None and self._world.process.alive and waits_for_the_venue(life):
            self._waited_s += STEP_S
        trader = life.trader if life is not None else None
        if trader is not None:
            self._doubted = self._doubted or bool(trader.auditor._doubted)
            self._penniless = self._penniless or lacks_money(trader)

    def late(self) -> str:
        """Why it takes too long, in words; empty while it does not."""
        if self.all_s > READY_S + self._history_s() + self._world.watch.restraint.waits_s():
            return f"not ready {READY_S:.0f} s after faults stopped"
        most_s = self._world.house.own_s + DOUBTED_S * self._doubted + PENNILESS_S * self._penniless
        if self.own_s > most_s:
            return f"not ready after {most_s:.0f} s in which the venue's limits let it ask"
        return ""

    def _history_s(self) -> float:
        """What the pages of a long history take to be listed, one after the other."""
        life = self._world.life
        trader = life.trader if life is not None else None
        return PAGE_S * (trader.engine.orders // PAGE) if trader is not None else 0.0

    def over(self) -> None:
        """It is ready, or will not be."""
        self._world.result.ready_s, self._world.result.own_s = self.all_s, self.own_s


def lacks_money(trader: Trader) -> bool:
    """Whether the venue refused an order home of an open cycle since the account lacks the money.

    That a cycle has it in hand is true all the same: it was withdrawn, or a fill took too much.
    """
    return any(
        one.record.purpose is Purpose.UNWIND and "Insufficient funds" in one.record.reason
        for work in trader.engine.works.values()
        for one in work.cycle.orders
    )


def waits_for_the_venue(life: Life) -> bool:
    """Whether the venue's limits let no request through now."""
    if life.waits_for_room():
        return True
    unready = life.trader.setup.gateway.unready() if life.trader is not None else ""
    return unready.startswith(FOR_THE_VENUE)
