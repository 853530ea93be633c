from __future__ import annotations

import pytest

from arbit.domain.book import Disbelief, OrderBook, Source, scaled


def made(depth: int = 3) -> OrderBook:
    book = OrderBook("BTC/USD", depth=depth, price_decimals=1, qty_decimals=2)
    book.replace([(99, 1, b"a"), (98, 2, b"b")], [(101, 3, b"c"), (102, 4, b"d")])
    return book


def test_both_sides_are_best_first() -> None:
    book = made()
    book.apply([(100, 5, b"e")], [(100, 5, b"e")])
    view = book.view(source=Source.WS, seen_ns=1, confirmed_ns=2)

    assert [str(level.price) for level in view.bids] == ["10.0", "9.9", "9.8"]
    assert [str(level.price) for level in view.asks] == ["10.0", "10.1", "10.2"]
    assert [str(level.qty) for level in view.asks] == ["0.05", "0.03", "0.04"]
    assert (book.bids.best(), book.asks.best()) == (100, 100)


def test_a_quantity_of_zero_removes_and_removing_nothing_is_harmless() -> None:
    book = made()
    book.apply([(99, 0, b""), (42, 0, b"")], [])

    assert book.bids.best() == 98
    assert len(book.bids.keys) == len(book.bids.qtys) == len(book.bids.marks) == 1


def test_what_lies_deeper_than_the_depth_is_forgotten_after_the_whole_message() -> None:
    book = made(depth=2)
    book.apply([(100, 1, b"x"), (99, 0, b"")], [(103, 9, b"y")])

    assert book.bids.keys == [-100, -98]
    assert book.asks.keys == [101, 102]


def test_a_level_that_is_set_again_replaces_quantity_and_digits() -> None:
    book = made()
    book.apply([], [(101, 7, b"new")])

    assert (book.asks.qtys[0], book.asks.marks[0]) == (7, b"new")


def test_a_snapshot_leaves_nothing_of_the_book_before() -> None:
    book = made()
    book.replace([(50, 1, b"")], [(60, 1, b"")])

    assert (book.bids.keys, book.asks.keys) == ([-50], [60])


def test_the_version_counts_every_message() -> None:
    book = made()
    before = book.version
    book.apply([], [])
    book.clear()
    assert book.version == before + 2
    assert book.bids.best() is None


@pytest.mark.parametrize(
    ("bids", "asks", "flaw"),
    [
        ([(99, 1, b"")], [(100, 1, b"")], None),
        ([(100, 1, b"")], [(100, 1, b"")], Disbelief.CROSSED),
        ([], [(100, 1, b"")], Disbelief.ONE_SIDED),
        ([(99, 1, b"")], [], Disbelief.ONE_SIDED),
    ],
)
def test_the_tops_tell_whether_it_is_a_market(
    bids: list[tuple[int, int, bytes]],
    asks: list[tuple[int, int, bytes]],
    flaw: Disbelief | None,
) -> None:
    book = OrderBook("BTC/USD", depth=5, price_decimals=0, qty_decimals=0)
    book.replace(bids, asks)
    assert book.flaw() is flaw


@pytest.mark.parametrize(
    ("digits", "decimals", "units"),
    [
        ("63501.6", 1, 635016),
        ("63501.6", 3, 63501600),
        ("0.00000012", 8, 12),
        ("5", 2, 500),
        (".5", 1, 5),
        ("1.500", 1, 15),
        ("0", 4, 0),
    ],
)
def test_digits_become_units_exactly(digits: str, decimals: int, units: int) -> None:
    assert scaled(digits, decimals) == units


@pytest.mark.parametrize("digits", ["1.25", "-1", "1e3", "", ".", "1.2.3", " 1", "٣", "NaN", "+1"])
def test_a_number_that_would_have_to_be_rounded_or_guessed_is_refused(digits: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|plain number"):
        scaled(digits, 1)
