"""Plays one scene with one chooser: the real lane, rotation, rests and learning, one slot.

What stands in for the engine is told each outcome by the scene. A cycle takes three latencies, one
of a gap that was gone takes one. Now and then the process is killed, and begins again with what its
journal has kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.app.trade.learning import Learning
from arbit.books import BookCache
from arbit.config import RiskSettings
from arbit.domain.book import BookView, Source
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.money import ZERO
from arbit.domain.order import OrderIntent, OrderState, Trade
from arbit.domain.plan import Plan, Unfit
from arbit.domain.records import Batch, CycleRecord, OrderRecord, PlannedRecord, Purpose
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.triangle import Triangle, triangle_of
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.fitness.episodes import Episodes
from arbit.lane import Lane, LaneSetup
from arbit.persistence.memory import MemoryJournal
from arbit.risk.paths import Paths
from arbit.scanner import Freshness, Scanner
from tests.choosing.choosers import Chooser
from tests.choosing.planted import FEE, ROUND_MS, TRIANGLES, D, Gap, Scene
from tests.unit.fitness.scene import MS, book, market

LATENCY_MS = 60
FAR_NS = 10**18  # books are believed throughout: their age is another campaign's
LOT = D("0.00000001")  # so fine that no size but the best is looked at
BEGAN_NS, WALL_NS = 10**12, 10**18
KEPT = (1 - float(FEE)) ** 3
QUIET = [("9.9", "500")], [("10.2", "500")]


@dataclass(slots=True)
class Played:
    """What came of it. `early` are attempts of a triangle inside its cool-down."""

    profit: Decimal = ZERO
    attempts: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    early: list[str] = field(default_factory=list)


Sizes = dict[tuple[str, Decimal, Decimal], Plan | Unfit]


class _Remembering(Lane):
    """The real lane; what sizing said of a gap is not worked out again for the next chooser.

    In one scene only the last book of a triangle moves, by its best bid: with the path and the
    budget it says what sizing finds.
    """

    sizes: Sizes

    def _sized(
        self, triangle: Triangle, views: Mapping[str, BookView], now_ns: int
    ) -> Plan | Unfit:
        most = self._setup.budgets(triangle.start) or ZERO
        moving = views[triangle.symbols[-1]].bids[0].price
        found = self.sizes.get((triangle.path, most, moving))
        if found is None:
            found = super()._sized(triangle, views, now_ns)
            self.sizes[triangle.path, most, moving] = found
        return found


@dataclass(frozen=True, slots=True)
class _Open:
    record: CycleRecord
    ends_ns: int
    profit: Decimal


class Play:
    """One scene, one chooser."""

    def __init__(self, scene: Scene, chooser: Chooser, sizes: Sizes | None = None) -> None:
        """`sizes` is shared by those who play the same scene; without it nothing is remembered."""
        self._sizes = sizes
        self._scene = scene
        self._chooser = chooser
        self._journal = MemoryJournal()
        self.now_ns = BEGAN_NS
        self._showing: dict[str, Gap] = {}
        self._open: _Open | None = None
        self._free_ns: dict[str, int] = {}  # the judge's own book of rests
        self._cooldown_ms = RiskSettings().cooldown_ms
        self.played = Played()
        self.budget: Callable[[], Decimal] = lambda: D(1000)  # USD that a cycle may start with
        self._start()

    def run(self) -> Played:
        """Every round."""
        for number, gaps in enumerate(self._scene.rounds):
            self.now_ns = BEGAN_NS + number * ROUND_MS * MS
            if number in self._scene.restarts:
                self._start()
            self._round(gaps)
        return self.played

    def _start(self) -> None:
        """A process begins, with what the journal has kept of earlier ones."""
        names = range(TRIANGLES)
        symbols = [s for n in names for s in (f"A{n}/USD", f"B{n}/A{n}", f"B{n}/USD")]
        markets = {s: market(s, qty_increment=LOT) for s in symbols}
        triangles = [
            triangle_of((f"A{n}/USD", f"B{n}/A{n}", f"B{n}/USD"), markets, "USD") for n in names
        ]
        self._cache = BookCache()
        self._cache.watch(markets, self.now_ns)
        scanner = Scanner(self._cache, triangles, [KEPT] * TRIANGLES, Freshness(FAR_NS, FAR_NS))
        rotation = self._chooser(self._scene)
        rotation.price = {"USD": D(1)}.get
        memory = self._journal.recall()
        self._paths = Paths(self._cooldown_ms, {})
        self._paths.recall(memory.last_ends, self._wall_ns, self.now_ns)
        rotation.rests = self._paths.rests_ns
        self._learning = Learning(rotation.odds, memory.learned, self._journal, self.now_ns)
        setup = LaneSetup(
            markets=markets,
            fees=dict.fromkeys(markets, FEE),
            budgets=lambda _: self.budget(),
            max_age_ns=FAR_NS,
            latency_ns=LATENCY_MS * MS,
            min_cost={},
            rotation=rotation,
        )
        episodes = Episodes(scanner, 0.0, lambda _: None)
        self.lane = (Lane if self._sizes is None else _Remembering)(
            setup, self._cache, scanner, episodes
        )
        if isinstance(self.lane, _Remembering) and self._sizes is not None:
            self.lane.sizes = self._sizes
        self.lane.take = self._take
        for one in self._scene.planted:
            held = one.start
            self._put(f"A{one.number}/USD", [("99.9", f"{held / 100}")], [("100", f"{held / 100}")])
            self._put(f"B{one.number}/A{one.number}", [("0.0999", "500")], [("0.1", "500")])
            self._put(f"B{one.number}/USD", *QUIET)
        self.lane.turn(self.now_ns)

    @property
    def _wall_ns(self) -> int:
        return self.now_ns + WALL_NS

    def _round(self, gaps: tuple[Gap, ...]) -> None:
        self._showing = {gap.planted.path: gap for gap in gaps}
        self.show(gaps)
        began_ns = self.now_ns
        self._turn_at(began_ns)
        self.close([gap for gap in gaps if not gap.survives])
        self._turn_at(began_ns + LATENCY_MS // 2 * MS)
        self._turn_at(began_ns + LATENCY_MS * MS)
        self._turn_at(began_ns + 3 * LATENCY_MS * MS)
        self.close([gap for gap in gaps if gap.survives])
        self._turn_at(began_ns + 4 * LATENCY_MS * MS)

    def show(self, gaps: Iterable[Gap]) -> None:
        """These gaps open, or show again; the turn is the caller's."""
        for gap in gaps:
            bid = 10 * (1 + gap.net_bps / 10_000) / KEPT
            self._put(f"B{gap.planted.number}/USD", [(f"{bid:.5f}", "500")], [("10.2", "500")])

    def close(self, gaps: Iterable[Gap]) -> None:
        """These gaps are gone; the turn is the caller's."""
        for gap in gaps:
            self._put(f"B{gap.planted.number}/USD", *QUIET)

    def _put(self, symbol: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
        made, now_ns = book(symbol, bids, asks), self.now_ns
        self._cache.put(made, seen_ns=now_ns, confirmed_ns=now_ns, source=Source.WS)

    def _turn_at(self, now_ns: int) -> None:
        self.now_ns = now_ns
        if self._open is not None and self._open.ends_ns <= now_ns:
            self._end(self._open)
        self.lane.turn(now_ns)

    # --- in place of the engine ------------------------------------------------------------------

    def _take(self, plan: Plan, now_ns: int) -> Refused | None:
        if self._open is not None:
            return Refused(RefusalCode.CONCURRENCY, {"open": "1"})
        path = plan.triangle.path
        if self._paths.rests_ns(path, now_ns):
            return Refused(RefusalCode.COOLDOWN)
        if now_ns < self._free_ns.get(path, 0):
            self.played.early.append(f"{path} at {now_ns}")
        gap = self._showing[path]
        self.played.attempts += 1
        lost = plan.start_in * D(str(gap.planted.lost_bps)) / 10_000
        if not gap.survives:
            state, profit, latencies = CycleState.FLAT, D(0), 1
        elif gap.fills:
            state, profit, latencies = CycleState.DONE, plan.profit, 3
        else:
            state, profit, latencies = CycleState.UNWOUND, -lost, 3
        one, two, three = (
            PlannedRecord(leg.leg, leg.qty, leg.limit_price, leg.fee_rate) for leg in plan.legs
        )
        record = CycleRecord(
            cycle_id=f"c{self.played.attempts}",
            policy=Policy.SEQUENTIAL,
            state=state,
            plan=(one, two, three),
            started_ns=self._wall_ns,
            profit=profit,
        )
        self._open = _Open(record, now_ns + latencies * LATENCY_MS * MS, profit)
        return None

    def _end(self, one: _Open) -> None:
        self._open = None
        record, state = one.record, one.record.state
        self.played.profit += one.profit
        self.played.ends[state.value] = self.played.ends.get(state.value, 0) + 1
        wrong = state is CycleState.UNWOUND
        self._free_ns[record.path] = one.ends_ns + self._cooldown_ms * MS * (10 if wrong else 1)
        self._paths.finish(record, went_wrong=wrong, now_ns=one.ends_ns)
        learned = self._learning.ended(_cycle(record))
        ended_ns = one.ends_ns + WALL_NS
        kept = CycleRecord(
            record.cycle_id, record.policy, state, record.plan, record.started_ns, ended_ns
        )
        self._journal.write(Batch(cycles=(kept,), learned=learned))


def _cycle(record: CycleRecord) -> Cycle:
    """As the engine has it at its end: leg 1 with a trade, or in vain."""
    first = record.plan[0]
    flat = record.state is CycleState.FLAT
    intent = OrderIntent("o1", first.leg, first.qty, first.limit_price, first.fee_rate)
    state = OrderState.EMPTY if flat else OrderState.FILLED
    order = OrderRecord(
        intent, record.cycle_id, Purpose.LEG, 1, 1, "ws", state, first.leg.spend, D(0)
    )
    side, price = first.leg.side, first.limit_price
    trade = Trade("t", "", "o1", first.leg.symbol, side, first.qty, price, price * first.qty, (), 1)
    return Cycle(record, (WorkingOrder(order, () if flat else (trade,)),))
