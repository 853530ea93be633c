from __future__ import annotations

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.errors import FrameError
from arbit.venues.kraken.parse import parse
from tests.unit.venues.kraken.desk import OTHER, PAIR, Desk
from tests.unit.venues.kraken.wire import (
    book_frame,
    entry,
)

BAD_LEVELS = {
    "null": ("null", "1.000"),
    "text": ('"100.0"', "1.000"),
    "negative price": ("-100.0", "1.000"),
    "zero price": ("0.0", "1.000"),
    "negative qty": ("100.0", "-1.000"),
    "minus zero": ("100.0", "-0"),
    "exponent": ("1e2", "1.000"),
    "overflow": ("1e400", "1.000"),
    "too fine": ("100.0", "1.0000001"),
    "huge": ("9" * 30, "1.000"),
    "enormous": ("100.0", "9" * 5000),
    "array": ("[1]", "1.000"),
    "true": ("true", "1.000"),
}


@pytest.mark.parametrize("level", BAD_LEVELS.values(), ids=BAD_LEVELS.keys())
@pytest.mark.parametrize("side", ["bids", "asks"])
def test_a_number_that_is_none_costs_its_symbol_and_leaves_the_old_book_whole(
    level: tuple[str, str], side: str
) -> None:
    desk = Desk().live()
    book = desk.sub().book
    assert book is not None
    before = (list(book.bids.keys), list(book.bids.qtys), list(book.asks.keys))
    good = [("99.8", "1.000")]
    bids, asks = ([*good, level], []) if side == "bids" else (good, [level])
    desk.hear(book_frame("update", entry(PAIR, bids, asks, 1)))
    assert desk.reason() is Disbelief.BAD_FRAME
    assert desk.reason(OTHER) is None
    assert (book.bids.keys, book.bids.qtys, book.asks.keys) == before
    assert desk.counts.bad_frames == 1


@pytest.mark.parametrize("decimals", [21, 400])
def test_a_snapshot_with_absurd_digits_is_refused_even_under_a_true_checksum(decimals: int) -> None:
    desk = Desk().open()
    row = ("1." + "0" * (decimals - 1) + "1", "1.000")
    desk.hear(desk.venue[PAIR].snapshot([("0.5", "1.000")], [row]))
    assert desk.reason() is Disbelief.BAD_FRAME


@pytest.mark.parametrize("qty", ["1" + "0" * 24, "9" * 400])
def test_a_snapshot_with_absurd_sizes_is_refused_even_under_a_true_checksum(qty: str) -> None:
    desk = Desk().open()
    desk.hear(desk.venue[PAIR].snapshot([(qty, "1.000")], [(qty + "1", "1.000")]))
    assert desk.reason() is Disbelief.BAD_FRAME


def test_a_frame_that_is_cut_short_costs_the_symbol_it_names() -> None:
    desk = Desk().live()
    desk.hear(desk.venue[PAIR].update([("100.0", "0.100")])[:-30])
    assert desk.reason() is Disbelief.BAD_FRAME
    assert desk.reason(OTHER) is None


def test_a_broken_frame_of_two_symbols_costs_both_for_both_lost_their_update() -> None:
    desk = Desk((PAIR, OTHER, "SOL/USD")).live()
    good = desk.venue[PAIR].update_entry([("100.0", "0.100")])
    bad = desk.venue[OTHER].update_entry([("100.0", "0.100")]).replace('"checksum":', '"sum":')
    desk.hear(book_frame("update", good, bad))
    assert [desk.reason(symbol) for symbol in desk.symbols] == [
        Disbelief.BAD_FRAME,
        Disbelief.BAD_FRAME,
        None,
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"42",
        b"[]",
        b"\x00\xff\xfe",
        b'{"channel":"weather","data":[{"symbol":"BTC/USD"}]}',
        b'{"channel":"book","type":"update","data":null}',
        b'{"channel":"book","type":"update","data":{}}',
        b'{"channel":"book","type":"update"}',
        b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD"}]}',
        b'{"channel":"book","type":"update","data":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_frame_that_names_no_book_of_ours_costs_nothing(payload: bytes) -> None:
    desk = Desk().live()
    desk.hear(payload)
    assert desk.session.live == 2
    assert desk.counts.bad_frames == 1
    assert desk.reason() is None


def test_a_book_message_of_an_unknown_type_costs_its_symbol_and_is_not_an_update() -> None:
    desk = Desk().live()
    frame = desk.venue[PAIR].update([("99.8", "1.000")])
    desk.hear(frame.replace(b'"type":"update"', b'"type":"bogus"'))
    assert desk.reason() is Disbelief.BAD_FRAME
    assert desk.reason(OTHER) is None
    assert desk.counts.bad_frames == 1


def test_the_error_about_an_unknown_type_names_the_symbol() -> None:
    with pytest.raises(FrameError) as caught:
        parse(book_frame("bogus", entry(PAIR, [], [], 1)))
    assert caught.value.symbol == PAIR
