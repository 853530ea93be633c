"""Brings assets back into their bands: which conversion next, or why none.

**What is done.** The asset that is furthest out of its band, by what that is worth, goes first. One
that there is too much of is turned into what there is too little of, else into money that nobody
set a target for, else into what its own band has room for; one that there is too little of is
bought from the same, the other way round. Of these the cheapest is taken, and of it as much as
brings the asset to its target, or half, a quarter, an eighth of that where more costs too much.

**What holds of every move**, whether it fills as expected, at its limits, or in part:

- the asset ends nearer to its target, and not beyond it;
- the other asset stays within its band, or comes nearer to its target too;
- no reserve is spent, and no cap exceeded, nor that of an asset in between;
- what it may cost at its limits is within its budget.

Pure: stands, believable books and a budget come in, a `Move` or the reasons against go out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from arbit.domain.money import BPS, EXACT, ZERO, plain
from arbit.domain.plan import SizeLimits
from arbit.domain.route import Conversion
from arbit.domain.stand import Band, Stand
from arbit.routing import Around, cost_at_limits, route

SHARES = (Decimal(1), Decimal("0.5"), Decimal("0.25"), Decimal("0.125"))
MAX_PARTNERS = 8  # other assets that are tried for one
Refusals = Mapping[Conversion, str]  # and why, in words
NONE: Refusals = {}
CLOSE = Decimal("0.999")  # of what is missing: what is bought may come a little cheaper


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a move may be at most.

    `cost_bps` is of what it spends; `cost_left` reference units, what is left of the day's budget;
    `notional` reference units that one move may spend.
    """

    cost_bps: Decimal
    cost_left: Decimal
    notional: Decimal
    max_slippage_bps: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One conversion that brings `asset` back.

    `spent` and `cost` (expected) and `most` (its cost at the limit prices) are in reference units,
    at the middle prices.
    `loss_budget` is what it may lose at worst, by other ways too, in units of what it spends;
    `budget_ref` is that in reference units.
    """

    asset: str
    band: Band
    conversion: Conversion
    spent: Decimal
    cost: Decimal
    most: Decimal
    loss_budget: Decimal
    budget_ref: Decimal


@dataclass(frozen=True, slots=True)
class Advice:
    """The move to make next, if any; and why nothing is done for assets further out than it."""

    move: Move | None = None
    why_not: Mapping[str, str] = field(default_factory=dict)


def out_of_band(stands: Iterable[Stand]) -> list[Stand]:
    """Those that are out of their bands, the one that is out by most worth first."""
    out = [one for one in stands if one.out]
    return sorted(out, key=lambda one: (-abs(one.out) * (one.price or ZERO), one.asset))


def advise(
    stands: Iterable[Stand],
    pool: Sequence[str],
    around: Around,
    bounds: Bounds,
    due: Collection[str] | None = None,
    refused: Refusals = NONE,
) -> Advice:
    """What to do next, for assets that are `due` (None: for any).

    `pool` are assets without a target that may be used, the preferred first. `refused` are the
    conversions that the gate has refused on these books: other routes, amounts and partners are
    tried instead.
    """
    adviser = _Adviser({one.asset: one for one in stands}, pool, around, bounds)
    adviser.refused = refused
    why_not: dict[str, str] = {}
    for stand in out_of_band(adviser.stands.values()):
        if due is not None and stand.asset not in due:
            continue
        found = adviser.move_for(stand)
        if isinstance(found, Move):
            return Advice(found, why_not)
        why_not[stand.asset] = found
    return Advice(None, why_not)


def worth_restoring(stand: Stand, gained: Decimal, cost_bps: Decimal) -> Decimal:
    """Reference units that gaining so much of an asset saves (or costs) in rebalancing later.

    What brings it nearer to its target need not be bought at `cost_bps`; what takes it further away
    will have to be sold. Zero for an asset within its band, or without one.
    """
    if not stand.out or stand.price is None or stand.off_target is None:
        return ZERO
    missing = EXACT.minus(stand.off_target)
    helps = (missing > 0) == (gained > 0)
    nearer = min(abs(missing), abs(gained)) if helps else EXACT.minus(abs(gained))
    return EXACT.divide(EXACT.multiply(EXACT.multiply(nearer, stand.price), cost_bps), BPS)


class _Adviser:
    """One look at everything: how each asset stands, and what routes there are between them."""

    def __init__(
        self, stands: Mapping[str, Stand], pool: Sequence[str], around: Around, bounds: Bounds
    ) -> None:
        self.stands = stands
        self._pool = pool
        self._around = around
        self._bounds = bounds
        self.refused = NONE

    def move_for(self, stand: Stand) -> Move | str:
        """The cheapest move for this asset, or why there is none."""
        found: list[Move] = []
        against: list[str] = []
        for other in self._partners(stand):
            pair = (stand, other) if stand.band is Band.OVER else (other, stand)
            amount = self._amount(stand, *pair)
            if amount > 0:
                move = self._largest(stand, pair, amount)
                if isinstance(move, Move):
                    found.append(move)
                else:
                    against.append(move)
        if found:
            return min(found, key=_dearness)
        if against:
            return against[0]
        way = "turn it into" if stand.band is Band.OVER else "take it from"
        return f"there is nothing to {way} within bands, caps and reserves"

    def _partners(self, stand: Stand) -> Iterator[Stand]:
        """What to turn it into, or take it from: first what gains by it too, then what may."""
        over = stand.band is Band.OVER
        others = [one for one in self.stands.values() if one is not stand and one.price]
        gains = [one for one in others if one.band is (Band.UNDER if over else Band.OVER)]
        free = [self.stands[name] for name in self._pool if name in self.stands]
        free = [one for one in free if one in others and one.band is Band.NO_BAND]
        rest = [one for one in others if one.band is Band.WITHIN]
        rest.sort(key=lambda one: ((one.off_target or ZERO) * (1 if over else -1) > 0, one.asset))
        yield from [*out_of_band(gains), *free, *rest][:MAX_PARTNERS]

    def _amount(self, stand: Stand, start: Stand, end: Stand) -> Decimal:
        """How much of `start` may go into `end`, for the sake of one of the two."""
        if not start.price or not end.price:
            return ZERO
        amounts = [
            _may_give(start, to_target=start is stand),
            EXACT.divide(self._bounds.notional, start.price),
        ]
        takes = _may_take(end, to_target=end is stand)
        if takes is not None:
            worth = EXACT.multiply(EXACT.multiply(takes, end.price), CLOSE)
            amounts.append(EXACT.divide(worth, start.price))
        return min(amounts)

    def _largest(self, stand: Stand, pair: tuple[Stand, Stand], amount: Decimal) -> Move | str:
        """The cheapest route of as much as the budget allows; else why the least is too dear."""
        start, end = pair
        why = ""
        for share in SHARES:
            part = EXACT.multiply(amount, share)
            limits = SizeLimits(part, max_slippage_bps=self._bounds.max_slippage_bps)
            found = route(start.asset, end.asset, self._with_room(pair, part), limits)
            moves = [
                self._priced(stand, pair, one)
                for one in found.by_legs.values()
                if isinstance(one, Conversion)
            ]
            if not moves:
                return why or f"no route from {start.asset} to {end.asset} fits {part:.8f} of it"
            moves.sort(key=_dearness)
            against = [self._against(move, pair) for move in moves]
            if "" in against:
                return moves[against.index("")]
            why = against[0]
        return why

    def _with_room(self, pair: tuple[Stand, Stand], amount: Decimal) -> Around:
        """The markets without those of assets whose cap has no room for it on the way."""
        start = pair[0]
        worth = EXACT.multiply(amount, start.price or ZERO)
        full = set()
        for one in self.stands.values():
            if one not in pair and one.cap is not None:
                room = EXACT.multiply(EXACT.subtract(one.cap, one.owned), CLOSE)
                if one.price is None or EXACT.multiply(room, one.price) < worth:
                    full.add(one.asset)
        if not full:
            return self._around
        kept = {
            symbol: market
            for symbol, market in self._around.markets.items()
            if not full & {market.base, market.quote}
        }
        return replace(self._around, markets=kept)

    def _priced(self, stand: Stand, pair: tuple[Stand, Stand], found: Conversion) -> Move:
        """The conversion and its costs, at the prices of both assets."""
        start, end = (one.price or ZERO for one in pair)
        spent = EXACT.multiply(found.expected_spend, start)
        cost = EXACT.subtract(spent, EXACT.multiply(found.expected_receive, end))
        worst = EXACT.multiply(found.spend, start)
        most = EXACT.subtract(worst, EXACT.multiply(found.receive_at_limits, end))
        budget = EXACT.divide(EXACT.multiply(found.spend, self._bounds.cost_bps), BPS)
        left = EXACT.divide(self._bounds.cost_left, start)
        budget = max(min(budget, left), ZERO)
        budget_ref = EXACT.multiply(budget, start)
        return Move(stand.asset, stand.band, found, spent, cost, most, budget, budget_ref)

    def _against(self, move: Move, pair: tuple[Stand, Stand]) -> str:
        """Why it is not made; empty when it may be."""
        start, end = pair
        found = move.conversion
        if found in self.refused:
            return self.refused[found]
        takes = _may_take(end, to_target=end.asset == move.asset)
        if takes is not None and found.expected_receive > takes:
            return f"{found.path} would bring more {end.asset} than there is room for"
        costs = cost_at_limits(found, self._around.books)
        if costs is None:
            return f"no believable book tells what {found.path} costs"
        costs = max(costs, EXACT.divide(move.most, start.price or BPS))
        if costs <= move.loss_budget:
            return ""
        bps = EXACT.divide(EXACT.multiply(costs, BPS), found.spend)
        if bps > self._bounds.cost_bps:
            return f"{found.path} may cost {bps:.1f} bps, more than {plain(self._bounds.cost_bps)}"
        return (
            f"{found.path} may cost {costs * (start.price or ZERO):.4f}, more than the "
            f"{self._bounds.cost_left:.4f} that are left of the day's budget"
        )


def _dearness(move: Move) -> tuple[Decimal, str]:
    """What it is expected to cost of each reference unit that it spends."""
    return EXACT.divide(move.cost, move.spent), move.conversion.path


def _may_give(stand: Stand, *, to_target: bool) -> Decimal:
    """What may be spent of it: down to its target, or to the low end of its band."""
    least = stand.target if to_target or stand.band is Band.OVER else stand.low
    beyond = stand.settled if least is None else EXACT.subtract(stand.settled, least)
    return max(min(stand.spendable, beyond), ZERO)


def _may_take(stand: Stand, *, to_target: bool) -> Decimal | None:
    """What may come in of it: up to its target, its band's high end, its cap; None is no end."""
    most = stand.target if to_target or stand.band is Band.UNDER else stand.high
    ends = [end for end in (most, stand.cap) if end is not None]
    if not ends:
        return None
    return max(EXACT.subtract(min(ends), max(stand.settled, stand.owned)), ZERO)
