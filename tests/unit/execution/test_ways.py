"""Ways home that random books have taught us of, each in a scene small enough to reckon by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.book import BookView
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.records import CycleRecord, PlannedRecord
from arbit.domain.triangle import triangle_of
from arbit.execution import unwind
from arbit.execution.cycle import Cycle
from arbit.execution.unwind import ALTERNATIVE, COMPLETE, REVERSE
from tests.unit.execution.broken import COARSE, FINE, INSIDE, Scene, filled, order, venue
from tests.unit.sizing_world import view

D = Decimal
PRICES = {"BTC/USD": "100", "ETH/BTC": "0.1", "ETH/USD": "10"}
BOOKS = {
    "BTC/USD": view("BTC/USD", [("100", "99")], [("100", "99")]),
    "ETH/BTC": view("ETH/BTC", [("0.1", "99")], [("0.1", "99")]),
    "ETH/USD": view("ETH/USD", [("10", "99")], [("10", "99")]),
}
SOL_BOOKS = {
    "SOL/BTC": view("SOL/BTC", [("0.01", "9999")], [("0.01", "9999")]),
    "SOL/ETH": view("SOL/ETH", [("0.1", "9999")], [("0.1", "9999")]),
    "SOL/USD": view("SOL/USD", [("1", "9999")], [("1", "9999")]),
}


def scene(
    filled_: tuple[str, str, str],
    books: Mapping[str, BookView],
    *,
    budget: str = "1",
    policy: Policy = Policy.SEQUENTIAL,
    lot: Decimal = FINE,
) -> Scene:
    """USD>BTC>ETH>USD without fees, of whose legs so many base units were filled at even prices."""
    markets = venue(lot)
    rows = [
        PlannedRecord(leg, D(1 if leg.symbol == "BTC/USD" else 10), D(PRICES[leg.symbol]), D(0))
        for leg in triangle_of(INSIDE, markets).legs
    ]
    orders = tuple(
        order(f"o{index}", row, D(qty), row.leg.receive)
        for index, (row, qty) in enumerate(zip(rows, filled_, strict=True), 1)
    )
    one, two, three = rows
    record = CycleRecord("c", policy, CycleState.UNWINDING, (one, two, three), 0)
    seen = BOOKS | dict(books)
    return Scene(Cycle(record, orders), D(budget), markets, seen, dict.fromkeys(seen, D(0)))


def look(seen: Scene) -> unwind.Prospect:
    return unwind.look(seen.cycle, seen.budget, seen.around)


def test_a_leftover_too_small_for_the_next_market_goes_straight_home_beside_the_rest() -> None:
    """0.005 BTC are too little for ETH/BTC (0.01 BTC at least), and can be sold for USD."""
    back_costs_half = view("ETH/BTC", [("0.05", "99")], [("0.1", "99")])
    seen = scene(("1", "9.95", "0"), {"ETH/BTC": back_costs_half}, lot=COARSE)
    prospect = look(seen)
    assert prospect.chosen is not None
    assert prospect.chosen.name == COMPLETE
    assert [str(one.leg) for one in prospect.chosen.orders] == ["sell BTC/USD", "sell ETH/USD"]
    assert prospect.loss == 0


def test_no_way_leads_into_what_nobody_would_take_any_more() -> None:
    """0.0102 BTC would buy 0.102 ETH, and those are worth less than ETH/USD takes."""
    cheap = {"ETH/USD": view("ETH/USD", [("0.09", "99")], [("10", "99")])}
    no_bids = {"BTC/USD": view("BTC/USD", [], [("100", "99")])}
    prospect = look(scene(("0.0102", "0", "0"), cheap | no_bids, lot=COARSE, budget="1000"))
    assert not prospect.home
    assert prospect.chosen is None
    assert prospect.prices[COMPLETE] == "none"


def test_what_one_market_takes_and_the_next_does_not_is_dust_too() -> None:
    """0.0102 BTC: too little for BTC/USD, and of the ETH that it buys ETH/USD would take none."""
    seen = scene(("0.0102", "0", "0"), {})
    straight = {"BTC/USD": replace(seen.markets["BTC/USD"], qty_min=D("0.02"))}
    beyond = {"ETH/USD": replace(seen.markets["ETH/USD"], qty_min=D("0.6"))}
    one_way = look(replace(seen, markets={**seen.markets, **straight}))
    assert one_way.chosen is not None
    assert one_way.chosen.name == COMPLETE
    none = look(replace(seen, markets={**seen.markets, **straight, **beyond}))
    assert none.home


def test_a_detour_that_has_begun_goes_on_while_another_is_still_to_come() -> None:
    """Straight home costs half for both: each goes through SOL, one after the other."""
    half = {
        "BTC/USD": view("BTC/USD", [("50", "99")], [("100", "99")]),
        "ETH/USD": view("ETH/USD", [("5", "99")], [("10", "99")]),
    }
    seen, taken = scene(("1", "5", "0"), half | SOL_BOOKS), list[str]()
    while not (prospect := look(seen)).home:
        assert prospect.chosen is not None, seen.cycle.moved()
        taken.append(str(prospect.chosen.orders[0].leg))
        seen = filled(seen, prospect.chosen.orders[0])
    assert taken == ["buy SOL/BTC", "buy SOL/ETH", "sell SOL/USD"]
    assert -seen.cycle.has("USD") <= seen.budget


def test_what_has_no_detour_of_its_own_goes_straight_home_beside_one_that_has() -> None:
    half = {"BTC/USD": view("BTC/USD", [("50", "99")], [("100", "99")])}
    books = {name: one for name, one in SOL_BOOKS.items() if name != "SOL/ETH"}
    dear = {"ETH/BTC": view("ETH/BTC", [("0.05", "99")], [("0.2", "99")])}
    seen = scene(("1", "5", "0"), half | books | dear)
    prospect = look(seen)
    assert prospect.chosen is not None
    assert prospect.chosen.name == ALTERNATIVE
    legs = sorted(str(one.leg) for one in prospect.chosen.orders)
    assert legs == ["buy SOL/BTC", "sell ETH/USD", "sell SOL/USD"]
    assert prospect.loss == 0


def test_a_debt_beyond_the_levels_shown_is_reckoned_at_the_last_of_them() -> None:
    """Ten ETH are owed; one is shown at 10.05: the nine behind it are not free."""
    thin = {"ETH/USD": view("ETH/USD", [("10", "99")], [("10.05", "1")])}
    prospect = look(scene(("0", "0", "10"), thin, policy=Policy.PARALLEL, budget="0.50"))
    assert D(prospect.prices[COMPLETE]) == D(prospect.prices[REVERSE]) == D("-100.5")
    assert prospect.chosen is not None
    assert prospect.chosen.orders[0].limit_price == D("10.05"), "not below what is offered"
    within = look(scene(("0", "0", "10"), thin, policy=Policy.PARALLEL, budget="0.49"))
    assert within.chosen is None


def test_an_order_that_spends_more_than_is_shown_is_still_not_sent_in_vain() -> None:
    """1 BTC is to buy ETH of which 9.9 are shown, and the budget is all but used up by the rest."""
    thin = {"ETH/BTC": view("ETH/BTC", [("0.05", "99")], [("0.1", "9.9")])}
    half = {"BTC/USD": view("BTC/USD", [("50", "99")], [("100", "99")])}
    prospect = look(scene(("1", "0", "0"), thin | half, budget="1"))
    assert prospect.chosen is not None
    assert prospect.chosen.name == COMPLETE
    assert prospect.loss == 1
    assert prospect.chosen.orders[0].limit_price == D("0.1")


def test_an_order_for_more_than_is_shown_keeps_the_budget_where_only_that_is_filled() -> None:
    """1 BTC is to be sold; 0.99 are shown, at 100 and at 99.80; nothing more may be lost."""
    thin = {"BTC/USD": view("BTC/USD", [("100", "0.5"), ("99.80", "0.49")], [("100", "99")])}
    dear = {"ETH/BTC": view("ETH/BTC", [("0.05", "99")], [("0.2", "99")])}
    seen = scene(("1", "0", "0"), thin | dear, budget="1.098")
    prospect = look(seen)
    assert prospect.loss == seen.budget
    assert prospect.chosen is not None
    home = prospect.chosen.orders[0]
    assert (str(home.leg), home.qty) == ("sell BTC/USD", D(1))
    after = filled(seen, home, D("0.99"))
    assert -after.cycle.has("USD") <= seen.budget


def test_a_debt_too_small_to_be_bought_back_is_part_of_what_a_way_home_costs() -> None:
    """10 ETH are owed, 1 BTC in hand buys 9.5 of them, and of the rest (5 USD) nobody sells any."""
    dear = {
        "ETH/BTC": view("ETH/BTC", [("0.1", "99")], [("0.10526315", "99")]),
        "BTC/USD": view("BTC/USD", [("90", "99")], [("100", "99")]),
        "ETH/USD": view("ETH/USD", [("10", "99")], [("11.5", "99")]),
    }
    seen = scene(("1", "0", "10"), dear, policy=Policy.PARALLEL, budget="1")
    least = replace(seen.markets["ETH/USD"], qty_min=D("0.6"))
    prospect = look(replace(seen, markets={**seen.markets, "ETH/USD": least}))
    middle = (D(10) + D("11.5")) / 2
    rest = 10 - D(1) / D("0.10526315")
    assert abs(D(prospect.prices[COMPLETE]) + rest * middle) < D("0.0001")
    assert prospect.chosen is None, "more than the budget"


def test_what_was_owed_before_and_is_too_small_costs_too() -> None:
    """The cycle owes 0.05 ETH that nobody sells, and has 1 BTC to bring home."""
    seen = scene(("1", "0", "0.05"), {}, policy=Policy.PARALLEL, budget="0.6")
    least = replace(seen.markets["ETH/USD"], qty_min=D("0.6"))
    few = replace(seen, markets={**seen.markets, "ETH/USD": least})
    prospect = look(few)
    assert D(prospect.prices[REVERSE]) == D("99.5")
    assert prospect.loss == 0


def least(seen: Scene, **qty_min: str) -> Scene:
    """The same where markets (BTC_USD) take so many base units at least."""
    few = {
        symbol: replace(one, qty_min=D(qty_min.get(symbol.replace("/", "_"), one.qty_min or 0)))
        for symbol, one in seen.markets.items()
    }
    return replace(seen, markets=few)


def legs_of(prospect: unwind.Prospect) -> list[str]:
    return [str(one.leg) for one in prospect.chosen.orders] if prospect.chosen else []


def test_what_comes_home_together_with_what_is_in_hand_is_no_dust() -> None:
    """0.01 BTC beside 9.9 ETH: too little for BTC/USD, but what they buy is sold with the rest."""
    prospect = look(least(scene(("1", "9.9", "0"), {}), BTC_USD="0.02", ETH_USD="0.6"))
    assert legs_of(prospect) == ["buy ETH/BTC", "sell ETH/USD"]
    assert prospect.loss == 0


def test_two_amounts_that_are_dust_each_come_home_together() -> None:
    """0.05 BTC and 0.5 ETH, which are 1 ETH together: as much as ETH/USD takes."""
    seen = least(scene(("0.1", "0.5", "0"), {}), BTC_USD="0.2", ETH_USD="0.9")
    prospect = look(seen)
    assert legs_of(prospect) == ["buy ETH/BTC", "sell ETH/USD"]
    assert D(prospect.prices[COMPLETE]) == 10
    fewer = look(least(seen, BTC_USD="0.2", ETH_USD="1.1"))
    assert fewer.home


def test_what_pays_a_debt_is_no_dust() -> None:
    """0.01 BTC, and 2.1 ETH are owed: what BTC/USD does not take buys 0.1 of them."""
    seen = scene(("1", "9.9", "12"), {}, policy=Policy.PARALLEL)
    prospect = look(least(seen, BTC_USD="0.02", ETH_USD="0.6"))
    assert legs_of(prospect) == ["buy ETH/BTC", "buy ETH/USD"]
    assert prospect.loss == 0


def test_what_pays_all_it_can_of_a_debt_that_nobody_sells_is_no_dust() -> None:
    seen = scene(("1", "9.9", "10"), {}, policy=Policy.PARALLEL)
    prospect = look(least(seen, BTC_USD="0.02", ETH_USD="0.6"))
    assert legs_of(prospect) == ["buy ETH/BTC"]
    assert prospect.loss == 0


def test_what_would_pay_next_to_nothing_and_leave_dust_is_dust() -> None:
    seen = scene(("1", "9.9", "9.901"), {}, policy=Policy.PARALLEL)
    assert look(least(seen, BTC_USD="0.02", ETH_USD="0.6")).home


def test_what_has_a_detour_home_is_no_dust() -> None:
    """0.0102 BTC and no way home within the triangle, but SOL/BTC and SOL/USD take so little."""
    seen = scene(("0.0102", "0", "0"), SOL_BOOKS)
    prospect = look(least(seen, BTC_USD="0.02", ETH_USD="0.6"))
    assert legs_of(prospect) == ["buy SOL/BTC", "sell SOL/USD"]


def test_nothing_is_turned_into_dust_while_the_straight_way_home_is_shut() -> None:
    """0.0205 BTC, as little as BTC/USD takes: it is waited for, and no ETH bought that are dust."""
    seen = least(scene(("0.0205", "0", "0"), {}, budget="5"), BTC_USD="0.0205", ETH_USD="0.6")
    books = {name: one for name, one in seen.books.items() if name != "BTC/USD"}
    shut = replace(seen, books=books, fees=dict.fromkeys(seen.fees, D("0.0026")))
    prospect = look(shut)
    assert prospect.chosen is None
    assert prospect.blind
    again = look(replace(shut, books=seen.books))
    assert legs_of(again) == ["sell BTC/USD"]


@pytest.mark.parametrize(("fee", "dust"), [("0", False), ("0.0026", True)])
def test_the_fee_decides_whether_what_is_brought_is_enough(fee: str, dust: bool) -> None:
    """0.0102 BTC buy 0.10174563 ETH, which is just as much as ETH/USD takes."""
    seen = least(scene(("0.0102", "0", "0"), {}), BTC_USD="0.02", ETH_USD="0.10174563")
    prospect = look(replace(seen, fees=dict.fromkeys(seen.fees, D(fee))))
    assert prospect.home is dust
    assert legs_of(prospect) == ([] if dust else ["buy ETH/BTC", "sell ETH/USD"])


@pytest.mark.parametrize(("sells", "chosen"), [("0", REVERSE), (None, None)])
@pytest.mark.parametrize("filled_", [("0.05", "0", "0"), ("0.05", "0.5", "0.2")])
def test_where_only_buys_have_a_floor_what_is_below_it_goes_home_and_is_no_dust(
    sells: str | None, chosen: str | None, filled_: tuple[str, str, str]
) -> None:
    seen = scene(filled_, {})
    floored = {
        name: (
            replace(one, cost_min=D(10), sell_cost_min=None if sells is None else D(sells))
            if one.quote == "USD"
            else replace(one, cost_min=D(0))
        )
        for name, one in seen.markets.items()
    }
    found = look(replace(seen, markets=floored))
    assert found.home is (chosen is None)
    assert (found.chosen is None) is (chosen is None)
    if found.chosen is not None:
        last = found.chosen.orders[-1]
        assert last.leg.receive == "USD"
        assert last.qty * last.limit_price < 10


def without(seen: Scene, *names: str) -> Scene:
    """The same while these books are not seen."""
    return replace(seen, books={name: one for name, one in seen.books.items() if name not in names})


def test_what_may_go_by_a_book_that_is_not_seen_is_no_dust_but_waited_for() -> None:
    """0.0102 BTC: BTC/USD takes no so little, and what ETH/BTC would bring nobody can say."""
    seen = least(scene(("0.0102", "0", "0"), {}), BTC_USD="0.02", ETH_USD="0.6")
    assert look(seen).home, "it brings too little for ETH/USD"
    prospect = look(without(seen, "ETH/BTC"))
    assert (prospect.home, prospect.chosen, prospect.blind) == (False, None, True)


def test_what_may_go_by_a_market_whose_minimum_is_not_told_is_no_dust_but_waited_for() -> None:
    seen = least(scene(("0.0102", "0", "0"), {}), BTC_USD="0.02", ETH_USD="0.6")
    untold = replace(seen.markets["ETH/BTC"], qty_min=None)
    prospect = look(replace(seen, markets={**seen.markets, "ETH/BTC": untold}))
    assert (prospect.home, prospect.chosen, prospect.blind) == (False, None, True)


def test_a_detour_whose_second_market_takes_no_so_little_is_none() -> None:
    """0.0102 BTC buy 1.02 SOL; EUR is the other way round."""
    euros = {
        "BTC/EUR": view("BTC/EUR", [("90", "99")], [("90", "99")]),
        "EUR/USD": view("EUR/USD", [("1.1", "99")], [("1.1", "99")]),
    }
    seen = scene(("0.0102", "0", "0"), SOL_BOOKS)
    few = least(seen, BTC_USD="0.02", ETH_USD="0.6", SOL_USD="1.03")
    assert look(few).home
    other = least(
        scene(("0.0102", "0", "0"), SOL_BOOKS | euros),
        BTC_USD="0.02",
        ETH_USD="0.6",
        SOL_USD="1.03",
    )
    assert legs_of(look(other)) == ["sell BTC/EUR", "sell EUR/USD"]


def test_a_debt_that_nobody_sells_now_is_waited_for_and_nothing_else_is_sold_meanwhile() -> None:
    """10 ETH are owed and 0.5 BTC in hand; ETH/USD is not seen, and ETH/BTC sells some."""
    seen = scene(("0.5", "0", "10"), {}, policy=Policy.PARALLEL, budget="1000")
    assert look(seen).chosen is not None
    prospect = look(without(seen, "ETH/USD"))
    assert (prospect.prices[COMPLETE], prospect.prices[REVERSE]) == ("none", "none")
    assert (prospect.home, prospect.chosen, prospect.blind) == (False, None, True)


def test_where_no_tick_is_told_the_limit_stays_where_it_was_reckoned() -> None:
    found = look(scene(("1", "0", "0"), {}))
    assert found.chosen is not None
    for tick, moves in ((None, False), (D("0.00000001"), True)):
        one = replace(venue(FINE)["BTC/USD"], price_increment=tick)
        eased = unwind.eased(found.chosen, one, D(1), whole=False)
        assert (eased != found.chosen) is moves
