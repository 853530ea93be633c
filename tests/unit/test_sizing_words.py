"""Sizing to the last word: what a refusal says, what each figure of a plan is, and the edges."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.book import BookView
from arbit.domain.market import Market
from arbit.domain.triangle import Triangle
from arbit.sizing import (
    Plan,
    PlannedLeg,
    SizeLimits,
    Unfit,
    UnfitReason,
    average_price,
    gross_rates,
    size,
)
from tests.unit.sizing_world import BOOKS, FREE, MARKETS, RICH, TRIANGLE, D, levels, market, view

R = UnfitReason


def sized(
    books: dict[str, BookView] | None = None,
    markets: dict[str, Market] | None = None,
    fees: dict[str, Decimal] | None = None,
    limits: SizeLimits = RICH,
    triangle: Triangle = TRIANGLE,
) -> Plan | Unfit:
    """Sizing on the usual world, some of it changed."""
    return size(
        triangle,
        BOOKS | (books or {}),
        MARKETS | (markets or {}),
        FREE if fees is None else fees,
        limits,
    )


def planned(**given: Any) -> Plan:
    outcome = sized(**given)
    assert isinstance(outcome, Plan), outcome
    return outcome


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", ["0", "-1"])
def test_no_budget_says_what_there_was(most: str) -> None:
    assert sized(limits=SizeLimits(D(most))) == Unfit(R.NO_BUDGET, f"max_start is {most} USD")


def test_a_budget_of_less_than_one_may_do() -> None:
    small = {"ETH/BTC": market("ETH/BTC", cost_min=D("0.001"))}
    assert planned(markets=small, limits=SizeLimits(D("0.5"))).legs[0].qty == D("0.005")


@pytest.mark.parametrize("symbol", list(MARKETS))
def test_what_is_missing_is_named_with_its_market(symbol: str) -> None:
    markets = {name: one for name, one in MARKETS.items() if name != symbol}
    books = {name: one for name, one in BOOKS.items() if name != symbol}
    fees = {name: fee for name, fee in FREE.items() if name != symbol}
    found = size(TRIANGLE, BOOKS, markets, FREE, RICH)
    assert found == Unfit(R.MISSING_SPEC, f"{symbol}: not listed")
    found = size(TRIANGLE, books, MARKETS, FREE, RICH)
    assert found == Unfit(R.MISSING_BOOK, f"{symbol}: no book")
    assert sized(fees=fees) == Unfit(R.MISSING_FEE, f"{symbol}: fee is None")


@pytest.mark.parametrize("fact", ["price_increment", "qty_increment", "qty_min", "cost_min"])
@pytest.mark.parametrize("value", [None, "-0.001", "0"])
def test_a_specification_that_is_missing_or_senseless_says_which(
    fact: str, value: str | None
) -> None:
    odd = {"ETH/BTC": market("ETH/BTC", **{fact: None if value is None else D(value)})}
    found = sized(markets=odd)
    if value == "0" and fact.endswith("min"):  # no minimum is a minimum
        assert isinstance(found, Plan)
        return
    word = "missing" if value is None else "senseless"
    assert found == Unfit(R.MISSING_SPEC, f"ETH/BTC: an increment or a minimum is {word}")


@pytest.mark.parametrize(
    ("fee", "fits"), [("0", True), ("0.001", True), ("1", False), ("1.5", False), ("-0.1", False)]
)
def test_a_fee_is_a_fraction_from_nothing_to_less_than_all(fee: str, fits: bool) -> None:
    found = sized(fees=FREE | {"ETH/BTC": D(fee)})
    assert isinstance(found, Plan) == fits
    if not fits:
        assert found == Unfit(R.MISSING_FEE, f"ETH/BTC: fee is {fee}")


@pytest.mark.parametrize(("bid", "crossed"), [("11.99", False), ("12", True), ("12.01", True)])
def test_a_book_is_crossed_from_equal_prices_on(bid: str, crossed: bool) -> None:
    found = sized(books={"ETH/USD": view("ETH/USD", [(bid, "20")], [("12", "50")])})
    assert isinstance(found, Plan) != crossed
    if crossed:
        assert found == Unfit(R.CROSSED_BOOK, "ETH/USD: bid at or above ask")


def test_a_book_with_only_the_side_that_is_needed_will_do() -> None:
    planned(books={"ETH/USD": view("ETH/USD", [("11", "20")], [])})
    planned(books={"ETH/BTC": view("ETH/BTC", [], [("0.10", "15")])})
    found = sized(books={"ETH/BTC": view("ETH/BTC", [("0.09", "50")], [])})
    assert found == Unfit(R.NO_DEPTH, "ETH/BTC: nothing to buy")


def test_depth_without_a_whole_lot_on_tick_says_so() -> None:
    found = sized(books={"ETH/USD": view("ETH/USD", [("11.005", "20")], [("12", "50")])})
    assert found == Unfit(R.NO_DEPTH, "ETH/USD: no whole lot of 0.001 on tick 0.01")


def test_tops_that_only_break_even_have_no_edge() -> None:
    even = {"ETH/USD": view("ETH/USD", [("10", "20")], [("12", "50")])}
    assert sized(books=even) == Unfit(R.NO_EDGE, "the best levels return less than they cost")
    planned(books={"ETH/USD": view("ETH/USD", [("10.01", "20")], [("12", "50")])})


def test_what_is_below_a_minimum_is_told_with_it() -> None:
    found = sized(limits=SizeLimits(D("0.05")))
    assert found == Unfit(R.NO_BUDGET, "BTC/USD: 0.000 is below the least that may be sent, 0.001")
    found = sized(markets={"ETH/USD": market("ETH/USD", qty_min=D("120.0005"))})
    said = "ETH/USD: 120.000 is below the least that may be sent, 120.001"
    assert found == Unfit(R.BELOW_QTY_MIN, said)
    found = sized(markets={"ETH/BTC": market("ETH/BTC", cost_min=D("1.51"))})
    assert found == Unfit(R.BELOW_COST_MIN, "ETH/BTC: 1.50000 is below the minimum cost 1.51")
    found = sized(markets={"ETH/BTC": market("ETH/BTC", qty_min=D("15.001"))})
    said = "ETH/BTC: 15.000 is below the least that may be sent, 15.001"
    assert found == Unfit(R.BELOW_QTY_MIN, said)


def test_our_own_least_cost_is_told_where_it_is_the_larger() -> None:
    found = sized(limits=SizeLimits(D(1_000_000), min_cost={"USD": D(5_000)}))
    assert found == Unfit(R.BELOW_COST_MIN, "BTC/USD: 505.000 is below the minimum cost 5000")
    lower = SizeLimits(D(1_000_000), min_cost={"BTC": D("0.001")})
    high = {"ETH/BTC": market("ETH/BTC", cost_min=D("1.51"))}
    found = sized(markets=high, limits=lower)
    assert found == Unfit(R.BELOW_COST_MIN, "ETH/BTC: 1.50000 is below the minimum cost 1.51")


def test_no_whole_lots_that_earn_enough_are_told() -> None:
    limits = SizeLimits(D(1_000_000), min_profit=D("15.001"))
    said = "no whole lots earn enough"
    assert sized(limits=limits) == Unfit(R.NO_PROFIT_AFTER_ROUNDING, said)
    planned(limits=SizeLimits(D(1_000_000), min_profit=D(15)))


# --- every figure of a plan ----------------------------------------------------------------------


def test_a_plan_tells_each_legs_figures_at_its_levels_and_at_its_limit() -> None:
    fees = {"BTC/USD": D("0.001"), "ETH/BTC": D("0.002"), "ETH/USD": D("0.003")}
    books = {
        "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "1"), ("101", "3")]),
        "ETH/USD": view("ETH/USD", [("11", "10"), ("10.90", "100")], [("12", "50")]),
    }
    plan = planned(books=books, fees=fees)
    first, middle, last = plan.legs
    # 1.5 BTC are 1.4985 after their fee, and buy 14.985 ETH, of which 14.95503 arrive. A lot more
    # of ETH would take two more of BTC.
    assert first == PlannedLeg(
        leg=TRIANGLE.legs[0],
        qty=D("1.5"),
        limit_price=D(101),
        fee_rate=D("0.001"),
        expected_spend=D("150.5"),
        expected_receive=D("1.4985"),
        fee=D("0.0015"),
        fee_asset="BTC",
        worst_spend=D("151.5"),
        worst_receive=D("1.4985"),
        residual=D(0),
    )
    assert middle == PlannedLeg(
        leg=TRIANGLE.legs[1],
        qty=D("14.985"),
        limit_price=D("0.10"),
        fee_rate=D("0.002"),
        expected_spend=D("1.4985"),
        expected_receive=D("14.95503"),
        fee=D("0.02997"),
        fee_asset="ETH",
        worst_spend=D("1.4985"),
        worst_receive=D("14.95503"),
        residual=D("0.00003"),
    )
    # 10 ETH at 11 and 4.955 at 10.90: 164.0095 before the fee.
    assert last == PlannedLeg(
        leg=TRIANGLE.legs[2],
        qty=D("14.955"),
        limit_price=D("10.90"),
        fee_rate=D("0.003"),
        expected_spend=D("14.955"),
        expected_receive=D("163.5174715"),
        fee=D("0.4920285"),
        fee_asset="USD",
        worst_spend=D("14.955"),
        worst_receive=D("162.5204715"),
        residual=D(0),
    )
    assert plan == Plan(
        triangle=TRIANGLE,
        legs=(first, middle, last),
        start_in=D("150.5"),
        start_out=D("163.5174715"),
        profit=D("13.0174715"),
        profit_at_limits=D("11.0204715"),
    )


def test_a_middle_leg_keeps_over_what_the_last_has_no_lot_for() -> None:
    plan = planned(
        markets={"ETH/USD": market("ETH/USD", qty_increment=D(4))},
        fees=FREE | {"ETH/BTC": D("0.0001")},
    )
    assert [leg.qty for leg in plan.legs] == [D("1.201"), D("12.002"), D(12)]
    assert plan.legs[0].residual == D("0.0008")
    assert plan.legs[1].residual == D("0.0007998")
    assert plan.profit == 132 - D("120.1")
    assert plan.legs[2].residual == 0


# --- slippage, budgets, and coarse lots -----------------------------------------------------------


@pytest.mark.parametrize(
    ("bps", "limit"), [("0", "11"), ("99", "11"), ("100", "10.89"), (None, "10.89")]
)
def test_a_sell_goes_no_further_down_than_its_slippage(bps: str | None, limit: str) -> None:
    books = {"ETH/USD": view("ETH/USD", [("11", "10"), ("10.89", "100")], [("12", "50")])}
    most = None if bps is None else D(bps)
    plan = planned(books=books, limits=SizeLimits(D(10_000), max_slippage_bps=most))
    assert plan.legs[2].limit_price == D(limit)


@pytest.mark.parametrize(("bps", "limit"), [("0", "100"), ("99", "100"), ("100", "101")])
def test_a_buy_goes_no_further_up_than_its_slippage(bps: str, limit: str) -> None:
    books = {"BTC/USD": view("BTC/USD", [("99", "5")], [("100", "1"), ("101", "3")])}
    limits = SizeLimits(D(10_000), max_slippage_bps=D(bps))
    assert planned(books=books, limits=limits).legs[0].limit_price == D(limit)


@pytest.mark.parametrize(
    ("budget", "qty"), [("100", "1"), ("99.9", "0.999"), ("99.99", "0.999"), ("150", "1.5")]
)
def test_a_budget_is_used_to_its_last_lot(budget: str, qty: str) -> None:
    assert planned(limits=SizeLimits(D(budget))).legs[0].qty == D(qty)


@pytest.mark.parametrize("eth", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize(
    "bids",
    [
        [("12", "14")],
        [("20", "14")],
        [("16", "11"), ("15", "4")],
        [("13", "10"), ("12", "1"), ("11", "4")],
    ],
)
def test_where_lots_are_coarse_a_few_less_may_earn_more(
    eth: int, bids: list[tuple[str, str]]
) -> None:
    """BTC comes in whole ones at 100, each buys 10 ETH, and ETH sells in lots of `eth`."""
    prices = [int(price) for price, qty in bids for _ in range(int(qty))]
    earns = {n: sum(prices[:n]) - 100 * -(-n // 10) for n in range(eth, len(prices) + 1, eth)}
    plan = sized(
        markets={
            "BTC/USD": market("BTC/USD", qty_increment=D(1)),
            "ETH/USD": market("ETH/USD", qty_increment=D(eth)),
        },
        books={"ETH/USD": view("ETH/USD", bids, [("50", "50")])},
    )
    if max(earns.values()) <= 0:
        assert plan == Unfit(R.NO_PROFIT_AFTER_ROUNDING, "no whole lots earn enough")
        return
    assert isinstance(plan, Plan)
    assert plan.profit == max(earns.values())
    assert earns[int(plan.legs[2].qty)] == plan.profit


# --- rates and averages --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qty", "average"), [("0.5", "100"), ("2", "100"), ("3", None), ("0", None), ("-1", None)]
)
def test_an_average_is_of_what_is_there(qty: str, average: str | None) -> None:
    found = average_price(levels([("100", "2")]), D(qty))
    assert found == (None if average is None else D(average))


@pytest.mark.parametrize("start", ["0.5", "1", "200"])
def test_each_rate_is_what_a_unit_brings_before_fees(start: str) -> None:
    rates = gross_rates(TRIANGLE, BOOKS, D(start))
    assert rates is not None
    if D(start) == 200:  # 2 BTC buy 15 ETH at 0.10 and the rest at 0.11
        eth = 15 + D("0.5") / D("0.11")
        assert float(rates[1]) == pytest.approx(float(eth / 2), rel=1e-12)
    else:
        assert rates == (D("0.01"), D(10), D(11))


def test_rates_of_a_chain_that_sells_first() -> None:
    turned = TRIANGLE.reversed()
    books = {
        "ETH/USD": view("ETH/USD", [], [("10", "5")]),
        "ETH/BTC": view("ETH/BTC", [("0.11", "5")], []),
        "BTC/USD": view("BTC/USD", [("100", "5")], []),
    }
    assert gross_rates(turned, books, D(50)) == (D("0.1"), D("0.11"), D(100))
    assert gross_rates(turned, books, D("50.01")) is None, "one unit more than there is"
    short = books | {"BTC/USD": view("BTC/USD", [("100", "0.54")], [])}
    assert gross_rates(turned, short, D(50)) is None


def test_a_plan_of_legs_that_sell_and_buy_the_other_way_round_is_exact() -> None:
    turned = TRIANGLE.reversed()
    books = {
        "ETH/USD": view("ETH/USD", [("9", "5")], [("10", "5")]),
        "ETH/BTC": view("ETH/BTC", [("0.11", "5")], [("0.12", "5")]),
        "BTC/USD": view("BTC/USD", [("100", "5")], [("101", "5")]),
    }
    plan = planned(triangle=turned, books=books, fees=dict.fromkeys(MARKETS, D("0.01")))
    assert [leg.qty for leg in plan.legs] == [D(5), D("4.950"), D("0.539")]
    middle = plan.legs[1]
    assert (middle.worst_spend, middle.fee, middle.fee_asset) == (D("4.95"), D("0.005445"), "BTC")
    assert middle.expected_receive == D("0.539055")
    assert replace(plan.legs[1], residual=D(0)).residual == 0
    assert plan.legs[1].residual == D("0.000055")
    assert plan.profit == D("53.361") - 50
