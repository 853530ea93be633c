"""Paper on polled books: an order meets a look from after its arrival, or nothing."""

from __future__ import annotations

from dataclasses import replace

from arbit.domain.book import Source
from arbit.domain.order import OrderState
from arbit.venues.paper import LOOK_AGAIN_NS, NO_LATER_LOOK
from arbit.venues.takes import FORGET_NS
from tests.unit.venues.paper_books import (
    LATENCY_NS,
    MAX_AGE_NS,
    Books,
    D,
    exchange,
    order,
    settle,
    usual_books,
)


def polled_at(books: Books, confirmed_ns: int) -> None:
    assert books.view is not None
    books.view = replace(books.view, source=Source.REST, confirmed_ns=confirmed_ns)


def test_a_polled_book_from_before_the_order_arrived_is_not_traded_with() -> None:
    books = usual_books()
    polled_at(books, LATENCY_NS - 1)
    venue = exchange(books)
    assert venue.place(order("1", "100"), 0) is None
    assert venue.due(LATENCY_NS) == []
    assert venue.next_due_ns == LATENCY_NS + LOOK_AGAIN_NS


def test_the_first_look_after_the_arrival_is_what_the_order_meets() -> None:
    books = usual_books()
    polled_at(books, 0)
    venue = exchange(books)
    venue.place(order("1", "102"), 0)
    assert venue.due(LATENCY_NS) == []
    books.show([("99", "1")], [("102", "5")])
    polled_at(books, LATENCY_NS)
    (report,) = venue.due(LATENCY_NS + LOOK_AGAIN_NS)
    assert report.end is OrderState.FILLED
    assert report.fill is not None
    assert report.fill.quote_qty == D(102)  # not the 100 that prompted it


def test_an_order_that_no_later_look_comes_for_has_not_filled() -> None:
    books = usual_books()
    polled_at(books, 0)
    venue = exchange(books)
    venue.place(order("1", "102"), 0)
    now_ns = LATENCY_NS
    reports = venue.due(now_ns)
    while not reports and now_ns < LATENCY_NS + 2 * MAX_AGE_NS:
        now_ns += LOOK_AGAIN_NS
        reports = venue.due(now_ns)
    assert [(report.end, report.reason) for report in reports] == [
        (OrderState.EMPTY, NO_LATER_LOOK)
    ]
    assert now_ns - LATENCY_NS > MAX_AGE_NS
    assert venue.available("USD") == D(1000)
    assert venue.next_due_ns is None


def test_a_streamed_book_that_stood_still_is_the_venues_book_of_the_moment() -> None:
    venue = exchange(usual_books())  # streamed, last changed at 0
    assert settle(venue, order("1", "100")).end is OrderState.FILLED


def test_a_take_out_of_sight_is_remembered_for_a_while_and_then_forgotten() -> None:
    books = Books([("99", "1")], [("100", "1"), ("101", "1")])
    venue = exchange(books)
    settle(venue, order("2", "101", client_id="a"))
    books.show([("98", "1")], [("99.5", "0.01")])  # 100 and 101 are beyond what is displayed
    venue.books_moved("BTC/USD", FORGET_NS // 2)
    books.show([("98", "1")], [("100", "1"), ("101", "1")])
    venue.place(order("1", "101", client_id="b"), FORGET_NS // 2)
    (still,) = venue.due(FORGET_NS)
    assert still.end is OrderState.EMPTY
    books.show([("98", "1")], [("99.5", "0.01")])
    venue.books_moved("BTC/USD", FORGET_NS)
    venue.books_moved("BTC/USD", 2 * FORGET_NS + LATENCY_NS + 1)
    books.show([("98", "1")], [("100", "1"), ("101", "1")])
    later_ns = 3 * FORGET_NS
    venue.place(order("1", "101", client_id="c"), later_ns)
    (report,) = venue.due(later_ns + LATENCY_NS)
    assert report.end is OrderState.FILLED
