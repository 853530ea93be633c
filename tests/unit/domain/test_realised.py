"""The rate that a fill really paid, and when it is surely another than the one expected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.order import Trade
from arbit.domain.realised import Realised, realised
from arbit.domain.triangle import Side

D = Decimal
PRICES = {"USD": D(1), "BTC": D(50_000), "KFEE": D("0.01")}


def rate_of(*fees: tuple[str, str], qty: str = "0.5", cost: str = "25000") -> Realised | None:
    stated = tuple((asset, D(amount)) for asset, amount in fees)
    trade = Trade("T", "O", "c", "BTC/USD", Side.BUY, D(qty), D(50_000), D(cost), stated, 0)
    return realised(trade, "BTC", "USD", PRICES.get)


def shown(*fees: tuple[str, str]) -> Decimal:
    found = rate_of(*fees)
    assert found is not None
    return found.rate


def test_a_fee_is_a_share_of_what_was_traded_of_its_own_asset() -> None:
    assert shown(("BTC", "0.0005")) == D("0.001")
    assert shown(("USD", "25.00")) == D("0.001")


def test_several_fees_of_one_fill_add_up() -> None:
    assert shown(("BTC", "0.0005"), ("USD", "25.00")) == D("0.002")


def test_a_fee_in_a_third_asset_counts_at_its_worth_and_a_little_less_surely() -> None:
    found = rate_of(("KFEE", "2500.00000"))
    assert found is not None
    assert found.rate == D("0.001")
    assert not found.dearer(D("0.00098")), "our prices are no better than that"
    assert found.dearer(D("0.00096"))


def test_where_nobody_prices_what_was_taken_there_is_no_rate() -> None:
    assert rate_of(("DOGE", "1")) is None


@pytest.mark.parametrize("amount", ["0.0601", "0.5", "1", "1E+9"])
def test_what_is_more_than_a_tenth_counts_as_a_tenth_and_is_surely_dearer(amount: str) -> None:
    """A mistake, or worse: but it was taken, and must not count for less than a small surprise."""
    took = rate_of(("BTC", amount))
    assert took is not None
    assert took.rate == D("0.1")
    assert took.dearer(D("0.0999"))
    assert not took.dearer(D("0.1")), "what is reckoned so is no news any more"


def test_a_whole_number_is_not_rounded_to_whole_numbers() -> None:
    took = rate_of(("USD", "100"))  # 40 bps: JSON's numbers have lost their zeros
    assert took is not None
    assert took.dearer(D("0.0039"))
    assert rate_of(("USD", "1E+2")) == took


def test_a_tenth_that_is_mere_rounding_is_no_surprise() -> None:
    took = rate_of(("USD", "0.01"), qty="0.000001", cost="0.05")  # a fifth, to the cent
    assert took == Realised(D("0.1"), D("0.10001"))
    assert not took.dearer(D(0))


def test_a_fill_without_a_fee_took_nothing() -> None:
    assert rate_of() == Realised(D(0))


def test_a_trade_of_nothing_has_no_rate() -> None:
    assert rate_of(("USD", "1"), cost="0") is None


def test_a_tenth_of_a_basis_point_is_no_change_and_more_is() -> None:
    took = rate_of(("BTC", "0.00050000000"))  # 10 bps, stated to more digits than matter
    assert took is not None
    assert not took.dearer(D("0.00099"))
    assert took.dearer(D("0.00098999"))
    assert not took.cheaper(D("0.00101"))
    assert took.cheaper(D("0.00101001"))


def test_what_the_venue_rounds_is_no_change_however_small_the_fill() -> None:
    took = rate_of(("USD", "0.01"), qty="0.0001", cost="5")  # 20 bps, to the cent
    assert took is not None
    assert not took.dearer(D("0.0001"))
    assert not took.cheaper(D("0.0039"))
