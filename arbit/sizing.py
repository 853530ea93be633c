"""Weighs: walks three depths at once and returns the whole lots that earn most.

**The rule of funding.** Each leg's quantity is affordable from what the leg before it delivers
*at that leg's limit price*, paid at *its own* limit price. An IOC order fills at its limit or
better, so a chain that fills in full is always funded. What better fills leave over in the two
middle assets is dust and counts as nothing, in `profit` as in `profit_at_limits`.

**The rule of limits.** A limit price is the price of the worst level the quantity needs, so it is
on tick and never beyond that level. A level that is off tick can be no limit: it is left out, and
an order that reaches deeper may meet it as an improvement.

**How the best size is found.** As long as no leg crosses into a deeper level, profit is linear in
size, and rises exactly when the three *limit* prices return more than they cost after fees. So the
best size stands where a leg runs out of a level, or out of budget. The search starts at the
shallowest levels that hold the minima, deepens the leg that binds, and stops when the limits no
longer pay: at most one step a level. At each stop lots are rounded down along the chain, then
trimmed backwards to what the last leg needs. Where lots are coarse against the profit, a few whole
lots below the best stop are tried too.

**The bound.** The plan earns at least the best exact profit less the value of one lot of each leg
at the limit prices. A triangle whose minima or `min_profit` are met only within that bound may be
called `Unfit`; one that does not meet them is never called a `Plan`.

Arithmetic is exact: integers in the search, `Decimal` without rounding in the plan. Market status
and the age of a book are not asked here: who calls passes books that may be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context, Decimal

from arbit.domain.book import BookView, Level
from arbit.domain.errors import BrokenRule
from arbit.domain.ladder import Ladder, LegFacts, in_units, ladders_of
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ONE, ZERO, is_multiple
from arbit.domain.plan import Plan, PlannedLeg, SizeLimits, Unfit, UnfitReason
from arbit.domain.triangle import Leg, Side, Triangle
from arbit.domain.walk import walk

__all__ = [
    "Plan",
    "PlannedLeg",
    "SizeLimits",
    "Unfit",
    "UnfitReason",
    "average_price",
    "gross_rates",
    "size",
]

# Products of a quantity, a price and a fee keep every digit; only `gross_rates` divides.
_WIDE = Context(prec=400)
# How many lots below the best stop are tried where lots are coarse, and what coarse means: the
# lots of the three legs are worth more than this share of the profit.
_NEIGHBOURS = 16
_COARSE_SHARE = 1000


def average_price(levels: Sequence[Level], qty: Decimal) -> Decimal | None:
    """The average price of `qty` base units taken best first; None when depth is short."""
    cost = _cost(levels, qty)
    return EXACT.divide(cost, qty) if cost is not None and qty > 0 else None


def gross_rates(
    triangle: Triangle, books: Mapping[str, BookView], start_qty: Decimal
) -> tuple[Decimal, Decimal, Decimal] | None:
    """What one unit of each leg's `spend` brings of its `receive`, on average and before fees.

    `start_qty` is in the start asset; each leg spends all that the one before it brought, without
    lots, ticks or minima. So a SELL's rate is its average price (quote per base) and a BUY's is
    one over its average price (base per quote). Rates are rounded to 60 digits. None when a book
    is missing or its depth ends before the amount does, or the amount is not positive.
    """
    rates: list[Decimal] = []
    held = start_qty
    for leg in triangle.legs:
        book = books.get(leg.symbol)
        brought = None if book is None else _convert(book.facing(leg.side), leg.side, held)
        if brought is None:
            return None
        rates.append(EXACT.divide(brought, held))
        held = brought
    return rates[0], rates[1], rates[2]


def size(
    triangle: Triangle,
    books: Mapping[str, BookView],
    markets: Mapping[str, Market],
    fees: Mapping[str, Decimal],
    limits: SizeLimits,
) -> Plan | Unfit:
    """The three orders that earn most on these books, or the reason why none fits.

    `fees` are taker fees by symbol as fractions (0.004 = 40 bps), each taken in the asset its leg
    receives. A missing book, increment, minimum or fee is Unfit, never a default. A minimum
    notional is compared with limit price times quantity, as Kraken does (its `costmin`).
    """
    if not limits.max_start > 0:
        return Unfit(UnfitReason.NO_BUDGET, f"max_start is {limits.max_start} {triangle.start}")
    facts: list[LegFacts] = []
    for leg in triangle.legs:
        known = leg_facts(leg, books, markets, fees, limits)
        if isinstance(known, Unfit):
            return known
        facts.append(known)
    found = _Search(facts, limits).run()
    if isinstance(found, Unfit):
        return found
    plan = _plan(triangle, facts, found)
    if plan.profit_at_limits <= 0 or plan.profit_at_limits < limits.min_profit:
        detail = f"{plan.profit_at_limits} {triangle.start} at the limit prices"
        return Unfit(UnfitReason.NO_PROFIT_AFTER_ROUNDING, detail)
    return plan


def _cost(levels: Iterable[Level], qty: Decimal) -> Decimal | None:
    """Quote units that `qty` base units trade for, best levels first; None when depth is short."""
    left, cost = qty, ZERO
    for level in levels:
        part = min(left, level.qty)
        cost = _WIDE.fma(part, level.price, cost)
        left = _WIDE.subtract(left, part)
        if not left:
            return cost
    return None


def _convert(levels: Sequence[Level], side: Side, amount: Decimal) -> Decimal | None:
    """What `amount` of the spent asset brings, before fees; None when depth is short."""
    if not amount > 0:
        return None
    if side is Side.SELL:
        return _cost(levels, amount)
    left, base = amount, ZERO
    for level in levels:
        cost = EXACT.multiply(level.price, level.qty)
        if cost >= left:
            return EXACT.add(base, EXACT.divide(left, level.price))
        left = EXACT.subtract(left, cost)
        base = EXACT.add(base, level.qty)
    return None


def leg_facts(
    leg: Leg,
    books: Mapping[str, BookView],
    markets: Mapping[str, Market],
    fees: Mapping[str, Decimal],
    limits: SizeLimits,
) -> LegFacts | Unfit:
    """The leg's facts, or the first one that is missing or senseless."""
    symbol = leg.symbol
    market, fee = markets.get(symbol), fees.get(symbol)
    if market is None:
        return Unfit(UnfitReason.MISSING_SPEC, f"{symbol}: not listed")
    tick, lot = market.price_increment, market.qty_increment
    qty_min, cost_min = market.qty_min, market.cost_min
    if tick is None or lot is None or qty_min is None or cost_min is None:
        return Unfit(UnfitReason.MISSING_SPEC, f"{symbol}: an increment or a minimum is missing")
    if not (tick > 0 and lot > 0 and qty_min >= 0 and cost_min >= 0):
        return Unfit(UnfitReason.MISSING_SPEC, f"{symbol}: an increment or a minimum is senseless")
    if fee is None or not 0 <= fee < 1:
        return Unfit(UnfitReason.MISSING_FEE, f"{symbol}: fee is {fee}")
    levels = _levels(leg, books.get(symbol), limits.max_slippage_bps)
    if isinstance(levels, Unfit):
        return levels
    cost_min = max(cost_min, limits.min_cost.get(market.quote, ZERO))
    return LegFacts(leg, levels, tick, lot, qty_min, cost_min, fee)


