"""Sizing done slowly: every choice of whole lots on three legs, in fractions. Shares no code.

It reads the rules from the words of the house, not from the code under test: a limit is the worst
on-tick level the quantity needs; a leg must be affordable, at its limit, from what the leg before
it brings at its own limit; minima hold for every leg; dust is worth nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import product

from arbit.domain.book import BookView
from arbit.domain.market import Market
from arbit.domain.plan import Plan, PlannedLeg, SizeLimits
from arbit.domain.triangle import Leg, Side, Triangle


@dataclass(frozen=True)
class Choice:
    """One quantity of one leg, and all that follows from it."""

    qty: Fraction
    limit: Fraction
    spend: Fraction
    receive: Fraction
    worst_spend: Fraction
    worst_receive: Fraction


@dataclass(frozen=True)
class Outcome:
    """Three choices that keep every rule."""

    legs: tuple[Choice, Choice, Choice]

    @property
    def profit(self) -> Fraction:
        return self.legs[2].receive - self.legs[0].spend

    @property
    def profit_at_limits(self) -> Fraction:
        return self.legs[2].worst_receive - self.legs[0].worst_spend


@dataclass(frozen=True)
class World:
    """All that `size` is given."""

    triangle: Triangle
    books: Mapping[str, BookView]
    markets: Mapping[str, Market]
    fees: Mapping[str, Decimal]
    limits: SizeLimits


def fraction(value: object) -> Fraction:
    return Fraction(str(value))


def on_tick(world: World, leg: Leg) -> list[tuple[Fraction, Fraction]]:
    """Price and quantity of the levels that an order's limit may stand on."""
    tick = fraction(world.markets[leg.symbol].price_increment)
    levels = world.books[leg.symbol].facing(leg.side)
    pairs = [(fraction(level.price), fraction(level.qty)) for level in levels]
    kept = [pair for pair in pairs if pair[0] % tick == 0]
    bps = world.limits.max_slippage_bps
    if bps is None or not pairs:
        return kept
    off = pairs[0][0] * fraction(bps) / 10_000
    return [pair for pair in kept if abs(pair[0] - pairs[0][0]) <= off]


def choice(
    leg: Leg, qty: Fraction, fee: Fraction, levels: list[tuple[Fraction, Fraction]]
) -> Choice:
    """Walk the levels for `qty`; the caller has seen that they hold it."""
    left, cost, limit = qty, Fraction(0), Fraction(0)
    for price, depth in levels:
        part = min(left, depth)
        cost, left, limit = cost + part * price, left - part, price
        if not left:
            break
    worst, keep = qty * limit, 1 - fee
    if leg.side is Side.BUY:
        return Choice(qty, limit, cost, qty * keep, worst, qty * keep)
    return Choice(qty, limit, qty, cost * keep, qty, worst * keep)


def choices(world: World, leg: Leg) -> list[Choice]:
    """Every whole number of lots that the depth holds and the minima allow."""
    market = world.markets[leg.symbol]
    lot, levels = fraction(market.qty_increment), on_tick(world, leg)
    cost_min = max(fraction(market.cost_min), fraction(world.limits.min_cost.get(market.quote, 0)))
    fee = fraction(world.fees[leg.symbol])
    found = []
    for lots in range(1, int(sum((qty for _, qty in levels), Fraction(0)) / lot) + 1):
        one = choice(leg, lots * lot, fee, levels)
        if one.qty >= fraction(market.qty_min) and one.qty * one.limit >= cost_min:
            found.append(one)
    return found


def outcomes(world: World) -> list[Outcome]:
    """Every plan that keeps every rule."""
    firsts, seconds, thirds = (choices(world, leg) for leg in world.triangle.legs)
    budget = fraction(world.limits.max_start)
    least = fraction(world.limits.min_profit)
    found = []
    for a in firsts:
        if a.worst_spend > budget:
            continue
        for b in seconds:
            if b.worst_spend > a.worst_receive:
                continue
            for c in thirds:
                if c.worst_spend > b.worst_receive:
                    continue
                outcome = Outcome((a, b, c))
                if outcome.profit_at_limits > 0 and outcome.profit_at_limits >= least:
                    found.append(outcome)
    return found


def best(world: World) -> Outcome | None:
    """The plan that earns most."""
    return max(outcomes(world), key=lambda one: one.profit, default=None)


