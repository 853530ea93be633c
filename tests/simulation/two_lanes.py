"""Two lanes of one process in virtual time: Kraken's house and Alpaca's, and places they share.

A world holds one venue. Here are two exchanges on one loop, one daemon's process with a lane on
each, one data folder; no fault, but for the kill of the process. What is looked at are the two
exchanges' logs: a cycle is under way at least from its first order's coming in to the last word
of its orders there.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbit.app.store import DATABASE
from arbit.app.trade.told import LiveReport
from arbit.app.trade.trader import Trader
from arbit.config import RiskSettings, ScanSettings, Settings
from arbit.domain.refusal import Refused
from arbit.risk.slots import PATIENCE_NS, Slots
from tests.simulation import canaries
from tests.simulation.alpaca.life import AlpacaLife
from tests.simulation.clock import SimClock, epoch_of
from tests.simulation.daemon import Life, Surroundings
from tests.simulation.guards import guarded
from tests.simulation.houses import NAMES, house_of
from tests.simulation.loop import SECOND_NS, Process, SimLoop
from tests.simulation.market import USD
from tests.simulation.plan import Plan
from tests.simulation.store import Disk, Failing
from tests.simulation.swarm import Swarm
from tests.simulation.venue import SimVenue

START_NS = 1_000 * SECOND_NS
NOTIONAL = Decimal(200)  # of one cycle at most
OURS = "ab"
LASTS_NS = SECOND_NS  # an opportunity
DOWN_S = 0.5  # until the supervisor starts it again


Ask = tuple[int, str, bool]  # when, by which lane, whether it was given a place


@dataclass(frozen=True, slots=True)
class Span:
    """A cycle as an exchange saw it: from when until when, and what it began with (USD)."""

    lane: str
    cycle: str
    from_ns: int
    until_ns: int
    usd: Decimal


class Asked(Slots):
    """Places that remember who asked when, by what lane, and whether it was given one."""

    def __init__(self, cycles: int, notional: Decimal | None, asks: list[Ask]) -> None:
        super().__init__(cycles, notional)
        self._asks = asks

    def ask(self, lane: str, wanted: Decimal, now_ns: int) -> Refused | None:
        """One question."""
        refused = super().ask(lane, wanted, now_ns)
        self._asks.append((now_ns, lane, refused is None))
        return refused


class Shares(Life):
    """A lane that takes part in places, as `LiveLane.__call__` has it."""

    slots: Slots

    async def _build(self, *args: Any, **named: Any) -> Any:
        run, trader, side = await super()._build(*args, **named)
        trader.share(self.slots)
        return run, trader, side


class KrakenLane(Shares):
    """On Kraken's house."""


class AlpacaLane(Shares, AlpacaLife):
    """On Alpaca's."""


LANES: dict[str, type[Shares]] = {"kraken": KrakenLane, "alpaca": AlpacaLane}


