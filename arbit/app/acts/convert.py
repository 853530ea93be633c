"""`arbit convert`: the cheapest way from one asset into another, shown, and taken where it may be.

Dust is swept by the same: everything that is worth little, each into one asset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.app.acts.opened import Access, Ask, Known, Opened, symbols_between
from arbit.app.acts.opening import Opening
from arbit.app.acts.told import (
    CommandTold,
    WayTold,
    listing,
    mode_of,
    notes_of,
    refusal_of,
    trimmed,
    way_words,
)
from arbit.app.loop import run_on_best_loop
from arbit.app.trade.conversion import Done, carry_out, done_of
from arbit.app.trade.named_assets import assets_of
from arbit.app.trade.sights import DeskSights
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.config.text import key_of
from arbit.domain.errors import UserError
from arbit.domain.money import BPS, EXACT, ZERO, plain
from arbit.domain.plan import SizeLimits, Unfit
from arbit.domain.refusal import Refused
from arbit.domain.route import Conversion, ConversionKind
from arbit.inventory import Inventory
from arbit.ledger import Ledger, opening
from arbit.ports import Clock
from arbit.risk.room import Room
from arbit.routing import Around, Found, cost_at_limits, route

MAX_SWEPT = 50  # assets that one sweep turns
LEAST_BPS = Decimal("0.01")  # what is less is not told in figures


@dataclass(frozen=True, slots=True)
class ConvertAsk:
    """What is to be converted. `amount` None is all that may be spent of it.

    `max_cost_bps` is what it may cost at worst, against the middle of the books. With `sweep` it is
    everything worth less than `below` reference units, and `start` says nothing.
    """

    end: str
    start: str = ""
    amount: Decimal | None = None
    max_cost_bps: Decimal = Decimal(150)
    sweep: bool = False
    below: Decimal = ZERO


@dataclass(slots=True)
class RouteTold(WayTold):
    """One route. `why_not` says why it does not fit."""

    legs: int = 0
    receive_at_limits: str = ""
    cost_bps: str = ""
    why_not: str = ""


@dataclass(slots=True)
class ConvertReport:
    """What was found of one asset, and what was done about it. Amounts are exact text.

    `refused` says in words why nothing is sent, `refusal` the same in exact figures where it is the
    gate that says so. `asked` says that it was handed over to be sent: until then nothing was.
    """

    venue: str
    mode: str
    start: str
    end: str
    amount: str
    routes: list[RouteTold] = field(default_factory=list)
    chosen: str = ""
    better_bps: str | None = None
    sentence: str = ""
    refused: str = ""
    refusal: dict[str, str] = field(default_factory=dict)
    asked: bool = False
    done: Done | None = None


@dataclass(slots=True)
class ConvertTold(CommandTold):
    """All of a command: one report an asset."""

    reports: list[ConvertReport] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something was refused, or ended otherwise than it should."""
        return any(one.refused or (one.done and not one.done.whole) for one in self.reports)


