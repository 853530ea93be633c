from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.order import OrderIntent
from arbit.sizing import SizeLimits, Unfit, UnfitReason
from tests.unit.sizing_world import (
    BOOKS,
    FREE,
    MARKETS,
    TRIANGLE,
    D,
    Pairs,
    market,
    planned,
    sized,
    view,
)


def refused(**given: Any) -> UnfitReason:
    outcome = sized(**given)
    assert isinstance(outcome, Unfit), outcome
    assert outcome.detail
    return outcome.reason


def test_the_leg_that_runs_out_of_a_profitable_level_decides_the_size() -> None:
    # 15 ETH at 0.10 need 1.5 BTC; the next ETH/BTC level at 0.11 would lose: 100 -> 1/0.11*11=100.
    plan = planned()

    assert [leg.qty for leg in plan.legs] == [D("1.500"), D("15.000"), D("15.000")]
    assert [leg.limit_price for leg in plan.legs] == [D(100), D("0.10"), D(11)]
    assert plan.start_in == 150
    assert plan.start_out == 165
    assert plan.profit == 15
    assert plan.profit_at_limits == 15


def test_a_walk_through_two_levels_is_expected_at_their_average_and_proved_at_the_worst() -> None:
    books = BOOKS | {"BTC/USD": view("BTC/USD", [("99", "5")], [("100", "1"), ("101", "3")])}

    plan = planned(books=books)

    buy = plan.legs[0]
    assert buy.qty == D("1.5")
    assert buy.limit_price == 101
    assert buy.expected_spend == D("150.5")  # 1 at 100 and 0.5 at 101
    assert buy.worst_spend == D("151.5")
    assert plan.profit == D("14.5")
    assert plan.profit_at_limits == D("13.5")


def test_the_fee_is_taken_from_what_each_leg_receives() -> None:
    fees = {"BTC/USD": D("0.01"), "ETH/BTC": D("0.02"), "ETH/USD": D("0.005")}

    plan = planned(fees=fees)

    first, middle, last = plan.legs
    assert (first.fee_asset, middle.fee_asset, last.fee_asset) == ("BTC", "ETH", "USD")
    assert first.fee == first.qty * D("0.01")
    assert first.expected_receive == first.qty * D("0.99")
    assert middle.expected_receive == middle.qty * D("0.98")
    assert last.fee == last.qty * 11 * D("0.005")
    assert last.expected_receive == last.qty * 11 * D("0.995")
    assert last.qty <= middle.worst_receive
    assert middle.worst_spend <= first.worst_receive


def test_what_a_leg_delivers_beyond_the_next_ones_lots_is_dust_and_worth_nothing() -> None:
    markets = MARKETS | {"ETH/USD": market("ETH/USD", qty_increment=D(4))}

    plan = planned(markets=markets)

    assert plan.legs[2].qty == 12  # of the 15 that could be bought
    assert plan.legs[1].qty == 12  # so no more than 12 are bought
    fees = FREE | {"ETH/BTC": D("0.0001")}
    plan = planned(markets=markets, fees=fees)
    assert plan.legs[1].qty == D("12.002")  # the fewest lots that still deliver 12
    assert plan.legs[1].residual == D("12.002") * D("0.9999") - 12
    assert plan.profit == plan.legs[2].expected_receive - plan.legs[0].expected_spend
    assert plan.legs[2].residual == 0


def test_a_budget_bounds_the_first_leg_at_its_limit_price() -> None:
    plan = planned(limits=SizeLimits(max_start=D("50.05")))

    assert plan.legs[0].worst_spend == 50
    assert plan.start_in <= D("50.05")


def test_a_slippage_bound_keeps_limits_near_the_top() -> None:
    books = BOOKS | {
        "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "1"), ("100.50", "0.2"), ("101", "9")])
    }

    tight = planned(books=books, limits=SizeLimits(D(10_000), max_slippage_bps=D(50)))
    tighter = planned(books=books, limits=SizeLimits(D(10_000), max_slippage_bps=D(49)))

    assert tight.legs[0].limit_price == D("100.50")
    assert tight.legs[0].qty == D("1.2")
    assert tighter.legs[0].limit_price == 100
    assert tighter.legs[0].qty == 1


def test_a_level_off_tick_is_no_limit_and_is_left_to_improve_a_deeper_one() -> None:
    asks = [("100", "1"), ("100.005", "0.2"), ("101", "9")]
    books = BOOKS | {"BTC/USD": view("BTC/USD", [("99", "5")], asks)}

    plan = planned(books=books)

    assert plan.legs[0].limit_price == 101
    assert plan.legs[0].expected_spend == D("150.5")  # as if the level were not there


