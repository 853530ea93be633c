"""What is to be owned, as a user says it: units or reference currency, and what contradicts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.config import InventorySettings, load_settings
from arbit.config.inventory import Wanted, band_of
from arbit.domain.errors import UserError

D = Decimal


def said(**texts: str) -> InventorySettings:
    env = {f"ARBIT_INVENTORY__{name.upper()}": text for name, text in texts.items()}
    return load_settings(None, env).inventory


def test_nothing_said_bounds_nothing() -> None:
    found = said()
    assert {*found.targets, *found.caps, *found.reserve_amount, *found.reserve_percent} == set()
    assert found == InventorySettings()


def test_an_amount_is_in_units_or_in_the_reference_currency() -> None:
    found = said(targets="BTC=0.05, ETH=2500 USD", caps='{"BTC": 0.1, "ETH": "4000 USD"}')
    assert found.targets == {"BTC": Wanted(D("0.05")), "ETH": Wanted(D(2500), "USD")}
    assert found.caps == {"BTC": Wanted(D("0.1")), "ETH": Wanted(D(4000), "USD")}
    assert str(found.targets["ETH"]) == "2500 USD"
    assert str(found.targets["BTC"]) == "0.05"


def test_what_is_in_the_reference_currency_follows_the_price_and_has_no_units_without() -> None:
    assert Wanted(D(2500), "USD").units(D(2000)) == D("1.25")
    assert Wanted(D(2500), "USD").units(None) is None
    assert Wanted(D(2500), "USD").units(D(0)) is None
    assert Wanted(D("0.05")).units(None) == D("0.05")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"targets": "BTC=some"}, "units of the asset, or an amount"),
        ({"targets": "BTC=-1"}, "each from 0 to 1e12"),
        ({"caps": "BTC=nan"}, "each from 0 to 1e12"),
        ({"caps": "BTC=1e13"}, "each from 0 to 1e12"),
        ({"caps": "BTC=1,BTC=2"}, "units of the asset"),
        ({"band_percent": "101"}, "a number from 0 to 100"),
        ({"reserve_percent": "USD=100.1"}, "each from 0 to 100"),
        ({"reserve_amount": "USD=5 USD"}, "a list such as USD=5"),
        ({"caps": "BTC=5 EUR"}, "units of BTC, or USD, the reference currency"),
        ({"targets": "BTC=2", "caps": "BTC=1"}, "BTC to be no more than its cap of 1"),
        (
            {"targets": "BTC=2000 USD", "caps": "BTC=1000 USD"},
            "BTC to be no more than its cap of 1000 USD",
        ),
        ({"targets": "BTC=1", "reserve_amount": "BTC=2"}, "BTC to be no less than its reserve"),
        ({"caps": "BTC=1", "reserve_amount": "BTC=2"}, "BTC to be no less than its reserve of 2"),
    ],
)
def test_a_slip_is_one_line_that_names_the_key_and_what_was_expected(
    texts: dict[str, str], expected: str
) -> None:
    with pytest.raises(UserError) as caught:
        said(**texts)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("ARBIT_INVENTORY__")
    assert expected in line


def test_amounts_of_different_kinds_are_not_compared_before_there_is_a_price() -> None:
    assert said(targets="BTC=2", caps="BTC=1000 USD").targets["BTC"].amount == D(2)


def test_the_band_lies_around_the_target() -> None:
    assert band_of(D(10), D(20)) == (D(8), D(12))
    assert band_of(D(10), D(0)) == (D(10), D(10))
