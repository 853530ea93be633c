"""Sizing at its edges: the last digit, the last lot, the last level; and what a refusal tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from arbit import sizing
from arbit.domain.book import BookView
from arbit.domain.errors import BrokenRule
from arbit.domain.ladder import Ladder, LegFacts, decimal_digits, in_units, ladders_of
from arbit.domain.market import Market
from arbit.domain.triangle import Leg, Side
from arbit.sizing import SizeLimits, Unfit, average_price, gross_rates, leg_facts, planned_leg
from tests.unit.sizing_world import (
    BOOKS,
    FREE,
    MARKETS,
    TRIANGLE,
    D,
    Pairs,
    levels,
    market,
    planned,
    sized,
    view,
)


def told(**given: Any) -> tuple[str, str]:
    outcome = sized(**given)
    assert isinstance(outcome, Unfit), outcome
    return outcome.reason.value, outcome.detail


def bids(*pairs: tuple[str, str]) -> Mapping[str, BookView]:
    """The usual books, ETH sold into these."""
    return BOOKS | {"ETH/USD": view("ETH/USD", list(pairs), [("99", "50")])}


def lots(eth: str, btc: str = "1") -> Mapping[str, Market]:
    """BTC comes by `btc`, ETH is sold by `eth`."""
    return MARKETS | {
        "ETH/USD": market("ETH/USD", qty_increment=D(eth)),
        "BTC/USD": market("BTC/USD", qty_increment=D(btc)),
    }


# --- the choice among lots -----------------------------------------------------------------------


def test_a_plan_is_of_the_triangle_it_was_asked_for() -> None:
    assert planned().triangle is TRIANGLE


def test_of_two_sizes_that_earn_the_same_the_one_that_takes_less_is_chosen() -> None:
    # 12 ETH take 2 BTC: 300 - 200. 8 ETH take 1 BTC: 200 - 100.
    plan = planned(markets=lots("4"), books=bids(("25", "14")))
    assert [leg.qty for leg in plan.legs] == [1, 8, 8]
    assert plan.profit == 100


def test_more_revenue_is_not_more_profit_whatever_the_fee_makes_of_the_digits() -> None:
    # 12 ETH take 2 BTC: 240 less the fee, less 200. 9 ETH take 1 BTC: 180 less the fee, less 100.
    fees = FREE | {"ETH/USD": D("0.0001")}
    plan = planned(markets=lots("3"), books=bids(("20", "14")), fees=fees)
    assert [leg.qty for leg in plan.legs] == [1, 9, 9]
    assert plan.profit == 180 * D("0.9999") - 100


def test_a_few_lots_less_of_the_last_leg_are_tried_where_its_lots_are_worth_most() -> None:
    # By 17 ETH: 85 take 9 BTC, 935 - 900. But 68 take 7 BTC, 748 - 700.
    books = {
        "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "50")]),
        "ETH/BTC": view("ETH/BTC", [("0.09", "50")], [("0.10", "150")]),
        "ETH/USD": view("ETH/USD", [("11", "90")], [("12", "50")]),
    }
    plan = planned(markets=lots("17"), books=books)
    assert [leg.qty for leg in plan.legs] == [7, 68, 68]
    assert plan.profit == 48


def test_a_profit_of_the_smallest_unit_is_a_profit() -> None:
    markets = {
        symbol: market(
            symbol, price_increment=D(1), qty_increment=D(1), qty_min=D(1), cost_min=D(1)
        )
        for symbol in MARKETS
    }
    books = {
        "BTC/USD": view("BTC/USD", [("99", "1")], [("100", "1")]),
        "ETH/BTC": view("ETH/BTC", [], [("1", "1")]),
        "ETH/USD": view("ETH/USD", [("101", "1")], []),
    }
    assert planned(markets=markets, books=books).profit == 1
    even = books | {"ETH/USD": view("ETH/USD", [("100", "1")], [])}
    assert told(markets=markets, books=even)[0] == "no_edge"


def test_a_price_of_a_single_tick_is_a_price_and_one_of_nothing_is_none() -> None:
    books = {
        "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "2")]),
        "ETH/BTC": view("ETH/BTC", [], [("0.01", "150")]),
        "ETH/USD": view("ETH/USD", [("1.10", "200")], [("1.20", "50")]),
    }
    assert [leg.qty for leg in planned(books=books).legs] == [D("1.5"), 150, 150]
    worthless = books | {"ETH/USD": view("ETH/USD", [("0", "200")], [("1.20", "50")])}
    assert told(books=worthless)[0] == "no_depth"


@pytest.mark.parametrize("finest", ["1.50000001", "1.5000000000001"])
def test_a_minimum_cost_finer_than_any_amount_is_met_exactly_or_not(finest: str) -> None:
    """15 ETH at 0.10 BTC are all there is at that price: 1.5 BTC, and a digit more is too much."""
    enough = MARKETS | {"ETH/BTC": market("ETH/BTC", cost_min=D("1.4999999999999"))}
    beyond = MARKETS | {"ETH/BTC": market("ETH/BTC", cost_min=D(finest))}
    assert planned(markets=enough).legs[1].worst_spend == D("1.5")
    assert told(markets=beyond)[0] == "below_cost_min"


def test_a_minimum_cost_between_two_lots_takes_the_next_whole_one() -> None:
    markets = MARKETS | {"BTC/USD": market("BTC/USD", cost_min=D("160.05"))}
    assert planned(markets=markets).legs[0].qty == D("1.601")


def test_a_lot_of_nothing_is_senseless() -> None:
    markets = MARKETS | {"ETH/BTC": market("ETH/BTC", qty_increment=D(0))}
    assert told(markets=markets) == (
        "missing_spec",
        "ETH/BTC: an increment or a minimum is senseless",
    )


# --- what a refusal tells ------------------------------------------------------------------------


def test_a_refusal_tells_the_figures_it_looked_at() -> None:
    assert told(limits=SizeLimits(D(0))) == ("no_budget", "max_start is 0 USD")
    costly = dict.fromkeys(MARKETS, D("0.05"))
    assert told(fees=costly) == ("no_edge", "the best levels return less than they cost")
    eaten = MARKETS | {
        "ETH/USD": market("ETH/USD", qty_increment=D(9)),
        "BTC/USD": market("BTC/USD", qty_increment=D(1)),
    }
    assert told(markets=eaten) == ("no_profit_after_rounding", "no whole lots earn enough")


def test_a_minimum_beyond_all_depth_is_told_with_all_there_is_at_its_worst_price() -> None:
    books = bids(("11", "20"), ("10.50", "100"))
    many = MARKETS | {"ETH/USD": market("ETH/USD", qty_min=D(121))}
    assert told(books=books, markets=many) == (
        "below_qty_min",
        "ETH/USD: 120.000 is below the least that may be sent, 121.000",
    )
    dear = MARKETS | {"ETH/USD": market("ETH/USD", cost_min=D(10_000))}
    assert told(books=books, markets=dear) == (
        "below_cost_min",
        "ETH/USD: 1260.00000 is below the minimum cost 10000",
    )


def test_a_minimum_just_met_in_quantity_may_be_missed_in_cost() -> None:
    markets = MARKETS | {"ETH/BTC": market("ETH/BTC", qty_min=D(15), cost_min=D("1.51"))}
    assert told(markets=markets) == (
        "below_cost_min",
        "ETH/BTC: 1.50000 is below the minimum cost 1.51",
    )


# --- rates ---------------------------------------------------------------------------------------


def test_an_average_is_of_less_than_one_unit_too() -> None:
    two = levels([("100", "0.25"), ("102", "1")])
    assert average_price(two, D("0.5")) == 101
    assert average_price(two, D("1.25")) == D("101.6")
    assert average_price(two, D("1.26")) is None
    assert average_price(two, D(0)) is None


def test_an_amount_that_takes_the_whole_depth_is_converted_and_a_digit_more_is_not() -> None:
    books = {
        "BTC/USD": view("BTC/USD", [], [("100", "1"), ("200", "1")]),
        "ETH/BTC": view("ETH/BTC", [], [("0.10", "100")]),
        "ETH/USD": view("ETH/USD", [("11", "100")], []),
    }
    found = gross_rates(TRIANGLE, books, D(300))
    assert found is not None
    assert abs(found[0] * 300 - 2) < D("1E-20")
    assert gross_rates(TRIANGLE, books, D("300.01")) is None


# --- what no plan may be -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sold", "limit", "least", "figure"),
    [
        (9_000, "11", "0", "-1"),  # 9 ETH bring 99 for the 100 that 1 BTC costs
        (10_000, "10", "0", "0"),
        (10_000, "10.01", "0.11", "0.10"),
    ],
)
def test_lots_that_do_not_earn_by_their_plans_own_figures_are_no_plan_whoever_found_them(
    sold: int, limit: str, least: str, figure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sizing._Found(
        lots=(1_000, 10_000, sold),
        limits=(D(100), D("0.10"), D(limit)),
        stop=(0, 0, 0),
        spend=1,
        profit=1_000,
        profit_at_limits=1_000,
    )
    monkeypatch.setattr(sizing._Search, "run", lambda _: found)
    reason, detail = told(limits=SizeLimits(D(1_000), min_profit=D(least)))
    assert reason == "no_profit_after_rounding"
    said, _, unit = detail.partition(" ")
    assert (D(said), unit) == (D(figure), "USD at the limit prices")


def test_lots_beyond_the_depth_of_the_book_are_never_an_order() -> None:
    facts = leg_facts(TRIANGLE.legs[0], BOOKS, MARKETS, FREE, SizeLimits(D(1)))
    assert isinstance(facts, LegFacts)
    assert planned_leg(facts, 5_000, D(101)).qty == 5, "all that is there"
    with pytest.raises(BrokenRule, match="sized beyond the depth of its book"):
        planned_leg(facts, 5_001, D(101))


def test_a_minimum_that_takes_more_lots_than_the_budget_pays_for_is_not_met_on_credit() -> None:
    # Three at 100 cost less than the minimum, so a fourth is needed, at 101: 404 at the limit.
    books = BOOKS | {
        "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "3"), ("101", "2")]),
        "ETH/BTC": view("ETH/BTC", [("0.09", "50")], [("0.10", "100")]),
        "ETH/USD": view("ETH/USD", [("25", "100")], [("26", "50")]),
    }
    whole = market("BTC/USD", qty_increment=D(1), qty_min=D(1), cost_min=D(301))
    markets = {**MARKETS, "BTC/USD": whole}
    plan = planned(books=books, markets=markets, limits=SizeLimits(D(404)))
    assert plan.legs[0].qty == 4
    assert plan.legs[0].worst_spend == 404
    for budget in ("303", "403.99"):
        told(books=books, markets=markets, limits=SizeLimits(D(budget)))


# --- one leg's ladder ----------------------------------------------------------------------------

BUY_BTC = Leg("BTC/USD", Side.BUY, "USD", "BTC")


def ladder(asks: Pairs, **changes: Any) -> Ladder:
    usual: dict[str, Any] = {
        "tick": D(1),
        "lot": D(1),
        "qty_min": D(0),
        "cost_min": D(0),
        "fee": D(0),
    }
    facts = LegFacts(BUY_BTC, levels(asks), **(usual | changes))
    back = LegFacts(BUY_BTC.reversed(), levels([("90", "100")]), **usual)
    return ladders_of([facts, back, back])[0][0]


@pytest.mark.parametrize(
    ("needed", "deepest", "found"),
    [
        (1, 2, (1, 0)),
        (3, 2, (3, 0)),  # all of the best level, and none of the next
        (4, 2, (4, 1)),
        (5, 1, (5, 1)),
        (6, 2, (6, 2)),
        (9, 2, (9, 2)),
        (10, 2, None),
        (6, 1, None),
        (4, 0, None),
    ],
)
def test_the_fewest_lots_and_the_shallowest_rung_that_bring_what_is_needed(
    needed: int, deepest: int, found: tuple[int, int] | None
) -> None:
    one = ladder([("100", "3"), ("101", "2"), ("102", "4")])
    assert one.cap == [3, 5, 9]
    assert one.fewest(needed, deepest) == found


def test_the_fewest_lots_meet_the_minima_of_the_rung_they_reach() -> None:
    one = ladder([("100", "3"), ("101", "2")], cost_min=D(301))
    assert one.low == [4, 3]
    assert one.fewest(1, 1) == (4, 1), "three at 100 cost too little, and no more are there"
    assert one.fewest(1, 0) is None


@pytest.mark.parametrize(("lots_", "rung"), [(1, 0), (3, 0), (4, 1), (5, 1), (6, 2)])
def test_the_rung_that_lots_reach(lots_: int, rung: int) -> None:
    assert ladder([("100", "3"), ("101", "2"), ("102", "4")]).rung_of(lots_, 2) == rung


def test_numbers_keep_every_digit_however_many_there_are() -> None:
    long = D("1.2345678901234567890123456789012345678901234567")
    assert decimal_digits([D(1), long, D("0.5")]) == 46
    assert decimal_digits([D("1E+5"), D(7)]) == 0
    assert in_units(long, 46) == 12345678901234567890123456789012345678901234567
    assert in_units(D("1.239"), 2) == 123
