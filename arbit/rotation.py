"""Chooses: which of several opportunities is worth most to us, and which is left alone.

What one is worth is what it earns if it fills, less what it costs if it fails, each as often as it
happens, in reference units:

    expected = survive x (fill x (profit + restoring) - (1 - fill) x lost x start)

`odds` knows `survive`, `fill` and `lost`; `restoring` is what bringing an asset back into its band
is worth. The best is tried first, but the one that stood first last time stays so unless another is
better by a margin. One that rests after a cycle, or loses on its record, comes last or not at all;
to be left alone, it has to lose even if its next few cycles filled. The same candidates and the
same past make the same choice, and each choice says why in words.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from arbit.config import RotationSettings
from arbit.domain.book import BookView
from arbit.domain.money import EXACT, ONE, ZERO, plain
from arbit.domain.plan import Plan, PlannedLeg
from arbit.domain.triangle import Side, Triangle
from arbit.odds import Chances, Odds

MS = 1_000_000
HUNDRED = Decimal(100)
KEPT_CHOICES = 64
_CENTS = Decimal("0.0001")


class Verdict(enum.StrEnum):
    """What became of a candidate in a choice."""

    TAKEN = "taken"
    REFUSED = "refused"  # tried, and the gate said no
    LOSING = "losing"  # left alone: on its record it is expected to lose
    GONE = "gone"  # what was taken before it left nothing that fits


@dataclass(frozen=True, slots=True)
class Candidate:
    """A triangle that fits now. `way` numbers it, in the order of the scan.

    `turn_back` is the share of its start that is lost by going back after leg 1.
    """

    way: int
    plan: Plan
    turn_back: Decimal


@dataclass(frozen=True, slots=True)
class Weighed:
    """A candidate and what is expected of it, in reference units; None where nobody prices it.

    `stands` says that it was first the last time, `rests_ns` how long it still rests after a cycle,
    `losing` that it is left alone. `verdict` comes last.
    """

    candidate: Candidate
    chances: Chances
    profit_ref: Decimal | None = None
    failure_ref: Decimal = ZERO
    restoring_ref: Decimal = ZERO
    expected_ref: Decimal | None = None
    stands: bool = False
    rests_ns: int = 0
    losing: bool = False
    verdict: Verdict | None = None
    detail: str = ""

    @property
    def path(self) -> str:
        """`USD>BTC>ETH>USD`."""
        return self.candidate.plan.triangle.path

    def became(self, verdict: Verdict, detail: str = "") -> Weighed:
        """With what came of it."""
        return replace(self, verdict=verdict, detail=detail)

    def words(self) -> str:
        """What is expected of it, and of what that is made."""
        if self.expected_ref is None or self.profit_ref is None:
            return f"{self.path}: not priced in the reference currency"
        chances = self.chances
        made = (
            f"{_share(chances.survive)} still there x ({_share(chances.fill)} fill x "
            f"{_cents(self.profit_ref)}"
        )
        if self.restoring_ref:
            made += f" and {_cents(self.restoring_ref)} for what it restores"
        made += f" - {_share(ONE - chances.fill)} fail x {_cents(self.failure_ref)})"
        return f"{self.path}: {_cents(self.expected_ref)} expected = {made}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One look at several opportunities (or at one), in the order in which they were tried."""

    at_ns: int
    ranked: tuple[Weighed, ...]
    margin: Decimal = ZERO

    @property
    def taken(self) -> tuple[Weighed, ...]:
        """What was taken; nothing when none was."""
        return tuple(one for one in self.ranked if one.verdict is Verdict.TAKEN)

    def words(self) -> list[str]:
        """A line for each candidate: what is expected of it, and why it was or was not taken."""
        return [f"{one.words()}; {self._why(one)}" for one in self.ranked]

    def _why(self, one: Weighed) -> str:
        chances = one.chances
        said = {
            Verdict.LOSING: "left alone: loses on its record even at "
            f"{_share(chances.fill_at_best)} fill, "
            f"{_count(chances.filled)} of {_count(chances.cycles)} cycles filled",
            Verdict.REFUSED: f"refused: {one.detail}",
            Verdict.GONE: f"not tried: {one.detail}",
            Verdict.TAKEN: "taken",
        }
        verdict = "not tried" if one.verdict is None else said[one.verdict]
        return f"{verdict} ({self._place(one)})"

    def _place(self, one: Weighed) -> str:
        """Why it stands where it stands."""
        if one.rests_ns:
            return f"rests for {-(-one.rests_ns // MS)} ms more"
        first = self.ranked[0]
        if one is first or one.expected_ref is None or first.expected_ref is None:
            alone = "the only one" if len(self.ranked) == 1 else "the best"
            return alone if one is first and not self._holds(first) else "it stands first"
        behind = EXACT.subtract(first.expected_ref, one.expected_ref)
        if behind < 0:
            return f"better by {_cents(-behind)}, not by {plain(self.margin)} % of what stands"
        return f"behind by {_cents(behind)}"

    def _holds(self, first: Weighed) -> bool:
        """Whether it is first only because it was before."""
        return first.stands and any(
            (one.expected_ref or ZERO) > (first.expected_ref or ZERO)
            for one in self.ranked
            if not (one.rests_ns or one.losing)
        )


