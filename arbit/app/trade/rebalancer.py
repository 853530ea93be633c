"""Brings assets back into their bands while an account is traded, slowly and within a budget.

An asset that leaves its band is first left to triangles that bring it back: those are preferred.
Only where it stays out for `rebalance_after_s` an order is sent for it, and then none for
`rebalance_every_s`. What rebalances of a day cost is kept in the journal before each is sent, so
that no restart begins the day anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from arbit.app.trade.conversion import carry_out
from arbit.app.watch.venue import Desk
from arbit.config import Settings
from arbit.domain.book import BookView
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.plan import Plan
from arbit.domain.records import Batch, Flag, JournalFailed, Memory
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import Conversion, ConversionKind
from arbit.domain.triangle import Triangle
from arbit.execution.converting import Delivered
from arbit.execution.engine import Engine
from arbit.inventory import Inventory
from arbit.ledger import Ledger
from arbit.ports import Clock, Journal
from arbit.rebalancing import (
    NONE,
    Advice,
    Bounds,
    Move,
    Refusals,
    advise,
    out_of_band,
    worth_restoring,
)
from arbit.risk.budgets import day_of
from arbit.routing import Around

SPENT = "rebalance_cost"  # the flag: a day, and what its rebalances cost at most
LOOK_S = 1.0
SECOND_NS = 1_000_000_000
AGAIN_NS = 30 * SECOND_NS  # how long nothing is looked for after nothing could be done
MAX_TRIES = 4  # moves that are handed to the gate at one look
# Refusals of one move, which another may not meet; after any other nothing may begin now.
OF_THE_MOVE = frozenset(
    {
        RefusalCode.ASSET_CAP,
        RefusalCode.COLLAR,
        RefusalCode.FUNDS,
        RefusalCode.INVENTORY_CAP,
        RefusalCode.MARKET_STATUS,
        RefusalCode.MIN_NOTIONAL,
        RefusalCode.RESERVE,
        RefusalCode.REST_BOOK,
        RefusalCode.SLIPPAGE,
        RefusalCode.STALE_BOOK,
        RefusalCode.UNPRICED,
        RefusalCode.UNRESOLVED,
        RefusalCode.UNWIND_BUDGET,
    }
)


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


@dataclass(frozen=True, slots=True)
class RebalancerSetup:
    """What a rebalancer needs of an account that is traded. `ready` says that recovery is over."""

    settings: Settings
    desk: Desk
    engine: Engine
    ledger: Ledger
    view: Callable[[str, int], BookView | None]
    memory: Memory
    ready: Callable[[], bool]


class Rebalancer:
    """One account's. `run` looks once a second; `restoring` is for whoever chooses a triangle."""

    def __init__(self, setup: RebalancerSetup) -> None:
        self._setup = setup
        settings, desk, clock = setup.settings, setup.desk, setup.engine.setup.clock
        self._wanted = settings.inventory
        self._clock = clock
        self._inventory = Inventory(settings.inventory, setup.ledger, desk.budget.price)
        self._pool = pool_of(settings)
        self._markets = desk.setup.markets
        named = {*self._pool, *settings.inventory.targets}
        self.symbols = [one for one in desk.cache.symbols if _joins(self._markets[one], named)]
        self.spent = DaySpent(setup.engine.setup.journal, clock, setup.memory.flags)
        self._out_ns: dict[str, int] = {}
        self._due: list[str] = []
        rest_ns = self._rest_left_ns()
        self._rests_until_ns = clock.monotonic_ns() + rest_ns if rest_ns else 0
        self._making = False
        self.advice = Advice()
        self.moves = 0

    def _rest_left_ns(self) -> int:
        """What is left of the rest that an earlier run began, as if there had been no restart."""
        memory, now_ns = self._setup.memory, self._clock.wall_ns()
        open_too = any(
            one.kind is ConversionKind.REBALANCE and not one.ended_ns for one in memory.cycles
        )
        last_ns = now_ns if open_too else memory.last_rebalance_ns
        rest_ns = self._wanted.rebalance_every_s * SECOND_NS
        return min(max(last_ns + rest_ns - now_ns, 0), rest_ns) if last_ns else 0

    def restoring(self, triangle: Triangle, plan: Plan) -> Decimal:
        """Reference units that a plan's profit saves in rebalancing later; `rotation` asks."""
        stand = self._inventory.state(triangle.start)
        return worth_restoring(stand, plan.profit, self._wanted.rebalance_cost_bps)

    async def run(self) -> None:
        """Look once a second, until cancelled; what the gate refuses is done otherwise, if it can.

        So many moves are tried at a look; trading has its turn in between.
        """
        while True:
            await self._clock.sleep(LOOK_S)
            refused = dict[Conversion, str]()
            move = self.look(self._clock.monotonic_ns())
            while move is not None:
                done = await self.make(move)
                another = isinstance(done, Refused) and done.code in OF_THE_MOVE
                if not another or len(refused) + 1 >= MAX_TRIES:
                    break
                refused[move.conversion] = str(done)
                await self._clock.sleep(0)  # a try is advice and two commits: enough for one turn
                if self._may_not:
                    break
                move = self._advised(self._clock.monotonic_ns(), refused)

    @property
    def _may_not(self) -> bool:
        """Whether nothing is to be done now: above all while what is owned is on its way."""
        engine = self._setup.engine
        return not self._setup.ready() or engine.closed or engine.open_cycles > 0

    def look(self, now_ns: int) -> Move | None:
        """What is out of its band, and the move to make now if any."""
        if self._may_not:
            return None
        out = [one.asset for one in out_of_band(self._inventory.states())]
        self._out_ns = {asset: self._out_ns.get(asset, now_ns) for asset in out}
        wait_ns = self._wanted.rebalance_after_s * SECOND_NS
        self._due = [asset for asset in out if now_ns - self._out_ns[asset] >= wait_ns]
        if not self._wanted.rebalance or not self._due or now_ns < self._rests_until_ns:
            return None
        self._rests_until_ns = now_ns + AGAIN_NS
        return self._advised(now_ns)

    def _advised(self, now_ns: int, refused: Refusals = NONE) -> Move | None:
        bounds = bounds_of(
            self._setup.settings, self.spent.left(self._wanted.rebalance_cost_per_day)
        )
        stands, around = self._inventory.states(), self._around(now_ns)
        self.advice = advise(stands, self._pool, around, bounds, self._due, refused)
        return self.advice.move

    def _around(self, now_ns: int) -> Around:
        """The believable books between what has a target and what it may be exchanged with."""
        seen = {one: self._setup.view(one, now_ns) for one in self.symbols}
        books = {symbol: view for symbol, view in seen.items() if view is not None}
        markets = {symbol: self._markets[symbol] for symbol in books}
        return Around(books, markets, self._setup.engine.setup.fees.rates)

    async def make(self, move: Move) -> Delivered | Refused | str:
        """Send one move and wait for its end, its cost kept for the day; else why it is not sent.

        After one that was sent no other is begun here for `rebalance_every_s`.
        """
        if self._making:
            return "another rebalance is under way"
        self._making = True
        try:
            return await self._made(move)
        finally:
            self._making = False

    async def _made(self, move: Move) -> Delivered | Refused | str:
        most = move.budget_ref  # ways on and back may cost as much; a restart ends what we began
        if not self.spent.keep(most):
            return "what it costs cannot be kept: the journal fails"
        kind = ConversionKind.REBALANCE
        done = await carry_out(self._setup.engine, move.conversion, kind, move.loss_budget)
        if isinstance(done, Refused):
            self.spent.settle(most, ZERO)
            return done
        self.spent.settle(most, done.cost_ref)
        self.moves += 1
        rest_ns = self._wanted.rebalance_every_s * SECOND_NS
        self._rests_until_ns = self._clock.monotonic_ns() + rest_ns
        return done


def pool_of(settings: Settings) -> list[str]:
    """Assets that may be used to bring others back: the reference currency, then start assets."""
    scan = settings.scan
    return list(dict.fromkeys((scan.reference_currency, *scan.start_assets)))


def bounds_of(settings: Settings, left: Decimal) -> Bounds:
    """What one move may be at most, with so much of the day's budget left."""
    inventory, scan = settings.inventory, settings.scan
    return Bounds(
        inventory.rebalance_cost_bps, left, scan.max_notional_per_cycle, scan.max_slippage_bps
    )


def _joins(market: Market, named: set[str]) -> bool:
    return named.issuperset((market.base, market.quote))
