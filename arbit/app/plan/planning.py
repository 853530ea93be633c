"""What a gap must bring at an account's fees, how near it came, and what lower fees would cost.

Pure arithmetic and words; `plan` asks the venue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.fee_ladder import FeeLadder
from arbit.domain.fees import Fee, FeeSource, bps_words, hurdle_bps
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.triangle import Triangle


@dataclass(frozen=True, slots=True)
class Seen:
    """The widest gap that history holds of a triangle (bps, gross), of how many, and when (UTC)."""

    best_bps: float
    gaps: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One triangle. `short_bps` is what the best gap seen lacked; negative for one that paid.

    None stands for what is not known: a fee, or a gap that was never recorded. `next_hurdle_bps`
    holds at the next step of the ladder. `why_not` is empty for one that can be traded.
    """

    path: str
    hurdle_bps: float | None
    next_hurdle_bps: float | None
    best_bps: float | None
    gaps: int
    best_ns: int
    short_bps: float | None
    why_not: str


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of fees that is not reached yet. Amounts are exact, in the ladder's currency.

    `cost` is what a taker pays in fees for the volume that is missing; `hurdle_bps` is of three
    legs at this step; `within` says whether the best gap seen would have passed it, None without.
    """

    volume: str
    taker_bps: str
    hurdle_bps: float
    missing: str
    cost: str
    within: bool | None


@dataclass(frozen=True, slots=True)
class Account:
    """At which fees it trades: by symbol, on which ladders, and with which volume behind it.

    A fee that the user states stays what it is at any volume, unless `placed`: it is one of the
    ladder's own, and says where on it we are.
    """

    fees: Mapping[str, Fee]
    ladders: Mapping[str, FeeLadder]
    volume: Decimal
    min_edge_bps: Decimal
    placed: bool = False

    def rates(self, triangle: Triangle, volume: Decimal | None = None) -> list[Decimal] | None:
        """The three fees, now or at another volume; None when one is not known."""
        found = [self._rate(symbol, volume) for symbol in triangle.symbols]
        return [rate for rate in found if rate is not None] if None not in found else None

    def _rate(self, symbol: str, volume: Decimal | None) -> Decimal | None:
        fee = self.fees.get(symbol)
        ladder = self.ladders.get(symbol)
        if fee is None or volume is None or ladder is None or self._fixed(fee):
            return None if fee is None else fee.rate
        return min(fee.rate, ladder.at(volume).taker)

    def _fixed(self, fee: Fee) -> bool:
        return fee.source is FeeSource.OVERRIDE and not self.placed

    @property
    def ladder(self) -> FeeLadder | None:
        """The one that most of these markets have, of those with a step still above us."""
        ladders = [self.ladders.get(one) for one, fee in self.fees.items() if not self._fixed(fee)]
        rising = [one for one in ladders if one is not None and one.after(self.volume)]
        return Counter(rising).most_common(1)[0][0] if rising else None

    def hurdle(self, triangle: Triangle, volume: Decimal | None = None) -> float | None:
        """The gross edge in bps at which a cycle nets what is demanded."""
        rates = self.rates(triangle, volume)
        return None if rates is None else round(float(hurdle_bps(rates, self.min_edge_bps)), 2)


def rows_of(
    triangles: Mapping[Triangle, str], account: Account, seen: Mapping[frozenset[str], Seen]
) -> list[PlanRow]:
    """A row for each triangle, with why it cannot be traded; the nearest to its hurdle first."""
    ladder = account.ladder
    above = ladder.after(account.volume)[0].volume if ladder is not None else None
    found = []
    for triangle, why_not in triangles.items():
        hurdle = account.hurdle(triangle)
        next_hurdle = None if above is None else account.hurdle(triangle, above)
        best = seen.get(frozenset(triangle.symbols))
        short = None if best is None or hurdle is None else round(hurdle - best.best_bps, 2)
        found.append(
            PlanRow(
                path=triangle.path,
                hurdle_bps=hurdle,
                next_hurdle_bps=next_hurdle,
                best_bps=None if best is None else round(best.best_bps, 2),
                gaps=0 if best is None else best.gaps,
                best_ns=0 if best is None else best.at_ns,
                short_bps=short,
                why_not=why_not,
            )
        )
    return sorted(found, key=_nearness)


def _nearness(row: PlanRow) -> tuple[bool, float, float, str]:
    far = float("inf")
    short = far if row.short_bps is None else row.short_bps
    return bool(row.why_not), short, far if row.hurdle_bps is None else row.hurdle_bps, row.path


def steps_of(account: Account, best_bps: float | None) -> list[StepRow]:
    """Each step above the account's volume, with what it costs to trade up to it."""
    ladder = account.ladder
    if ladder is None:
        return []
    found = []
    for step in ladder.after(account.volume):
        hurdle = round(float(hurdle_bps([step.taker] * 3, account.min_edge_bps)), 2)
        found.append(
            StepRow(
                volume=plain(step.volume),
                taker_bps=bps_words(step.taker),
                hurdle_bps=hurdle,
                missing=plain(EXACT.subtract(step.volume, account.volume)),
                cost=plain(ladder.cost(account.volume, step.volume).normalize() + ZERO),
                within=None if best_bps is None else best_bps >= hurdle,
            )
        )
    return found


def verdict(
    venue: str, rows: Sequence[PlanRow], steps: Sequence[StepRow], currency: str
) -> list[str]:
    """What it comes to, in sentences."""
    can = [row for row in rows if not row.why_not and row.hurdle_bps is not None]
    if not can:
        why = rows[0].why_not if rows and rows[0].why_not else "no fee is known"
        return [f"no watched triangle can be traded: {why}"]
    seen = [row for row in can if row.short_bps is not None]
    near = seen[0] if seen else min(can, key=lambda row: row.hurdle_bps or 0.0)
    said = [_of_gap(venue, near)]
    if steps:
        said.append(_of_step(steps[0], near, currency))
    return said


def _of_gap(venue: str, near: PlanRow) -> str:
    if near.best_bps is None or near.short_bps is None:
        return (
            f"the lowest hurdle is {near.hurdle_bps:.1f} bps ({near.path}), and history holds no "
            f"gap to compare: `arbit fitness --venue {venue} --persist` records them"
        )
    what = f"{near.path}: the widest of {near.gaps} gaps was {near.best_bps:.2f} bps"
    if near.short_bps <= 0:
        return (
            f"{what}, above its hurdle of {near.hurdle_bps:.1f}: `arbit fitness --venue {venue} "
            "--simulate` says whether such a gap lives long enough for your orders"
        )
    return f"{what}, {near.short_bps:.1f} short of its hurdle of {near.hurdle_bps:.1f} bps"


def _of_step(step: StepRow, near: PlanRow, currency: str) -> str:
    missing, cost = (f"{Decimal(amount):,.0f} {currency}" for amount in (step.missing, step.cost))
    said = (
        f"the next step, {step.taker_bps} bps, is {missing} of trading in thirty days away, about "
        f"{cost} of fees on the way"
    )
    if near.next_hurdle_bps is None:
        return said
    said = f"{said}; the hurdle of {near.path} would be {near.next_hurdle_bps:.1f} bps"
    if near.best_bps is None:
        return said
    if near.best_bps >= near.next_hurdle_bps:
        return f"{said}, which the widest gap seen would have passed"
    return (
        f"{said}, still {near.next_hurdle_bps - near.best_bps:.1f} above the widest gap seen: "
        "trading for the sake of it would lose those fees"
    )
