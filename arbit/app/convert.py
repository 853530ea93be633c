"""`arbit convert`: the cheapest way from one asset into another, shown, and taken where it may be.

Dust is swept by the same: everything that is worth little, each into one asset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.app.conversion import Done, carry_out, done_of
from arbit.app.loop import run_on_best_loop
from arbit.app.opened import Access, Ask, Known, Opened, Opening, symbols_between
from arbit.clock import SystemClock
from arbit.config import SANDBOXES, Settings
from arbit.domain.errors import UserError
from arbit.domain.money import BPS, EXACT, ZERO, plain
from arbit.domain.plan import PlannedLeg, SizeLimits, Unfit
from arbit.domain.route import Conversion, ConversionKind
from arbit.inventory import Inventory
from arbit.ledger import Ledger, opening
from arbit.ports import Clock
from arbit.routing import Around, Found, cost_at_limits, route

MAX_SWEPT = 50  # assets that one sweep turns


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
class RouteTold:
    """One route, in words and exact text. `why_not` says why it does not fit."""

    path: str
    legs: int
    spend: str = ""
    receive: str = ""
    receive_at_limits: str = ""
    cost_bps: str = ""
    orders: list[str] = field(default_factory=list)
    why_not: str = ""


@dataclass(slots=True)
class ConvertReport:
    """What was found of one asset, and what was done about it. Amounts are exact text."""

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
    done: Done | None = None


@dataclass(slots=True)
class ConvertTold:
    """All of a command: one report an asset, and what is to be said of the whole."""

    venue: str
    mode: str
    reports: list[ConvertReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
        return await Opening(self._settings, self._ask, clock)(self._symbols, self._work)

    def _symbols(self, known: Known) -> Iterable[str]:
        assets = {asset for one in known.markets.values() for asset in (one.base, one.quote)}
        wanted = self._wanted
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

    async def _work(self, opened: Opened) -> ConvertTold:
        await opened.recovered()
        await opened.believed()
        told = ConvertTold(self._ask.venue, mode_of(self._ask))
        told.notes += [*opened.notes, *fee_notes(opened, self._ask)]
        inventory = inventory_of(opened)
        for start, amount in self._amounts(opened, inventory).items():
            told.reports.append(await self._one(opened, start, amount))
        if self._wanted.sweep and not told.reports:
            told.notes.append(
                f"nothing is worth less than {plain(self._wanted.below.normalize())}: no dust"
            )
        return told

    def _amounts(self, opened: Opened, inventory: Inventory) -> Mapping[str, Decimal]:
        wanted = self._wanted
        if wanted.sweep:
            return dict(self._dust(opened, inventory))
        if self._ask.access is Access.QUOTED:
            if wanted.amount is None:
                raise UserError("all: expected an amount, a quote does not know what you own")
            return {wanted.start: wanted.amount}
        there = inventory.spendable(wanted.start)
        amount = there if wanted.amount is None else wanted.amount
        if not 0 < amount <= there:
            raise UserError(_too_much(wanted, there, inventory.reserve(wanted.start)))
        return {wanted.start: amount}

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
        wanted = self._wanted
        found = looked_up(opened, start, wanted.end, amount)
        report = report_of(self._ask, found, (start, wanted.end), amount)
        best = found.best
        report.refused = "" if best else "nothing fits"
        worst = None if best is None else worst_bps(best, opened)
        if worst is not None and worst > wanted.max_cost_bps:
            report.refused = (
                f"it may cost {worst:.1f} bps, more than {plain(wanted.max_cost_bps.normalize())} "
                "(--max-cost-bps)"
            )
        self._show(report)
        if best is None or report.refused or opened.trader is None:
            return report
        kind = ConversionKind.SWEEP if wanted.sweep else ConversionKind.CONVERT
        budget = EXACT.divide(EXACT.multiply(best.spend, wanted.max_cost_bps), BPS)
        done = await carry_out(opened.trader, best, kind, budget)
        if isinstance(done, str):
            report.refused = done
        else:
            report.done = done_of(done)
        return report


def _too_much(wanted: ConvertAsk, there: Decimal, reserve: Decimal = ZERO) -> str:
    beyond = f" beyond the reserve of {plain(reserve.normalize())}" if reserve else ""
    said = "all" if wanted.amount is None else plain(wanted.amount)
    return (
        f"{said} {wanted.start}: expected at most {plain(there.normalize())}, which is what is "
        f"free{beyond}"
    )


def worst_bps(found: Conversion, opened: Opened) -> Decimal | None:
    """What it costs at its limits, as the gate reckons it; None while nobody can say."""
    costs = cost_at_limits(found, opened.books())
    return None if costs is None else EXACT.divide(EXACT.multiply(costs, BPS), found.spend)


def looked_up(opened: Opened, start: str, end: str, amount: Decimal) -> Found:
    """What routes there are now for so much of an asset."""
    scan = opened.settings.scan
    limits = SizeLimits(max_start=amount, max_slippage_bps=scan.max_slippage_bps)
    return route(start, end, Around(opened.books(), opened.markets, opened.fees), limits)


def inventory_of(opened: Opened) -> Inventory:
    """What is owned and wanted of it: by the trader's ledger, else by what the venue says now."""
    settings = opened.settings.inventory
    if opened.trader is not None:
        return Inventory(settings, opened.trader.ledger, opened.price)
    ledger = Ledger()
    for asset, amount in opened.known.owned.items():
        ledger.apply(opening(asset, amount, 0))
    return Inventory(settings, ledger, opened.price)


