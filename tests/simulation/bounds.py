"""Invariant 19: tasks, timers, queues and memories are bounded, and nothing of an order stays.

Seeds with small memories forget all the time: whoever does not keep to its bound is seen at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from arbit.execution import roster, rounding
from arbit.venues.alpaca import gateway as alpaca_gateway
from arbit.venues.alpaca import orders_book as alpaca_orders
from arbit.venues.alpaca import resolve as alpaca_resolve
from arbit.venues.kraken import asks, gateway, resolve, rest_orders
from arbit.venues.kraken.private import orders_book, ws_orders
from tests.patches import replaced
from tests.simulation.loop import OWNER

if TYPE_CHECKING:
    from tests.simulation.daemon import Life
    from tests.simulation.world import World

TASKS = 60  # of one daemon that trades a handful of cycles at once
TASKS_AT_REST = 40
TIMERS_AT_REST = 60
QUEUED = 1_000
PAGES_A_CYCLE = 12  # of the database, 4 KiB each
SMALL: Mapping[Any, Mapping[str, int]] = {
    roster: {"MAX_PAST": 3},
    orders_book: {"MAX_ORDERS": 12},
    ws_orders: {"MAX_ASKED": 12},
    resolve: {"MAX_COUNTED": 12},
    gateway: {"MAX_SENT": 12},
    rest_orders: {"MAX_SENT": 12},
    asks: {"MAX_REMEMBERED": 8},
    alpaca_gateway: {"MAX_SEEN": 12},
    alpaca_orders: {"MAX_ORDERS": 12},
    alpaca_resolve: {"MAX_COUNTED": 12},
}


@contextlib.contextmanager
def small_memories(wanted: bool) -> Iterator[None]:
    """Bounds of a few entries, where a plan says so."""
    targets = [(module, *one) for module, of in SMALL.items() for one in of.items()]
    with replaced(targets if wanted else ()):
        yield


class Bounds:
    """Looks at the daemon's memories while it runs, and at rest."""

    def __init__(self, world: World) -> None:
        self._world = world

    def look(self) -> None:
        """Now, whatever it does."""
        life = self._world.life
        trader = life.trader if life is not None else None
        if life is None or trader is None or not self._world.process.alive:
            return
        tasks = _tasks(life)
        if tasks > TASKS:
            self._world.watch.say(19, f"{tasks} tasks")
        for name, length, most in _lengths(life):
            if length > most:
                self._world.watch.say(19, f"{name}: {length} of {most} at most")

    def at_rest(self) -> None:
        """Nothing is under way: nothing of any order may be left."""
        life = self._world.life
        trader = life.trader if life is not None else None
        if life is None or trader is None or life.real is None or trader.engine.open_cycles:
            return
        real: Any = life.real
        left = {
            "tasks": max(0, _tasks(life) - TASKS_AT_REST),
            "timers": max(0, self._timers() - TIMERS_AT_REST),
            "holds": len(trader.ledger._holds),
            "claims": len(trader.ledger._claims),
            "slots of the gate": len(trader.gate._open),
            "unknown orders": len(trader.gate.unknown),
            "orders followed": real.gateway.following.in_flight,
            "orders awaited": life.awaited(),
            "unwritten": trader.engine.keeper.unwritten,
        }
        for name, count in left.items():
            if count:
                self._world.watch.say(19, f"{count} {name} left when nothing is under way")

    def at_the_end(self) -> None:
        """The database has not grown without measure."""
        pages = self._world.watch.reader.execute("PRAGMA page_count").fetchone()[0]
        sql = "SELECT (SELECT count(*) FROM cycles) + (SELECT count(*) FROM runs)"
        (cycles,) = self._world.watch.reader.execute(sql).fetchone()
        most = 200 + PAGES_A_CYCLE * cycles
        if pages > most:
            self._world.watch.say(19, f"{pages} pages of database for {cycles} cycles")

    def _timers(self) -> int:
        """Timers of the daemon that still wait."""
        process = self._world.process
        return sum(
            not handle.cancelled() and handle._context.get(OWNER) is process
            for _, _, handle in self._world.loop._timers
        )


def _tasks(life: Life) -> int:
    return sum(not task.done() for task in life.process.tasks)


def _lengths(life: Life) -> Iterator[tuple[str, int, int]]:
    """Every memory that orders, trades and flows go into: its name, its length, its bound."""
    trader = life.trader
    if trader is None or life.real is None:
        return
    auditor, eng = trader.auditor, trader.engine
    yield "past cycles", len(eng.past), roster.MAX_PAST
    most = trader.setup.settings.scan.max_concurrent_cycles
    yield "open cycles", len(eng.works), most + trader.recovered + len(trader.memory.cycles)
    of_cycles = 12 * (len(eng.past) + len(eng.works) + 1)
    yield "ids of orders", len(eng._roster._cycle_of), of_cycles
    yield "unwritten batches", eng.keeper.unwritten, QUEUED
    yield "known flows", len(auditor._flows), rounding.MAX_ROWS
    yield "foreign trades", len(auditor._strangers._told), rounding.MAX_ROWS
    yield "rows to round", len(auditor._roundings._rows), rounding.MAX_ROWS
    yield "rounded rows", len(auditor._roundings._settled), rounding.MAX_ROWS
    yield from life.lengths()