class TwoLanes:
    """Both exchanges, and the lives of a daemon on them. `bounds` are its caps over both lanes."""

    def __init__(self, seed: int, disk: Disk, **bounds: Any) -> None:
        self.loop = SimLoop(START_NS)
        self.folder = disk.fresh()
        self.rng = random.Random(f"two lanes {seed}")
        self.clock = SimClock(self.loop, random.Random(f"two lanes jitter {seed}"))
        plans = {name: _quiet(house_of(name).plan_of(0)) for name in NAMES}
        self.venues: dict[str, SimVenue] = {
            name: house_of(name).venue_of(self.loop, plan, Swarm({}, random.Random(f"{seed}")))
            for name, plan in plans.items()
        }
        self.settings = self._settings(plans, bounds)
        self.refusals = Counter[str]()  # of lives that were killed, too
        self.lives: dict[str, Life] = {}
        self.reports: list[LiveReport] = []
        self.process = Process(0)
        self._processes: list[Process] = []
        self._tasks: list[asyncio.Task[LiveReport]] = []
        self._failing = Failing(self.folder / DATABASE)
        self.asks: list[Ask] = []

    def _settings(self, plans: dict[str, Plan], bounds: dict[str, Any]) -> Settings:
        own = {"max_skew_ms": 3_000, "api_key": canaries.KEY, "api_secret": canaries.SECRET}
        plan = plans["kraken"]
        venues = {
            house.venue: {**own, **house.settings(plans[name])}
            for name, house in ((name, house_of(name)) for name in NAMES)
        }
        return Settings.model_validate(
            {
                "scan": ScanSettings(**plan.scan),
                "risk": RiskSettings(**plan.risk | bounds),
                "venues": venues,
                "data_dir": self.folder,
            }
        )

    # --- running ---------------------------------------------------------------------------------

    def run(self, seconds: float, kill_at_s: float = 0.0) -> None:
        """Opportunities on both at once for so long; killed and started again at that time."""
        with guarded(self.loop.time, lambda _said: None):
            director = self.loop.create_task(self._direct(seconds, kill_at_s))
            self.loop.run(director.done)
            director.result()
        for process in self._processes:
            process.die("the end")
            self.loop.bury(process)

    async def _direct(self, seconds: float, kill_at_s: float) -> None:
        self.boot()
        while not self.trading:
            await asyncio.sleep(0.05)
        began_ns = self.loop.now_ns
        while (at_s := (self.loop.now_ns - began_ns) / 1e9) < seconds:
            if kill_at_s and at_s >= kill_at_s:
                kill_at_s = 0.0
                self.kill()
                await asyncio.sleep(DOWN_S)
                self.boot()
            self.plant()
            await asyncio.sleep(self.rng.uniform(0.2, 0.4))
        for life in self.lives.values():
            self.process.context.run(life.stop)
        for task in self._tasks:
            self.reports.append(await task)
        self._count()

    @property
    def trading(self) -> bool:
        """Whether both lanes would take an opportunity."""
        traders = [life.trader for life in self.lives.values()]
        return all(one is not None and one.started for one in traders)

    def boot(self) -> None:
        """One command: its lanes, and the places they share."""
        self.process = Process(self.process.number + 1)
        self._processes.append(self.process)
        risk = self.settings.risk
        most = risk.max_total_cycles or self.settings.scan.max_concurrent_cycles
        slots = Asked(most, risk.max_total_notional, self.asks)
        self._tasks = []
        for name, venue in self.venues.items():
            around = Surroundings(
                venue, self.clock, self.settings, self._failing, lambda _batch: None
            )
            life = LANES[name](self.process, around, epoch_of(self.rng))
            life.slots = slots
            self.lives[name] = life
            self._tasks.append(self.process.context.run(self.loop.create_task, life.live()))

    def kill(self) -> None:
        """Kill -9 of the command: both lanes at once."""
        self._count()
        self.process.die("killed")

    def traders(self) -> Iterator[tuple[str, Trader]]:
        """Those of the present life."""
        for name, life in self.lives.items():
            if life.trader is not None:
                yield name, life.trader

    def _count(self) -> None:
        for name, trader in self.traders():
            for code, count in trader.engine.refusals.items():
                self.refusals[f"{name} {code}"] += count

    def plant(self) -> None:
        """The same moment has something to take on both."""
        for venue in self.venues.values():
            venue.planter.refill()
            plant = venue.planter.pick(self.loop.now_ns, LASTS_NS, (45.0, 60.0))
            self._shift(venue, plant.symbol, plant.shift_bps)
            venue.at(plant.until_ns, self._shift, venue, plant.symbol, 0.0)

    def _shift(self, venue: SimVenue, symbol: str, bps: float) -> None:
        venue.planter.shift(symbol, bps)
        venue.moved()

    # --- what the exchanges saw ------------------------------------------------------------------

    def ids(self, lane: str) -> set[str]:
        """The client ids of ours that came in there."""
        records = self.venues[lane].exchange.log.records
        return {
            str(one["cl_ord_id"])
            for one in records
            if one["kind"] == "accept" and str(one["cl_ord_id"]).startswith(OURS)
        }

    def spans(self) -> list[Span]:
        """Every cycle, the first to begin first."""
        found: list[Span] = []
        for lane, venue in self.venues.items():
            times: dict[str, list[int]] = {}
            began: dict[str, Decimal] = {}
            for one in venue.exchange.log.records:
                client_id = str(one.get("cl_ord_id", ""))
                if one["kind"] not in {"accept", "fill", "end"} or not client_id.startswith(OURS):
                    continue
                cycle = client_id.partition("-")[0]
                times.setdefault(cycle, []).append(one["at"])
                if one["kind"] == "accept":
                    began.setdefault(cycle, _usd(one))
            found += [
                Span(lane, cycle, min(at), max(at), began[cycle]) for cycle, at in times.items()
            ]
        return sorted(found, key=lambda span: (span.from_ns, span.cycle))


def together(spans: list[Span]) -> tuple[int, Decimal]:
    """The most cycles that were under way at one moment, and the most that they began with."""
    most, usd = 0, Decimal(0)
    for one in spans:
        open_ = [other for other in spans if other.from_ns <= one.from_ns < other.until_ns]
        most, usd = max(most, len(open_)), max(usd, sum((o.usd for o in open_), Decimal(0)))
    return most, usd


def out_of_turn(asks: list[Ask]) -> list[str]:
    """Places that a lane took again while another one waited that had not been served since."""
    found, before = [], dict[str, int]()  # when each was served last, by lane
    refused: dict[str, int] = {}
    for at_ns, lane, given in asks:
        if not given:
            refused[lane] = at_ns
            continue
        for other, asked_ns in refused.items():
            since_ns = before.get(lane, at_ns)
            unserved = before.get(other, 0) < since_ns
            if other != lane and unserved and since_ns < asked_ns >= at_ns - PATIENCE_NS:
                found.append(f"{lane} at {at_ns}: {other} has waited since {asked_ns}")
        before[lane] = at_ns
        refused.pop(lane, None)
    return found


def _usd(accepted: dict[str, Any]) -> Decimal:
    base, quote = str(accepted["symbol"]).split("/")
    qty = Decimal(str(accepted["qty"]))
    if accepted["side"] == "sell":
        return qty * USD[base]
    return qty * Decimal(str(accepted["price"])) * USD[quote]


def _quiet(plan: Plan) -> Plan:
    """Of a seed without faults, and the same pace on both."""
    plan.latency_ms, plan.jitter_ms, plan.feed_ms = 20.0, 5.0, 20.0
    plan.weather_hz, plan.fee_bps, plan.transport, plan.tier = 0.0, Decimal(2), "ws", "pro"
    plan.scan |= {"max_notional_per_cycle": NOTIONAL, "max_concurrent_cycles": 4}
    plan.scan |= {"start_assets": ("USD",), "min_edge_bps": Decimal(1)}
    plan.risk |= {"policy": "sequential", "cooldown_ms": 0, "max_exposure": Decimal(3_000)}
    plan.risk |= {"deadline_ms": 2_000, "order_rate_per_s": 50.0, "breaker_failures": 1_000}
    return plan
