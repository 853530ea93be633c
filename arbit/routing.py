"""Finds the way from one asset to another that brings most: one, two or three orders.

**What is most.** Of at most so much of `start` as may be spent, within the slippage allowed, the
route and the whole lots that are expected to bring most of `end`, net of every fee; of equals the
one that spends less, then the one with fewer legs, then the first by its path.

**How the lots of a route are found.** A leg brings more the more it spends, so each leg takes as
many lots as it can pay for: leg 1 from what may be spent, the next from what the one before is
expected to bring; each paid at its own limit price, the worst level that it needs. Then the chain
is trimmed backwards: no leg buys more than the next one needs *when it fills wholly at its limit*,
where its lots allow that. What is still left over in between is dust, and counts as nothing.

**What is looked at.** The top of a book is its best price, so the tops of a route, fees taken, say
what it could bring at the very most. Routes are sized in that order, and no more of them once the
next could not bring more than the best: the same answer as sizing all of them.

Pure and exact, like `sizing`, whose rules of limits it keeps. Who calls passes books that may be
believed. A market that may not be traded now, or lacks a fact, is no part of any route.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from arbit.domain.book import BookView
from arbit.domain.ladder import Ladder, LegFacts, in_units, ladders_of
from arbit.domain.market import Market
from arbit.domain.money import BPS, EXACT, ONE, ZERO
from arbit.domain.plan import SizeLimits, Unfit, UnfitReason
from arbit.domain.route import MAX_LEGS, Conversion
from arbit.domain.triangle import Leg, Side
from arbit.sizing import leg_facts, planned_leg

TWO = Decimal(2)
Route = tuple[Leg, ...]
Middles = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Around:
    """What routes are found in: believable books, markets and taker fees (fractions) by symbol."""

    books: Mapping[str, BookView]
    markets: Mapping[str, Market]
    fees: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Found:
    """The best route of each length, or why there is none; `best` is the best of them all.

    `by_legs` has a key for 1, 2 and 3 legs where such a route exists at all. `tried` are the
    routes that were sized, `routes` those there are.
    """

    by_legs: Mapping[int, Conversion | Unfit] = field(default_factory=dict)
    tried: int = 0
    routes: int = 0

    @property
    def best(self) -> Conversion | None:
        """What brings most; None when nothing fits."""
        fits = [one for one in self.by_legs.values() if isinstance(one, Conversion)]
        return min(fits, key=_rank, default=None)

    @property
    def direct(self) -> Conversion | None:
        """The best single order; None when there is no such market, or nothing fits there."""
        found = self.by_legs.get(1)
        return found if isinstance(found, Conversion) else None

    @property
    def better_bps(self) -> Decimal | None:
        """By how many bps more than the direct order the best route brings; None without both.

        Zero when the direct order is the best, or when both bring the same.
        """
        best, direct = self.best, self.direct
        if best is None or direct is None:
            return None
        more = EXACT.subtract(best.expected_receive, direct.expected_receive)
        return EXACT.divide(EXACT.multiply(more, BPS), direct.expected_receive)


def routes_of(
    markets: Mapping[str, Market], start: str, end: str, legs: int = MAX_LEGS
) -> Iterator[Route]:
    """Every way of at most so many legs that visits no asset twice, the shorter ones first."""
    if start == end:
        return
    by_asset: dict[str, list[Market]] = {}
    for market in markets.values():
        for asset in (market.base, market.quote):
            by_asset.setdefault(asset, []).append(market)
    ends = {one.quote if one.base == end else one.base for one in by_asset.get(end, [])}
    for length in range(1, legs + 1):
        yield from _walks(by_asset, (start,), (end, ends), length)


def _walks(
    by_asset: Mapping[str, Sequence[Market]],
    seen: tuple[str, ...],
    goal: tuple[str, set[str]],
    length: int,
) -> Iterator[Route]:
    end, before_end = goal
    for market in by_asset.get(seen[-1], ()):
        leg = Leg.through(market, seen[-1])
        if length == 1:
            if leg.receive == end:
                yield (leg,)
        elif leg.receive not in (*seen, end) and (length > 2 or leg.receive in before_end):
            for rest in _walks(by_asset, (*seen, leg.receive), goal, length - 1):
                yield (leg, *rest)


def route(start: str, end: str, around: Around, limits: SizeLimits) -> Found:
    """The best conversion of each length of at most `limits.max_start` of `start` into `end`."""
    if not limits.max_start > 0:
        detail = f"{limits.max_start} {start} may be spent"
        return Found({1: Unfit(UnfitReason.NO_BUDGET, detail)})
    facts = _Facts(around, limits)
    counts = [0, 0]
    by_legs: dict[int, Conversion | Unfit] = {}
    ways: dict[int, list[Route]] = {}
    for way in routes_of(around.markets, start, end):
        ways.setdefault(len(way), []).append(way)
    middle = facts.middle_between(start, end)
    for length, some in ways.items():
        found, tried = _best(some, facts, limits.max_start, middle)
        by_legs[length] = found
        counts = [counts[0] + tried, counts[1] + len(some)]
    return Found(by_legs, *counts)


def cost_bps(spend: Decimal, receive: Decimal, rate: Decimal) -> Decimal | None:
    """What is lost of what is spent, in bps, where one unit of it is worth `rate` of the other."""
    worth = EXACT.multiply(spend, rate)
    if worth <= 0:
        return None
    return EXACT.divide(EXACT.multiply(EXACT.subtract(worth, receive), BPS), worth)


def cost_at_limits(found: Conversion, books: Mapping[str, BookView]) -> Decimal | None:
    """What it loses with every leg at its limit, in units of what it spends; None if unpriced.

    Against the middles of its own books, as the gate reckons it.
    """
    rate = ONE
    for leg in found.legs:
        step = middle_of(books.get(leg.leg.symbol), leg.leg)
        if step is None:
            return None
        rate = EXACT.multiply(rate, step)
    return EXACT.subtract(found.spend, EXACT.divide(found.receive_at_limits, rate))


def middle_of(view: BookView | None, leg: Leg) -> Decimal | None:
    """Units received for one that is spent, at the middle of the leg's book, before fees."""
    if view is None or not view.bids or not view.asks:
        return None
    twice = EXACT.add(view.bids[0].price, view.asks[0].price)
    if twice <= 0:
        return None
    if leg.side is Side.SELL:
        return EXACT.divide(twice, TWO)
    return EXACT.divide(TWO, twice)


