from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.money import EXACT, ceil_to, decimals_of, floor_to, is_multiple, plain

AMOUNTS = st.decimals("-1e12", "1e12", places=18)
INCREMENTS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(1, 999), st.integers(0, 12)
)


@given(AMOUNTS, INCREMENTS)
def test_the_floor_is_the_largest_multiple_that_is_not_above(
    amount: Decimal, increment: Decimal
) -> None:
    steps = Fraction(amount) // Fraction(increment)
    assert Fraction(floor_to(amount, increment)) == steps * Fraction(increment)


@given(AMOUNTS, INCREMENTS)
def test_the_ceiling_is_the_smallest_multiple_that_is_not_below(
    amount: Decimal, increment: Decimal
) -> None:
    steps = -(-Fraction(amount) // Fraction(increment))
    assert Fraction(ceil_to(amount, increment)) == steps * Fraction(increment)


@given(AMOUNTS, INCREMENTS)
def test_rounding_lands_on_a_multiple_and_a_multiple_stays(
    amount: Decimal, increment: Decimal
) -> None:
    low = floor_to(amount, increment)
    assert is_multiple(low, increment)
    assert floor_to(low, increment) == ceil_to(low, increment) == low
    assert is_multiple(amount, increment) is (Fraction(amount) % Fraction(increment) == 0)


@given(INCREMENTS)
def test_the_decimals_of_an_increment_hold_all_its_multiples(increment: Decimal) -> None:
    assert all((n * increment).scaleb(decimals_of(increment)) % 1 == 0 for n in range(1, 20))


@given(AMOUNTS)
def test_plain_digits_are_the_same_number_without_an_exponent(amount: Decimal) -> None:
    text = plain(amount.normalize(EXACT))
    assert "E" not in text.upper()
    assert Decimal(text) == amount


@pytest.mark.parametrize("increment", [Decimal(0), Decimal("-0.1")])
def test_an_increment_that_is_none_is_refused(increment: Decimal) -> None:
    with pytest.raises(InvalidOperation):
        floor_to(Decimal(1), increment)
