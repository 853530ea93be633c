"""Ways on of a conversion USD > BTC > ETH > EUR that fell short: what is chosen, and its cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.book import BookView
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.market import Market, MarketStatus
from arbit.domain.order import OrderIntent, OrderState, Trade
from arbit.domain.records import CycleRecord, OrderRecord, PlannedRecord, Purpose
from arbit.domain.route import ConversionKind
from arbit.domain.triangle import Leg
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.onward import look
from arbit.execution.unwind import ALTERNATIVE, COMPLETE, HOLD, REVERSE, Prospect, Surroundings
from tests.unit.sizing_world import market, view

D = Decimal
FEE = D("0.001")
RICH = D(10**6)
TICK = D("0.0001")
# One BTC is 100 USD or 90 EUR, one ETH a tenth of it, at the middle; spreads are of 20 bps.
MIDDLES = {
    "BTC/USD": "100",
    "ETH/BTC": "0.1",
    "ETH/EUR": "9",
    "BTC/EUR": "90",
    "ETH/USD": "10",
    "SOL/BTC": "0.01",
    "SOL/EUR": "0.9",
}
MARKETS = {name: market(name, status=MarketStatus.ONLINE, price_increment=TICK) for name in MIDDLES}
PLANNED = ("BTC/USD", "ETH/BTC", "ETH/EUR")


def book(name: str, middle: str, half_bps: str = "10", qty: str = "5000") -> BookView:
    """One level a side, so far from the middle."""
    half = D(middle) * D(half_bps) / 10_000
    bid, ask = D(middle) - half, D(middle) + half
    return view(name, [(str(bid), qty)], [(str(ask), qty)])


BOOKS = {name: book(name, middle) for name, middle in MIDDLES.items()}


def legs_of(path: str, names: tuple[str, ...]) -> list[Leg]:
    """The legs along these markets."""
    spend, found = path, []
    for name in names:
        leg = Leg.through(MARKETS[name], spend)
        found.append(leg)
        spend = leg.receive
    return found


def filled(index: int, leg: Leg, spent: str, received: str) -> WorkingOrder:
    """An order of a leg that took so much and brought so much, all fees in."""
    buys = leg.side.value == "buy"
    qty, cost = (D(received), D(spent)) if buys else (D(spent), D(received))
    intent = OrderIntent(f"ab-{index}", leg, qty, cost / qty, FEE)
    record = OrderRecord(
        intent, "c1", Purpose.LEG, index, 1, "none", OrderState.FILLED, leg.spend, D(spent)
    )
    made = Trade(
        f"T{index}", "O", f"ab-{index}", leg.symbol, leg.side, qty, cost / qty, cost, (), 1
    )
    return WorkingOrder(record, (made,))


def fallen(*moves: tuple[str, str], names: tuple[str, ...] = PLANNED) -> Cycle:
    """A conversion whose first legs moved so much, and that goes no further as planned."""
    legs = legs_of("USD", names)
    plan = tuple(PlannedRecord(leg, D(50), D(1), FEE) for leg in legs)
    record = CycleRecord(
        "c1",
        Policy.SEQUENTIAL,
        CycleState.UNWINDING,
        plan,
        1,
        kind=ConversionKind.CONVERT,
        loss_budget=RICH,
    )
    orders = tuple(
        filled(index, legs[index - 1], spent, received)
        for index, (spent, received) in enumerate(moves, 1)
    )
    return Cycle(record, orders)


def looked(
    cycle: Cycle,
    budget: Decimal = RICH,
    books: dict[str, BookView] | None = None,
    markets: dict[str, Market] | None = None,
    only: tuple[str, ...] = tuple(MIDDLES),
) -> Prospect:
    """What `look` says on these books, of these markets alone."""
    seen, there = BOOKS if books is None else books, markets or MARKETS
    around = Surroundings(seen.get, {name: there[name] for name in only}, dict.fromkeys(only, FEE))
    return look(cycle, budget, around)


def route_of(prospect: Prospect) -> list[str]:
    """The orders of what was chosen."""
    assert prospect.chosen is not None
    return [str(one.leg) for one in prospect.chosen.orders]


WITH_BTC = fallen(("100", "1"))
WITH_ETH = fallen(("100", "1"), ("1", "10"))
WITH_BOTH = fallen(("100", "1"), ("0.6", "6"))


def test_with_nothing_in_between_it_is_home() -> None:
    for cycle in (fallen(), fallen(("100", "1"), ("1", "10"), ("10", "90"))):
        assert looked(cycle).home


def test_as_planned_where_there_is_no_other_way() -> None:
    found = looked(WITH_BTC, only=PLANNED)
    assert found.prices["chosen"] == COMPLETE
    assert route_of(found) == ["buy ETH/BTC", "sell ETH/EUR"]
    assert set(found.prices) == {COMPLETE, REVERSE, ALTERNATIVE, HOLD, "chosen"}


def test_straight_to_what_is_wanted_where_that_brings_more() -> None:
    found = looked(WITH_BTC)
    assert found.prices["chosen"] == ALTERNATIVE
    assert route_of(found) == ["sell BTC/EUR"]


def test_on_by_another_asset_where_that_brings_more() -> None:
    books = {**BOOKS, "SOL/EUR": book("SOL/EUR", "0.95")}
    assert route_of(looked(WITH_BTC, books=books)) == ["buy SOL/BTC", "sell SOL/EUR"]


def test_on_before_back_even_where_back_costs_less() -> None:
    books = {**BOOKS, "ETH/EUR": book("ETH/EUR", "9", "300")}
    found = looked(WITH_BTC, books=books, only=PLANNED)
    assert found.prices["chosen"] == COMPLETE
    assert D(found.prices[REVERSE]) > D(found.prices[COMPLETE])


def test_back_where_the_way_on_costs_more_than_it_may() -> None:
    books = {**BOOKS, "ETH/EUR": book("ETH/EUR", "9", "300")}
    found = looked(WITH_BTC, D(1), books, only=PLANNED)
    assert found.prices["chosen"] == REVERSE
    assert route_of(found) == ["sell BTC/USD"]
    found = looked(WITH_ETH, D(1), books, only=PLANNED)
    assert route_of(found) == ["sell ETH/BTC", "sell BTC/USD"]


def test_straight_back_where_that_costs_less_than_the_way_it_came() -> None:
    books = {**BOOKS, "ETH/EUR": book("ETH/EUR", "9", "300")}
    found = looked(WITH_ETH, D(1), books, only=(*PLANNED, "ETH/USD"))
    assert (found.prices["chosen"], route_of(found)) == (REVERSE, ["sell ETH/USD"])


def test_held_where_every_way_costs_more_than_it_may() -> None:
    found = looked(WITH_BTC, D("0.01"))
    assert (found.chosen, found.home, found.blind) == (None, False, False)
    assert found.prices["chosen"] == HOLD
    assert D(found.prices[HOLD]) == 100


def test_what_two_legs_left_goes_on_together_the_first_asset_first() -> None:
    found = looked(WITH_BOTH, only=PLANNED)
    assert route_of(found) == ["buy ETH/BTC", "sell ETH/EUR", "sell ETH/EUR"]
    assert looked(WITH_BOTH, D(200)).chosen is not None


def test_dust_in_between_keeps_nothing_open() -> None:
    for moves in ([("100", "0.0009")], [("100", "1"), ("0.9999", "0.0009")]):
        found = looked(fallen(*moves))
        assert found.home, found


def test_dust_of_a_planned_asset_is_dust_though_another_market_is_not_seen() -> None:
    books = {name: one for name, one in BOOKS.items() if name in PLANNED}
    assert looked(fallen(("100", "0.0009")), books=books).home


@pytest.mark.parametrize("cycle", [WITH_BTC, WITH_ETH, WITH_BOTH])
def test_a_book_without_which_nothing_has_a_price_is_waited_for(cycle: Cycle) -> None:
    books = {one: book for one, book in BOOKS.items() if one != "BTC/USD"}
    found = looked(cycle, books=books, only=PLANNED)
    assert (found.chosen, found.blind) == (None, True)


@pytest.mark.parametrize("name", ["ETH/BTC", "ETH/EUR"])
def test_while_no_way_on_is_seen_it_goes_back_and_does_not_wait_in_between(name: str) -> None:
    books = {one: book for one, book in BOOKS.items() if one != name}
    found = looked(WITH_BTC, books=books, only=PLANNED)
    assert route_of(found) == ["sell BTC/USD"]


def test_a_closed_market_is_waited_for() -> None:
    shut = {name: replace(one, status=MarketStatus.MAINTENANCE) for name, one in MARKETS.items()}
    found = looked(WITH_BTC, markets=shut)
    assert (found.chosen, found.blind) == (None, True)


def test_what_was_paid_without_being_had_is_for_a_person() -> None:
    found = looked(fallen(("100", "1"), ("1.5", "15")))
    assert (found.chosen, found.home, found.blind) == (None, False, False)


def test_no_room_is_waited_for() -> None:
    around = Surroundings(BOOKS.get, MARKETS, dict.fromkeys(MARKETS, FEE), room=lambda *_: False)
    found = look(WITH_BTC, RICH, around)
    assert (found.chosen, found.blind) == (None, True)


def test_half_way_through_a_detour_it_goes_straight_to_an_end() -> None:
    one = fallen(("100", "1"))
    leg = legs_of("BTC", ("SOL/BTC",))[0]
    away = filled(0, leg, "1", "100")
    away = replace(away, record=replace(away.record, purpose=Purpose.UNWIND))
    cycle = Cycle(one.record, (*one.orders, away))
    assert route_of(looked(cycle)) == ["sell SOL/EUR"]


def test_no_more_is_ordered_than_the_venue_surely_keeps() -> None:
    fine = {
        name: replace(one, qty_increment=D("0.00000001"), base_digits=4, quote_digits=4)
        for name, one in MARKETS.items()
    }
    found = looked(fallen(("100", "1.00009")), markets=fine)
    assert found.chosen is not None
    assert found.chosen.orders[0].qty == 1


IN_USD = {"USD": D(1), "BTC": D(100), "EUR": D(100) / D(90)}
HALVES = st.dictionaries(st.sampled_from(sorted(MIDDLES)), st.integers(1, 400), min_size=7)


@settings(max_examples=150, deadline=None)
@given(
    HALVES,
    st.sampled_from([WITH_BTC, WITH_ETH, WITH_BOTH]),
    st.decimals("0.05", "8", places=2),
)
def test_what_is_chosen_can_be_traded_and_keeps_its_budget_at_its_limit(
    halves: dict[str, int], cycle: Cycle, budget: Decimal
) -> None:
    books = {
        name: book(name, MIDDLES[name], str(halves.get(name, 10)), qty="7") for name in MIDDLES
    }
    found = looked(cycle, budget, books)
    if found.chosen is None:
        return
    assert found.loss <= budget
    first = found.chosen.orders[0]
    known = MARKETS[first.leg.symbol]
    assert first.qty % (known.qty_increment or 1) == 0
    assert first.limit_price % TICK == 0
    spends = first.qty if first.leg.side.value == "sell" else first.qty * first.limit_price
    assert spends <= cycle.has(first.leg.spend)
    quote = first.leg.receive if first.leg.side.value == "sell" else first.leg.spend
    worse = spends - first.spend  # than expected, when it fills wholly at its limit
    if first.leg.side.value == "sell":
        worse = first.receive - first.qty * first.limit_price * (1 - FEE)
    assert worse * IN_USD[quote] <= budget - found.loss + D("1e-30")
    assert first.leg.spend not in cycle.goals
    ways = {
        name: found.prices[name] for name in (COMPLETE, ALTERNATIVE) if found.prices[name] != "none"
    }
    if found.prices["chosen"] == REVERSE:
        so_far = found.loss + found.chosen.value
        assert all(so_far - D(value) > budget for value in ways.values())


THIN_USD = {**MARKETS, "BTC/USD": replace(MARKETS["BTC/USD"], qty_min=D(2))}  # no way back there


def test_a_way_on_that_nothing_prices_waits_for_the_book_that_would() -> None:
    """BTC/USD takes no single BTC back, but its middle tells what the EUR are worth."""
    on = looked(WITH_BTC, markets=THIN_USD, only=PLANNED)
    assert on.prices["chosen"] == COMPLETE
    books = {name: one for name, one in BOOKS.items() if name != "BTC/USD"}
    found = looked(WITH_BTC, books=books, markets=THIN_USD, only=PLANNED)
    assert (found.chosen, found.home, found.blind) == (None, False, True)


def test_a_way_on_that_nothing_prices_waits_for_the_market_that_would() -> None:
    closed = replace(THIN_USD["BTC/USD"], status=MarketStatus.MAINTENANCE)
    books = {name: one for name, one in BOOKS.items() if name != "BTC/USD"}
    shut = {**THIN_USD, "BTC/USD": closed}
    found = looked(WITH_BTC, books=books, markets=shut, only=PLANNED)
    assert (found.chosen, found.home, found.blind) == (None, False, True)


def test_half_way_through_a_detour_its_straight_end_is_waited_for() -> None:
    one = fallen(("100", "1"))
    away = filled(0, legs_of("BTC", ("SOL/BTC",))[0], "1", "100")
    away = replace(away, record=replace(away.record, purpose=Purpose.UNWIND))
    cycle = Cycle(one.record, (*one.orders, away))
    books = {name: book for name, book in BOOKS.items() if name != "SOL/EUR"}
    found = looked(cycle, books=books, only=(*PLANNED, "SOL/EUR"))
    assert (found.chosen, found.home, found.blind) == (None, False, True)
    again = looked(cycle, only=(*PLANNED, "SOL/EUR"))
    assert route_of(again) == ["sell SOL/EUR"]


@pytest.mark.parametrize(("least", "route"), [("0.8", ["sell BTC/EUR"]), ("1", [])])
def test_a_market_that_takes_it_at_its_best_price_but_not_as_deep_as_it_reaches_is_no_way(
    least: str, route: list[str]
) -> None:
    """0.02 BTC: the best bid is for half of it, at 90; what completes it is at 45, so 0.9 EUR."""
    books = {**BOOKS, "BTC/EUR": view("BTC/EUR", [("90", "0.01"), ("45", "99")], [("91", "99")])}
    floored = {**THIN_USD, "BTC/EUR": replace(MARKETS["BTC/EUR"], cost_min=D(least))}
    only = ("BTC/USD", "ETH/BTC", "BTC/EUR")  # the planned way is shut beyond ETH
    found = looked(fallen(("2", "0.02")), books=books, markets=floored, only=only)
    assert (route_of(found) if found.chosen else []) == route
    assert not found.home
    if found.chosen:
        first = found.chosen.orders[0]
        assert first.qty * first.limit_price >= D(least)