def _levels(leg: Leg, book: BookView | None, bps: Decimal | None) -> tuple[Level, ...] | Unfit:
    """The levels the leg may trade with, or why there are none."""
    if book is None:
        return Unfit(UnfitReason.MISSING_BOOK, f"{leg.symbol}: no book")
    if book.bids and book.asks and book.bids[0].price >= book.asks[0].price:
        return Unfit(UnfitReason.CROSSED_BOOK, f"{leg.symbol}: bid at or above ask")
    levels = book.within(leg.side, bps)
    return levels or Unfit(UnfitReason.NO_DEPTH, f"{leg.symbol}: nothing to {leg.side.value}")


@dataclass(frozen=True, slots=True)
class _Found:
    """Whole lots for three legs and the prices they reach; `stop` is how deep the search was.

    Amounts are in units of the start asset.
    """

    lots: tuple[int, int, int]
    limits: tuple[Decimal, Decimal, Decimal]
    stop: tuple[int, int, int]
    spend: int
    profit: int
    profit_at_limits: int

    def betters(self, other: _Found | None) -> bool:
        """More profit, or the same from less capital."""
        return other is None or (self.profit, -self.spend) > (other.profit, -other.spend)


class _Search:
    """One search for the best lots. See the top of this file."""

    def __init__(self, facts: Sequence[LegFacts], limits: SizeLimits) -> None:
        self.ladders, digits = ladders_of(facts)
        self._budget = in_units(limits.max_start, digits)
        least = limits.min_profit.scaleb(digits, _WIDE).to_integral_value(ROUND_CEILING)
        self._min_profit = max(1, int(least))
        self._best: _Found | None = None  # fits
        self._near: _Found | None = None  # earns most, and may not fit
        self._short: Unfit | None = None

    def run(self) -> _Found | Unfit:
        """The best lots, or why there are none."""
        stop = self._first_stop()
        if isinstance(stop, Unfit):
            return stop
        while self._pays(stop):
            binding = self._look(stop)
            if binding is None or stop[binding] + 1 == len(self.ladders[binding].cap):
                break
            stop[binding] += 1
        if self._near is not None:
            self._look_nearby(self._best or self._near)
        if self._best is not None:
            return self._best
        if self._near is not None or self._short is None:
            return Unfit(UnfitReason.NO_PROFIT_AFTER_ROUNDING, "no whole lots earn enough")
        return self._short

    def _first_stop(self) -> list[int] | Unfit:
        """The shallowest rungs that hold each leg's minima, if they still pay."""
        for ladder in self.ladders:
            if not ladder.cap:
                facts = ladder.facts
                detail = f"{facts.leg.symbol}: no whole lot of {facts.lot} on tick {facts.tick}"
                return Unfit(UnfitReason.NO_DEPTH, detail)
        if not self._pays([0, 0, 0]):
            return Unfit(UnfitReason.NO_EDGE, "the best levels return less than they cost")
        stop = []
        for ladder in self.ladders:
            holds = (i for i, cap in enumerate(ladder.cap) if cap >= ladder.low[i])
            rung = next(holds, None)
            if rung is None:
                return _below(ladder, ladder.cap[-1], len(ladder.cap) - 1)
            stop.append(rung)
        if not self._pays(stop):
            leg = next(i for i, rung in enumerate(stop) if rung)
            ladder, above = self.ladders[leg], stop[leg] - 1
            return _below(ladder, ladder.cap[above], above)
        return stop

    def _pays(self, rungs: Sequence[int]) -> bool:
        """Whether the limit prices of these rungs return more than they cost."""
        pay = get = 1
        for ladder, rung in zip(self.ladders, rungs, strict=True):
            pay *= ladder.pay[rung]
            get *= ladder.get[rung]
        return get > pay

    def _look(self, stop: Sequence[int]) -> int | None:
        """Take note of the most these rungs hold; the leg that binds, None for the budget."""
        held, binding = self._budget, None
        lots = []
        for i, ladder in enumerate(self.ladders):
            rung = stop[i]
            affordable, cap = held // ladder.pay[rung], ladder.cap[rung]
            if cap <= affordable:
                affordable, binding = cap, i
            if affordable < ladder.low[rung]:
                self._short = _below(ladder, affordable, rung)
                if binding is None:
                    self._short = Unfit(UnfitReason.NO_BUDGET, self._short.detail)
                return binding
            lots.append(affordable)
            held = affordable * ladder.get[rung]
        self._note(lots[2], stop)
        return binding

    def _note(self, last_lots: int, stop: Sequence[int]) -> None:
        """Trim the chain to what the last leg needs, and keep it if it is the best so far."""
        first, middle, last = self.ladders
        rung = last.rung_of(last_lots, stop[2])
        if last_lots < last.low[rung]:
            return
        second = middle.fewest(last_lots * last.pay[rung], stop[1])
        start = second and first.fewest(second[0] * middle.pay[second[1]], stop[0])
        if not second or not start or start[0] * first.pay[start[1]] > self._budget:
            return
        spend = first.expected_pay(*start)
        found = _Found(
            lots=(start[0], second[0], last_lots),
            limits=(first.price[start[1]], middle.price[second[1]], last.price[rung]),
            stop=(stop[0], stop[1], stop[2]),
            spend=spend,
            profit=last.expected_get(last_lots, rung) - spend,
            profit_at_limits=last_lots * last.get[rung] - start[0] * first.pay[start[1]],
        )
        if found.betters(self._near):
            self._near = found
        if found.profit_at_limits >= self._min_profit and found.betters(self._best):
            self._best = found

    def _look_nearby(self, found: _Found) -> None:
        """Where lots are coarse, try a few lots less of the leg whose lot is worth most."""
        stop = found.stop
        first, middle, last = (ladder for ladder in self.ladders)
        last_worth = last.get[stop[2]]
        middle_worth = middle.get[stop[1]] * last_worth // last.pay[stop[2]]
        worths = (first.pay[stop[0]], middle_worth, last_worth)
        if sum(worths) * _COARSE_SHARE <= found.profit:
            return
        leg = worths.index(max(worths))
        for fewer in range(1, min(_NEIGHBOURS, found.lots[leg] - 1) + 1):
            lots = found.lots[leg] - fewer
            for i in range(leg, 2):
                ladder, following = self.ladders[i], self.ladders[i + 1]
                held = lots * ladder.get[ladder.rung_of(lots, stop[i])]
                lots = min(following.cap[stop[i + 1]], held // following.pay[stop[i + 1]])
            if lots < 1:
                return
            self._note(lots, stop)


def _below(ladder: Ladder, lots: int, rung: int) -> Unfit:
    """Which minimum so few lots, with their limit at this rung, fail to meet."""
    facts = ladder.facts
    qty = _WIDE.multiply(Decimal(lots), facts.lot)
    if lots < ladder.qty_low:
        least = _WIDE.multiply(Decimal(ladder.qty_low), facts.lot)
        detail = f"{facts.leg.symbol}: {qty} is below the least that may be sent, {least}"
        return Unfit(UnfitReason.BELOW_QTY_MIN, detail)
    cost = _WIDE.multiply(qty, ladder.price[rung])
    detail = f"{facts.leg.symbol}: {cost} is below the minimum cost {facts.cost_min}"
    return Unfit(UnfitReason.BELOW_COST_MIN, detail)


def _plan(triangle: Triangle, facts: Sequence[LegFacts], found: _Found) -> Plan:
    """The lots found as orders, with every amount reckoned anew from the books."""
    first, middle, last = (
        planned_leg(leg, lots, limit)
        for leg, lots, limit in zip(facts, found.lots, found.limits, strict=True)
    )
    first = replace(first, residual=_WIDE.subtract(first.expected_receive, middle.expected_spend))
    middle = replace(middle, residual=_WIDE.subtract(middle.expected_receive, last.expected_spend))
    return Plan(
        triangle=triangle,
        legs=(first, middle, last),
        start_in=first.expected_spend,
        start_out=last.expected_receive,
        profit=_WIDE.subtract(last.expected_receive, first.expected_spend),
        profit_at_limits=_WIDE.subtract(last.worst_receive, first.worst_spend),
    )


def planned_leg(facts: LegFacts, lots: int, limit: Decimal) -> PlannedLeg:
    leg = facts.leg
    qty = _WIDE.multiply(Decimal(lots), facts.lot)
    cost, worst = _cost(_on_tick(facts), qty), _WIDE.multiply(qty, limit)
    if cost is None:
        raise BrokenRule(f"{leg}: {qty} was sized beyond the depth of its book")
    keep = _WIDE.subtract(ONE, facts.fee)
    gross, worst_gross = (qty, qty) if leg.side is Side.BUY else (cost, worst)
    return PlannedLeg(
        leg=leg,
        qty=qty,
        limit_price=limit,
        fee_rate=facts.fee,
        expected_spend=cost if leg.side is Side.BUY else qty,
        expected_receive=_WIDE.multiply(gross, keep),
        fee=_WIDE.multiply(gross, facts.fee),
        fee_asset=leg.receive,
        worst_spend=worst if leg.side is Side.BUY else qty,
        worst_receive=_WIDE.multiply(worst_gross, keep),
        walk=walk(_on_tick(facts), qty),
    )


def _on_tick(facts: LegFacts) -> Iterator[Level]:
    return (level for level in facts.levels if is_multiple(level.price, facts.tick))