class Convert:
    """One command. `show` is given each report before anything of it is sent."""

    def __init__(
        self,
        settings: Settings,
        ask: Ask,
        wanted: ConvertAsk,
        show: Callable[[ConvertReport], None],
    ) -> None:
        self._settings = settings
        self._ask = ask
        self._wanted = wanted
        self._show = show

    async def __call__(self, clock: Clock) -> ConvertTold | None:
        """Look, and act if it may; None when a signal came first.

        UserError for an asset or an amount that cannot be converted, AccountUnfit, VenueError.
        """
        return await Opening(self._settings, self._ask, clock)(self.symbols, self.at)

    def symbols(self, known: Known) -> Iterable[str]:
        """The markets whose books are needed. UserError for what no market has, or is not there."""
        assets, wanted = assets_of(known.markets), self._wanted
        for asset in (wanted.end, *([] if wanted.sweep else [wanted.start])):
            if asset not in assets:
                raise UserError(f"{asset}: no market of {self._ask.venue} has it")
        if self._ask.access is not Access.QUOTED and not wanted.sweep:
            there = known.owned.get(wanted.start, ZERO)
            if not 0 < (wanted.amount or there) <= there:
                raise UserError(_too_much(wanted, there))
        starts = sorted(known.owned) if wanted.sweep else [wanted.start]
        pairs = [(start, wanted.end) for start in starts if start in assets and start != wanted.end]
        venue, scan = self._settings.venue(self._ask.venue), self._settings.scan
        return symbols_between(known.markets, pairs, scan.reference_currency, venue.max_symbols)

    async def at(self, opened: Opened) -> ConvertTold:
        """The same at a venue that is open: of a command, or of a daemon at work.

        UserError for an amount that is not there.
        """
        await opened.recovered()
        await opened.believed()
        told = ConvertTold(self._ask.venue, mode_of(self._ask), notes_of(opened, self._ask))
        inventory = inventory_of(opened)
        if self._wanted.sweep:
            amounts = self._swept(opened, inventory, told)
        else:
            amounts = self._amount(inventory, told)
        for start, amount in amounts.items():
            told.reports.append(await self._one(opened, start, amount))
        return told

    def _amount(self, inventory: Inventory, told: ConvertTold) -> Mapping[str, Decimal]:
        wanted = self._wanted
        if self._ask.access is Access.QUOTED:
            return {wanted.start: wanted.amount or self._on_paper(told)}
        there = inventory.spendable(wanted.start)
        amount = there if wanted.amount is None else wanted.amount
        if not 0 < amount <= there:
            raise UserError(_too_much(wanted, there, inventory.reserve(wanted.start)))
        return {wanted.start: amount}

    def _on_paper(self, told: ConvertTold) -> Decimal:
        """All of it, for who may not look: what the paper account begins with."""
        start, key = self._wanted.start, key_of(("scan", "paper_balances"))
        there = self._settings.scan.paper_balances.get(start)
        if not there:
            raise UserError(
                f"all {start}: expected an amount, for a dry run does not look at the account and "
                f"{key} has no {start}"
            )
        told.notes.append(
            f"all is the {trimmed(there)} {start} of {key}: a dry run does not look at the account"
        )
        return there

    def _swept(
        self, opened: Opened, inventory: Inventory, told: ConvertTold
    ) -> Mapping[str, Decimal]:
        found = dict(self._dust(opened, inventory))
        if not found:
            told.notes.append(f"nothing is worth less than {trimmed(self._wanted.below)}: no dust")
        unpriced = [
            one.asset
            for one in inventory.states()
            if one.owned > 0 and one.price is None and one.asset != self._wanted.end
        ]
        if unpriced:
            them = "it" if len(unpriced) == 1 else "them"
            told.notes.append(f"not swept: {listing(unpriced)}, nobody prices {them}")
        return found

    def _dust(self, opened: Opened, inventory: Inventory) -> Iterable[tuple[str, Decimal]]:
        """What is worth little: of what is priced, and is no part of what is wanted."""
        swept = 0
        for stand in inventory.states():
            price = opened.price(stand.asset)
            if stand.asset == self._wanted.end or stand.target or price is None:
                continue
            little = 0 < EXACT.multiply(stand.owned, price) < self._wanted.below
            if little and stand.spendable and swept < MAX_SWEPT:
                swept += 1
                yield stand.asset, stand.spendable

    async def _one(self, opened: Opened, start: str, amount: Decimal) -> ConvertReport:
        wanted, settings = self._wanted, self._settings
        found = await looked_up(opened, start, wanted.end, amount)
        report = report_of(self._ask, found, (start, wanted.end), amount)
        kind = ConversionKind.SWEEP if wanted.sweep else ConversionKind.CONVERT
        best, budget = found.best, ZERO
        if best is None:
            report.refused = "nothing fits"
        else:
            budget = EXACT.divide(EXACT.multiply(best.spend, wanted.max_cost_bps), BPS)
            why = self._too_dear(opened, best) or foreseen(opened, best, kind, budget)
            if why:
                report.refused, report.refusal = refusal_of(why, settings)
        self._show(report)
        if best is None or report.refused or opened.trader is None:
            return report
        report.asked = True
        done = await carry_out(opened.trader.engine, best, kind, budget)
        if isinstance(done, Refused):
            report.refused, report.refusal = refusal_of(done, settings)
        else:
            report.done = done_of(done)
        return report

    def _too_dear(self, opened: Opened, best: Conversion) -> str:
        """What it costs at its limits, as the gate reckons it, where that is more than it may."""
        costs, most = cost_at_limits(best, opened.books()), self._wanted.max_cost_bps
        worst = None if costs is None else EXACT.divide(EXACT.multiply(costs, BPS), best.spend)
        if worst is None or worst <= most:
            return ""
        return f"it may cost {worst:.1f} bps, more than {trimmed(most)} (--max-cost-bps)"


