"""`arbit rebalance`: brings what is out of its band back, within a cost, one conversion at a time.

Dry, it says what it would do next; what comes after that depends on how the first one fills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal

from arbit.app.acts.convert import inventory_of
from arbit.app.acts.opened import Ask, Known, Opened, symbols_between
from arbit.app.acts.opening import Opening
from arbit.app.acts.told import (
    CommandTold,
    WayTold,
    mode_of,
    notes_of,
    refusal_of,
    trimmed,
    way_words,
)
from arbit.app.loop import run_on_best_loop
from arbit.app.trade.conversion import Done, done_of
from arbit.app.trade.named_assets import assets_of
from arbit.app.trade.rebalancer import MAX_TRIES, OF_THE_MOVE, bounds_of, pool_of
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.cycle import CycleState
from arbit.domain.errors import UserError
from arbit.domain.money import ZERO
from arbit.domain.refusal import Refused
from arbit.domain.route import Conversion
from arbit.domain.stand import Stand
from arbit.execution.converting import Delivered
from arbit.inventory import Inventory
from arbit.ports import Clock
from arbit.rebalancing import NONE, Advice, Move, Refusals, advise, out_of_band
from arbit.routing import Around

SETTLE_S = 0.5  # until books show what a move took from them
MAX_MOVES = 20  # of one command
BUSY = "cycles are under way without a pause (arbit pause VENUE first)"
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
class MoveTold(WayTold):
    """One conversion that brings an asset back. Costs are in the reference currency.

    `refused` says in words why it was not sent, or what is wrong with its end; `refusal` the same
    in exact figures where it is the gate that says so. `instead` says that another was tried then.
    """

    asset: str = ""
    band: str = ""
    cost: str = ""
    most: str = ""
    refused: str = ""
    refusal: dict[str, str] = field(default_factory=dict)
    instead: bool = False
    done: Done | None = None


@dataclass(slots=True)
class RebalanceTold(CommandTold):
    """All of a command. `stands` are as they were found, `after` as they were left."""

    reference: str = ""
    stands: list[StandTold] = field(default_factory=list)
    moves: list[MoveTold] = field(default_factory=list)
    why_not: dict[str, str] = field(default_factory=dict)
    after: list[StandTold] = field(default_factory=list)
    cost: str = "0"

    @property
    def failed(self) -> bool:
        """Whether something was refused, moved nothing, is held, or stays out of its band."""
        wrong = any(one.refused and not one.instead for one in self.moves)
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
        self.refuse_without_targets()
        return await Opening(self._settings, self._ask, clock)(self.symbols, self.at)

    def refuse_without_targets(self) -> None:
        """UserError where no asset has one."""
        if not self._settings.inventory.targets:
            raise UserError(
                "ARBIT_INVENTORY__TARGETS: expected a target for at least one asset, such as "
                "BTC=0.05, none is set"
            )

    def symbols(self, known: Known) -> Iterable[str]:
        """The markets whose books are needed. UserError for a target of what no market has."""
        listed = assets_of(known.markets)
        for asset in self._settings.inventory.targets:
            if asset not in listed:
                raise UserError(
                    f"ARBIT_INVENTORY__TARGETS={asset}: no market of {self._ask.venue} has it"
                )
        return wanted_symbols(self._settings, self._ask.venue, known)

    async def at(self, opened: Opened) -> RebalanceTold:
        """The same at a venue that is open: of a command, or of a daemon at work."""
        await opened.recovered()
        await opened.believed()
        inventory = inventory_of(opened)
        told = RebalanceTold(
            self._ask.venue,
            mode_of(self._ask),
            notes_of(opened, self._ask),
            self._settings.scan.reference_currency,
        )
        told.stands = stands_of(inventory)
        rebalancer = None if opened.trader is None else opened.trader.rebalancer
        budget, costs = self._settings.inventory.rebalance_cost_per_day, ZERO
        refused: dict[Conversion, str] = {}
        for _ in range(MAX_MOVES):
            if not await opened.calm():
                told.why_not = dict.fromkeys((one.asset for one in _out(inventory)), BUSY)
                break
            left = budget if rebalancer is None else rebalancer.spent.left(budget)
            advice = advice_of(opened, inventory, left, refused)
            told.why_not = dict(advice.why_not)
            if advice.move is None:
                break
            if refused:
                told.moves[-1].instead = True
            move = moved(advice.move)
            told.moves.append(move)
            self._show(told)
            if rebalancer is None:
                return told
            done = await rebalancer.make(advice.move)
            if not isinstance(done, Delivered):
                move.refused, move.refusal = refusal_of(done, self._settings)
                if not _of_the_move(done) or len(refused) + 1 >= MAX_TRIES:
                    break
                refused[advice.move.conversion] = move.refused
                continue
            refused = {}
            move.done = done_of(done)
            if done.end is CycleState.HELD or not done.spent:
                move.refused = f"it ended {move.done.end}"
                break
            costs += advice.move.most if done.cost_ref is None else done.cost_ref
            await opened.clock.sleep(SETTLE_S)
        told.after = stands_of(inventory)
        told.cost = f"{costs:.4f}"
        return told


def _out(inventory: Inventory) -> Iterable[Stand]:
    return out_of_band(inventory.states())


def _of_the_move(done: Refused | str) -> bool:
    """Whether another move may not meet the same refusal."""
    return isinstance(done, Refused) and done.code in OF_THE_MOVE


def wanted_symbols(settings: Settings, venue: str, known: Known) -> list[str]:
    """The markets between what has a target and everything that it may be exchanged with."""
    targets = sorted(settings.inventory.targets)
    others = [one for one in pool_of(settings) if one not in targets]
    pairs = [(one, other) for one in targets for other in (*targets, *others) if one != other]
    pairs += [(other, one) for one in targets for other in others]
    pairs = [pair for pair in pairs if assets_of(known.markets).issuperset(pair)]
    most = settings.venue(venue).max_symbols
    return symbols_between(known.markets, pairs, settings.scan.reference_currency, most)


def advice_of(
    opened: Opened, inventory: Inventory, left: Decimal, refused: Refusals = NONE
) -> Advice:
    """What to do next, as the books are now, but for what the gate has `refused`."""
    around = Around(opened.books(), opened.markets, opened.fees)
    settings = opened.settings
    bounds = bounds_of(settings, left)
    return advise(inventory.states(), pool_of(settings), around, bounds, refused=refused)


def moved(move: Move) -> MoveTold:
    """A move in exact text."""
    return MoveTold(
        **way_words(move.conversion),
        asset=move.asset,
        band=move.band.value,
        cost=f"{move.cost:.4f}",
        most=f"{move.most:.4f}",
    )


def stands_of(inventory: Inventory) -> list[StandTold]:
    """How every asset with a target stands."""
    return [told_of(one) for one in inventory.states() if one.target is not None]


def told_of(stand: Stand) -> StandTold:
    """How it stands, in exact text."""

    def text(value: Decimal | None) -> str:
        return "" if value is None else trimmed(TWELVE.plus(value))

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