def test_a_start_in_the_base_asset_sells_first() -> None:
    triangle = TRIANGLE.reversed().starting_at("ETH")
    books = {
        "BTC/USD": view("BTC/USD", [("110", "5")], [("111", "5")]),
        "ETH/BTC": view("ETH/BTC", [("0.10", "20")], [("0.11", "20")]),
        "ETH/USD": view("ETH/USD", [("9", "50")], [("10", "50")]),
    }

    plan = planned(triangle=triangle, books=books)

    assert [str(leg.leg) for leg in plan.legs] == ["sell ETH/BTC", "sell BTC/USD", "buy ETH/USD"]
    assert plan.legs[0].qty == 20
    assert plan.start_out == 22
    assert plan.legs[2].worst_spend <= plan.legs[1].worst_receive


def test_a_planned_leg_becomes_the_order_it_describes() -> None:
    leg = planned(fees=FREE | {"BTC/USD": D("0.001")}).legs[0]

    intent = leg.intent("Ab-1")

    assert intent == OrderIntent("Ab-1", leg.leg, leg.qty, leg.limit_price, D("0.001"))


@pytest.mark.parametrize("fact", ["price_increment", "qty_increment", "qty_min", "cost_min"])
def test_a_missing_specification_is_unfit_never_a_default(fact: str) -> None:
    gone = MARKETS | {"ETH/BTC": market("ETH/BTC", **{fact: None})}

    assert refused(markets=gone) is UnfitReason.MISSING_SPEC


@pytest.mark.parametrize(
    ("fact", "value"), [("price_increment", D(0)), ("qty_increment", D(-1)), ("qty_min", D(-1))]
)
def test_a_senseless_specification_is_unfit(fact: str, value: Decimal) -> None:
    odd = MARKETS | {"ETH/BTC": market("ETH/BTC", **{fact: value})}

    assert refused(markets=odd) is UnfitReason.MISSING_SPEC


def test_an_unlisted_market_is_unfit() -> None:
    listed = {symbol: one for symbol, one in MARKETS.items() if symbol != "ETH/USD"}

    assert refused(markets=listed) is UnfitReason.MISSING_SPEC


@pytest.mark.parametrize("fee", [None, D("-0.001"), D(1)])
def test_a_missing_or_senseless_fee_is_unfit(fee: Decimal | None) -> None:
    fees = {symbol: D(0) for symbol in MARKETS if symbol != "ETH/BTC"}
    if fee is not None:
        fees["ETH/BTC"] = fee

    assert refused(fees=fees) is UnfitReason.MISSING_FEE


def test_a_missing_book_is_unfit() -> None:
    books = {symbol: book for symbol, book in BOOKS.items() if symbol != "ETH/USD"}

    assert refused(books=books) is UnfitReason.MISSING_BOOK


def test_a_crossed_book_is_unfit() -> None:
    crossed = BOOKS | {"ETH/USD": view("ETH/USD", [("11", "20")], [("11", "20")])}

    assert refused(books=crossed) is UnfitReason.CROSSED_BOOK


@pytest.mark.parametrize("bids", [[], [("11.005", "20")], [("11", "0.0009")]])
def test_a_side_without_a_whole_lot_on_tick_is_no_depth(bids: Pairs) -> None:
    books = BOOKS | {"ETH/USD": view("ETH/USD", bids, [("12", "50")])}

    assert refused(books=books) is UnfitReason.NO_DEPTH


def test_tops_that_do_not_pay_their_fees_have_no_edge() -> None:
    # 10 % gross: three fees of 3.2 % leave 0.968**3 * 1.1 = 0.9977.
    assert refused(fees=dict.fromkeys(MARKETS, D("0.032"))) is UnfitReason.NO_EDGE
    planned(fees=dict.fromkeys(MARKETS, D("0.031")))


@pytest.mark.parametrize("budget", ["0", "-1", "0.09"])
def test_a_budget_that_buys_no_lot_is_no_budget(budget: str) -> None:
    assert refused(limits=SizeLimits(max_start=D(budget))) is UnfitReason.NO_BUDGET


def test_a_budget_below_a_later_legs_minimum_is_no_budget() -> None:
    markets = MARKETS | {"ETH/USD": market("ETH/USD", qty_min=D(5))}

    assert refused(markets=markets, limits=SizeLimits(D(49))) is UnfitReason.NO_BUDGET
    planned(markets=markets, limits=SizeLimits(D(50)))


def test_a_minimum_beyond_the_profitable_depth_is_below_qty_min() -> None:
    enough = MARKETS | {"ETH/BTC": market("ETH/BTC", qty_min=D(15))}
    beyond = MARKETS | {"ETH/BTC": market("ETH/BTC", qty_min=D("15.001"))}

    assert planned(markets=enough).legs[1].qty == 15
    assert refused(markets=beyond) is UnfitReason.BELOW_QTY_MIN


def test_a_minimum_beyond_all_depth_is_below_qty_min() -> None:
    markets = MARKETS | {"ETH/USD": market("ETH/USD", qty_min=D(121))}

    assert refused(markets=markets) is UnfitReason.BELOW_QTY_MIN