def one_lot_of_each(world: World) -> Fraction:
    """What one lot of each leg is worth in the start asset, at the kindest prices displayed."""
    lots = [fraction(world.markets[leg.symbol].qty_increment) for leg in world.triangle.legs]
    tops, ends = [], []
    for leg in world.triangle.legs:
        levels = on_tick(world, leg)
        if not levels:
            return Fraction(0)
        tops.append(levels[0][0])
        ends.append(levels[-1][0])
    legs = world.triangle.legs
    first = lots[0] * (ends[0] if legs[0].side is Side.BUY else 1)
    middle = lots[1] * _brings(legs[1], tops[1]) * _brings(legs[2], tops[2])
    return first + middle + lots[2] * (tops[2] if legs[2].side is Side.SELL else 1)


def _brings(leg: Leg, top: Fraction) -> Fraction:
    return top if leg.side is Side.SELL else 1 / top


def as_outcome(world: World, plan: Plan) -> Outcome:
    """The plan's quantities, reckoned here."""
    legs = [
        choice(leg, fraction(ours.qty), fraction(world.fees[leg.symbol]), on_tick(world, leg))
        for leg, ours in zip(world.triangle.legs, plan.legs, strict=True)
    ]
    return Outcome((legs[0], legs[1], legs[2]))


def keeps_every_rule(world: World, plan: Plan) -> bool:
    """Whether the plan is one of those that the slow way allows."""
    return as_outcome(world, plan) in outcomes(world)


def same_figures(plan: Plan, outcome: Outcome) -> bool:
    """Whether each amount the plan states is what the slow way finds, to the last digit."""
    pairs: list[tuple[object, Fraction]] = [
        (plan.profit, outcome.profit),
        (plan.profit_at_limits, outcome.profit_at_limits),
    ]
    for ours, theirs in zip(plan.legs, outcome.legs, strict=True):
        pairs += _figures(ours, theirs)
    return all(fraction(ours) == theirs for ours, theirs in pairs)


def _figures(ours: PlannedLeg, theirs: Choice) -> Sequence[tuple[object, Fraction]]:
    return [
        (ours.limit_price, theirs.limit),
        (ours.expected_spend, theirs.spend),
        (ours.expected_receive, theirs.receive),
        (ours.worst_spend, theirs.worst_spend),
        (ours.worst_receive, theirs.worst_receive),
    ]


def best_without_lots(world: World) -> Fraction:
    """The most any quantities could earn if lots were infinitely fine; 0 when nothing pays.

    Tries every triple of limits, however many: at each, as much as depth and budget allow, then
    trimmed backwards to what the last leg needs. Minima are not looked at.
    """
    ladders = [on_tick(world, leg) for leg in world.triangle.legs]
    return max(
        (_at_limits(world, ladders, rungs) for rungs in product(*map(_rungs, ladders))),
        default=Fraction(0),
    )


def _rungs(levels: list[tuple[Fraction, Fraction]]) -> range:
    return range(len(levels))


def _at_limits(
    world: World, ladders: list[list[tuple[Fraction, Fraction]]], rungs: tuple[int, ...]
) -> Fraction:
    legs = world.triangle.legs
    limits = [levels[rung][0] for levels, rung in zip(ladders, rungs, strict=True)]
    keeps = [1 - fraction(world.fees[leg.symbol]) for leg in legs]
    pay = [
        limit if leg.side is Side.BUY else Fraction(1)
        for leg, limit in zip(legs, limits, strict=True)
    ]
    get = [
        keep * (limit if leg.side is Side.SELL else 1)
        for leg, limit, keep in zip(legs, limits, keeps, strict=True)
    ]
    if get[0] * get[1] * get[2] <= pay[0] * pay[1] * pay[2]:
        return Fraction(0)
    held, qtys = fraction(world.limits.max_start), []
    for i, levels in enumerate(ladders):
        depth = sum((qty for _, qty in levels[: rungs[i] + 1]), Fraction(0))
        qtys.append(min(depth, held / pay[i]))
        held = qtys[i] * get[i]
    middle = qtys[2] * pay[2] / get[1]
    first = middle * pay[1] / get[0]
    spend = choice(legs[0], first, 1 - keeps[0], ladders[0]).spend
    return choice(legs[2], qtys[2], 1 - keeps[2], ladders[2]).receive - spend