def foreseen(
    opened: Opened, wanted: Conversion, kind: ConversionKind, loss_budget: Decimal
) -> Refused | None:
    """Why the gate would refuse it now; where nothing is traded, what its caps say of it alone."""
    now_ns, risk = opened.clock.monotonic_ns(), opened.settings.risk
    if opened.trader is not None:
        return opened.trader.gate.would_refuse(wanted, kind, loss_budget, now_ns)
    ledger = ledger_of(opened)
    inventory = Inventory(opened.settings.inventory, ledger, opened.price)
    sights = DeskSights(opened.run.desk, opened.run.feed.integrity)
    room = Room(ledger, sights, risk, risk.policy, inventory)
    return room.home_caps(room.reaches_of(wanted.legs), now_ns)


def _too_much(wanted: ConvertAsk, there: Decimal, reserve: Decimal = ZERO) -> str:
    beyond = f" beyond the reserve of {trimmed(reserve)}" if reserve else ""
    said = "all" if wanted.amount is None else plain(wanted.amount)
    return (
        f"{said} {wanted.start}: expected at most {trimmed(there)}, which is what is "
        f"free{beyond}"
    )


async def looked_up(opened: Opened, start: str, end: str, amount: Decimal) -> Found:
    """What routes there are now for so much of an asset."""
    scan = opened.settings.scan
    limits = SizeLimits(max_start=amount, max_slippage_bps=scan.max_slippage_bps)
    around = Around(opened.books(), opened.markets, dict(opened.fees))
    return await opened.think(route, start, end, around, limits)


def inventory_of(opened: Opened) -> Inventory:
    """What is owned and wanted of it: by the trader's ledger, else by what the venue says now."""
    return Inventory(opened.settings.inventory, ledger_of(opened), opened.price)


def ledger_of(opened: Opened) -> Ledger:
    """The trader's, or one of what the venue says now."""
    if opened.trader is not None:
        return opened.trader.ledger
    ledger = Ledger()
    for asset, amount in opened.known.owned.items():
        ledger.apply(opening(asset, amount, 0))
    return ledger


def report_of(ask: Ask, found: Found, pair: tuple[str, str], amount: Decimal) -> ConvertReport:
    """What was found, side by side."""
    start, end = pair
    report = ConvertReport(ask.venue, mode_of(ask), start, end, trimmed(amount))
    for legs, one in sorted(found.by_legs.items()):
        report.routes.append(_told(legs, one))
    if not found.by_legs:
        report.routes.append(RouteTold(f"{start}>{end}", why_not="no market joins them"))
    best = found.best
    if best is not None:
        report.chosen, report.sentence = best.path, _sentence(found, best)
        if found.better_bps is not None:
            report.better_bps = f"{found.better_bps:.2f}"
    return report


def _sentence(found: Found, best: Conversion) -> str:
    direct, better = found.direct, found.better_bps
    if direct is None or better is None:
        return f"{best.path} is the way: no direct order is possible"
    if len(best.legs) == 1:
        return "the direct order is the best way"
    much = f"{better:.2f}" if better >= LEAST_BPS else f"less than {LEAST_BPS}"
    said = f"{best.path} brings {much} bps more than the direct order"
    if direct.expected_spend < best.expected_spend:
        said += f", which can only spend {plain(direct.expected_spend)} {best.start}"
    return said


def _told(legs: int, one: Conversion | Unfit) -> RouteTold:
    if isinstance(one, Unfit):
        return RouteTold(legs=legs, why_not=f"{one.reason.value}: {one.detail}")
    return RouteTold(
        **way_words(one),
        legs=legs,
        receive_at_limits=trimmed(one.receive_at_limits),
        cost_bps="" if one.cost_bps is None else f"{one.cost_bps:.2f}",
    )


def run_convert(
    settings: Settings, ask: Ask, wanted: ConvertAsk, show: Callable[[ConvertReport], None]
) -> ConvertTold | None:
    """The whole command on real time."""
    return run_on_best_loop(Convert(settings, ask, wanted, show)(SystemClock()))
