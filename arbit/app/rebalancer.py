"""Brings assets back into their bands while an account is traded, slowly and within a budget.

An asset that leaves its band is first left to triangles that bring it back: those are preferred.
Only where it stays out for `rebalance_after_s` an order is sent for it, and then none for
`rebalance_every_s`. What rebalances of a day cost is kept in the journal before each is sent, so
that no restart begins the day anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from arbit.app.conversion import carry_out
from arbit.config import Settings
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.plan import Plan
from arbit.domain.records import Batch, Flag, JournalFailed
from arbit.domain.route import ConversionKind
from arbit.domain.triangle import Triangle
from arbit.execution.converting import Delivered
from arbit.inventory import Inventory
from arbit.ports import Clock, Journal
from arbit.rebalancing import Advice, Bounds, Move, advise, out_of_band, worth_restoring
from arbit.risk.budgets import day_of
from arbit.routing import Around

if TYPE_CHECKING:
    from arbit.app.trader import Trader

SPENT = "rebalance_cost"  # the flag: a day, and what its rebalances cost at most
LOOK_S = 1.0
SECOND_NS = 1_000_000_000
AGAIN_NS = 30 * SECOND_NS  # how long nothing is looked for after nothing could be done


class DaySpent:
    """What rebalances of a UTC day cost, kept in the journal. Amounts in reference units."""

    def __init__(self, journal: Journal, clock: Clock, flags: Mapping[str, Flag]) -> None:
        """`flags` are what the journal remembers."""
        self._journal = journal
        self._clock = clock
        self._day, self._spent = _read(flags.get(SPENT))

    def left(self, budget: Decimal) -> Decimal:
        """What of this day's budget is left."""
        spent = self._spent if self._day == self._today else ZERO
        return max(EXACT.subtract(budget, spent), ZERO)

    def keep(self, most: Decimal) -> bool:
        """One is about to be sent that may cost so much: False when that cannot be kept.

        One that may only gain costs nothing: what others spent is spent, though it never comes.
        """
        day, known = self._today, (self._day, self._spent)
        before = self._spent if self._day == day else ZERO
        kept = self._write(day, EXACT.add(before, max(most, ZERO)))
        if not kept:  # it is not sent, and costs nothing
            self._day, self._spent = known
        return kept

    def settle(self, most: Decimal, cost: Decimal | None) -> None:
        """It cost so much instead; None while nobody can say, and what it may have cost stands."""
        if cost is not None:
            less = EXACT.subtract(max(most, ZERO), max(cost, ZERO))
            self._write(self._day, max(EXACT.subtract(self._spent, less), ZERO))

    @property
    def _today(self) -> str:
        return day_of(self._clock.wall_ns())

    def _write(self, day: str, spent: Decimal) -> bool:
        self._day, self._spent = day, spent
        flag = Flag(SPENT, f"{day} {plain(spent)}", self._clock.wall_ns())
        try:
            self._journal.write(Batch(flags=(flag,)))
        except JournalFailed:
            return False
        return True


def _read(flag: Flag | None) -> tuple[str, Decimal]:
    day, _, amount = flag.value.partition(" ") if flag is not None else ("", "", "")
    try:
        return day, Decimal(amount or 0)
    except InvalidOperation:
        return "", ZERO


async def rebalanced(trader: Trader, spent: DaySpent, move: Move) -> Delivered | str:
    """Send one move and wait for its end, its cost kept for the day; in words why it may not."""
    most = move.budget_ref  # ways on and back may cost as much, and a restart ends what we began
    if not spent.keep(most):
        return "what it costs cannot be kept: the journal fails"
    kind = ConversionKind.REBALANCE
    done = await carry_out(trader, move.conversion, kind, move.loss_budget)
    spent.settle(most, ZERO if isinstance(done, str) else done.cost_ref)
    return done


class Rebalancer:
    """One account's. `run` looks once a second; `restoring` is for whoever chooses a triangle."""

    def __init__(self, settings: Settings, trader: Trader, clock: Clock) -> None:
        self._wanted = settings.inventory
        self._scan = settings.scan
        self._trader = trader
        self._clock = clock
        desk = trader.setup.desk
        self._inventory = Inventory(settings.inventory, trader.ledger, desk.budget.price)
        pool = (settings.scan.reference_currency, *settings.scan.start_assets)
        self._pool = list(dict.fromkeys(pool))
        self._markets = desk.setup.markets
        named = {*self._pool, *settings.inventory.targets}
        self._symbols = [one for one in desk.cache.symbols if _joins(self._markets[one], named)]
        self._spent = DaySpent(trader.setup.journal, clock, trader.memory.flags)
        self._out_ns: dict[str, int] = {}
        self._rests_until_ns = 0
        self.advice = Advice()
        self.moves = 0

    def restoring(self, triangle: Triangle, plan: Plan) -> Decimal:
        """Reference units that a plan's profit saves in rebalancing later; `rotation` asks."""
        stand = self._inventory.state(triangle.start)
        return worth_restoring(stand, plan.profit, self._wanted.rebalance_cost_bps)

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            move = self.look(self._clock.monotonic_ns())
            if move is not None:
                await self._make(move)

    def look(self, now_ns: int) -> Move | None:
        """What is out of its band, and the move to make now if any."""
        if not self._trader.started or self._trader.engine.closed:
            return None
        if self._trader.engine.open_cycles:  # what is owned is on its way: not now
            return None
        stands = self._inventory.states()
        out = [one.asset for one in out_of_band(stands)]
        self._out_ns = {asset: self._out_ns.get(asset, now_ns) for asset in out}
        wait_ns = self._wanted.rebalance_after_s * SECOND_NS
        due = [asset for asset in out if now_ns - self._out_ns[asset] >= wait_ns]
        if not self._wanted.rebalance or not due or now_ns < self._rests_until_ns:
            return None
        self._rests_until_ns = now_ns + AGAIN_NS
        left = self._spent.left(self._wanted.rebalance_cost_per_day)
        scan, most_bps = self._scan, self._wanted.rebalance_cost_bps
        bounds = Bounds(most_bps, left, scan.max_notional_per_cycle, scan.max_slippage_bps)
        self.advice = advise(stands, self._pool, self._around(now_ns), bounds, due)
        return self.advice.move

    def _around(self, now_ns: int) -> Around:
        """The believable books between what has a target and what it may be exchanged with."""
        seen = {one: self._trader.sights.view(one, now_ns) for one in self._symbols}
        books = {symbol: view for symbol, view in seen.items() if view is not None}
        markets = {symbol: self._markets[symbol] for symbol in books}
        return Around(books, markets, self._trader.engine.setup.fees.rates)

    async def _make(self, move: Move) -> None:
        done = await rebalanced(self._trader, self._spent, move)
        if isinstance(done, Delivered):
            self.moves += 1
            rest_ns = self._wanted.rebalance_every_s * SECOND_NS
            self._rests_until_ns = self._clock.monotonic_ns() + rest_ns


def _joins(market: Market, named: set[str]) -> bool:
    return named.issuperset((market.base, market.quote))
