"""The cheapest way from one asset to another, in markets that can be reckoned in the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.book import BookView
from arbit.domain.market import Market, MarketStatus
from arbit.domain.plan import SizeLimits, Unfit, UnfitReason
from arbit.domain.route import Conversion
from arbit.routing import Around, Found, cost_bps, route, routes_of
from tests.unit.sizing_world import D, market, view

MARKETS = {
    name: market(name, status=MarketStatus.ONLINE) for name in ("BTC/USD", "ETH/BTC", "ETH/USD")
}
# ETH costs 12 USD directly, and 10 through BTC.
BOOKS = {
    "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "2"), ("101", "3")]),
    "ETH/BTC": view("ETH/BTC", [("0.09", "50")], [("0.10", "15"), ("0.11", "100")]),
    "ETH/USD": view("ETH/USD", [("11", "20"), ("10.50", "100")], [("12", "50")]),
}
FREE = dict.fromkeys(MARKETS, D(0))


def found(
    amount: str,
    start: str = "USD",
    end: str = "ETH",
    *,
    books: Mapping[str, BookView] = BOOKS,
    markets: Mapping[str, Market] = MARKETS,
    fees: Mapping[str, Decimal] = FREE,
    **limits: Any,
) -> Found:
    """What routing finds of so much."""
    around = Around(books, markets, fees)
    return route(start, end, around, SizeLimits(max_start=D(amount), **limits))


def best(amount: str, **given: Any) -> Conversion:
    """The best of it, for there is one."""
    outcome = found(amount, **given).best
    assert outcome is not None
    return outcome


def test_direct_and_indirect_stand_side_by_side_and_the_better_says_by_how_much() -> None:
    outcome = found("120")
    assert outcome.direct is not None
    assert outcome.direct.expected_receive == D(10)
    assert outcome.best is not None
    assert outcome.best.path == "USD>BTC>ETH"
    assert outcome.best.expected_receive == D(12)
    assert outcome.better_bps == D(2000)  # 12 instead of 10


def test_fees_of_two_legs_can_make_the_direct_order_the_better_one() -> None:
    dear = FREE | {"BTC/USD": D("0.1"), "ETH/BTC": D("0.1")}
    outcome = found("120", fees=dear)
    assert outcome.best is outcome.direct
    assert outcome.better_bps == 0


def test_a_fee_is_taken_from_what_each_leg_brings() -> None:
    outcome = best("100", fees=FREE | {"BTC/USD": D("0.01"), "ETH/BTC": D("0.02")})
    assert outcome.path == "USD>BTC>ETH"
    assert outcome.expected_receive == D("9.9") * D("0.98")


def test_what_is_spent_is_bounded_at_the_limit_price_not_at_the_average() -> None:
    outcome = best("400", end="BTC")  # two at 100, the rest at 101: all of it at 101
    assert outcome.legs[0].limit_price == D(101)
    assert outcome.spend == outcome.legs[0].qty * D(101) <= D(400)
    assert outcome.expected_spend == outcome.spend - D(2)


def test_a_leg_buys_no_more_than_the_next_one_can_use() -> None:
    coarse = MARKETS | {"ETH/BTC": replace(MARKETS["ETH/BTC"], qty_increment=D(4))}
    shut = {name: book for name, book in BOOKS.items() if name != "ETH/USD"}
    outcome = best("119", markets=coarse, books=shut)  # 11.9 ETH: two lots of four
    assert outcome.expected_receive == D(8)
    assert outcome.expected_spend == D(80)
    assert outcome.legs[0].residual == 0


def test_what_all_limits_bring_is_told_too() -> None:
    outcome = best("1000", start="ETH", end="USD", books={"ETH/USD": BOOKS["ETH/USD"]})
    assert outcome.legs[0].limit_price == D("10.50")
    assert outcome.expected_receive == D(20 * 11) + D("10.50") * 100
    assert outcome.receive_at_limits == D("10.50") * 120


def test_cost_is_measured_against_the_middle_of_the_direct_book() -> None:
    outcome = found("120").direct
    assert outcome is not None
    assert outcome.cost_bps is not None
    # The middle is 11.5: what was spent is worth 120 / 11.5.
    assert outcome.cost_bps == pytest.approx((1 - D(10) * D("11.5") / D(120)) * 10_000)
    assert cost_bps(D(100), D(99), D(1)) == D(100)
    assert cost_bps(D(0), D(0), D(1)) is None


def test_without_a_direct_book_the_middles_of_the_route_tell_the_cost() -> None:
    indirect = {name: one for name, one in MARKETS.items() if name != "ETH/USD"}
    outcome = found("120", markets=indirect)
    assert outcome.direct is None
    assert outcome.better_bps is None
    assert outcome.best is not None
    middle = D(120) / D("99.5") / D("0.095")
    assert outcome.best.cost_bps is not None
    assert outcome.best.cost_bps == pytest.approx((1 - D(12) / middle) * 10_000)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"amount": "0"}, UnfitReason.NO_BUDGET),
        ({"books": {}}, UnfitReason.MISSING_BOOK),
        ({"fees": {}}, UnfitReason.MISSING_FEE),
        ({"amount": "0.001"}, UnfitReason.BELOW_QTY_MIN),
        ({"min_cost": {"USD": D(5000)}}, UnfitReason.BELOW_COST_MIN),
        ({"markets": {"ETH/USD": market("ETH/USD")}}, UnfitReason.NOT_TRADABLE),
    ],
)
def test_when_nothing_fits_it_says_why(given: dict[str, Any], reason: UnfitReason) -> None:
    outcome = found(given.pop("amount", "120"), **given)
    assert outcome.best is None
    one = outcome.by_legs[1]
    assert isinstance(one, Unfit)
    assert one.reason is reason


def test_there_is_no_way_to_an_asset_that_no_market_has() -> None:
    assert found("120", end="DOGE").by_legs == {}
    assert found("120", end="USD").by_legs == {}


def test_no_route_visits_an_asset_twice_and_shorter_ones_come_first() -> None:
    names = ("BTC/USD", "ETH/BTC", "ETH/USD", "BTC/EUR", "ETH/EUR", "EUR/USD")
    ways = list(routes_of({name: market(name) for name in names}, "USD", "ETH"))
    paths = [">".join(["USD", *(leg.receive for leg in way)]) for way in ways]
    assert paths == ["USD>ETH", "USD>BTC>ETH", "USD>EUR>ETH", "USD>BTC>EUR>ETH", "USD>EUR>BTC>ETH"]
    assert len(list(routes_of({name: market(name) for name in names}, "USD", "ETH", 1))) == 1


def test_a_buy_that_may_be_dearer_than_a_sell_is_held_to_its_own_minimum() -> None:
    cheap = replace(MARKETS["ETH/USD"], cost_min=D(100), sell_cost_min=D(1))
    only = {"ETH/USD": cheap}
    assert found("50", markets=only).best is None
    assert found("1", start="ETH", end="USD", markets=only).best is not None
