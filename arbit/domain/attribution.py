"""Why a cycle brought less than was expected: causes, and lines that add up without a rest.

What each cause means is in `docs/decisions/0018-why-less-came.md`; `arbit/attribution.py` reckons.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import BPS, EXACT, ZERO
from arbit.domain.walk import WIDE


class Cause(enum.StrEnum):
    """Why less came than was expected. Closed: metric labels and columns of reports."""

    SPREAD_MOVE = "spread_move"  # the price across the spread was another when the order left
    LATENCY = "latency"  # the venue filled it at other prices than our own book showed then
    DEPTH = "depth"  # behind that price there was less (or more) than when it was decided
    PARTIAL = "partial"  # not all that was planned was traded
    FEE = "fee"  # the venue took another fee than was reckoned with
    ROUNDING = "rounding"  # whole lots and last digits, ours and the venue's


Amounts = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Line:
    """So much less of an asset than expected (negative: more), by this leg and for this cause.

    `leg` is 1 to 3: the one that is to blame, also for what it kept others from, and for orders
    home.
    """

    leg: int
    cause: Cause
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Attribution:
    """One cycle explained. Amounts are by asset; positive came in.

    For each asset, `expected` less all `lines` is `moved`, to the last digit; and `at_tops`, what
    the best prices of the decision's books promised without any fee, less all `planned` (depth
    and fees that were known then) is `expected`. `marks` are what one unit of an asset was worth
    in the start asset at the decision; one without a mark is not valued, and never left out.
    `stake` is what leg 1 was expected to spend.
    """

    cycle_id: str
    start: str
    stake: Decimal
    expected: Amounts
    moved: Amounts
    planned: tuple[Line, ...]
    lines: tuple[Line, ...]
    marks: Amounts

    @property
    def at_tops(self) -> dict[str, Decimal]:
        """What the best prices alone promised, without fees."""
        return added(self.expected.items(), ((one.asset, one.amount) for one in self.planned))

    def value(self, amounts: Amounts) -> Decimal:
        """These amounts in the start asset, those that have a mark. Exact for the marks."""
        found = ZERO
        for asset, amount in amounts.items():
            if asset in self.marks:
                found = WIDE.fma(amount, self.marks[asset], found)
        return found

    def unvalued(self, amounts: Amounts) -> dict[str, Decimal]:
        """Those that have none."""
        return {one: amount for one, amount in amounts.items() if one not in self.marks}

    def shortfall(self, cause: Cause, leg: int = 0) -> dict[str, Decimal]:
        """All of one cause by asset, of one leg or (0) of all."""
        return _of(self.lines, cause, leg)

    def planned_cost(self, cause: Cause, leg: int = 0) -> dict[str, Decimal]:
        """What of this cause was known at the decision."""
        return _of(self.planned, cause, leg)

    def bps(self, cause: Cause) -> Decimal:
        """The value of one cause's shortfall in basis points of the stake; zero without a stake."""
        if not self.stake:
            return ZERO
        share = EXACT.divide(self.value(self.shortfall(cause)), self.stake)
        return EXACT.multiply(share, BPS)

    @property
    def rest(self) -> dict[str, Decimal]:
        """What no line explains: empty, or the reckoning is wrong."""
        minus = WIDE.minus
        return added(
            self.expected.items(),
            ((asset, minus(amount)) for asset, amount in self.moved.items()),
            ((one.asset, minus(one.amount)) for one in self.lines),
        )


def added(*amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """The exact sums by asset, those that are not zero."""
    found: dict[str, Decimal] = {}
    for some in amounts:
        for asset, amount in some:
            found[asset] = WIDE.add(found.get(asset, ZERO), amount)
    return {asset: amount for asset, amount in found.items() if amount}


def _of(lines: Iterable[Line], cause: Cause, leg: int) -> dict[str, Decimal]:
    return added((x.asset, x.amount) for x in lines if x.cause is cause and leg in (0, x.leg))
