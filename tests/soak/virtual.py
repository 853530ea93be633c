"""Hours of market in virtual time: the simulation's world, for as long as a day and with a memory.

Prices move as the sandbox's `volatile` profile moves them, over the simulation's six pairs, and
opportunities come about by themselves. What a seed of the simulation packs into seconds comes here
as it comes to a daemon that runs for days: storms of failing calls, one trouble now and then, an
operator who looks in every minute, kills, restarts, a change of day.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from arbit.domain.events import BreakerChanged, Event
from arbit.domain.records import Batch
from arbit.persistence.sinks import ListSink, Rows
from arbit.sandbox.orders import Happened, Traded
from arbit.sandbox.profiles import VOLATILE_WEATHER, Profile
from tests.patches import replaced
from tests.simulation import market as markets
from tests.simulation import world as worlds
from tests.simulation.counted import History
from tests.simulation.daemon import Life, Surroundings
from tests.simulation.houses import KRAKEN
from tests.simulation.loop import SECOND_NS, Process
from tests.simulation.market import USD
from tests.simulation.plan import CALL_FAULTS, TIMED_FAULTS, Plan
from tests.simulation.runner import workshop
from tests.simulation.store import Disk
from tests.simulation.venue import SimVenue
from tests.soak.breaker import BreakerLog
from tests.soak.prices import Then

LONG_H = 6.0  # a run that must have seen all of it
LOOK_S = 60.0  # an operator looks in, and memories are looked at
PRICED_NS = SECOND_NS // 5  # how often the judge's prices follow the market
COLLECT_S = 600.0
STORM_S = (120.0, 480.0)  # calls fail so long
STORM_EVERY_S = (1_200.0, 3_600.0)
TROUBLE_EVERY_S = (120.0, 480.0)  # something happens
KILL_EVERY_S = (1_800.0, 5_400.0)  # the process is killed
CALLS = 6  # kinds of calls that a storm lets fail
# What cannot be told from trouble by those who judge a whole day, or ends it.
NOT_HERE = frozenset({"overfill", "fee_third", "clock_jump", "clock_back", "fee_change"})
CONVERT_EVERY_S = (600.0, 2_400.0)  # the owner turns something into something else
# What money that comes and goes takes out of its band, the daemon brings back by itself.
INVENTORY = {
    "targets": {"BTC": "0.2", "EUR": "10000"},
    "band_percent": "4",
    "caps": {"BTC": "0.35", "ETH": "20000 USD"},
    "reserve_amount": {"USD": "2000", "EUR": "5000"},
    "reserve_percent": {"BTC": "40"},
    "rebalance": True,
    "rebalance_cost_bps": "60",
    "rebalance_cost_per_day": "25",
    "rebalance_after_s": 60,
    "rebalance_every_s": 120,
}
WORDS = ("word_lockout", "word_nonce", "word_limit")
ENDLESS = {"LONGEST_S": 1e12, "MOST_S": 1e12, "MOST_HANDLES": 10**15, "MOST_LIVES": 10**6}


def plan_of(seed: int, hours: float) -> Plan:
    """A day's settings: those of a careful user, with quick rests."""
    rng = random.Random(f"soak {seed}")
    plan = Plan(seed, benign=False, seconds=hours * 3_600)
    plan.latency_ms, plan.jitter_ms, plan.feed_ms = 5.0, 2.0, 5.0
    plan.fee_bps = Decimal(2)
    plan.scan = {
        "max_concurrent_cycles": 4,
        "max_notional_per_cycle": Decimal(500),
        "min_edge_bps": Decimal(3),
        "start_assets": ("USD", "EUR", "BTC"),
        "latency_ms": 10,
    }
    plan.risk = {
        "deadline_ms": 1_000,
        "resolve_margin_ms": 600,
        "cooldown_ms": 500,
        "order_rate_per_s": 5.0,
        "breaker_failures": 5,
        "breaker_pause_s": 30,
        "max_crashes": 5,
        "max_daily_loss": Decimal(200),
        "max_exposure": Decimal(3_000),
        "unwind_budget_bps": Decimal(300),
    }
    plan.weather_hz = VOLATILE_WEATHER.market_hz
    plan.kills = 1 << 30  # how often is not known before
    plan.inventory = INVENTORY
    at_s = rng.uniform(*CONVERT_EVERY_S)
    while at_s < plan.seconds:
        start, end = rng.sample(sorted(plan.balances), 2)
        plan.conversions.append((at_s, start, end, rng.choice((0.2, 0.9)), rng.choice((10, 100))))
        at_s += rng.uniform(*CONVERT_EVERY_S)
    return plan


