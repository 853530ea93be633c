from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.books import BookCache
from arbit.domain.book import Disbelief, OrderBook, Source, scaled
from arbit.domain.errors import BrokenRule
from arbit.domain.market import Market
from arbit.domain.order import Fill, OrderIntent, OrderState
from arbit.domain.triangle import Leg, Side
from arbit.venues import paper
from arbit.venues.paper import PaperExchange
from tests.unit.venues.paper_books import (
    BUY,
    LATENCY_NS,
    MAX_AGE_NS,
    SELL,
    SPEC,
    Books,
    D,
    Pairs,
    exchange,
    order,
    settle,
    usual_books,
)


def test_a_buy_walks_depth_to_its_limit_and_pays_its_fee_in_what_it_receives() -> None:
    venue = exchange(usual_books())

    report = settle(venue, order("2", "101"))

    assert report.end is OrderState.FILLED
    assert report.fill == Fill(D(2), D(201), D("0.008"), "BTC")
    assert venue.balances == {"USD": D(799), "BTC": D("4.992")}
    assert report.spent == 201
    assert report.received == D("1.992")


def test_a_sell_walks_depth_to_its_limit_and_pays_its_fee_in_what_it_receives() -> None:
    venue = exchange(usual_books())

    report = settle(venue, order("2", "98", SELL))

    assert report.fill == Fill(D(2), D(197), D("0.788"), "USD")
    assert venue.balances == {"USD": D(1000) + D("196.212"), "BTC": D(1)}


def test_an_order_fills_at_the_displayed_price_not_at_its_limit() -> None:
    report = settle(exchange(usual_books()), order("1", "102"))

    assert report.fill is not None
    assert report.fill.quote_qty == 100


def test_short_depth_within_the_limit_is_a_partial_fill_in_whole_lots() -> None:
    books = Books([("99", "1")], [("100", "1.0005"), ("103", "9")])

    report = settle(exchange(books), order("2", "102"))

    assert report.end is OrderState.PARTIAL
    assert report.fill is not None
    assert report.fill.base_qty == 1


@pytest.mark.parametrize(("leg", "limit"), [(BUY, "99.9"), (SELL, "99.1")])
def test_an_order_that_would_not_have_filled_does_not(leg: Leg, limit: str) -> None:
    venue = exchange(usual_books())

    report = settle(venue, order("1", limit, leg))

    assert (report.end, report.fill) == (OrderState.EMPTY, None)
    assert venue.balances == {"USD": D(1000), "BTC": D(3)}
    assert venue.available("USD") == 1000


def test_a_book_that_is_not_believable_fills_nothing() -> None:
    books = usual_books()
    venue = exchange(books)
    venue.place(order("1", "101"), 0)
    books.view = None

    (report,) = venue.due(LATENCY_NS)

    assert (report.end, report.fill) == (OrderState.EMPTY, None)
    assert "believable" in report.reason
    assert venue.available("USD") == 1000


def test_an_order_meets_the_book_of_its_own_time_not_the_one_it_was_sent_on() -> None:
    books = usual_books()
    venue = exchange(books)
    venue.place(order("1", "101"), 0)

    assert venue.due(LATENCY_NS - 1) == []
    books.show([("100", "1")], [("100.5", "1")])
    (report,) = venue.due(LATENCY_NS)

    assert report.at_ns == LATENCY_NS
    assert report.fill is not None
    assert report.fill.quote_qty == D("100.5")


def test_orders_are_executed_in_the_order_of_their_time_and_of_their_arrival() -> None:
    venue = exchange(usual_books())
    for name, at_ns in (("late", 2), ("first", 0), ("second", 0)):
        venue.place(order("0.5", "100", client_id=name), at_ns)

    assert (venue.next_due_ns, venue.due_of("late")) == (LATENCY_NS, LATENCY_NS + 2)
    reports = venue.due(LATENCY_NS + 2)

    assert [one.intent.client_id for one in reports] == ["first", "second", "late"]
    assert [one.end for one in reports] == [OrderState.FILLED, OrderState.FILLED, OrderState.EMPTY]
    assert (venue.next_due_ns, venue.due_of("late")) == (None, None)


