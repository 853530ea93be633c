"""Walks along the levels of one side of a book, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from arbit.domain.book import Level
from arbit.domain.money import EXACT, ZERO


def untaken(levels: tuple[Level, ...], taken: Decimal) -> tuple[Level, ...]:
    """The levels without the first `taken` base units; the last one stays, if need be empty."""
    for index, level in enumerate(levels):
        if taken < level.qty:
            rest = replace(level, qty=EXACT.subtract(level.qty, taken))
            return (rest, *levels[index + 1 :]) if taken else levels[index:]
        taken = EXACT.subtract(taken, level.qty)
    return (replace(levels[-1], qty=ZERO),) if levels else ()


def reach(amount: Decimal, levels: tuple[Level, ...], *, in_base: bool) -> Decimal:
    """The price of the level that completes the amount; the deepest if none does."""
    left = amount
    for level in levels:
        left = EXACT.subtract(
            left, level.qty if in_base else EXACT.multiply(level.qty, level.price)
        )
        if left <= 0:
            return level.price
    return levels[-1].price


def walked(qty: Decimal, levels: Sequence[Level]) -> tuple[Decimal, Decimal]:
    """What so many base units come to on these levels: what there is of them, and its quote."""
    left, quote = qty, ZERO
    for level in levels:
        taken = min(left, level.qty)
        quote = EXACT.add(quote, EXACT.multiply(taken, level.price))
        left = EXACT.subtract(left, taken)
        if left <= 0:
            break
    return EXACT.subtract(qty, max(left, ZERO)), quote
