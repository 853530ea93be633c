"""One seed, from its plan to its findings: the venue's server, the daemon, a storm, and the end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from arbit.app.trade.told import LiveReport
from arbit.config import RiskSettings, ScanSettings, Settings
from arbit.domain.errors import UserError, VenueError
from arbit.domain.events import BreakerChanged, CycleEnded, Event, OrderEnded
from arbit.risk.kill import Orders
from tests.simulation.clock import WALL_START_NS, SimClock, epoch_of
from tests.simulation.finale import Finale
from tests.simulation.houses import house_of
from tests.simulation.loop import SECOND_NS, Deadlock, Process
from tests.simulation.store import Disk
from tests.simulation.trace import trace_hash
from tests.wiresim.ambient import ambient
from tests.wiresim.judge import judge
from tests.wiresim.life import WireLife, seeded
from tests.wiresim.live import Streams
from tests.wiresim.net import Net, WireLoop
from tests.wiresim.plan import Plan, plan_of
from tests.wiresim.storm import Storm
from tests.wiresim.venue import PORT, WireVenue
from tests.wiresim.watch import Watch
from tests.wiresim.weather import SeedWeather

START_NS = 1_000 * SECOND_NS
OPERATOR_LOOKS = 0.2
MOST_S = 900.0
MOST_HANDLES = 2_000_000
MOST_LIVES = 60
LOOK_S = 0.02


@dataclass(slots=True)
class Result:
    """What a seed came to."""

    seed: int
    violations: list[str] = field(default_factory=list)
    cycles: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    halts: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    planted: int = 0
    books: int = 0
    wires: int = 0
    live_again_s: float = 0.0
    ready_s: float | None = None  # as the other simulation's finale tells it
    own_s: float | None = None
    seconds: float = 0.0
    handles: int = 0
    hash: str = ""


class Mishaps:
    """What the finale asks of the other simulation's mishaps: none of these happen here."""

    drifts: dict[str, Decimal] = {}  # noqa: RUF012  nobody writes to it
    foreign = jumps = 0