def test_the_same_displayed_liquidity_is_never_filled_twice() -> None:
    venue = exchange(usual_books())

    first = settle(venue, order("0.6", "100", client_id="a"))
    second = settle(venue, order("0.6", "100", client_id="b"))
    third = settle(venue, order("0.6", "100", client_id="c"))

    assert first.end is OrderState.FILLED
    assert second.fill is not None
    assert second.fill.base_qty == D("0.4")
    assert third.end is OrderState.EMPTY


def taken_then(shown: list[Pairs], *, limit: str = "100", told: bool = True) -> Decimal:
    """Take 1.5 of 2 displayed at 100, let the asks move, ask for 5 more: what is filled then."""
    books = Books([("90", "1")], [("100", "2"), ("101", "9")])
    venue = exchange(books)
    settle(venue, order("1.5", "100", client_id="a"))
    for asks in shown:
        books.show([("90", "1")], asks)
        if told:
            venue.books_moved("BTC/USD", LATENCY_NS)
    report = settle(venue, order("5", limit, client_id="b"))
    return report.fill.base_qty if report.fill is not None else D(0)


def test_a_level_that_grows_offers_its_growth() -> None:
    assert taken_then([[("100", "3"), ("101", "9")]]) == D("1.5")


def test_a_level_that_shrinks_offers_only_what_is_left_beyond_the_taken() -> None:
    assert taken_then([[("100", "1.8"), ("101", "9")]]) == D("0.3")
    assert taken_then([[("100", "1"), ("101", "9")]]) == 0


def test_growth_after_a_level_shrank_below_the_taken_is_new_liquidity() -> None:
    shrunk, grown = [("100", "1"), ("101", "9")], [("100", "4"), ("101", "9")]

    assert taken_then([shrunk, grown]) == 3
    assert taken_then([shrunk, grown], told=False) == D("2.5")  # unseen, so only what is certain


def test_a_level_that_left_the_book_is_new_when_it_comes_back() -> None:
    gone, back = [("101", "9")], [("100", "2"), ("101", "9")]

    assert taken_then([gone, back]) == 2
    assert taken_then([gone, back], told=False) == D("0.5")


def test_an_execution_looks_at_the_book_for_itself() -> None:
    books = Books([("90", "1")], [("100", "2"), ("101", "9")])
    venue = exchange(books)
    settle(venue, order("2", "100", client_id="a"))
    books.show([("90", "1")], [("101", "9")])
    settle(venue, order("0.1", "100", client_id="b"))
    books.show([("90", "1")], [("100", "2"), ("101", "9")])

    assert settle(venue, order("2", "100", client_id="c")).end is OrderState.FILLED


def test_a_level_that_is_deeper_than_all_that_is_displayed_may_only_be_out_of_sight() -> None:
    hidden, back = [("98", "9"), ("99", "9")], [("100", "2"), ("101", "9")]

    assert taken_then([hidden, back]) == D("0.5")


def test_a_taken_level_is_stepped_over_to_the_next_within_the_limit() -> None:
    assert taken_then([], limit="101") == 5


def test_a_side_that_is_taken_says_nothing_about_the_other() -> None:
    books = Books([("100", "1")], [("100.1", "1")])
    venue = exchange(books)
    settle(venue, order("1", "100.1", client_id="a"))

    assert settle(venue, order("1", "100", SELL, client_id="b")).end is OrderState.FILLED


def test_a_moved_book_is_looked_at_only_while_something_taken_is_remembered() -> None:
    books = usual_books()
    venue = exchange(books)

    venue.books_moved("BTC/USD", 0)
    assert books.looks == 0
    settle(venue, order("1", "100"))
    books.show([("99", "1")], [("101", "1")])
    venue.books_moved("BTC/USD", 0)
    looks = books.looks
    venue.books_moved("BTC/USD", 0)

    assert looks == 2  # the execution and the move that made it forget
    assert books.looks == looks


