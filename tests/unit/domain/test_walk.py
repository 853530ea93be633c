"""What a leg met in a book: exact, no more than it needs, and never too long to keep."""

from __future__ import annotations

from decimal import Decimal

from arbit.domain.walk import MAX_LEVELS, quote_at, walk
from tests.unit.sizing_world import levels

D = Decimal


def test_a_walk_ends_with_the_part_of_the_level_that_is_needed() -> None:
    book = levels([("100", "2"), ("101", "3"), ("102", "9")])
    assert walk(book, D(4)) == levels([("100", "2"), ("101", "2")])
    assert walk(book, D(5)) == levels([("100", "2"), ("101", "3")])


def test_a_book_that_ends_before_the_quantity_is_walked_to_its_end() -> None:
    book = levels([("100", "2"), ("101", "3")])
    assert walk(book, D(9)) == book


def test_a_level_of_nothing_is_no_part_of_a_walk_and_ends_none() -> None:
    book = levels([("100", "1"), ("101", "0"), ("102", "1")])
    assert walk(book, D(2)) == levels([("100", "1"), ("102", "1")])


def test_what_lies_too_deep_to_keep_becomes_one_level_that_costs_the_same() -> None:
    # 1 at 100, then 1 at 110 and 3 at 114 (the last holds 5): 4 at (110 + 342) / 4 = 113.
    book = levels([("100", "1"), ("110", "1"), ("114", "5")])
    assert walk(book, D(5), most=2) == levels([("100", "1"), ("113", "4")])
    assert walk(book, D(5), most=3) == levels([("100", "1"), ("110", "1"), ("114", "3")])


def test_however_deep_a_walk_goes_no_more_is_kept_and_no_quantity_is_lost() -> None:
    book = levels([(str(100 + n), "2") for n in range(2 * MAX_LEVELS)])
    kept = walk(book, D(2 * 2 * MAX_LEVELS))
    assert len(kept) == MAX_LEVELS
    assert kept[:-1] == book[: MAX_LEVELS - 1]
    assert sum(level.qty for level in kept) == sum(level.qty for level in book)
    assert quote_at(kept, D(80)) == quote_at(book, D(80))  # the average price has few digits here
