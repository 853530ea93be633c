"""Conversions in seeds that have them: the owner's at a time, and rebalances of the daemon's own.

Watched here, from what left and what the venue's books were: what a conversion costs at its limits
when it begins, what a day's rebalances cost, and that each brings its asset nearer to its target.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arbit.domain.plan import SizeLimits
from arbit.domain.records import Batch, Book, CycleRecord
from arbit.domain.route import Conversion, ConversionKind
from arbit.ledger import CONVERSION
from arbit.routing import Around, route
from arbit.sandbox.book import ASK, BID
from tests.simulation.loop import SECOND_NS
from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.plan import Plan
    from tests.simulation.watch import Watch
    from tests.simulation.world import World

BPS = Decimal(10_000)
DAY_NS = 86_400 * SECOND_NS
STEP = Decimal("1e-8")
MOVED = Decimal("0.0002")  # of what is spent: the venue's books are not yet those of the decision
SHIFTED = Decimal("0.015")  # the same, where makers see another price right now
NEAR = Decimal("1.002")  # a target is met to the lot, and fees are taken of what comes


def draw(plan: Plan, rng: random.Random) -> None:
    """Conversions of the owner's, and targets to which the daemon brings assets back."""
    if rng.random() < 0.6:
        for _ in range(rng.choice((2, 6, 12))):
            start, end = rng.sample(sorted(plan.balances), 2)
            size = rng.choice((0.3, 0.6, 0.95)), rng.choice((1, 40, 150, 150))
            way = rng.choice((1, 2, 3)), rng.choice((0, 0, rng.randint(1, 16)))
            plan.conversions.append((rng.uniform(0.5, plan.seconds), start, end, *size, *way))
    if rng.random() < 0.6:
        _targets(plan, rng)


def _targets(plan: Plan, rng: random.Random) -> None:
    """Assets that are a little off at first; the daemon is quick, and has little to spend on it."""
    said = plan.inventory
    kept = {*said.get("caps", {}), *said.get("reserve_amount", {})}
    free = [one for one, had in sorted(plan.balances.items()) if one not in kept and Decimal(had)]
    for asset in rng.sample(free, min(len(free), rng.choice((1, 2)))):
        off = plan.scan["max_notional_per_cycle"] / USD[asset] * Decimal(rng.choice((-2, -1, 1, 3)))
        target = Decimal(plan.balances[asset]) + off
        if target > 0:
            said.setdefault("targets", {})[asset] = f"{target.quantize(STEP):f}"
    if said.get("targets"):
        said["band_percent"] = rng.choice(("0.2", "1"))
        said["rebalance"] = True
        said["rebalance_cost_bps"] = rng.choice(("20", "60", "150"))
        said["rebalance_cost_per_day"] = rng.choice(("0.05", "0.4", "5"))
        said["rebalance_after_s"], said["rebalance_every_s"] = rng.choice((0, 2)), 1


