"""Faults that change the rules or the past: fees, grids, an outage, a backup, a second daemon."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arbit.app.store import DATABASE
from arbit.domain.errors import UserError
from arbit.sandbox.orders import OrderRequest, Refused
from arbit.sandbox.rules import Fees
from tests.simulation.clock import epoch_of
from tests.simulation.loop import SECOND_NS, Process

if TYPE_CHECKING:
    from tests.simulation.world import World

MS = 1_000_000
SECOND_PROCESS = 900  # numbers of daemons that should never have been started
LOOK_NS = 2 * MS
STEPS = (1, 10, 100)  # how many units of a pair's precision its increments may come to have
TWIN = "abzzzzz1-11"
BACKED_UP = "backup.db"


class Upheavals:
    """Puts these faults into effect, and the rules back once they are over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = random.Random(f"upheavals {world.plan.seed}")
        self._lags = random.Random(f"lags {world.plan.seed}")
        self.foreign_orders = self.twins = 0
        self.restored = False
        self.lost_ids: set[str] = set()  # orders that the restored backup does not know
        self.lost_cycles: set[str] = set()
        self._fee_bps = world.venue.exchange.fees.flat_bps
        self._grids = {s: p.instrument for s, p in world.venue.market.pairs.items()}

    def actions(self) -> dict[str, Callable[[], bool]]:
        """By the name of the fault; each says whether it did anything."""
        return {
            "fee_change": self._fee_change,
            "grid_change": self._grid_change,
            "rest_outage": self._rest_outage,
            "unwritten_kill": self._unwritten_kill,
            "second_start": self._second_start,
            "money_while_down": self._money_while_down,
            "clock_back": self._clock_back,
            "foreign_order": self._foreign_order,
            "twin_trade": self._twin_trade,
            "old_backup": self._old_backup,
        }

    @property
    def happened(self) -> bool:
        """Whether others were seen to act here, or a backup took the database's place."""
        return self.foreign_orders > 0 or self.restored or self.twins > 0

    @property
    def not_ours(self) -> set[str]:
        """Client ids that no row can know: of what a backup lost, and of another daemon."""
        return self.lost_ids | {TWIN}

    @property
    def blind(self) -> bool:
        """Whether the daemon runs on a backup that lacks trades of ours."""
        return not self.lost_ids.isdisjoint(self._world.watch.got)

    def mend(self) -> None:
        """The rules are what they were."""
        self._world.venue.exchange.fees.flat_bps = self._fee_bps
        self._fees_stated()
        self._world.venue.rest_down_ns = 0
        for symbol, listed in self._grids.items():
            self._world.venue.market.pairs[symbol].instrument = listed
        self._world.venue.relisted()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._world.venue.at(self._world.loop.now_ns + int(seconds * SECOND_NS), action)

    # --- rules -----------------------------------------------------------------------------------

    def _fee_change(self) -> bool:
        """Fills are taken another fee from now on; accounts may be told of it later."""
        exchange, lag_s = self._world.venue.exchange, self._lags.choice((0.0, 0.0, 1.5, 6.0))
        fees, before = exchange.fees, exchange.fees.flat_bps
        fees.flat_bps = Decimal(self._rng.choice((0, 4, 9)))
        if lag_s:
            exchange.stated_fees = exchange.stated_fees or Fees(before)
            self._later(lag_s, self._fees_stated)
        return fees.flat_bps != before

    def _fees_stated(self) -> None:
        self._world.venue.exchange.stated_fees = None

    def _grid_change(self) -> bool:
        """One market's increments and minima are others from now on."""
        symbol = self._rng.choice(list(self._grids))
        listed, step = self._grids[symbol], self._rng.choice(STEPS)
        pair = self._world.venue.market.pairs[symbol]
        before = pair.instrument
        pair.instrument = replace(
            listed,
            price_tick=listed.price_tick * self._rng.choice((1, 5)),
            qty_step=listed.qty_step * step,
            qty_min=-(-listed.qty_min * self._rng.choice((1, 2)) // step) * step,
        )
        self._world.venue.relisted()
        return pair.instrument != before

    def _rest_outage(self) -> bool:
        """REST answers nothing but that it is busy."""
        seconds = self._rng.choice((0.8, 3.0, 6.0))
        self._world.venue.rest_down_ns = self._world.loop.now_ns + int(seconds * SECOND_NS)
        return True

    # --- processes -------------------------------------------------------------------------------

    def _unwritten_kill(self) -> bool:
        """The disk fills up; as soon as something waits to be written, the daemon is killed."""
        failing, ends_ns = self._world.failing, self._world.loop.now_ns + 2 * SECOND_NS
        failing.full = True

        def look() -> None:
            trader = self._world.life.trader if self._world.life is not None else None
            waits = trader is not None and trader.engine.keeper.unwritten > 0
            over = self._world.loop.now_ns > ends_ns or not self._world.swarm.on
            if waits or over:
                failing.full = False
                if waits:
                    self._world.process.die("unwritten")
            else:
                self._later(LOOK_NS / SECOND_NS, look)

        look()
        return True

    def _second_start(self) -> bool:
        """Somebody starts a second daemon in the same folder: it must be refused, and send nothing.

        It may not even have been the first one's end: that may be stopped, or on its way.
        """
        world = self._world
        if world.life is None or world.life.trader is None or not world.process.alive:
            return False
        first, process = world.process, Process(SECOND_PROCESS + len(world.strangers))
        world.strangers.append(process)
        life = world.house.life_of(process, world.around, epoch_of(self._rng))
        task = process.context.run(world.loop.create_task, life.live())

        def ended(task: asyncio.Task[Any]) -> None:
            error = task.exception() if not task.cancelled() else None
            if process.alive and first.alive and not isinstance(error, UserError):
                world.watch.say(13, f"a second daemon ended by {error!r}, not by a refusal")
            process.die("exit")

        def still() -> None:
            if process.alive and first.alive:
                world.watch.say(13, "two daemons run in one folder")
            process.die("exit")

        task.add_done_callback(ended)
        self._later(5.0, still)
        return True

    def _clock_back(self) -> bool:
        """Killed, and while it is down its host's clock is set back a little."""
        world = self._world
        if not world.process.alive or world.closing:
            return False
        world.process.die("clock")
        world.mishaps.jumps += 1
        world.clock.skew_ns -= int(self._rng.choice((0.5, 2.0, 3.5)) * SECOND_NS)
        return True

    def _money_while_down(self) -> bool:
        """Money comes, and more of it while nobody is there to hear of it."""
        mishaps, process = self._world.mishaps, self._world.process
        came = mishaps.flow(1)

        def down() -> None:
            if process.alive and not self._world.closing:
                process.die("money")
                mishaps.flow(1)

        self._later(self._rng.choice((0.5, 2.0, 4.0)), down)
        return came

    # --- the account and the past ----------------------------------------------------------------

    def _foreign_order(self) -> bool:
        """Somebody else's order rests on the account, far from the market."""
        venue = self._world.venue
        request = OrderRequest("BTC/USD", "buy", Decimal("0.001"), Decimal(30000), "gtc")
        try:
            venue.exchange.add_order(venue.account, request, venue.clock.wall_ns())
        except Refused:
            return False
        self.foreign_orders += 1
        venue.stream.flush()
        return True

    def _twin_trade(self) -> bool:
        """Another daemon of the same kind trades on the account, from another folder."""
        venue = self._world.venue
        before = len(venue.account.trades)
        venue.foreign("BTC/USD", "buy", Decimal("0.001"), TWIN)
        self.twins += (traded := len(venue.account.trades) - before)
        return traded > 0

    def _old_backup(self) -> bool:
        """A copy is made while a cycle is open; the daemon is killed, and restarts on the copy.

        Not before it has sent some orders that the copy does not know, where it sends any. It has
        happened when the copy is in place.
        """
        world, waits = self._world, self._rng.random() < 0.8
        fresh = self._rng.choice((0, 1, 1, 2, 3, 6))

        def is_open() -> bool:
            trader = world.life.trader if world.life is not None else None
            return not waits or (trader is not None and trader.engine.open_cycles > 0)

        def copy() -> None:
            world.watch.copy(world.folder / BACKED_UP)
            wanted = world.watch.orders + fresh
            self._once(lambda: world.watch.orders >= wanted, self._restore)

        self._once(is_open, copy)
        return False

    def _once(self, there: Callable[[], bool], action: Callable[[], None]) -> None:
        """Act when it is so, or in three seconds."""
        ends_ns = self._world.loop.now_ns + 3 * SECOND_NS

        def look() -> None:
            if there() or self._world.loop.now_ns > ends_ns:
                action()
            else:
                self._later(LOOK_NS / SECOND_NS, look)

        look()

    def _restore(self) -> None:
        world = self._world
        if world.closing or self.restored:
            return
        self.restored = True
        world.swarm.note("old_backup")
        before = _known(world)
        world.process.die("restored")
        world.failing.unlock()
        with world.watch.database_replaced():
            for suffix in ("-wal", "-shm"):
                (world.folder / f"{DATABASE}{suffix}").unlink(missing_ok=True)
            shutil.copyfile(world.folder / BACKED_UP, world.folder / DATABASE)
        world.doubts.forgotten()
        after = _known(world)
        self.lost_ids, self.lost_cycles = before[0] - after[0], before[1] - after[1]


def _known(world: World) -> tuple[set[str], set[str]]:
    """Orders that are over, or open, by their state; and cycles that are over."""
    reader = world.watch.reader
    orders = {row[0] for row in reader.execute("SELECT client_id FROM orders")}
    cycles = {row[0] for row in reader.execute("SELECT cycle_id FROM cycles")}
    return orders, cycles
