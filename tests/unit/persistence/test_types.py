from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.errors import BrokenRule
from arbit.persistence.types import money_of, money_text

amounts = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda one: abs(one.adjusted()) < 60
)


@given(amounts)
def test_an_amount_comes_back_with_its_value_and_never_with_an_exponent(amount: Decimal) -> None:
    text = money_text(amount)
    assert "E" not in text.upper()
    assert money_of(text) == amount
    assert money_text(money_of(text)) == text


@pytest.mark.parametrize(
    "text", ["1.50", "0.00", "0.00000001", "-12.340", "1" * 30 + "." + "1" * 30]
)
def test_the_same_digits_come_back_trailing_zeros_included(text: str) -> None:
    assert money_text(money_of(text)) == text
    assert money_of(text).as_tuple() == Decimal(text).as_tuple()


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")])
def test_what_is_no_amount_is_never_written(amount: Decimal) -> None:
    with pytest.raises(BrokenRule, match="cannot be kept"):
        money_text(amount)


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "1,5", "0x10"])
def test_what_is_no_amount_is_never_read(text: str) -> None:
    with pytest.raises(BrokenRule, match="no amount"):
        money_of(text)