class _Facts:
    """What is known of each leg, looked at once."""

    def __init__(self, around: Around, limits: SizeLimits) -> None:
        self._around = around
        self._limits = limits
        self._legs: dict[Leg, LegFacts | Unfit] = {}

    def of(self, leg: Leg) -> LegFacts | Unfit:
        """The leg's levels, increments, minima and fee; or the first thing that is in the way."""
        if leg not in self._legs:
            self._legs[leg] = self._look(leg)
        return self._legs[leg]

    def _look(self, leg: Leg) -> LegFacts | Unfit:
        around, limits = self._around, self._limits
        market = around.markets[leg.symbol]
        if (why := market.why_not_tradable()) is not None:
            return Unfit(UnfitReason.NOT_TRADABLE, why)
        known = leg_facts(leg, around.books, around.markets, around.fees, limits)
        sells = market.least_cost(sells=leg.side is Side.SELL)
        if isinstance(known, Unfit) or sells is None:
            return known
        return replace(known, cost_min=max(sells, limits.min_cost.get(market.quote, ZERO)))

    def middle_between(self, start: str, end: str) -> Decimal | None:
        """What one unit of `start` is worth of `end` at the middle of the book that joins them."""
        for market in self._around.markets.values():
            if {market.base, market.quote} == {start, end}:
                rate = self.middle(Leg.through(market, start))
                if rate is not None:
                    return rate
        return None

    def middle(self, leg: Leg) -> Decimal | None:
        """What one unit that the leg spends is worth of what it receives."""
        return middle_of(self._around.books.get(leg.symbol), leg)

    def most(self, way: Route, amount: Decimal) -> Decimal | Unfit:
        """What `amount` could bring at the very most: all of it at the tops, fees taken."""
        for leg in way:
            facts = self.of(leg)
            if isinstance(facts, Unfit):
                return facts
            top = facts.levels[0].price
            if top <= 0:
                return Unfit(UnfitReason.NO_DEPTH, f"{leg.symbol}: a price of {top}")
            turn = EXACT.multiply if leg.side is Side.SELL else EXACT.divide
            amount = EXACT.multiply(turn(amount, top), EXACT.subtract(ONE, facts.fee))
        return amount


def _best(
    ways: Iterable[Route], facts: _Facts, amount: Decimal, middle: Decimal | None
) -> tuple[Conversion | Unfit, int]:
    """The best of these routes, or why the first of them does not fit; and how many were sized."""
    hopes: list[tuple[Decimal, str, Route]] = []
    why: Unfit | None = None
    for way in ways:
        most = facts.most(way, amount)
        if isinstance(most, Unfit):
            why = why or most
        else:
            hopes.append((-most, ">".join(leg.symbol for leg in way), way))
    hopes.sort()
    best: Conversion | None = None
    tried = 0
    for minus_most, _, way in hopes:
        if best is not None and _hopeless(EXACT.minus(minus_most), best):
            break
        tried += 1
        found = _sized(
            [known for leg in way if isinstance(known := facts.of(leg), LegFacts)], amount
        )
        if isinstance(found, Unfit):
            why = why if tried > 1 else found  # of the most hopeful one
        elif best is None or _rank(found) < _rank(best):
            best = found
    if best is None:
        return why or Unfit(UnfitReason.NO_DEPTH, "no route"), tried
    return _with_cost(best, facts, middle), tried


