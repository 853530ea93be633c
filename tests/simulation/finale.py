"""The end of a seed's story: faults stop, and the daemon must be well again, or halted for good."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.ledger import Ledger
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.kill import Resume
from tests.simulation.judge import UNKEPT
from tests.simulation.loop import SimCrash
from tests.simulation.market import USD
from tests.simulation.ready import STEP_S, Ready

if TYPE_CHECKING:
    from arbit.app.trade.trader import Trader
    from tests.simulation.world import World

HALT_S = 600.0  # audits come once a minute, and page through every trade of two minutes
AGREES_S = 600.0  # as HALT_S: a busy account has many pages
TRIES = 6
AHEAD_US = 5_000_000  # less than that a start is patient enough for
LEAST_USD = 30
NO_ROOM = ("no_room", "no_budget")  # sizes that fit no bound; of few seeds
AT_THE_LIMIT = {
    *NO_ROOM,
    "rests",
    "asset_cap",
    "funds",
    "inventory_cap",
    "reserve",
}  # what is HELD fills a cap, until a person takes it home
LOSS, UNPRICED = "daily_loss", "unpriced"
# A start that begins halted waits long for what a halt does not let go home.
LONG_STARTS = {Reason.CRASHES, Reason.UNRESOLVED}


def state_of(trader: Trader) -> BreakerState:
    """The breaker's state. A rest that is over is written down, and a kill may come with that."""
    try:
        return trader.breaker.state()
    except SimCrash:
        return BreakerState.HALTED


def _slack(ledger: Ledger, asset: str) -> Decimal:
    """By how much the venue's balance may differ, by the daemon's word."""
    slack: Callable[[str], Decimal] = getattr(ledger, "slack", lambda _asset: Decimal(0))
    return slack(asset)


def _at_a_limit(refused: set[str]) -> bool:
    """Whether limits alone stopped a try.

    A quiet book outside the triangle may be too old to price a cap by, until it is compared again:
    the cap has to be what stopped the same try then.
    """
    beside = refused - AT_THE_LIMIT
    return not beside or (beside == {UNPRICED} and beside != refused)