class SoakVenue(SimVenue):
    """A venue whose prices move, and the judge's with them."""

    def __init__(self, *args: Any) -> None:
        self._priced_ns = 0
        super().__init__(*args)

    def _profile(self) -> Profile:
        return replace(markets.profile(0.0), name="volatile", weather=VOLATILE_WEATHER)

    def _advance(self) -> None:
        super()._advance()
        if self.loop.now_ns - self._priced_ns >= PRICED_NS:
            self._priced_ns = self.loop.now_ns
            for asset in self.plan.balances:
                USD[asset] = Decimal(repr(round(self.market.prices.usd(asset), 8)))


class Counted(ListSink):
    """History that is counted and let go: a day of it would be all that the memory is for."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History()

    async def write(self, rows: Rows) -> None:
        for table, row in rows:
            self.history.take(table, row)


class SoakLife(Life):
    """One life of a day."""

    def __init__(self, process: Process, around: Surroundings, epoch: str) -> None:
        super().__init__(process, around, epoch)
        self.counted = self.sink = Counted()

    @property
    def history(self) -> History:
        """What history came to say of counters."""
        return self.counted.history


HOUSE = replace(KRAKEN, venue_of=SoakVenue, life_of=SoakLife)


@dataclass(slots=True)
class Told:
    """What a soak in virtual time came to."""

    hours: float
    seed: int
    lives: int = 0
    orders: int = 0
    cycles: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    faults: int = 0
    storms: int = 0
    trips: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, int] = field(default_factory=dict)
    profit_usd: float = 0.0
    most_exposed_usd: float = 0.0
    violations: list[str] = field(default_factory=list)

    def broken(self) -> list[str]:
        """The bounds that do not hold, in words."""
        if self.hours < LONG_H:
            return self.violations
        wanted = {"kills": self.kills, "trips": self.trips, "recoveries": self.recoveries}
        wanted |= {name: self.cycles.get(name, 0) for name in ("convert done", "rebalance done")}
        return [
            *self.violations,
            *(f"no {name}: little was soaked" for name in wanted if not wanted[name]),
        ]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


class SoakWorld(worlds.World):
    """A world whose story is a day."""

    house_of = staticmethod(lambda name: HOUSE)

    def __init__(self, seed: int, disk: Disk, hours: float) -> None:
        super().__init__(seed, disk, plan_of(seed, hours))
        self.told = Told(hours, seed)
        self.then = Then()
        self._profits: dict[str, Decimal] = {}
        self._earned: dict[str, Decimal] = defaultdict(Decimal)
        self.watch.closed = lambda asset: self._earned[asset]  # type: ignore[method-assign]  # rows are many by then
        self.breaker = BreakerLog(self.settings.risk, lambda: self.loop.now_ns)
        self.operator.on_resume = self.breaker.resumed
        self.venue.exchange.listeners.append(self._exposed)
        self._chance = random.Random(f"day {seed}")

    def _exposed(self, what: Happened) -> None:
        """How far trading has moved any asset, at the most, in USD of the moment."""
        if isinstance(what, Traded):
            for asset in self.plan.balances:
                away = self.deviation(asset)
                if abs(away) * USD[asset] > self.told.most_exposed_usd:
                    away -= self.watch.closed(asset)  # what cycles earned is no exposure
                now = round(float(abs(away) * USD[asset]), 2)
                self.told.most_exposed_usd = max(self.told.most_exposed_usd, now)

    def boot(self) -> None:
        """The supervisor starts the daemon."""
        before = len(self.processes)
        super().boot()
        if len(self.processes) > before:
            self.breaker.begun()

    def _heard(self, event: Event) -> None:
        super()._heard(event)
        if isinstance(event, BreakerChanged):
            self.breaker.heard(event)

    def _wrote(self, batch: Batch) -> None:
        super()._wrote(batch)
        self.then.committed(batch)
        for record in batch.cycles:
            if record.ended_ns and record.kind is None:
                before = self._profits.get(record.cycle_id, Decimal(0))
                self._profits[record.cycle_id] = record.profit
                self._earned[record.start_asset] += record.profit - before

    def _finish(self) -> worlds.Result:
        rows = self.watch.reader.execute("SELECT profit_ref FROM cycles WHERE profit_ref NOT NULL")
        self.told.profit_usd = round(float(sum(Decimal(row[0]) for row in rows)), 2)
        with self.then.judged():
            return super()._finish()

    def _draw_kill(self, process: Process) -> None:
        """Kills come at their time: see `_kills`."""

    async def _direct(self) -> None:
        self.boot()
        await self.until(self.finale.trading, 60.0)
        ends_ns = self.loop.now_ns + int(self.plan.seconds * SECOND_NS)
        self.watch.conversions.schedule()
        parts = [self._storms(), self._troubles(), self._kills(), self._looks()]
        tasks = [self.loop.create_task(part) for part in parts]
        while self.loop.now_ns < ends_ns and not self.over:
            await asyncio.sleep(1.0)
        for task in tasks:
            task.cancel()
        self.swarm.on = False
        self.mishaps.mend()
        for process in self.processes:
            process.kill_tick = process.kill_point = 0
        await self.finale.must_be_ready()
        self.bounds.at_rest()
        await self.finale.must_end()

    async def _storms(self) -> None:
        """Now and then calls fail for some minutes, some kinds of them."""
        chance = self._chance
        while True:
            await asyncio.sleep(chance.uniform(*STORM_EVERY_S))
            kinds = chance.sample(sorted(set(CALL_FAULTS) - NOT_HERE), CALLS)
            self.swarm.rates = {k: CALL_FAULTS[k] * chance.uniform(0.1, 0.6) for k in kinds}
            self.swarm.on = True
            self.told.storms += 1
            await asyncio.sleep(chance.uniform(*STORM_S))
            self.swarm.on, self.swarm.rates = False, {}

    async def _troubles(self) -> None:
        """Now and then something happens, as it does at a time."""
        chance, swarm = self._chance, self.swarm
        kinds = sorted((set(TIMED_FAULTS) | set(WORDS)) - NOT_HERE)
        while True:
            await asyncio.sleep(chance.uniform(*TROUBLE_EVERY_S))
            before, swarm.on = swarm.on, True
            self.mishaps.happen(chance.choice(kinds))
            await asyncio.sleep(1.0)
            swarm.on = before

    async def _kills(self) -> None:
        """Now and then the process is killed, somewhere in the middle of what it does."""
        chance = self._chance
        while True:
            await asyncio.sleep(chance.uniform(*KILL_EVERY_S))
            process = self.process
            if chance.random() < 0.5:
                process.kill_tick = process.ticks + chance.randint(1, 2_000)
            else:  # at a commit or a send, whenever the next ones come
                process.kill_point = process.points + chance.randint(1, 12)

    async def _looks(self) -> None:
        """An operator looks in; memories are looked at; what is garbage is let go."""
        collected_ns = self.loop.now_ns
        while True:
            await asyncio.sleep(LOOK_S)
            self.finale.operate()
            self.bounds.look()
            if not self.process.alive and self.life is None:
                self.restart()
            if self.loop.now_ns - collected_ns > COLLECT_S * SECOND_NS:
                collected_ns = self.loop.now_ns
                gc.collect()


@contextmanager
def long_day() -> Iterator[Disk]:
    """A disk; bounds of the simulation that no day keeps to are lifted, prices put back after."""
    before = dict(USD)
    lifted = [(worlds, name, most) for name, most in ENDLESS.items()]
    try:
        with workshop() as disk, replaced(lifted):
            yield disk
    finally:
        USD.update(before)


def run(seed: int, hours: float, *, loud: bool = False) -> Told:
    """The whole of it."""
    with long_day() as disk:
        world = SoakWorld(seed, disk, hours)
        result = world.run()
        told = world.told
        told.lives, told.orders = result.lives, result.orders
        told.cycles = dict(sorted(result.cycles.items()))
        told.kills, told.faults = sum(result.kills.values()), sum(result.faults.values())
        told.trips, told.recoveries = dict(world.breaker.trips), dict(world.breaker.recoveries)
        told.violations = [*result.violations, *world.breaker.violations]
        if loud:
            print(f"handles {result.handles}", file=sys.stderr)
    return told
