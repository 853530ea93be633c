"""`arbit rebalance`: brings what is out of its band back, within a cost, one conversion at a time.

Dry, it says what it would do next; what comes after that depends on how the first one fills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal

from arbit.app.conversion import Done, done_of
from arbit.app.convert import fee_notes, inventory_of, mode_of, order_words
from arbit.app.loop import run_on_best_loop
from arbit.app.opened import Ask, Known, Opened, Opening, symbols_between
from arbit.app.rebalancer import DaySpent, rebalanced
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.cycle import CycleState
from arbit.domain.errors import UserError
from arbit.domain.money import ZERO, plain
from arbit.domain.stand import Stand
from arbit.inventory import Inventory
from arbit.ports import Clock
from arbit.rebalancing import Advice, Bounds, Move, advise
from arbit.routing import Around

SETTLE_S = 0.5  # until books show what a move took from them
MAX_MOVES = 20  # of one command
TWELVE = Context(prec=12)  # digits of what is shown; what is set in another currency has no end


@dataclass(slots=True)
class StandTold:
    """How an asset stands, in exact text; empty where nothing is known or set."""

    asset: str
    owned: str
    target: str
    low: str
    high: str
    band: str
    out: str
    reserve: str
    cap: str


@dataclass(slots=True)
class MoveTold:
    """One conversion that brings an asset back. Costs are in the reference currency."""

    asset: str
    band: str
    path: str
    spend: str
    receive: str
    cost: str
    most: str
    orders: list[str]
    refused: str = ""
    done: Done | None = None


@dataclass(slots=True)
class RebalanceTold:
    """All of a command. `stands` are as they were found, `after` as they were left."""

    venue: str
    mode: str
    reference: str
    stands: list[StandTold] = field(default_factory=list)
    moves: list[MoveTold] = field(default_factory=list)
    why_not: dict[str, str] = field(default_factory=dict)
    after: list[StandTold] = field(default_factory=list)
    cost: str = "0"
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something was refused, moved nothing, is held, or stays out of its band."""
        wrong = any(one.refused for one in self.moves)
        return wrong or bool(self.why_not)


class Rebalance:
    """One command. `show` is given what is found, and each move, before anything is sent."""

    def __init__(self, settings: Settings, ask: Ask, show: Callable[[RebalanceTold], None]) -> None:
        self._settings = settings
        self._ask = ask
        self._show = show

    async def __call__(self, clock: Clock) -> RebalanceTold | None:
        """Look, and act if it may; None when a signal came first.

        UserError without targets or beside a daemon, AccountUnfit, VenueError.
        """
        if not self._settings.inventory.targets:
            raise UserError(
                "ARBIT_INVENTORY__TARGETS: expected a target for at least one asset, such as "
                "BTC=0.05, none is set"
            )
        return await Opening(self._settings, self._ask, clock)(self._symbols, self._work)

    def _symbols(self, known: Known) -> Iterable[str]:
        listed = {asset for one in known.markets.values() for asset in (one.base, one.quote)}
        for asset in self._settings.inventory.targets:
            if asset not in listed:
                raise UserError(
                    f"ARBIT_INVENTORY__TARGETS={asset}: no market of {self._ask.venue} has it"
                )
        return wanted_symbols(self._settings, self._ask.venue, known)

    async def _work(self, opened: Opened) -> RebalanceTold:
        await opened.recovered()
        await opened.believed()
        inventory = inventory_of(opened)
        reference = self._settings.scan.reference_currency
        told = RebalanceTold(self._ask.venue, mode_of(self._ask), reference)
        told.stands = [told_of(one) for one in inventory.states() if one.target is not None]
        told.notes += [*opened.notes, *fee_notes(opened, self._ask)]
        budget, costs = self._settings.inventory.rebalance_cost_per_day, ZERO
        spent = spent_of(opened)
        for _ in range(MAX_MOVES):
            left = budget if spent is None else spent.left(budget)
            advice = advice_of(opened, inventory, left)
            told.why_not = dict(advice.why_not)
            if advice.move is None:
                break
            move = moved(advice.move)
            told.moves.append(move)
            self._show(told)
            if spent is None:
                return told
            cost = await self._do(opened, spent, advice.move, move)
            if cost is None:
                break
            costs += cost
            await opened.clock.sleep(SETTLE_S)
        told.after = [told_of(one) for one in inventory.states() if one.target is not None]
        told.cost = f"{costs:.4f}"
        return told

    async def _do(
        self, opened: Opened, spent: DaySpent, move: Move, told: MoveTold
    ) -> Decimal | None:
        """Send it; what it cost, None when it was refused, moved nothing, or is held.

        One that fell short has come nearer all the same: the next look goes on from there.
        """
        if opened.trader is None:
            return None
        done = await rebalanced(opened.trader, spent, move)
        if isinstance(done, str):
            told.refused = done
            return None
        told.done = done_of(done)
        if done.end is CycleState.HELD or not done.spent:
            told.refused = f"it ended {told.done.end}"
            return None
        return move.most if done.cost_ref is None else done.cost_ref


def spent_of(opened: Opened) -> DaySpent | None:
    """What today's rebalances cost so far; None where nothing is sent."""
    trader = opened.trader
    if trader is None:
        return None
    return DaySpent(trader.setup.journal, opened.clock, trader.memory.flags)


def wanted_symbols(settings: Settings, venue: str, known: Known) -> list[str]:
    """The markets between what has a target and everything that it may be exchanged with."""
    targets = sorted(settings.inventory.targets)
    others = [one for one in pool_of(settings) if one not in targets]
    pairs = [(one, other) for one in targets for other in (*targets, *others) if one != other]
    pairs += [(other, one) for one in targets for other in others]
    listed = {asset for one in known.markets.values() for asset in (one.base, one.quote)}
    pairs = [pair for pair in pairs if listed.issuperset(pair)]
    most = settings.venue(venue).max_symbols
    return symbols_between(known.markets, pairs, settings.scan.reference_currency, most)


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


def advice_of(opened: Opened, inventory: Inventory, left: Decimal) -> Advice:
    """What to do next, as the books are now."""
    around = Around(opened.books(), opened.markets, opened.fees)
    settings = opened.settings
    return advise(inventory.states(), pool_of(settings), around, bounds_of(settings, left))


def moved(move: Move) -> MoveTold:
    """A move in exact text."""
    found = move.conversion
    return MoveTold(
        asset=move.asset,
        band=move.band.value,
        path=found.path,
        spend=plain(found.expected_spend.normalize()),
        receive=plain(found.expected_receive.normalize()),
        cost=f"{move.cost:.4f}",
        most=f"{move.most:.4f}",
        orders=[order_words(leg) for leg in found.legs],
    )


def told_of(stand: Stand) -> StandTold:
    """How it stands, in exact text."""

    def text(value: Decimal | None) -> str:
        return "" if value is None else plain(TWELVE.plus(value).normalize())

    return StandTold(
        asset=stand.asset,
        owned=text(stand.owned),
        target=text(stand.target),
        low=text(stand.low),
        high=text(stand.high),
        band=stand.band.value,
        out=text(stand.out),
        reserve=text(stand.reserve),
        cap=text(stand.cap),
    )


def run_rebalance(
    settings: Settings, ask: Ask, show: Callable[[RebalanceTold], None]
) -> RebalanceTold | None:
    """The whole command on real time."""
    return run_on_best_loop(Rebalance(settings, ask, show)(SystemClock()))