def test_a_disbelieved_book_frees_nothing() -> None:
    books = usual_books()
    venue = exchange(books)
    settle(venue, order("1", "100", client_id="a"))
    shown, books.view = books.view, None
    venue.books_moved("BTC/USD", 0)
    books.view = shown

    assert settle(venue, order("1", "100", client_id="b")).end is OrderState.EMPTY


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (order("10", "100.1"), "EOrder:Insufficient funds"),
        (order("3.001", "99", SELL), "EOrder:Insufficient funds"),
        (order("0.009", "1000"), "EOrder:Order minimum not met"),
        (order("0.049", "100"), "EOrder:Cost minimum not met"),
        (order("1", "100.05"), "EOrder:Tick size check failed"),
        (order("1", "0"), "EOrder:Invalid price"),
        (order("1", "-1"), "EOrder:Invalid price"),
        (order("1.0005", "100"), "EGeneral:Invalid arguments:volume"),
        (order("0", "100"), "EGeneral:Invalid arguments:volume"),
        (order("1", "1", Leg("ETH/USD", Side.BUY, "USD", "ETH")), "EQuery:Unknown asset pair"),
        (order("1", "1", Leg("BTC/USD", Side.BUY, "EUR", "BTC")), "EQuery:Unknown asset pair"),
        (order("1", "1", Leg("BTC/USD", Side.SELL, "USD", "BTC")), "EQuery:Unknown asset pair"),
    ],
)
def test_what_a_venue_would_refuse_is_refused_in_its_words(intent: OrderIntent, words: str) -> None:
    venue = exchange(usual_books())

    report = venue.place(intent, 7)

    assert report is not None
    assert (report.end, report.reason, report.at_ns) == (OrderState.REJECTED, words, 7)
    assert venue.next_due_ns is None
    assert venue.available("USD") == 1000


def test_figures_exactly_at_the_minima_and_the_balance_are_accepted() -> None:
    venue = exchange(usual_books())

    assert venue.place(order("0.05", "100", client_id="a"), 0) is None
    assert venue.place(order("9.95", "100", client_id="b"), 0) is None
    assert venue.available("USD") == 0


def test_a_floor_that_only_buys_have_refuses_no_sell() -> None:
    venue = exchange(usual_books(), markets={"BTC/USD": replace(SPEC, sell_cost_min=D(0))})

    refused = venue.place(order("0.049", "100", client_id="a"), 0)

    assert refused is not None
    assert refused.reason == paper.COST_MIN_NOT_MET
    assert venue.place(order("0.049", "100", SELL, client_id="b"), 0) is None


def test_funds_on_their_way_cannot_be_spent_again_and_come_back_when_unused() -> None:
    venue = exchange(usual_books())
    venue.place(order("6", "102", client_id="a"), 0)  # holds 612

    refused = venue.place(order("4", "100", client_id="b"), 0)

    assert refused is not None
    assert refused.reason == paper.INSUFFICIENT_FUNDS
    assert venue.available("USD") == 388
    venue.due(LATENCY_NS)
    assert venue.available("USD") == venue.balances["USD"] == D(1000) - 100 - 202 - 306


def test_a_client_id_is_good_for_one_order_ever() -> None:
    venue = exchange(usual_books())
    settle(venue, order("0.1", "100", client_id="same"))

    refused = venue.place(order("0.1", "100", client_id="same"), 0)

    assert refused is not None
    assert refused.reason == "EGeneral:Invalid arguments:cl_ord_id"


def test_a_refused_order_does_not_use_up_its_client_id() -> None:
    venue = exchange(usual_books())
    venue.place(order("1", "100.05", client_id="same"), 0)

    assert venue.place(order("1", "100", client_id="same"), 0) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fees": {}}, paper.NO_FEE),
        ({"fees": {"BTC/USD": D(1)}}, paper.NO_FEE),
        ({"markets": {"BTC/USD": Market("BTC/USD", "BTC", "USD")}}, paper.NO_SPEC),
    ],
)
def test_an_unknown_fee_or_specification_is_refused_never_guessed(
    given: Mapping[str, Any], words: str
) -> None:
    refused = exchange(usual_books(), **given).place(order("1", "100"), 0)

    assert refused is not None
    assert refused.reason == words