def test_a_minimum_cost_beyond_the_profitable_depth_is_below_cost_min() -> None:
    enough = MARKETS | {"ETH/BTC": market("ETH/BTC", cost_min=D("1.5"))}
    beyond = MARKETS | {"ETH/BTC": market("ETH/BTC", cost_min=D("1.51"))}

    assert planned(markets=enough).legs[1].worst_spend == D("1.5")
    assert refused(markets=beyond) is UnfitReason.BELOW_COST_MIN


def test_our_own_minimum_notional_raises_the_venues_by_quote_asset() -> None:
    in_dollars = SizeLimits(D(1_000_000), min_cost={"USD": D(166)})
    reachable = SizeLimits(D(1_000_000), min_cost={"USD": D(149), "EUR": D(10**9)})

    assert refused(limits=in_dollars) is UnfitReason.BELOW_COST_MIN
    planned(limits=reachable)


def test_a_chain_is_bought_up_to_a_minimum_when_that_still_pays() -> None:
    # 1.5 BTC would do; at least 1.6 must be bought, and 0.1 of it is dust: 165 - 160 = 5.
    markets = MARKETS | {"BTC/USD": market("BTC/USD", qty_min=D("1.6"))}

    plan = planned(markets=markets)

    assert plan.legs[0].qty == D("1.6")
    assert plan.legs[0].residual == D("0.1")
    assert plan.profit == 5


def test_a_minimum_cost_never_stretches_a_limit_beyond_the_level_it_needs() -> None:
    # 1 BTC would do. At 100 it costs less than 101; at 101 it would not, but 1 needs no such limit.
    markets = MARKETS | {"BTC/USD": market("BTC/USD", cost_min=D(101))}
    books = BOOKS | {
        "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "1"), ("101", "3")]),
        "ETH/BTC": view("ETH/BTC", [("0.09", "50")], [("0.10", "10")]),
    }

    first = planned(markets=markets, books=books).legs[0]

    assert (first.qty, first.limit_price) == (D("1.001"), D(101))


def test_a_smaller_size_is_chosen_when_only_that_keeps_the_least_profit_at_the_limits() -> None:
    # 1 BTC at 100: 10 expected and 10 proved. 1.5 BTC up to 109: 10.5 expected, 1.5 proved.
    asks = [("100", "1"), ("109", "3")]
    books = BOOKS | {"BTC/USD": view("BTC/USD", [("99", "5")], asks)}

    bold = planned(books=books, limits=SizeLimits(D(10_000), min_profit=D("1.5")))
    careful = planned(books=books, limits=SizeLimits(D(10_000), min_profit=D("1.51")))

    assert (bold.profit, bold.profit_at_limits) == (D("10.5"), D("1.5"))
    assert (careful.profit, careful.profit_at_limits) == (D(10), D(10))


def test_lots_that_eat_the_profit_are_named_as_the_reason() -> None:
    # 1 BTC buys 10 ETH, but ETH sells only by 9: 99 USD for 90.1 at best, when BTC comes by 1.
    markets = MARKETS | {
        "ETH/USD": market("ETH/USD", qty_increment=D(9)),
        "BTC/USD": market("BTC/USD", qty_increment=D(1)),
    }

    assert refused(markets=markets) is UnfitReason.NO_PROFIT_AFTER_ROUNDING


def test_a_profit_below_the_least_wanted_is_no_profit() -> None:
    limits = SizeLimits(D(1_000_000), min_profit=D(15))
    more = SizeLimits(D(1_000_000), min_profit=D("15.01"))

    assert planned(limits=limits).profit_at_limits == 15
    assert refused(limits=more) is UnfitReason.NO_PROFIT_AFTER_ROUNDING


def test_coarse_lots_are_searched_below_the_deepest_stop() -> None:
    # BTC comes by 1, ETH sells by 3, and 14 ETH are wanted at 12 USD.
    # All of it: 12 ETH take 2 BTC, 200 USD for 144. But 9 ETH take 1 BTC, 100 USD for 108.
    markets = MARKETS | {
        "ETH/USD": market("ETH/USD", qty_increment=D(3)),
        "BTC/USD": market("BTC/USD", qty_increment=D(1)),
    }
    books = BOOKS | {"ETH/USD": view("ETH/USD", [("12", "14")], [("16", "50")])}

    plan = planned(markets=markets, books=books)

    assert [leg.qty for leg in plan.legs] == [1, 9, 9]
    assert plan.profit == 8


def test_amounts_far_finer_than_a_machine_number_stay_exact() -> None:
    fees = dict.fromkeys(MARKETS, D("0.00000000000000000123"))

    plan = planned(fees=fees)

    assert plan.legs[0].expected_receive + plan.legs[0].fee == plan.legs[0].qty


def test_a_leg_is_named_by_side_and_symbol_in_a_refusal() -> None:
    outcome = sized(books=BOOKS | {"ETH/USD": view("ETH/USD", [], [("12", "1")])})

    assert isinstance(outcome, Unfit)
    assert outcome.detail == "ETH/USD: nothing to sell"
