"""One seed, from its plan to its findings: the venue, the daemon's lives, faults, and the end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from arbit.app.store import DATABASE
from arbit.app.trade.told import LiveReport
from arbit.config import InventorySettings, RiskSettings, ScanSettings, Settings, VenueSettings
from arbit.domain.events import BreakerChanged, ConversionEnded, CycleEnded, Event, OrderEnded
from arbit.domain.records import Batch
from tests.simulation import canaries, ends
from tests.simulation.again import Again
from tests.simulation.bounds import Bounds, small_memories
from tests.simulation.canaries import Canaries
from tests.simulation.clock import SimClock, epoch_of
from tests.simulation.counted import Kept, kept
from tests.simulation.daemon import Life, Surroundings
from tests.simulation.doubts import Doubts
from tests.simulation.finale import Finale
from tests.simulation.guards import guarded
from tests.simulation.halts import Halts
from tests.simulation.houses import house_of
from tests.simulation.judge import judge
from tests.simulation.loop import SECOND_NS, Deadlock, Process, SimLoop
from tests.simulation.market import Plant
from tests.simulation.mishaps import Mishaps
from tests.simulation.plan import Plan, plan_of
from tests.simulation.ready import NEVER_S
from tests.simulation.store import Disk, Failing
from tests.simulation.strains import LOCKOUT_S, Operator
from tests.simulation.swarm import Swarm
from tests.simulation.trace import trace_hash
from tests.simulation.watch import Watch

START_NS = 1_000 * SECOND_NS
OPERATOR_LOOKS = 0.2  # how likely at each opportunity
IN_VAIN = 0.1  # how likely an opportunity comes while none can be taken
LONGEST_S = 90.0  # of faults: however few cycles there were
MOST_S = 1_200.0  # of virtual time; whoever is not through by then hangs
MOST_HANDLES = 1_500_000
MOST_LIVES = 40
# Without faults the market is calm now and then: books are compared while nothing moves, and where
# there is no such second in half a minute the daemon makes one, which would cost an opportunity.
CALM_EVERY_S, CALM_S = 20.0, 3.0
PHASES = ("idle", "leg_1", "leg_2", "leg_3", "legs", "unwinding", "recovery", "shutdown")


@dataclass(slots=True)
class Result:
    """What a seed came to."""

    seed: int
    violations: list[str] = field(default_factory=list)
    cycles: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    lives: int = 0
    planted: int = 0
    attempted: int = 0
    halts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    ready_s: float = NEVER_S  # virtual time from the end of faults until it trades
    own_s: float = NEVER_S  # the same without what it waited for the venue's limits
    handles: int = 0
    points: int = 0
    ticks: int = 0
    hash: str = ""
    clean: bool = False  # the last life ended when it was asked to


class World:
    """One seed's run. `life` and `process` are the daemon's present ones."""

    house_of = staticmethod(house_of)

    def __init__(self, seed: int, disk: Disk, plan: Plan | None = None) -> None:
        self.plan = plan or plan_of(seed)
        self.house = self.house_of(self.plan.house)
        self.result = Result(seed)
        self.loop = SimLoop(START_NS)
        self.rng = random.Random(f"world {seed}")
        self.folder: Path = disk.fresh()
        self.swarm = Swarm(self.plan.rates, random.Random(f"swarm {seed}"))
        self.swarm.phase = self.phase
        self.venue = self.house.venue_of(self.loop, self.plan, self.swarm)
        skew_ns = int(self.plan.skew_s * SECOND_NS)
        self.clock = SimClock(self.loop, random.Random(f"jitter {seed}"), skew_ns)
        self.settings = self._settings()
        self.failing = Failing(self.folder / DATABASE)
        self.watch = Watch(self, self.folder)
        self.venue.on_leave = self.watch.leaves
        self.venue.exchange.listeners.append(self.watch.happened)
        self.around = Surroundings(
            self.venue, self.clock, self.settings, self.failing, lambda _batch: None
        )
        self.around.wrote = self._wrote
        self.around.heard = self._heard
        self.halts, self.doubts = Halts(self), Doubts(self)
        self.around.published = self.halts.told
        self.operator = Operator(self.folder, self.house.venue)
        self.watch.restraint.join()
        self.mishaps = Mishaps(self)
        self.finale, self.bounds = Finale(self), Bounds(self)
        self.canaries = Canaries(self)
        self.house.join(self)
        self.told_before = Kept()  # when the last life began
        self.process: Process = Process(0)
        self.life: Life | None = None
        self.last_life: Life | None = None
        self.lives: list[Life] = []
        self.processes: list[Process] = []
        self.strangers: list[Process] = []  # daemons started beside the one that runs
        self.plants: list[Plant] = []
        self.kill_script: dict[int, tuple[int, int]] = {}  # life: at which seam, at which tick
        self.closing = self.over = False
        self._task: asyncio.Task[LiveReport] | None = None
        self._epochs = random.Random(f"epochs {seed}")
        self._base = {asset: Decimal(much) for asset, much in self.plan.balances.items()}

    # --- running ---------------------------------------------------------------------------------

    def run(self) -> Result:
        """The whole of it."""
        with guarded(self.loop.time, self.canaries.said), small_memories(self.plan.small):
            director = self.loop.create_task(self._direct())
            try:
                self.loop.run(director.done, seldom=self._stuck)
                if director.done():
                    director.result()
                else:
                    self.watch.say(14, f"no end after {self._elapsed_s():.0f} s")
            except Deadlock as error:
                self.watch.say(14, f"deadlock {error}")
            return self._finish()

    def _stuck(self) -> bool:
        most_s = MOST_S + (LOCKOUT_S if self.watch.restraint.locked_out else 0.0)
        return self._elapsed_s() > most_s or self.loop.handles > MOST_HANDLES

    def _elapsed_s(self) -> float:
        return (self.loop.now_ns - START_NS) / 1e9

    def _finish(self) -> Result:
        result = self.result
        for life in self.lives:
            if life.trader is not None:  # it is read from now on, and reading may end a rest
                life.trader.breaker.persist = lambda _flag: None
        judge(self)
        self.bounds.at_the_end()
        self.canaries.look()
        for said in self.loop.unhandled:
            self.watch.say(14, f"unhandled: {said}")
        result.violations = self.watch.violations
        result.orders = self.watch.orders
        result.faults = self.swarm.counts
        result.lives = len(self.processes)
        result.planted = len(self.plants)
        result.attempted = sum(plant.taken for plant in self.plants)
        result.seconds = self._elapsed_s()
        result.handles = self.loop.handles
        result.points = sum(one.points for one in self.processes)
        result.ticks = sum(one.ticks for one in self.processes)
        facts = (result.handles, result.seconds, sorted(result.cycles.items()), result.violations)
        result.hash = trace_hash(
            self.venue.exchange.log.records, self.watch.reader, self.folder, facts
        )
        self.failing.unlock()
        self.watch.close()
        for process in (*self.processes, *self.strangers):
            process.die("the end")
            self.loop.bury(process)
        return result

    async def _direct(self) -> None:
        """The seed's story."""
        self.swarm.on = self.plan.early
        self.boot()
        await self.until(self.finale.trading, 60.0)
        self.swarm.on = not self.plan.benign
        self.mishaps.schedule()
        ends_ns = self.loop.now_ns + int(self.plan.seconds * SECOND_NS)
        while not (self.over or self._enough(ends_ns)):
            if self.plan.benign or self.finale.trading() or self.rng.random() < IN_VAIN:
                self.plant(ends_ns)
            self.bounds.look()
            if self.rng.random() < OPERATOR_LOOKS:
                self.finale.operate()
            await asyncio.sleep(self.plan.plants_every_ms / 1e3 * self.rng.uniform(0.8, 1.2))
        self.swarm.on = False
        self.mishaps.mend()
        for process in () if self.kill_script else self.processes:
            process.kill_tick = process.kill_point = 0
        if self.plan.fatal:
            await self.finale.must_halt()
        else:
            await self.finale.must_be_ready()
            self.bounds.at_rest()
        if self.plan.twice:
            await Again(self).must_change_nothing()
        await self.finale.must_end()

    def _enough(self, ends_ns: int) -> bool:
        """Time is up, and there were cycles enough: a venue's rates make some seeds slow."""
        if self.loop.now_ns < ends_ns:
            return False
        enough = self.plan.benign or sum(self.result.cycles.values()) >= self.plan.cycles
        return enough or self._elapsed_s() > LONGEST_S

    async def until(self, there: Callable[[], bool], within_s: float) -> bool:
        """Wait for it; False when it did not come."""
        ends_ns = self.loop.now_ns + int(within_s * SECOND_NS)
        while not there():
            if self.loop.now_ns > ends_ns:
                return False
            await asyncio.sleep(0.05)
        return True

    # --- the daemon's lives ----------------------------------------------------------------------

    def boot(self) -> None:
        """The supervisor starts the daemon."""
        if self.process.alive and self.life is not None:
            return
        number = len(self.processes) + 1
        if number > MOST_LIVES:
            self.watch.say(18, "the daemon does not stay up")
            self.over = True
            return
        if abs(self.clock.skew_ns) > 4 * SECOND_NS:  # a host's clock is set before its services
            self.clock.skew_ns = int(self.plan.skew_s * SECOND_NS)
        process = Process(number)
        self.processes.append(process)
        self.process = process
        self._draw_kill(process)
        self.told_before = kept(self.watch.reader)
        life = self.house.life_of(process, self.around, epoch_of(self._epochs))
        self.life = self.last_life = life
        self.lives.append(life)
        self._task = process.context.run(self.loop.create_task, life.live())
        self._task.add_done_callback(lambda task: self._ended(life, task))
        process.on_death += [lambda: self.halts.died(life), lambda: self._died(process)]

    def _draw_kill(self, process: Process) -> None:
        process.kill_point, process.kill_tick = self.kill_script.get(process.number, (0, 0))
        if self.kill_script or self.closing or process.number > self.plan.kills:
            return
        draw = self.rng.random()
        if draw < 0.55:
            process.kill_point = self.rng.randint(1, 150)
        elif draw < 0.75:
            process.kill_point = self.rng.randint(1, 12)
        else:
            process.kill_tick = self.rng.randint(1, 9_000)

    def _died(self, process: Process) -> None:
        """Killed: its supervisor notices, and starts another one after a while."""
        if self.over or process.killed_at in {"the end", "exit"}:
            return
        self.result.kills[process.killed_at, self.phase()] += 1
        self.life = None
        delay_ns = int(self.rng.choice((0.01, 0.3, 1.0, 3.0)) * SECOND_NS)
        self.venue.at(self.loop.now_ns + delay_ns, self.restart)

    def restart(self) -> None:
        """The supervisor starts it again, unless the end has come."""
        if not self.closing:
            self.boot()

    def _ended(self, life: Life, task: asyncio.Task[LiveReport]) -> None:
        """The daemon ended by itself."""
        process = life.process
        if not process.alive or process is not self.process:
            return
        error = task.exception() if not task.cancelled() else None
        report = task.result() if error is None and not task.cancelled() else None
        process.die("exit")
        self.canaries.said(repr(report or error))
        self.result.clean = ends.look(self, life, report, error)
        if not self.result.clean and self.plan.restarted:
            self.venue.at(self.loop.now_ns + SECOND_NS, self.restart)
        self.result.halts[f"exit {type(error).__name__}" if error else "exit"] += 1

    # --- opportunities ---------------------------------------------------------------------------

    def plant(self, ends_ns: int) -> None:
        """An opportunity comes about, and goes."""
        planter, plan = self.venue.planter, self.plan
        share = 1.0 if plan.benign else self.rng.choice((0.3, 0.8, 1.0, 1.0, 1.5))
        bps = (38.0, 60.0) if plan.benign else (32.0, 70.0)
        plant = planter.pick(self.loop.now_ns, int(plan.plant_ms * share * 1e6), bps)
        if plan.benign:
            if planter.refill():
                self.venue.moved()
            late = plant.until_ns > ends_ns or self._elapsed_s() % CALM_EVERY_S < CALM_S
            if late or (self.plants and self._still_there()) or self._no_room():
                return
            self.plants.append(plant)
        self.shift(plant.symbol, plant.shift_bps)
        self.venue.at(plant.until_ns, self.shift, plant.symbol, 0.0)

    def plant_at_the_end(self) -> None:
        """One that is there when the daemon is told to stop: taken before, it is brought home."""
        plant = self.venue.planter.pick(self.loop.now_ns, 3_000_000_000, (38.0, 60.0))
        self.shift(plant.symbol, plant.shift_bps)
        self.venue.at(plant.until_ns, self.shift, plant.symbol, 0.0)

    def _still_there(self) -> bool:
        """Whether the last one is, or a cycle of it: the next would be another matter."""
        rest_ns = 300_000_000
        return self.loop.now_ns < self.plants[-1].until_ns + rest_ns

    def shift(self, symbol: str, bps: float) -> None:
        """The makers of one pair see another price."""
        self.venue.planter.shift(symbol, bps)
        self.venue.moved()

    def _no_room(self) -> bool:
        """Whether the venue's limit on questions lets nothing begin: over REST, after a start."""
        life = self.life
        if life is None or life.trader is None:
            return False
        return self.house.full in life.trader.setup.gateway.unready() or not life.has_room()

    def _wrote(self, batch: Batch) -> None:
        self.watch.committed(batch)
        self.halts.committed(batch)
        self.doubts.committed(batch)
        for record in batch.cycles:
            symbols = {one.leg.symbol for one in record.plan}
            for plant in self.plants[-3:]:
                started = record.started_ns - self.clock.skew_ns - self.venue.clock.wall_ns()
                began_ns = self.loop.now_ns + started
                if plant.symbol in symbols and plant.from_ns <= began_ns <= plant.until_ns:
                    plant.taken = True

    def _heard(self, event: Event) -> None:
        self.canaries.heard(event)
        self.watch.restraint.heard(event)
        self.watch.blind.heard(event)
        if isinstance(event, CycleEnded):
            self.result.cycles[event.end] += 1
        elif isinstance(event, ConversionEnded):
            self.result.cycles[f"{event.kind} {event.end}"] += 1
        elif isinstance(event, BreakerChanged):
            self.result.halts[event.reason or event.state] += 1
            if self.plan.benign:
                self.watch.say(18, f"breaker {event.state}: {event.reason} {event.detail}")
        elif isinstance(event, OrderEnded) and self.plan.benign and event.state == "rejected":
            aged = event.reason.startswith("not sent: stale_book")  # waiting its turn
            stopped = event.reason.startswith("not sent: draining")
            if not (stopped or (aged and self.plan.transport == "rest")):
                self.watch.say(18, f"an order was rejected: {event.reason}")

    def struck(self, *faults: str) -> bool:
        """Whether any of these faults has happened."""
        return any(name in faults for name, _ in self.swarm.counts)

    def deviation(self, asset: str) -> Decimal:
        """How far trading has moved the asset, by the venue's own books."""
        flows = self.mishaps.flows.get(asset, Decimal(0))
        return self.venue.account.balance(asset) - self._base.get(asset, Decimal(0)) - flows

    def phase(self) -> str:
        """Where the daemon is."""
        trader = self.life.trader if self.life is not None else None
        if trader is None or not trader.started:
            return "recovery"
        if self.closing or trader.engine.closed:
            return "shutdown"
        for work in trader.engine.works.values():
            state = work.cycle.record.resumes or work.cycle.state
            return state.value if state.value in PHASES else "idle"
        return "idle"

    @property
    def venue_settings(self) -> VenueSettings:
        """Those of the venue that is played."""
        return self.settings.venue(self.house.venue)

    def _settings(self) -> Settings:
        plan = self.plan
        own = {"max_skew_ms": plan.max_skew_ms, "api_key": canaries.KEY}
        own |= {"api_secret": canaries.SECRET, **self.house.settings(plan)}
        return Settings.model_validate(
            {
                "scan": ScanSettings(**plan.scan),
                "risk": RiskSettings(**plan.risk),
                "inventory": InventorySettings(**plan.inventory),
                "venues": {self.house.venue: own},
                "data_dir": self.folder,
            }
        )