def test_no_more_orders_are_on_their_way_than_the_limit_allows() -> None:
    venue = exchange(usual_books(), balances={"USD": D(10**6)})
    for number in range(PaperExchange.MAX_PENDING):
        assert venue.place(order("0.1", "100", client_id=str(number)), 0) is None

    refused = venue.place(order("0.1", "100", client_id="one more"), 0)

    assert refused is not None
    assert refused.reason == "EOrder:Orders limit exceeded"
    venue.due(LATENCY_NS)
    assert venue.place(order("0.1", "100", client_id="one more"), 0) is None


def test_when_the_memory_of_takes_is_full_new_levels_fill_nothing() -> None:
    class Forgetful(PaperExchange):
        MAX_TAKES = 1

    books = usual_books()
    venue = Forgetful(
        books, {"BTC/USD": SPEC}, {"BTC/USD": D(0)}, {"USD": D(1000)}, LATENCY_NS, MAX_AGE_NS
    )

    report = settle(venue, order("3", "102"))

    assert report.end is OrderState.PARTIAL
    assert report.fill is not None
    assert report.fill.base_qty == 1  # the first level only, for that one can be remembered
    books.show([("99", "1")], [("100", "1.5"), ("101", "2")])
    again = settle(venue, order("3", "102", client_id="b"))
    assert again.fill is not None
    assert again.fill.base_qty == D("0.5")
    books.show([("99", "1")], [("101", "2")])  # the first is forgotten, so there is room again
    assert settle(venue, order("1", "102", client_id="c")).end is OrderState.FILLED


def test_the_oldest_client_ids_are_forgotten_first() -> None:
    class Forgetful(PaperExchange):
        MAX_IDS = 2

    venue = Forgetful(
        usual_books(), {"BTC/USD": SPEC}, {"BTC/USD": D(0)}, {"USD": D(1000)}, LATENCY_NS, 0
    )
    for name in ("a", "b", "c"):
        assert venue.place(order("0.1", "100", client_id=name), 0) is None

    assert venue.place(order("0.1", "100", client_id="c"), 0) is not None
    assert venue.place(order("0.1", "100", client_id="a"), 0) is None


@pytest.mark.parametrize("given", [{"latency_ns": -1}, {"balances": {"USD": D(-1)}}])
def test_a_negative_latency_or_balance_is_a_bug(given: Mapping[str, Any]) -> None:
    with pytest.raises(BrokenRule):
        exchange(usual_books(), **given)


def test_an_instant_latency_is_due_at_once() -> None:
    venue = exchange(usual_books(), latency_ns=0)
    venue.place(order("1", "100"), 5)

    (report,) = venue.due(5)

    assert report.end is OrderState.FILLED


def test_the_real_book_cache_is_a_reader_and_its_disbelief_is_respected() -> None:
    cache = BookCache()
    cache.watch(["BTC/USD"])
    book = OrderBook("BTC/USD", depth=10, price_decimals=1, qty_decimals=3)
    asks = [(scaled("100.0", 1), scaled("1.000", 3), b"")]
    bids = [(scaled("99.0", 1), scaled("1.000", 3), b"")]
    book.replace(bids, asks)
    cache.put(book, seen_ns=0, confirmed_ns=0, source=Source.WS)
    venue = exchange(cache)

    assert settle(venue, order("0.5", "100", client_id="a")).end is OrderState.FILLED
    too_old = settle(venue, order("0.5", "100", client_id="b"), MAX_AGE_NS)
    cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)
    wrong = settle(venue, order("0.5", "100", client_id="c"))

    assert (too_old.end, wrong.end) == (OrderState.EMPTY, OrderState.EMPTY)
