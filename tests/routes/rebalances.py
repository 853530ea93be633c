"""Rebalances in random markets, and what must hold of each, however it fills."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from arbit.domain.route import Conversion
from arbit.domain.stand import Band, Stand
from arbit.rebalancing import Bounds, Move, advise
from tests.routes.markets import ASSETS, World, world

D = Decimal
Moved = Mapping[str, Decimal]


def stands_of(asked: World, draw: random.Random) -> dict[str, Stand]:
    """Each asset as it may stand: short, enough, too much, without a target, at its cap."""
    found = {}
    for asset in ASSETS:
        owned = D(draw.randrange(0, 400)) / 10
        held = owned if draw.random() < 0.1 else D(0)
        reserve = D(draw.randrange(0, 60)) / 10 if draw.random() < 0.4 else D(0)
        target = D(draw.randrange(0, 400)) / 10 if draw.random() < 0.7 else None
        band = D(draw.choice((0, 5, 20, 50))) / 100
        cap = D(draw.randrange(0, 500)) / 10 if draw.random() < 0.4 else None
        low = high = None
        if target is not None:
            low, high = target * (1 - band), target * (1 + band)
            low = max(low, min(reserve, target))
            high = high if cap is None else min(high, max(cap, target))
        found[asset] = Stand(
            asset=asset,
            owned=owned,
            settled=owned,
            spendable=max(owned - held - reserve, D(0)),
            reserve=reserve,
            target=target,
            low=low,
            high=high,
            cap=cap,
            price=asked.worths[asset] if draw.random() < 0.95 else None,
        )
    return found


def flaws(seed: int, counts: Counter[str]) -> list[str]:
    """What is wrong with the rebalance advised in the world of this seed, each in a line."""
    asked, draw = world(seed), random.Random(seed + 1)
    stands = stands_of(asked, draw)
    bounds = Bounds(
        cost_bps=D(draw.choice((20, 100, 300, 1000))),
        cost_left=D(draw.choice((0, 1, 5, 100))) / 10,
        notional=D(draw.choice((5, 20, 1000))),
        max_slippage_bps=draw.choice((None, D(300))),
    )
    pool = draw.sample(ASSETS, 2)
    advice = advise(stands.values(), pool, asked.around, bounds)
    move = advice.move
    what = f"{move.band.value}, {len(move.conversion.legs)} legs" if move else "not advised"
    counts.update([f"rebalance {what}"])
    if move is None:
        out = {one.asset for one in stands.values() if one.out}
        return [f"seed {seed}: silent about {out}"] if out != set(advice.why_not) else []
    wrong = _against(move, bounds)
    for moved in _fills(move.conversion):
        wrong += _after(move, stands, moved)
    return [f"seed {seed}: {said}" for said in dict.fromkeys(wrong)]


def _against(move: Move, bounds: Bounds) -> list[str]:
    """It costs more than it may, at its limits and by the prices that the stands have."""
    wrong = []
    if move.loss_budget > move.conversion.spend * bounds.cost_bps / 10_000:
        wrong.append("it may lose more than its share")
    if move.cost > move.most:
        wrong.append("it expects to cost more than at its limits")
    if move.most > bounds.cost_left:
        wrong.append(f"it may cost {move.most} of the {bounds.cost_left} that are left")
    if move.spent > bounds.notional:
        wrong.append(f"it spends {move.spent} of at most {bounds.notional}")
    return wrong


def _fills(found: Conversion) -> Iterator[Moved]:
    """As expected; at every limit; and with the first leg filled for a half."""
    first, last = found.legs[0], found.legs[-1]
    yield {found.start: -first.expected_spend, found.end: last.expected_receive}
    yield {found.start: -found.spend, found.end: found.receive_at_limits}
    yield {found.start: -found.spend / 2, found.end: last.expected_receive / 2}
    yield {found.start: -found.spend, found.end: last.expected_receive}
    for one in found.legs[:-1]:  # while it is on its way
        yield {found.start: -found.spend, one.leg.receive: one.expected_receive}


def _after(move: Move, stands: Mapping[str, Stand], moved: Moved) -> list[str]:
    wrong = []
    for asset, amount in moved.items():
        stand, now = stands[asset], stands[asset].settled + amount
        if amount < 0 and -amount > stand.spendable:
            wrong.append(f"{asset}: {-amount} of {stand.spendable} that may be spent")
        if amount > 0 and stand.cap is not None and now > stand.cap:
            wrong.append(f"{asset}: {now} is beyond the cap of {stand.cap}")
        if asset in (move.conversion.start, move.conversion.end):
            wrong += _nearer(move, stand, now)
    return wrong


def _nearer(move: Move, stand: Stand, now: Decimal) -> list[str]:
    if stand.target is None or stand.low is None or stand.high is None:
        return []
    if stand.asset == move.asset or stand.band is not Band.WITHIN:
        if not abs(now - stand.target) < abs(stand.settled - stand.target):
            return [f"{stand.asset}: from {stand.settled} to {now}, away from {stand.target}"]
        return []
    return [] if stand.low <= now <= stand.high else [f"{stand.asset}: {now} is out of its band"]