class Rotation:
    """Chooses for one lane. What it asks of others are its seams, set from outside.

    `price` is reference units for one unit of an asset, None when no own book says; `rests` how
    many nanoseconds a path still rests; `restoring` what a plan is worth beyond its profit for
    bringing an asset back into its band, in reference units.
    """

    def __init__(self, settings: RotationSettings) -> None:
        self.settings = settings
        self.odds = Odds(settings)
        self.price: Callable[[str], Decimal | None] = lambda _: None
        self.rests: Callable[[str, int], int] = lambda _path, _now_ns: 0
        self.restoring: Callable[[Triangle, Plan], Decimal] = lambda _triangle, _plan: ZERO
        self.choices: deque[Choice] = deque(maxlen=KEPT_CHOICES)
        self._first = -1
        self._until_ns = 0

    def rank(self, candidates: Sequence[Candidate], now_ns: int) -> list[Weighed]:
        """All of them, in the order in which to try them; what is losing is not to be tried."""
        weighed = [self._weigh(one, now_ns) for one in candidates]
        weighed.sort(key=self._place)
        leader = next((one for one in weighed if not (one.rests_ns or one.losing)), None)
        if leader is not None:
            self._first = leader.candidate.way
            self._until_ns = now_ns + self.settings.hold_ms * MS
        return weighed

    def note(self, ranked: Sequence[Weighed], now_ns: int) -> Choice:
        """Remember what came of it."""
        choice = Choice(now_ns, tuple(ranked), self.settings.margin_percent)
        self.choices.append(choice)
        return choice

    def thin(self, leg: PlannedLeg, view: BookView, max_slippage_bps: Decimal | None) -> str:
        """Why this leg's book is below the liquidity floor, in words; empty when it is not."""
        floor = self.settings.liquidity_floor
        if not floor:
            return ""
        base_price = self.price(leg.leg.symbol_base)
        if base_price is None:
            return f"{leg.leg.symbol}: {leg.leg.symbol_base} is not priced"
        held = EXACT.multiply(_depth(view, leg.leg.side, max_slippage_bps), base_price)
        if held >= floor:
            return ""
        return f"{leg.leg.symbol}: {_cents(held)} to {leg.leg.side.value}, {plain(floor)} demanded"

    def _weigh(self, one: Candidate, now_ns: int) -> Weighed:
        plan = one.plan
        path = plan.triangle.path
        chances = self.odds.of(path, one.turn_back)
        rests_ns = self.rests(path, now_ns)
        stands = one.way == self._first and now_ns < self._until_ns
        price = self.price(plan.triangle.start)
        if price is None:
            return Weighed(one, chances, stands=stands, rests_ns=rests_ns)
        profit = EXACT.multiply(plan.profit, price)
        failure = EXACT.multiply(EXACT.multiply(plan.start_in, price), chances.lost)
        restoring = self.restoring(plan.triangle, plan)
        gain = EXACT.add(profit, restoring)
        expected = EXACT.multiply(chances.survive, _of_a_cycle(chances.fill, gain, failure))
        at_best = _of_a_cycle(chances.fill_at_best, gain, failure)
        known = self.settings.losing_after
        return Weighed(
            candidate=one,
            chances=chances,
            profit_ref=profit,
            failure_ref=failure,
            restoring_ref=restoring,
            expected_ref=expected,
            stands=stands,
            rests_ns=rests_ns,
            losing=bool(known) and chances.cycles >= known and at_best <= 0,
        )

    def _place(self, one: Weighed) -> tuple[bool, bool, bool, Decimal, int]:
        """What sorts them: the smaller the earlier."""
        expected = one.expected_ref
        worth = ZERO if expected is None else expected
        if one.stands:
            margin = EXACT.divide(self.settings.margin_percent, HUNDRED)
            worth = EXACT.add(worth, EXACT.multiply(abs(worth), margin))
        return (
            bool(one.rests_ns),
            one.losing,
            expected is None,
            EXACT.minus(worth),
            one.candidate.way,
        )


def _of_a_cycle(fill: Decimal, gain: Decimal, failure: Decimal) -> Decimal:
    """What a cycle of a gap that is there earns, when it fills as often as `fill` says."""
    lost = EXACT.multiply(EXACT.subtract(ONE, fill), failure)
    return EXACT.subtract(EXACT.multiply(fill, gain), lost)


def turn_back(leg: PlannedLeg, view: BookView) -> Decimal:
    """The share that is lost when what leg 1 bought is sold back at once: two fees and the spread.

    All of it where the book has no other side.
    """
    if not view.bids or not view.asks:
        return ONE
    kept = EXACT.subtract(ONE, leg.fee_rate)
    back = EXACT.divide(view.bids[0].price, view.asks[0].price)
    return max(ZERO, EXACT.subtract(ONE, EXACT.multiply(EXACT.multiply(kept, kept), back)))


def _depth(view: BookView, side: Side, max_slippage_bps: Decimal | None) -> Decimal:
    """Base units within the slippage allowed, on the side that an order of `side` trades with."""
    total = ZERO
    for level in view.within(side, max_slippage_bps):
        total = EXACT.add(total, level.qty)
    return total


def _share(chance: Decimal) -> str:
    return plain(EXACT.quantize(chance, Decimal("0.01")))


def _cents(amount: Decimal) -> str:
    return plain(EXACT.quantize(amount, _CENTS))


def _count(amount: Decimal) -> str:
    return plain(EXACT.quantize(amount, Decimal(1)))