def mode_of(ask: Ask) -> str:
    """`quote` sends nothing."""
    if ask.access is not Access.TRADED:
        return "quote"
    return "sandbox" if ask.venue in SANDBOXES else "live"


def fee_notes(opened: Opened, ask: Ask) -> list[str]:
    """Whose fees these are, and which books were not believed."""
    said = []
    if ask.access is Access.QUOTED:
        said.append("fees are the published ones, or those you set: your account's may be others")
    books = opened.books()
    missing = [symbol for symbol in opened.markets if symbol not in books]
    if missing:
        shown = ", ".join(missing[:5]) + (" and more" if len(missing) > len(missing[:5]) else "")
        said.append(f"no believable book of {shown}: no route leads there")
    return said


def report_of(ask: Ask, found: Found, pair: tuple[str, str], amount: Decimal) -> ConvertReport:
    """What was found, side by side."""
    start, end = pair
    report = ConvertReport(ask.venue, mode_of(ask), start, end, plain(amount.normalize()))
    for legs, one in sorted(found.by_legs.items()):
        report.routes.append(_told(legs, one))
    if not found.by_legs:
        report.routes.append(RouteTold(f"{start}>{end}", 0, why_not="no market joins them"))
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
    said = f"{best.path} brings {better:.2f} bps more than the direct order"
    if direct.expected_spend < best.expected_spend:
        said += f", which can only spend {plain(direct.expected_spend)} {best.start}"
    return said


def _told(legs: int, one: Conversion | Unfit) -> RouteTold:
    if isinstance(one, Unfit):
        return RouteTold("", legs, why_not=f"{one.reason.value}: {one.detail}")
    return RouteTold(
        path=one.path,
        legs=legs,
        spend=plain(one.expected_spend.normalize()),
        receive=plain(one.expected_receive.normalize()),
        receive_at_limits=plain(one.receive_at_limits.normalize()),
        cost_bps="" if one.cost_bps is None else f"{one.cost_bps:.2f}",
        orders=[order_words(leg) for leg in one.legs],
    )


def order_words(leg: PlannedLeg) -> str:
    """`sell 5 ETH/BTC, at least 0.053116`."""
    bound = "at most" if leg.leg.receive == leg.leg.symbol_base else "at least"
    side, symbol = leg.leg.side.value, leg.leg.symbol
    return f"{side} {plain(leg.qty)} {symbol}, {bound} {plain(leg.limit_price)}"


def run_convert(
    settings: Settings, ask: Ask, wanted: ConvertAsk, show: Callable[[ConvertReport], None]
) -> ConvertTold | None:
    """The whole command on real time."""
    return run_on_best_loop(Convert(settings, ask, wanted, show)(SystemClock()))
