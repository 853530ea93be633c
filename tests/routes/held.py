"""Holds what routing finds in one world against everything that could have been found."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from arbit.domain.route import Conversion
from arbit.domain.triangle import Side
from arbit.routing import Found, route
from tests.routes.brute import best_by_legs
from tests.routes.markets import World, world


def differences(seed: int, counts: Counter[str]) -> list[str]:
    """What is wrong in the world of this seed, each in a line; what was met is counted."""
    asked = world(seed)
    found = route(asked.start, asked.end, asked.around, asked.limits)
    most = best_by_legs(asked)
    wrong = []
    for legs in (1, 2, 3):
        one = found.by_legs.get(legs)
        brought = one.expected_receive if isinstance(one, Conversion) else None
        if brought != most.get(legs):
            wrong.append(f"of {legs} legs {brought} was found, {most.get(legs)} is there")
        if isinstance(one, Conversion):
            wrong += _flaws(one, asked)
    best = found.best
    if (best and best.expected_receive) != max(most.values(), default=None):
        wrong.append(f"{best} is not the best of {most}")
    wrong += _words(found, most)
    counts.update(_met(found))
    return [f"seed {seed}: {said}" for said in wrong]


def _flaws(one: Conversion, asked: World) -> list[str]:
    """A conversion that says of itself what is not so."""
    wrong = []
    if not one.expected_spend <= one.spend <= asked.limits.max_start:
        wrong.append(f"{one.path} spends {one.spend} of {asked.limits.max_start}")
    if not 0 <= one.receive_at_limits <= one.expected_receive:
        wrong.append(f"{one.path} brings {one.receive_at_limits} at its limits")
    held = asked.limits.max_start
    for leg in one.legs:
        market = asked.around.markets[leg.leg.symbol]
        assert market.qty_increment is not None
        assert market.price_increment is not None
        if leg.qty % market.qty_increment or leg.limit_price % market.price_increment:
            wrong.append(f"{one.path}: {leg.qty} at {leg.limit_price} is no whole order")
        spends = leg.qty if leg.leg.side is Side.SELL else leg.qty * leg.limit_price
        if spends != leg.worst_spend or spends > held:
            wrong.append(f"{one.path}: {leg.leg} spends {spends} of {held}")
        held = leg.expected_receive
    return wrong


def _words(found: Found, most: dict[int, Decimal]) -> list[str]:
    """By how much indirect is better: reckoned once more."""
    if 1 not in most:
        return [] if found.better_bps is None else ["better than a direct order that is none"]
    better = (max(most.values()) / most[1] - 1) * 10_000
    if found.better_bps is None or abs(found.better_bps - better) > Decimal("1e-15"):
        return [f"better by {found.better_bps} bps, not {better}"]
    return []


def _met(found: Found) -> list[str]:
    best = found.best
    met = [f"best of {len(best.legs)} legs" if best else "nothing fits"]
    if best and found.direct and len(best.legs) > 1:
        met.append("indirect beats direct")
    if found.tried < found.routes:
        met.append("not all were sized")
    return met
