"""Sizing where a digit decides: long fees, least profits, ties, and minima met further down."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from arbit.sizing import Plan, SizeLimits, Unfit, UnfitReason, _Found, size
from tests.unit.sizing_world import BOOKS, MARKETS, TRIANGLE, D, market, view

FREE = dict.fromkeys(MARKETS, D(0))
NOT_ENOUGH = Unfit(UnfitReason.NO_PROFIT_AFTER_ROUNDING, "no whole lots earn enough")


def exact(*amounts: Decimal) -> list[Fraction]:
    return [Fraction(one) for one in amounts]


def test_fees_of_fifty_digits_are_taken_to_the_last_one() -> None:
    fee = D("0.00123456789012345678901234567890123456789012345679")
    plan = size(TRIANGLE, BOOKS, MARKETS, dict.fromkeys(MARKETS, fee), SizeLimits(D(1_000_000)))
    assert isinstance(plan, Plan)
    for leg in plan.legs:
        qty, price, rate = exact(leg.qty, leg.limit_price, fee)
        gross = qty if leg is not plan.legs[2] else qty * price
        taken, kept, worst = exact(leg.fee, leg.expected_receive, leg.worst_receive)
        assert taken == gross * rate
        assert kept == worst == gross - gross * rate
    first, middle, last = plan.legs
    start_in, start_out, profit = exact(plan.start_in, plan.start_out, plan.profit)
    assert profit == start_out - start_in == exact(plan.profit_at_limits)[0]
    rest, arrived, spent = exact(first.residual, first.expected_receive, middle.expected_spend)
    assert rest == arrived - spent
    rest, arrived, spent = exact(middle.residual, middle.expected_receive, last.expected_spend)
    assert rest == arrived - spent


def test_a_least_profit_that_is_missed_by_its_last_digit_is_missed() -> None:
    """15 USD is what these books earn."""
    missed = D("15." + 39 * "0" + "1")
    for least, found in ((D(15), Plan), (missed, Unfit)):
        outcome = size(TRIANGLE, BOOKS, MARKETS, FREE, SizeLimits(D(1_000_000), min_profit=least))
        assert isinstance(outcome, found)
    assert outcome == NOT_ENOUGH


def test_the_smallest_profit_there_can_be_is_a_profit() -> None:
    """A lot of 0.001 bought at 100 and sold at 100.01, which is the last digit of both."""
    books = {
        "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "5")]),
        "ETH/BTC": view("ETH/BTC", [("0.99", "5")], [("1", "5")]),
        "ETH/USD": view("ETH/USD", [("100.01", "5")], [("102", "5")]),
    }
    markets = MARKETS | {"ETH/BTC": market("ETH/BTC", cost_min=D(0))}
    plan = size(TRIANGLE, books, markets, FREE, SizeLimits(D("0.1")))
    assert isinstance(plan, Plan)
    assert plan.profit == plan.profit_at_limits == D("0.00001")


def test_a_minimum_met_further_down_is_not_why_the_profit_is_too_small() -> None:
    """12 ETH take more than the one BTC at 100; with some at 101 there is a plan, of 13.5."""
    books = BOOKS | {"BTC/USD": view("BTC/USD", [("99", "5")], [("100", "1"), ("101", "3")])}
    markets = MARKETS | {"ETH/BTC": market("ETH/BTC", qty_min=D(12))}
    for least, enough in ((D("13.5"), True), (D("13.51"), False)):
        limits = SizeLimits(D(1_000_000), min_profit=least)
        outcome = size(TRIANGLE, books, markets, FREE, limits)
        assert isinstance(outcome, Plan) == enough
    assert outcome == NOT_ENOUGH


def test_of_two_sizes_the_one_that_earns_more_is_better_and_then_the_one_that_costs_less() -> None:
    one = _Found((1, 1, 1), (D(1), D(1), D(1)), (0, 0, 0), 100, 10, 10)
    assert one.betters(None)
    assert not one.betters(one)
    assert replace(one, profit=11, spend=500).betters(one)
    assert not replace(one, profit=9, spend=1).betters(one)
    assert replace(one, spend=99).betters(one)
    assert not replace(one, spend=101).betters(one)


def test_where_book_and_budget_end_together_the_book_is_what_is_short() -> None:
    """A larger budget would not help: there is one BTC, and the next leg wants 1.2 of it."""
    books = BOOKS | {"BTC/USD": view("BTC/USD", [("99", "5")], [("100", "1")])}
    markets = MARKETS | {"ETH/BTC": market("ETH/BTC", qty_min=D(12))}
    words = "ETH/BTC: 10.000 is below the least that may be sent, 12.000"
    for budget, reason in (
        (D(99), UnfitReason.NO_BUDGET),
        (D(100), UnfitReason.BELOW_QTY_MIN),
        (D(101), UnfitReason.BELOW_QTY_MIN),
    ):
        outcome = size(TRIANGLE, books, markets, FREE, SizeLimits(budget))
        assert isinstance(outcome, Unfit)
        assert outcome.reason is reason
    assert outcome == Unfit(UnfitReason.BELOW_QTY_MIN, words)