def _hopeless(most: Decimal, best: Conversion) -> bool:
    """Whether no lots of a route that brings at most this could be better; digits are 60."""
    return most < EXACT.multiply(best.expected_receive, ONE - Decimal("1e-30"))


def _rank(one: Conversion) -> tuple[Decimal, Decimal, int, str, tuple[str, ...]]:
    """The best comes first."""
    minus = EXACT.minus(one.expected_receive)
    return (minus, one.expected_spend, len(one.legs), one.path, one.symbols)


def _with_cost(found: Conversion, facts: _Facts, middle: Decimal | None) -> Conversion:
    rate = middle
    if rate is None:
        rate = ONE
        for leg in found.legs:
            step = facts.middle(leg.leg)
            if step is None:
                return found
            rate = EXACT.multiply(rate, step)
    cost = cost_bps(found.expected_spend, found.expected_receive, rate)
    return replace(found, cost_bps=cost)


def _sized(facts: Sequence[LegFacts], amount: Decimal) -> Conversion | Unfit:
    """The lots of a route that bring most of its last asset, trimmed to what is needed."""
    ladders, digits = ladders_of(facts)
    held, lots = in_units(amount, digits), list[tuple[int, int]]()
    for ladder in ladders:
        taken = _most_lots(ladder, held)
        if taken is None:
            return _why(ladder, held)
        lots.append(taken)
        held = ladder.expected_get(*taken)
    for i in range(len(ladders) - 2, -1, -1):
        needed = lots[i + 1][0] * ladders[i + 1].pay[lots[i + 1][1]]
        fewer = ladders[i].fewest(needed, lots[i][1])
        if fewer is not None and fewer[0] <= lots[i][0]:
            lots[i] = fewer
    return _conversion(facts, ladders, lots)


def _most_lots(ladder: Ladder, held: int) -> tuple[int, int] | None:
    """The most lots that `held` pays for at the limit they need, and their rung."""
    for rung in range(len(ladder.cap) - 1, -1, -1):
        lots = min(ladder.cap[rung], held // ladder.pay[rung])
        above = ladder.cap[rung - 1] if rung else 0
        if lots > above and lots >= ladder.low[rung]:
            return lots, rung
    return None


def _why(ladder: Ladder, held: int) -> Unfit:
    facts = ladder.facts
    leg = facts.leg
    if not ladder.cap:
        detail = f"{leg.symbol}: no whole lot of {facts.lot} on tick {facts.tick}"
        return Unfit(UnfitReason.NO_DEPTH, detail)
    lots = min(ladder.cap[0], held // ladder.pay[0])
    if lots < ladder.qty_low:
        least = EXACT.multiply(Decimal(ladder.qty_low), facts.lot)
        detail = f"{leg.symbol}: less than {least} {leg.symbol_base}, the least that may be sent"
        return Unfit(UnfitReason.BELOW_QTY_MIN, detail)
    detail = f"{leg.symbol}: worth less than the minimum, {facts.cost_min}"
    return Unfit(UnfitReason.BELOW_COST_MIN, detail)


def _conversion(
    facts: Sequence[LegFacts], ladders: Sequence[Ladder], lots: Sequence[tuple[int, int]]
) -> Conversion:
    legs = [
        planned_leg(known, count, ladder.price[rung])
        for known, ladder, (count, rung) in zip(facts, ladders, lots, strict=True)
    ]
    for i in range(len(legs) - 1):
        left = EXACT.subtract(legs[i].expected_receive, legs[i + 1].expected_spend)
        legs[i] = replace(legs[i], residual=left)
    return Conversion(
        legs=tuple(legs),
        spend=legs[0].worst_spend,
        expected_receive=legs[-1].expected_receive,
        receive_at_limits=_at_limits(facts, ladders, lots),
    )


def _at_limits(
    facts: Sequence[LegFacts], ladders: Sequence[Ladder], lots: Sequence[tuple[int, int]]
) -> Decimal:
    """What the last leg brings when each fills at its limit; zero when one falls below a minimum.

    A leg that the one before then does not wholly pay for sends as many lots as are paid for.
    """
    held, count = -1, 0
    for ladder, (planned, rung) in zip(ladders, lots, strict=True):
        count = planned if held < 0 else min(planned, held // ladder.pay[rung])
        if count < ladder.low[rung]:
            return ZERO
        held = count * ladder.get[rung]
    return planned_leg(facts[-1], count, ladders[-1].price[lots[-1][1]]).worst_receive