class Finale:
    """What is demanded of a daemon once nothing goes wrong any more."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def _trader(self) -> Trader | None:
        life = self._world.life
        return life.trader if life is not None and self._world.process.alive else None

    def trading(self) -> bool:
        """Whether the daemon would take an opportunity now."""
        trader = self._trader
        if trader is None or not trader.started or trader.engine.closed:
            return False
        well = state_of(trader) in {BreakerState.ACTIVE, BreakerState.PROBING}
        keeps = not trader.engine.keeper.ok() and not trader.setup.gateway.unready()
        agreed = not trader.auditor.overdue()
        return well and keeps and agreed and not trader.engine.open_cycles

    async def must_be_ready(self) -> None:
        """Ready again, with an operator's help where one is called for; and it trades."""
        world, ready = self._world, Ready(self._world)
        while not self.trading():
            if late := ready.late():
                ready.over()
                world.watch.say(18, f"{late}: {self.why()}")
                return
            self._supervise(ready.all_s)
            await asyncio.sleep(STEP_S)
            ready.step()
        ready.over()
        stops: list[set[str]] = []  # why nothing was attempted, try by try
        for _ in range(TRIES):
            await world.until(self._up, 60.0)
            refused = self._refused()
            before = len(world.watch.accepted)  # on a dead socket orders leave, and never arrive
            plant = world.venue.planter.pick(world.loop.now_ns, 1_200_000_000, (45.0, 60.0))
            world.shift(plant.symbol, plant.shift_bps)
            world.venue.at(plant.until_ns, world.shift, plant.symbol, 0.0)
            if await world.until(functools.partial(self._more_than, before), 1.5):
                break
            stops.append(set(self._refused() - refused))
        else:
            if not self._excused(stops):
                world.watch.say(18, f"nothing is attempted after faults stopped: {self.why()}")
        await world.until(self._settled, AGREES_S)

    async def must_halt(self) -> None:
        """The account is not ours alone any more: no way round a halt."""
        world = self._world

        def halted() -> bool:
            if not world.process.alive:
                self._boot()
            trader = self._trader
            return trader is not None and trader.started and trader.halted

        upheavals = world.mishaps.upheavals
        ours = world.mishaps.drifts or world.mishaps.foreign or world.venue.overcharged
        seen = ours or upheavals.foreign_orders or upheavals.twins or upheavals.blind
        if not await world.until(halted, HALT_S) and seen:
            world.watch.say(2, f"no halt {HALT_S:.0f} s after {world.plan.timed}")
        await world.until(self._agrees, AGREES_S)

    def _boot(self) -> None:
        """A person starts what is down, with a new key where the old one's nonces are forgotten.

        They are of a clock that was ahead: a backup lacks them, or the journal could not keep them.
        """
        if self._world.mishaps.jumps:
            self._new_key()
        self._world.boot()

    def _new_key(self) -> None:
        venue, world = self._world.venue, self._world
        forgot = world.mishaps.upheavals.restored or world.struck(*UNKEPT)
        ahead_us = venue.last_nonce - world.clock.wall_ns() // 1_000
        if forgot and ahead_us > AHEAD_US:
            venue.last_nonce = 0
            for key in venue.exchange.keys.values():
                key.last_nonce = 0

    async def must_end(self) -> None:
        """SIGTERM: open cycles end, and it goes in order."""
        world = self._world
        for _ in range(TRIES):
            world.closing = world.process.alive
            if not world.process.alive or world.life is None:  # stopped or killed: begin again
                world.boot()
                await world.until(lambda: self._recovered() or not world.process.alive, 90.0)
            life, world.closing = world.life, True
            if life is None:
                continue
            world.plant_at_the_end()
            await asyncio.sleep(world.rng.choice((0.0, 0.03, 0.1)))
            if not life.signalled and world.process.alive:
                life.process.context.run(life.stop)
            if not await world.until(lambda: not world.process.alive, 60.0):
                world.watch.say(18, "it does not stop within a minute")
            if world.process.killed_at == "exit":
                return

    def _refused(self) -> Counter[str]:
        """What the gate refused so far; and that sizes found no room, where bounds are drawn."""
        trader = self._trader
        if trader is None:
            return Counter()
        unfit = trader.setup.desk.lane.unfit if self._world.plan.inventory else {}
        no_room = {name: unfit[name] for name in NO_ROOM if name in unfit}
        if self._world.plan.inventory and "cooldown" in trader.engine.refusals:
            no_room["rests"] = trader.engine.refusals["cooldown"]  # some of them rest for long
        found = Counter(trader.engine.refusals | no_room)
        return (
            found
            if "rests" not in no_room
            else Counter(found - Counter(cooldown=found["cooldown"]))
        )

    def _excused(self, stops: list[set[str]]) -> bool:
        """Whether what stood in the way of every try is there to stay.

        A day's loss that is reached forbids all that comes: asked after everything that passes by
        itself (a comparison of the books, room at the venue), it was reached when that had passed.
        A fee in the wrong asset's name is a loss at once.
        """
        refused = set().union(*stops)
        spent = self._third_fees() or self._world.watch.restraint.spent
        if not self._has_money() or (LOSS in refused and spent):
            return True
        held = self._world.result.cycles["held"] > 0  # it fills caps, and sizes find no room
        return all(map(_at_a_limit, stops)) if refused else held

    def _has_money(self) -> bool:
        """Whether there is enough for the smallest cycle, of any asset that a triangle starts in.

        A triangle has one start, the first of the start assets that is in it.
        """
        trader = self._trader
        ways = trader.setup.desk.lane.scanner.directed if trader is not None else ()
        return trader is None or any(
            trader.inventory.spendable(asset) * USD[asset] > LEAST_USD
            for asset in {w.start for w in ways}
        )

    def _up(self) -> bool:
        self._supervise(30.0)
        life = self._world.life
        room = self._world.watch.restraint.room and (life is None or life.has_room())
        return self.trading() and room and not self._asks_for_fees()

    def _asks_for_fees(self) -> bool:
        """Whether what a fill was taken has yet to be explained: that waits for room, too."""
        return self._trader is not None and bool(self._trader.engine.setup.fees.doubt())

    def _more_than(self, accepted: int) -> bool:
        return len(self._world.watch.accepted) > accepted

    def _settled(self) -> bool:
        if self._third_fees():  # an operator has yet to accept what the lists do not explain
            self._supervise(30.0)
        return self.trading() and self._agrees()

    def _recovered(self) -> bool:
        return self._trader is not None and self._trader.started

    def operate(self) -> None:
        """An operator who looks in while faults go on: what waits for a person is resumed."""
        trader = self._trader
        if trader is None or not trader.started or self._world.plan.fatal:
            return
        stopped = state_of(trader) in {BreakerState.HALTED, BreakerState.REDUCING}
        if stopped and not trader.breaker._rested_at_ns:
            self._world.operator.resume()

    def _supervise(self, elapsed_s: float) -> None:
        """Start what is down; resume what waits for a person, or rests for long."""
        world = self._world
        if not world.process.alive:
            self._boot()
        trader = self._trader
        if trader is not None and trader.breaker.reason in LONG_STARTS:
            world.operator.resume()
        if trader is None or not trader.started:
            return
        stopped = state_of(trader) in {BreakerState.HALTED, BreakerState.REDUCING}
        if stopped and (not trader.breaker._rested_at_ns or elapsed_s > 10.0):
            if trader.breaker.reason in {Reason.DRIFT, Reason.FOREIGN}:
                if self._third_fees():
                    world.operator.resume(Resume.ACCEPT_BALANCES)
                    return
                world.watch.say(2, f"{trader.breaker.reason}: {trader.breaker.detail}")
            world.operator.resume()

    def _third_fees(self) -> bool:
        """Whether fees were paid in a third asset, which the venue's REST rows do not tell."""
        return self._world.struck("fee_third")

    def _agrees(self) -> bool:
        """Whether the ledger is the venue's, but for what nothing explains."""
        trader, world = self._trader, self._world
        if trader is None:
            return False
        return all(self._agrees_on(trader, asset) for asset in world.venue.account.balances)

    def _agrees_on(self, trader: Trader, asset: str) -> bool:
        world, ledger = self._world, trader.ledger
        there = world.venue.account.balance(asset) - world.mishaps.drifts.get(asset, Decimal(0))
        return world.venue.agrees(asset, there - ledger.wallet(asset), _slack(ledger, asset))

    def why(self) -> str:
        """What stands in the way, in words."""
        trader = self._trader
        if trader is None:
            return f"life {self._world.process.number}: not built"
        engine = trader.engine
        open_cycles = [(w.cycle.cycle_id, w.cycle.state.value) for w in engine.works.values()]
        return (
            f"started {trader.started}, breaker {state_of(trader).value} "
            f"{trader.breaker.detail}, open {open_cycles}, journal {engine.keeper.ok()!r}, "
            f"gateway {trader.setup.gateway.unready()!r}, refusals {engine.refusals}"
        )
