"""A conversion as a value: its legs follow one another, or there is none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.errors import BrokenRule
from arbit.domain.plan import PlannedLeg
from arbit.domain.route import Conversion
from arbit.domain.triangle import Leg, Side

BUY_BTC = Leg("BTC/USD", Side.BUY, "USD", "BTC")
SELL_BTC = Leg("BTC/EUR", Side.SELL, "BTC", "EUR")
ONE = Decimal(1)


def planned(leg: Leg) -> PlannedLeg:
    return PlannedLeg(leg, ONE, ONE, Decimal(0), ONE, ONE, Decimal(0), leg.receive, ONE, ONE)


def conversion(*legs: Leg) -> Conversion:
    return Conversion(tuple(planned(leg) for leg in legs), ONE, ONE, ONE)


def test_it_names_where_it_begins_where_it_ends_and_what_lies_between() -> None:
    found = conversion(BUY_BTC, SELL_BTC)
    assert (found.start, found.end, found.path) == ("USD", "EUR", "USD>BTC>EUR")
    assert found.symbols == ("BTC/USD", "BTC/EUR")


@pytest.mark.parametrize(
    "legs",
    [(), (SELL_BTC, BUY_BTC), (BUY_BTC, BUY_BTC.reversed()), (BUY_BTC,) * 4],
    ids=["none", "in no order", "back to where it began", "too many"],
)
def test_legs_that_are_no_way_from_one_asset_to_another_make_none(legs: tuple[Leg, ...]) -> None:
    with pytest.raises(BrokenRule):
        conversion(*legs)