class Conversions:
    """Begins a plan's conversions, and watches all of one world."""

    def __init__(self, world: World, watch: Watch) -> None:
        self._world = world
        self._watch = watch
        self._owned: dict[str, dict[str, Decimal]] = {}  # when it began, by cycle
        self._planned: dict[str, list[Any]] = {}
        self._over: set[str] = set()
        self._cost: dict[tuple[int, str], Decimal] = defaultdict(Decimal)  # by day and rebalance
        self.asked = self.begun = 0
        self.ends: dict[str, str] = {}

    # --- the owner's -----------------------------------------------------------------------------

    def schedule(self) -> None:
        """From now on."""
        now_ns = self._world.loop.now_ns
        for at_s, *what in self._world.plan.conversions:
            self._world.venue.at(now_ns + int(at_s * SECOND_NS), self._convert, *what)

    def _convert(
        self, start: str, end: str, share: float, bps: int, legs: int = 0, dies: int = 0
    ) -> None:
        """As `arbit convert` would, within the daemon: the best route of what its books say.

        Of so many legs, where there is one. The process is killed at that seam after, unless 0.
        """
        world, life = self._world, self._world.life
        trader = life.trader if life is not None else None
        process = world.process
        if trader is None or not trader.started or not process.alive or process.frozen:
            return
        worth = world.plan.scan["max_notional_per_cycle"] * Decimal(str(share))

        def begin() -> None:
            now_ns, desk = world.clock.monotonic_ns(), trader.setup.desk
            seen = {one: trader.sights.view(one, now_ns) for one in desk.cache.symbols}
            books = {one: view for one, view in seen.items() if view is not None}
            markets = {one: desk.setup.markets[one] for one in books}
            around = Around(books, markets, trader.engine.setup.fees.rates)
            most = min(worth / USD[start], trader.inventory.spendable(start) * Decimal("0.99"))
            routes = route(start, end, around, SizeLimits(most))
            wanted = routes.by_legs.get(legs)
            found = wanted if isinstance(wanted, Conversion) else routes.best
            if found is not None:
                if dies and world.swarm.on and not process.kill_point:
                    process.kill_point = process.points + dies
                self.asked += 1
                budget = found.spend * bps / BPS
                trader.engine.convert(found, ConversionKind.CONVERT, budget, now_ns)

        process.context.run(begin)

    # --- what is watched -------------------------------------------------------------------------

    def takes_back(self, row: sqlite3.Row) -> bool:
        """Whether an order is one of a rebalance that takes back what trading had moved.

        Of what trading has too much of it spends, or it brings what trading owes.
        """
        sql = "SELECT plan FROM cycles WHERE cycle_id=? AND kind='rebalance'"
        found = self._watch.reader.execute(sql, (row["cycle_id"],)).fetchone()
        if found is None:
            return False
        plan = json.loads(found["plan"])
        start, end = (self._world.deviation(one) for one in (plan[0][2], plan[-1][3]))
        return row["leg_index"] > 1 or start > 0 or end < 0

    def leaves(self, row: sqlite3.Row, cycle: Mapping[str, Any]) -> None:
        """The first order of a conversion is about to leave; `cycle` is what is written of it."""
        if row["leg_index"] != 1 or row["purpose"] != "leg" or cycle["kind"] is None:
            return
        cycle_id, plan = row["cycle_id"], json.loads(cycle["plan"])
        self.begun += 1
        self._planned[cycle_id] = plan
        account = self._world.venue.account
        self._owned[cycle_id] = {one: account.balance(one) for one in (plan[0][2], plan[-1][3])}
        spends, lost, brings = self._at_limits(plan)
        budget, moving = Decimal(cycle["loss_budget"]), self._shifted(plan)
        rough = spends * (SHIFTED if moving else MOVED)
        if lost > budget + rough:
            said = f"costs {lost:.8f} {plan[0][2]} at its limits, its budget is {budget:.8f}"
            self._watch.say(7, f"conversion {cycle_id} {said}")
        if cycle["kind"] == "rebalance":
            start, end = map(self._watch.restraint.price, (plan[0][2], plan[-1][3]))
            self._of_the_day(cycle_id, (spends - rough) * start - brings * end)

    def _of_the_day(self, cycle_id: str, lost_usd: Decimal) -> None:
        """What rebalances of a day cost: those that are over, and this one at its limits."""
        said: Mapping[str, Any] = self._world.plan.inventory
        most, day = Decimal(said["rebalance_cost_per_day"]), self._day()
        spent = sum((cost for (of, _), cost in self._cost.items() if of == day), Decimal(0))
        if spent + lost_usd > most * NEAR and not self._world.mishaps.upheavals.restored:
            told = f"begins for {lost_usd:.4f} USD at least, {spent:.4f} of {most} are spent today"
            self._watch.say(7, f"rebalance {cycle_id} {told}")

    def committed(self, batch: Batch) -> None:
        """What was written just now: how conversions ended, and what the owner's capital is now."""
        for one in batch.postings:
            if one.kind == CONVERSION and one.book is Book.CAPITAL:
                flows = self._world.mishaps.flows
                flows[one.asset] = flows.get(one.asset, Decimal(0)) - one.amount
                self._watch.stock.converted(one.asset, -one.amount)
        for record in batch.cycles:
            if record.kind is not None and record.ended_ns and record.cycle_id not in self._over:
                self._over.add(record.cycle_id)
                self.ends[record.cycle_id] = f"{record.kind.value} {record.state.value}"
                if record.kind is ConversionKind.REBALANCE and record.cycle_id in self._owned:
                    self._ended(record)

    def _ended(self, record: CycleRecord) -> None:
        """A rebalance is over: its cost is the day's, and no asset is further from its target."""
        moved = self._watch.moved[f"ab{record.cycle_id}"]
        plan = self._planned[record.cycle_id]
        if not self._shifted(plan):
            price, spent = self._watch.restraint.price, moved[plan[0][2]]
            lost = -sum((amount * price(one) for one, amount in moved.items()), Decimal(0))
            self._cost[self._day(), record.cycle_id] = max(
                lost + spent * MOVED * price(plan[0][2]), Decimal(0)
            )
        said: Mapping[str, Any] = self._world.plan.inventory
        band = Decimal(said["band_percent"]) / 100
        nearer = False
        for asset, before in self._owned[record.cycle_id].items():
            if asset not in said["targets"] or not moved[asset]:
                continue
            target = Decimal(said["targets"][asset])
            was, is_ = abs(before - target), abs(before + moved[asset] - target)
            nearer = nearer or is_ < was
            if is_ > max(was, target * band) * NEAR:
                told = f"left {asset} {is_:f} from its target, it was {was:f}"
                self._watch.say(7, f"rebalance {record.cycle_id} {told}")
        if any(moved.values()) and not nearer and record.state.value == "done":
            self._watch.say(7, f"rebalance {record.cycle_id} brought nothing nearer to its target")

    # --- prices ----------------------------------------------------------------------------------

    def _at_limits(self, plan: list[Any]) -> tuple[Decimal, Decimal, Decimal]:
        """What a plan spends, and loses of that where each leg fills wholly at its limit.

        Against the middles of the venue's own books now, fees included; and what it then brings.
        """
        rate, amount, spends = Decimal(1), Decimal(0), Decimal(0)
        for number, (symbol, side, _, _, *figures) in enumerate(plan):
            middle, sells = self._middle(symbol), side == "sell"
            qty, limit, fee = map(Decimal, figures)
            rate *= middle if sells else 1 / middle
            if number == 0:
                amount = spends = qty if sells else qty * limit
            bought = min(qty, amount) * limit if sells else min(qty, amount / limit)
            amount = bought * (1 - fee)
        return spends, spends - amount / rate, amount

    def _middle(self, symbol: str) -> Decimal:
        pair = self._world.venue.market.pairs[symbol]
        tops = [pair.book.top(side, 1) for side in (BID, ASK)]
        if not all(tops):
            base, quote = symbol.split("/")
            return USD[base] / USD[quote]
        middle = Decimal(tops[0][0][0] + tops[1][0][0]) / 2
        return middle.scaleb(-pair.instrument.price_precision)

    def _shifted(self, plan: list[Any]) -> bool:
        """Whether prices of its books are moving, or are seen late: by makers, or by the feed."""
        world = self._world
        shifts = world.venue.planter.shifted_ns
        since_ns = world.venue.market.now_ns - SECOND_NS
        symbols = [leg[0] for leg in plan] + [f"{one}/USD" for one in (plan[0][2], plan[-1][3])]
        return (
            world.plan.weather_hz > 0
            or bool(world.venue.feed.muted)
            or any(shifts.get(one, since_ns) > since_ns for one in symbols)
        )

    def _day(self) -> int:
        return self._world.clock.wall_ns() // DAY_NS
