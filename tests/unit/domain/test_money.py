"""Rounding to increments: onto the grid on the wanted side, or not at all."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import pytest

from arbit.domain.money import ceil_to, decimals_of, floor_to

D = Decimal


@pytest.mark.parametrize(
    ("value", "increment", "low", "high"),
    [
        ("1.2345", "0.01", "1.23", "1.24"),
        ("1.23", "0.01", "1.23", "1.23"),
        ("-1.2345", "0.01", "-1.24", "-1.23"),
        ("7", "2.5", "5", "7.5"),
        ("0.9", "10", "0", "10"),
    ],
)
def test_an_amount_is_rounded_onto_the_grid_on_either_side(
    value: str, increment: str, low: str, high: str
) -> None:
    assert floor_to(D(value), D(increment)) == D(low)
    assert ceil_to(D(value), D(increment)) == D(high)


@pytest.mark.parametrize("increment", ["0", "-0.01"])
def test_a_grid_that_is_none_rounds_nothing(increment: str) -> None:
    for rounded in (floor_to, ceil_to):
        with pytest.raises(InvalidOperation, match="increment must be positive"):
            rounded(D(1), D(increment))


@pytest.mark.parametrize(
    ("increment", "digits"), [("0.01", 2), ("0.0100", 2), ("0.5", 1), ("1", 0), ("1E+2", 0)]
)
def test_as_many_digits_are_needed_as_the_increment_really_has(increment: str, digits: int) -> None:
    assert decimals_of(D(increment)) == digits
