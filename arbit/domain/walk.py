"""What a leg was to trade with: the levels of a book that its quantity reaches, as they were seen.

Kept when a cycle is decided and when an order leaves, so that what became of it can be explained.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact

from arbit.domain.book import Level
from arbit.domain.money import EXACT, ZERO

MAX_LEVELS = 20  # kept of one walk; what lies deeper is kept as one level at its average price
# What is explained is exact: a digit that did not fit is an error here, never a rounding.
WIDE = Context(prec=400, traps=[Inexact])

Levels = tuple[Level, ...]


class Seen(enum.StrEnum):
    """When a walk was seen. Closed: rows in the journal."""

    DECIDED = "decided"  # the books that the cycle was sized on
    SENT = "sent"  # our own book of the market when the leg's order left


@dataclass(frozen=True, slots=True)
class LegWalk:
    """The levels, best first, that leg `leg_index` (1 to 3) of a cycle reached in a book of ours.

    Prices are quote per base, quantities base units; the last level holds no more than was needed.
    """

    cycle_id: str
    leg_index: int
    seen: Seen
    levels: Levels


def walk(levels: Iterable[Level], qty: Decimal, most: int = MAX_LEVELS) -> Levels:
    """The levels that `qty` base units take, best first; fewer than that when the book ends."""
    taken: list[Level] = []
    left = qty
    for level in levels:
        if left <= 0:
            break
        part = min(left, level.qty)
        if part > 0:
            taken.append(level if part == level.qty else Level(level.price, part))
        left = EXACT.subtract(left, part)
    if len(taken) <= most:
        return tuple(taken)
    deep = taken[most - 1 :]
    amount = cost = ZERO
    for level in deep:
        amount = EXACT.add(amount, level.qty)
        cost = EXACT.add(cost, EXACT.multiply(level.price, level.qty))
    return (*taken[: most - 1], Level(_SHORT.divide(cost, amount), amount))


def quote_at(levels: Levels, qty: Decimal) -> Decimal:
    """What `qty` base units come to there, exactly; beyond the last level at its price.

    Zero without any level: ask whether there is one.
    """
    left, quote = qty, ZERO
    for level in levels:
        part = min(left, level.qty)
        quote = WIDE.fma(part, level.price, quote)
        left = WIDE.subtract(left, part)
    return WIDE.fma(left, levels[-1].price, quote) if levels else quote


_SHORT = Context(prec=28)  # an average price has no last digit of its own