class WireWorld:
    """One seed's run. `life` and `process` are the daemon's present ones."""

    def __init__(self, seed: int, disk: Disk, plan: Plan | None = None) -> None:
        self.plan = plan or plan_of(seed)
        self.result = Result(seed)
        self.loop = WireLoop(START_NS)
        self.rng = random.Random(f"wire world {seed}")
        self.folder = disk.fresh()
        self.house = house_of("kraken")
        skew_ns = int(self.plan.skew_s * SECOND_NS)
        self.clock = SimClock(self.loop, random.Random(f"jitter {seed}"), skew_ns)
        weather = SeedWeather(self.plan, random.Random(f"weather {seed}"))
        self.net = Net(self.loop, weather)
        self.loop.net = self.net
        self.settings = _settings(self.plan, self.folder)
        self.operator = Orders(self.folder, "sandbox")
        self.mishaps = Mishaps()
        self.process = Process(0)
        self.life: WireLife | None = None
        self.last_life: WireLife | None = None
        self.processes: list[Process] = []
        self.closing = False
        self.over = False
        self.jumps = 0
        self.watch = Watch(self)
        self.finale = Finale(cast("Any", self))
        self.streams = Streams(self)
        self.venue: WireVenue
        self.storm: Storm
        self._task: asyncio.Task[LiveReport] | None = None
        self._epochs = random.Random(f"epochs {seed}")

    # --- running ---------------------------------------------------------------------------------

    def run(self) -> Result:
        """The whole of it."""
        chance = random.Random(f"chance {self.plan.seed}")
        with (
            ambient(self.loop, chance, lambda: self.clock.skew_ns),
            seeded(lambda: epoch_of(self._epochs)),
        ):
            director = self.loop.create_task(self._direct())
            try:
                self.loop.run(lambda: director.done() or self._stuck())
                if director.done():
                    director.result()
                else:
                    self.watch.say(14, f"no end after {self._elapsed_s():.0f} s")
            except Deadlock as error:
                self.watch.say(14, f"deadlock {error}")
            return self._finish()

    def _stuck(self) -> bool:
        return self._elapsed_s() > MOST_S or self.loop.handles > MOST_HANDLES

    def _elapsed_s(self) -> float:
        return (self.loop.now_ns - START_NS) / 1e9

    def venue_wall_ns(self) -> int:
        """The venue's wall time."""
        return WALL_START_NS + self.loop.now_ns

    def _finish(self) -> Result:
        result = self.result
        judge(self)
        for said in self.loop.unhandled:
            self.watch.say(14, f"unhandled: {said}")
        result.violations = self.watch.violations
        result.orders, result.books = self.watch.orders, self.watch.books
        result.requests, result.faults = self.watch.requests, self.storm.counts
        result.lives, result.wires = len(self.processes), self.net._numbers
        result.seconds, result.handles = self._elapsed_s(), self.loop.handles
        facts = (
            *(result.handles, result.seconds, sorted(result.cycles.items()), result.violations),
            *(sorted(result.requests.items()), result.books, result.wires),
        )
        result.hash = trace_hash(
            self.venue.exchange.log.records, self.watch.reader, self.folder, facts
        )
        self.watch.close()
        for process in self.processes:
            process.die("the end")
            self.loop.bury(process)
        return result

    async def _direct(self) -> None:
        """The seed's story."""
        self.venue = WireVenue(self.loop, self.plan)
        self.venue.exchange.listeners.append(self.watch.happened)
        self.storm = Storm(self.plan, self.loop, self.net, self.venue.server)
        self.storm.heard = self.watch.leaves
        self.storm.jump = self._jump
        async with self.venue.server:
            await self._tell()
        await asyncio.sleep(1.0)  # the server's own goodbyes

    async def _tell(self) -> None:
        if self.plan.from_start and not self.plan.benign:
            self.storm.schedule()
        looking = self.loop.create_task(self._look())
        self.boot()
        await self.until(self._trading, 60.0)
        if not self.plan.benign and not self.storm.on:
            self.storm.schedule()
        ends_ns = self.loop.now_ns + int(self.plan.seconds * SECOND_NS)
        while self.loop.now_ns < ends_ns and not self.over:
            self._plant()
            if self.rng.random() < OPERATOR_LOOKS:
                self.finale.operate()
            await asyncio.sleep(self.plan.plants_every_ms / 1e3 * self.rng.uniform(0.8, 1.2))
        self.storm.mend()
        await self.streams.must_be_live()
        await self.finale.must_be_ready()
        await self.finale.must_end()
        if not self._books_agree():  # the grace was over before they were compared
            await self._once_more()
        looking.cancel()

    def _books_agree(self) -> bool:
        """Whether the last life's ledger is the venue's."""
        trader = self.last_life.trader if self.last_life is not None else None
        account = self.venue.account
        return trader is not None and all(
            account.balance(asset) == trader.ledger.wallet(asset) for asset in account.balances
        )

    async def _once_more(self) -> None:
        """What an end could not compare within its grace, the next start does."""
        self.result.halts["looked at by the next start"] += 1
        self.closing = False
        self.boot()
        await self.until(lambda: self.finale.trading() and self._books_agree(), 240.0)
        self.closing = True
        if self.life is not None and self.process.alive:
            self.process.context.run(self.life.stop)
        await self.until(lambda: not self.process.alive, 60.0)

    def struck(self, *faults: str) -> bool:
        """Whether any of these faults has happened."""
        return any(name in faults for name in self.storm.counts)

    async def until(self, there: Callable[[], bool], within_s: float) -> bool:
        """Wait for it; False when it did not come."""
        ends_ns = self.loop.now_ns + int(within_s * SECOND_NS)
        while not there():
            if self.loop.now_ns > ends_ns:
                return False
            await asyncio.sleep(0.05)
        return True

    async def _look(self) -> None:
        while True:
            self.watch.looks()
            self.streams.look()
            await asyncio.sleep(LOOK_S)

    def _trading(self) -> bool:
        self._again()
        return self.finale.trading()

    def _jump(self, by_ns: int) -> None:
        self.jumps += 1
        self.clock.skew_ns += by_ns

    # --- the daemon's lives ----------------------------------------------------------------------

    def boot(self) -> None:
        """The supervisor starts the daemon."""
        if self.process.alive and self.life is not None:
            return
        number = len(self.processes) + 1
        if number > MOST_LIVES:
            if not self.over:
                self.watch.say(18, "the daemon does not stay up")
            self.over = True
            return
        if abs(self.clock.skew_ns) > 4 * SECOND_NS:  # a host's clock is set before its services
            self.clock.skew_ns = int(self.plan.skew_s * SECOND_NS)
        process = Process(number)
        self.processes.append(process)
        self.process = process
        life = WireLife(process, self.settings, self.clock, self._heard, self.watch.believes)
        self.life = self.last_life = life
        self._task = process.context.run(self.loop.create_task, life.live())
        self._task.add_done_callback(lambda task: self._ended(process, task))
        process.on_death.append(lambda: self._died(process))

    def _again(self) -> None:
        if not self.process.alive and not self.closing:
            self.boot()

    def _died(self, process: Process) -> None:
        """The kernel closes what a dead process held; its supervisor starts another one."""
        for wire in self.net.wires:
            if wire.owner is process:
                wire.client.abort()
        if self.over or process.killed_at == "the end":
            return
        self.venue.at(self.loop.now_ns + SECOND_NS // 2, self._again)

    def _ended(self, process: Process, task: asyncio.Task[LiveReport]) -> None:
        """The daemon ended by itself."""
        if not process.alive or process is not self.process:
            return
        error = task.exception() if not task.cancelled() else None
        report = task.result() if error is None and not task.cancelled() else None
        stopped = report is not None and report.ended.startswith("stopped")
        if not stopped and not isinstance(error, VenueError | UserError):
            said = repr(error) if report is None else f"{report.ended}: {report.failure}"
            if report is None or "Venue" not in report.failure:
                self.watch.say(14, f"life {process.number} ended by itself: {said}")
        if stopped and report is not None and not self.closing:
            self.watch.say(14, f"life {process.number} stopped, and nobody asked")
        self.streams.left_open(process)
        self.result.halts[f"exit {type(error).__name__}" if error else "exit"] += 1
        process.die("exit")

    # --- opportunities ---------------------------------------------------------------------------

    def _plant(self) -> None:
        """An opportunity comes about, and goes."""
        plan = self.plan
        needs_ms = 14 * (plan.latency_ms + plan.jitter_ms + plan.tick_ms) + 100
        lasts_ms = needs_ms * self.rng.choice((0.5, 1.0, 1.5, 2.0))
        plant = self.venue.planter.pick(self.loop.now_ns, int(lasts_ms * 1e6), (34.0, 70.0))
        self.result.planted += 1
        self.shift(plant.symbol, plant.shift_bps)
        self.venue.at(plant.until_ns, self.shift, plant.symbol, 0.0)

    def plant_at_the_end(self) -> None:
        """One that is there when the daemon is told to stop: taken before, it is brought home."""
        plant = self.venue.planter.pick(self.loop.now_ns, 3_000_000_000, (38.0, 60.0))
        self.shift(plant.symbol, plant.shift_bps)
        self.venue.at(plant.until_ns, self.shift, plant.symbol, 0.0)

    def shift(self, symbol: str, bps: float) -> None:
        """The makers of one pair see another price."""
        self.venue.planter.shift(symbol, bps)

    def _rejected(self, why: str) -> None:
        if not why.startswith("not sent: draining"):  # it waited for its turn when the end came
            self.watch.say(18, f"an order was rejected: {why}")

    def _heard(self, event: Event) -> None:
        if isinstance(event, CycleEnded):
            self.result.cycles[event.end] += 1
        elif isinstance(event, BreakerChanged):
            self.result.halts[event.reason or event.state] += 1
            if self.plan.benign:
                self.watch.say(18, f"breaker {event.state}: {event.reason} {event.detail}")
        elif isinstance(event, OrderEnded) and self.plan.benign and event.state == "rejected":
            self._rejected(event.reason)


def _settings(plan: Plan, folder: Any) -> Settings:
    where = {
        "rest_url": f"http://127.0.0.1:{PORT}",
        "ws_url": f"ws://127.0.0.1:{PORT}/v2",
    }
    return Settings.model_validate(
        {
            "scan": ScanSettings(**plan.scan),
            "risk": RiskSettings(**plan.risk),
            "venues": {"sandbox": {**where, **plan.venue}},
            "data_dir": folder,
            "lock_dir": folder,
            "log_level": "error",
        }
    )
