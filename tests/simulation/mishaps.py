"""Faults that happen at a time: connections, books, statuses, money, clocks, disks, operators."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.domain.book import Disbelief
from arbit.risk.kill import KILL_FILE, kill, unkill
from tests.simulation.loop import SECOND_NS
from tests.simulation.strains import words_of
from tests.simulation.upheavals import Upheavals

if TYPE_CHECKING:
    from arbit.execution.cycle import Cycle
    from tests.simulation.wire import Line
    from tests.simulation.world import World

STATUSES = ("cancel_only", "post_only", "maintenance", "reduce_only", "limit_only")
SYSTEMS = ("cancel_only", "post_only", "maintenance")
AIM_S = 0.002
JUMPS_S = (-3600.0, -60.0, -1.0, -0.03, 0.03, 1.0, 60.0, 3600.0)


class Mishaps:
    """Puts a plan's timed faults into effect, and mends them when their time is up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self.flows: dict[str, Decimal] = {}
        self.drifts: dict[str, Decimal] = {}
        self.foreign = 0
        self.jumps = 0
        self._do: dict[str, Callable[[], bool]] = {
            "line_cut": self._line_cut,
            "line_mute": self._line_mute,
            "feed_cut": world.venue.feed.cut,
            "feed_mute": self._feed_mute,
            "feed_doubt": lambda: self._aimed("feed_doubt", self._feed_doubt),
            "market_status": lambda: self._aimed("market_status", self._market_status),
            "system_status": self._system_status,
            "deposit": lambda: self.flow(1),
            "withdrawal": lambda: self.flow(-1),
            "clock_jump": self._clock_jump,
            "stall": lambda: self._aimed("stall", self._stall),
            "journal_locked": self._journal_locked,
            "journal_full": self._journal_full,
            "token_expired": self._token_expired,
            "market_gap": self._market_gap,
            "operator_pause": self._pause,
            "operator_kill": self._kill,
            "sigterm": self._sigterm,
            "drift": self._drift,
            "foreign_trade": self._foreign,
        }
        self._paused = world.folder / f"pause.{world.house.venue}"
        self.upheavals = Upheavals(world)
        self._do |= self.upheavals.actions() | words_of(world) | dict(world.house.mishaps(world))

    def schedule(self) -> None:
        """From now on."""
        now_ns = self._world.loop.now_ns
        for at_s, name in self._world.plan.timed:
            self._world.venue.at(now_ns + int(at_s * SECOND_NS), self._happen, name)

        self._world.watch.conversions.schedule()

    def mend(self) -> None:
        """Everything is well again; what money did stays."""
        world = self._world
        self.upheavals.mend()
        world.failing.unlock()
        world.failing.full, world.failing.at_word = False, None
        if world.process.frozen:
            world.loop.thaw(world.process)
        world.venue.feed.muted.clear()
        world.venue.market.set_system("online")
        for symbol in world.venue.market.pairs:
            world.venue.market.set_status(symbol, "online")
        world.venue.feed.statuses()
        world.venue.feed.changed(list(world.venue.market.pairs))
        unkill(world.folder)
        self._unpause()

    def _happen(self, name: str) -> None:
        """It happens, unless it is too late. What had nothing to strike is not counted."""
        swarm = self._world.swarm
        if not self._world.closing and swarm.on:
            phase = swarm.phase()  # a kill is another phase already
            if self._do[name]():
                swarm.note(name, phase)

    def happen(self, name: str) -> None:
        """This fault, now."""
        self._happen(name)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._world.venue.at(self._world.loop.now_ns + int(seconds * SECOND_NS), action)

    def _symbol(self) -> str:
        return self._rng.choice(list(self._world.venue.market.pairs))

    def _aimed(self, name: str, action: Callable[[str], bool]) -> bool:
        """At some market; half the time at one that an open cycle is about to send to.

        That may take a while: then it is counted when it strikes.
        """
        if self._rng.random() < 0.5:
            return action(self._symbol())
        ends_ns = self._world.loop.now_ns + SECOND_NS

        def look() -> None:
            next_legs = self._wanted()
            if next_legs or self._world.loop.now_ns > ends_ns:
                if action(next_legs[0] if next_legs else self._symbol()):
                    self._world.swarm.note(name)
            else:
                self._later(AIM_S, look)

        look()
        return False

    def _wanted(self) -> list[str]:
        """The markets that open cycles are about to send to."""
        trader = self._world.life.trader if self._world.life is not None else None
        works = list(trader.engine.works.values()) if trader is not None else []
        return [symbol for work in works for symbol in _next_legs(work.cycle)]

    def _held_lines(self) -> list[Line]:
        """The private sockets that somebody alive still holds."""
        lines = self._world.venue.lines.values()
        return [one for one in lines if one.process.alive and not one.left and not one.closing]

    def _line_cut(self) -> bool:
        held = self._held_lines()
        for line in list(self._world.venue.lines.values()):
            line.abort()
        return bool(held)

    def _line_mute(self) -> bool:
        struck = [line for line in self._held_lines() if not line.mute]
        for line in self._world.venue.lines.values():
            line.mute = True
        return bool(struck)

    def _feed_mute(self) -> bool:
        return self._mute(self._symbol(), self._rng.choice((0.3, 2.0, 5.0)))

    def _mute(self, symbol: str, seconds: float) -> bool:
        """Nothing is heard of this market for a while."""
        feed = self._world.venue.feed
        struck = self._world.process.alive and symbol not in feed.muted
        feed.muted.add(symbol)

        def back() -> None:
            feed.muted.discard(symbol)
            feed.changed([symbol])

        self._later(seconds, back)
        return struck

    def _feed_doubt(self, symbol: str) -> bool:
        life = self._world.life
        feed = life.feed if life is not None else None
        if feed is None or symbol not in feed.believed:
            return False
        struck = feed.believed[symbol]
        feed.send(lambda: feed.doubt(symbol, Disbelief.CHECKSUM))
        self._later(self._rng.choice((0.05, 0.5)), lambda: feed._venue.feed.changed([symbol]))
        return struck

    def _market_status(self, symbol: str) -> bool:
        market = self._world.venue.market
        before = market.pairs[symbol].status
        market.set_status(symbol, self._rng.choice(STATUSES))
        self._world.venue.feed.statuses()

        def back() -> None:
            market.set_status(symbol, "online")
            self._world.venue.feed.statuses()

        self._later(self._rng.choice((0.2, 1.0, 3.0)), back)
        return market.pairs[symbol].status != before

    def _system_status(self) -> bool:
        market = self._world.venue.market
        before = market.system
        market.set_system(self._rng.choice(SYSTEMS))
        self._world.venue.feed.statuses()

        def back() -> None:
            market.set_system("online")
            self._world.venue.feed.statuses()

        self._later(self._rng.choice((0.2, 1.0, 3.0)), back)
        return market.system != before

    def flow(self, sign: int) -> bool:
        """A deposit, or a withdrawal. Whether money moved: there may be too little to withdraw."""
        asset = self._rng.choice(self._world.house.flows)
        amount = Decimal(self._rng.choice(("0.0012", "0.03", "0.015"))) * sign
        before = self._world.venue.account.balance(asset)
        self._world.venue.flow(asset, amount)
        moved = self._world.venue.account.balance(asset) - before
        self.flows[asset] = self.flows.get(asset, Decimal(0)) + moved
        self._world.watch.stock.flowed(asset, moved)
        return moved != 0

    def _token_expired(self) -> bool:
        tokens = self._world.venue.exchange.tokens
        struck = bool(tokens._tokens)
        tokens.expire_all()
        return struck

    def _clock_jump(self) -> bool:
        self.jumps += 1
        self._world.clock.skew_ns += int(self._rng.choice(JUMPS_S) * SECOND_NS)
        return True

    def _stall(self, symbol: str) -> bool:
        """The process stands still. A market that a cycle is about to send to moves meanwhile.

        There and back, and half the time it is quiet from then on. After 3.4 s books are too old,
        and sockets are not given up yet.
        """
        process, loop = self._world.process, self._world.loop
        if process.frozen or not process.alive:
            return False
        wanted = symbol in self._wanted()
        loop.freeze(process)
        lasts_s = self._rng.choice((0.7, 3.4, 3.4, 4.0) if wanted else (0.1, 0.7, 4.0))
        quiet = self._rng.random() < 0.5

        def back() -> None:
            if quiet:
                self._mute(symbol, 5.0)
            self._world.shift(symbol, 0.0)

        if wanted:
            self._world.shift(symbol, self._rng.choice((-80.0, 80.0)))
            self._later(lasts_s / 2, back)
        self._later(lasts_s, lambda: loop.thaw(process))
        return True

    def _journal_locked(self) -> bool:
        struck = self._world.failing.lock()
        self._later(self._rng.choice((0.1, 0.5, 2.0)), self._world.failing.unlock)
        return struck

    def _journal_full(self) -> bool:
        """The disk is full for a while; most often just when the breaker has a word."""
        failing = self._world.failing
        seconds = self._rng.choice((0.1, 0.5, 2.0))

        def fill() -> bool:
            failing.at_word = None
            struck, failing.full = not failing.full, True
            self._later(seconds, room)
            return struck

        def room() -> None:
            failing.full = False

        def fill_at_word() -> None:
            if self._world.swarm.on and fill():
                self._world.swarm.note("journal_full")

        if self._rng.random() < 2 / 3:
            failing.at_word = fill_at_word
            return False
        return fill()

    def _market_gap(self) -> bool:
        symbol = self._symbol()
        self._world.shift(symbol, self._rng.choice((-250.0, -80.0, 80.0, 250.0)))
        self._later(self._rng.choice((0.1, 0.6)), lambda: self._world.shift(symbol, 0.0))
        return True

    def _pause(self) -> bool:
        struck = not self._world.operator.paused()
        self._world.operator.pause()
        self._later(self._rng.choice((1.0, 3.0)), self._unpause)
        return struck

    def _unpause(self) -> None:
        """The pause is over. What waits for a person goes on too, unless no person would let it."""
        if not self._world.plan.fatal:
            if self._paused.exists():
                self._world.operator.resume()
        else:
            self._paused.unlink(missing_ok=True)

    def _kill(self) -> bool:
        struck = not (self._world.folder / KILL_FILE).exists()
        kill(self._world.folder)
        self._later(self._rng.choice((0.05, 1.0)), self._unkill)
        return struck

    def _unkill(self) -> None:
        """The kill is over; a while later who threw it lets trading go on, unless nobody would."""
        unkill(self._world.folder)
        if not self._world.plan.fatal:
            self._later(0.5, self._world.operator.resume)

    def _sigterm(self) -> bool:
        world, life = self._world, self._world.life
        if life is None or not world.process.alive:
            return False
        world.process.context.run(life.stop)
        self._later(6.0, world.restart)
        return True

    def _drift(self) -> bool:
        asset, amount = self._rng.choice(self._world.house.flows), Decimal("0.0005")
        venue = self._world.venue
        venue.exchange.drift(venue.account, asset, amount, venue.clock.wall_ns())
        self.drifts[asset] = self.drifts.get(asset, Decimal(0)) + amount
        return True

    def _foreign(self) -> bool:
        account = self._world.venue.account
        before = len(account.trades)
        self._world.venue.foreign("BTC/USD", self._rng.choice(("buy", "sell")), Decimal("0.001"))
        self.foreign += (traded := len(account.trades) - before)
        return traded > 0


def _next_legs(cycle: Cycle) -> list[str]:
    """The markets that a sequential cycle has yet to send an order to, the next one first."""
    done = {order.record.leg_index for order in cycle.orders}
    legs = [] if cycle.state.over or cycle.recovering else cycle.record.plan
    return [row.leg.symbol for index, row in enumerate(legs, 1) if index not in done]
