"""Kraken's own words, as recorded: the venue's checksums, and messages of every kind."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.errors import FrameError
from arbit.venues.kraken.parse import BookMessage, Ignored, Refusal, parse
from tests.unit.venues.kraken.desk import Desk
from tests.unit.venues.kraken.wire import Reference, Row, book_frame, entry, rows_of, tokens

ROOT = Path(__file__).parents[4]
DATA = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data")) / "kraken"
BOOKS = DATA / "book-btcusd-ethusd-d10-2026-07-07.ndjson"
MESSAGES = DATA / "v2_messages.ndjson"
SAMPLE = 500

needs_data = pytest.mark.skipif(not BOOKS.exists(), reason=f"no recorded data at {DATA}")


def lines(path: Path) -> Iterator[bytes]:
    yield from path.read_bytes().splitlines()


@needs_data
def test_every_checksum_of_the_recorded_books_reproduces() -> None:
    desk = Desk(("BTC/USD", "ETH/USD")).open()
    desk.hear(*lines(BOOKS))
    assert (desk.counts.verified, desk.counts.failed, desk.counts.bad_frames) == (2962, 0, 0)
    assert desk.counts.frames == 3000
    assert desk.counts.padded == 0
    assert desk.counts.resyncs == 0
    assert [desk.reason(symbol) for symbol in desk.symbols] == [None, None]


@needs_data
def test_the_books_at_the_end_of_the_recording_are_the_venues() -> None:
    desk = Desk(("BTC/USD", "ETH/USD")).open()
    references = {symbol: Reference(symbol) for symbol in desk.symbols}
    for line in lines(BOOKS):
        desk.hear(line)
        for row in book_rows(line):
            replay(references[row["symbol"]], line, row)
    for symbol, reference in references.items():
        view = desk.cache.last_known(symbol)
        assert view is not None
        assert [(str(x.price), str(x.qty)) for x in view.bids] == reference.best_bids
        assert [(str(x.price), str(x.qty)) for x in view.asks] == reference.best_asks


def book_rows(line: bytes) -> list[dict[str, Any]]:
    frame = tokens(line)
    return list(frame["data"]) if frame.get("channel") == "book" else []


def replay(reference: Reference, line: bytes, row: dict[str, Any]) -> None:
    if tokens(line)["type"] == "snapshot":
        reference.bids, reference.asks = {}, {}
    reference.apply(rows_of(row["bids"]), rows_of(row["asks"]))
    assert reference.checksum == int(row["checksum"])


Corruption = tuple[str, int, int, int]  # side, which row, price or quantity, which digit


def corruptions(reference: Reference, row: dict[str, Any]) -> list[Corruption]:
    """Every single digit of a price or quantity that ended in the top ten by this message."""
    found: list[Corruption] = []
    for side, best in (("bids", reference.best_bids), ("asks", reference.best_asks)):
        for index, level in enumerate(rows_of(row[side])):
            if level in best[:10]:
                found += [
                    (side, index, field, at)
                    for field, token in enumerate(level)
                    for at, character in enumerate(token)
                    if character.isdigit()
                ]
    return found


def corrupted(row: dict[str, Any], what: Corruption, digit: str) -> bytes:
    side, index, field, at = what
    sides: dict[str, list[Row]] = {name: rows_of(row[name]) for name in ("bids", "asks")}
    level = list(sides[side][index])
    level[field] = level[field][:at] + digit + level[field][at + 1 :]
    sides[side][index] = (level[0], level[1])
    made = entry(row["symbol"], sides["bids"], sides["asks"], int(row["checksum"]))
    return book_frame("update", made)


@pytest.mark.untraced
@needs_data
def test_every_single_digit_corruption_in_a_sample_is_caught_at_that_very_frame() -> None:
    chance = random.Random(20_260_707)
    references = {symbol: Reference(symbol) for symbol in ("BTC/USD", "ETH/USD")}
    cases: list[tuple[bytes, dict[str, Any], Corruption]] = []
    for line in lines(BOOKS):
        for row in book_rows(line):
            reference = references[row["symbol"]]
            before = reference.again()
            replay(reference, line, row)
            if tokens(line)["type"] == "update":
                cases += [(before, row, what) for what in corruptions(reference, row)]
    assert len(cases) > 20_000
    reasons: Counter[Disbelief | None] = Counter()
    for before, row, what in chance.sample(cases, SAMPLE):
        side, index, field, at = what
        true = row[side][index]["price" if field == 0 else "qty"][at]
        digit = chance.choice([d for d in "0123456789" if d != true])
        desk = Desk((row["symbol"],)).open()
        desk.hear(before)
        assert desk.reason(row["symbol"]) is None
        desk.hear(corrupted(row, what, digit))
        reasons[desk.reason(row["symbol"])] += 1
    assert reasons[None] == 0, reasons
    assert set(reasons) <= {Disbelief.CHECKSUM, Disbelief.BAD_FRAME}
    assert reasons[Disbelief.CHECKSUM] > SAMPLE * 0.9


# docs.kraken.com: guide "book checksum v2" (V1), "book checksum v1" (V2), official SDK test (V6)
V1_ASKS = (
    "45285.2/0.00100000 45286.4/1.54571953 45286.6/1.54571109 45289.6/1.54560911 "
    "45290.2/0.15890660 45291.8/1.54553491 45294.7/0.04454749 45296.1/0.35380000 "
    "45297.5/0.09945542 45299.5/0.18772827"
)
V1_BIDS = (
    "45283.5/0.10000000 45283.4/1.54582015 45282.1/0.10000000 45281.0/0.10000000 "
    "45280.3/1.54592586 45279.0/0.07990000 45277.6/0.03310103 45277.5/0.30000000 "
    "45277.3/1.54602737 45276.6/0.15445238"
)
V2_ASKS = " ".join(f"0.0{price}/0.00000500" for price in range(5005, 5055, 5))
V2_BIDS = " ".join(
    f"0.0{price}/0.00000500"
    for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950)
)
VECTORS = {
    "V1": (V1_BIDS, V1_ASKS, 3310070434),
    "V2": (V2_BIDS, V2_ASKS, 974947235),
    "V6": ("50000.00/1.0", "50100.00/1.5", 1561210927),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_official_vectors_hold_and_a_neighbour_does_not(name: str) -> None:
    bids, asks, expected = VECTORS[name]
    for checksum, reason in ((expected, None), (expected + 1, Disbelief.CHECKSUM)):
        desk = Desk(("BTC/USD",)).open()
        made = entry("BTC/USD", levels_in(bids), levels_in(asks), checksum)
        desk.hear(book_frame("snapshot", made))
        assert desk.reason("BTC/USD") is reason
        assert desk.counts.padded == 0


def levels_in(text: str) -> list[Row]:
    pairs = (level.split("/") for level in text.split())
    return [(price, qty) for price, qty in pairs]


# The data's README speaks of 14 refusals; the file holds 16 lines with "success":false.
KINDS = {
    "Ack": 16,
    "Heartbeat": 2,
    "Instruments": 2,
    "Pong": 2,
    "Refusal": 16,
    "SystemStatus": 4,
    "Top": 4,
    "book snapshot": 2,
    "book update": 3,
    "ignored add_order": 2,
    "ignored amend_order": 4,
    "ignored balances": 6,
    "ignored batch_add": 2,
    "ignored batch_cancel": 2,
    "ignored cancel_all": 2,
    "ignored cancel_all_orders_after": 2,
    "ignored cancel_order": 4,
    "ignored edit_order": 2,
    "ignored executions": 12,
    "ignored level3": 4,
    "ignored ohlc": 2,
    "ignored trade": 4,
}


@needs_data
def test_every_recorded_message_is_a_value_or_a_named_ignored_kind_and_counts_agree() -> None:
    kinds: Counter[str] = Counter()
    failures = 0
    for line in lines(MESSAGES):
        message = parse(line)
        failed = tokens(line).get("success") is False
        failures += failed
        assert isinstance(message, Refusal) is failed
        if isinstance(message, Refusal):
            assert message.error.text == tokens(line)["error"]
        kinds[f"ignored {message.kind}" if isinstance(message, Ignored) else kind_of(message)] += 1
    assert sum(kinds.values()) == 99
    assert failures == 16
    assert dict(kinds) == KINDS


def kind_of(message: object) -> str:
    if isinstance(message, BookMessage):
        return f"book {message.type}"
    return type(message).__name__


@needs_data
def test_the_recorded_messages_do_no_harm_to_a_live_session() -> None:
    desk = Desk(("BTC/USD", "ETH/USD")).live()
    desk.hear(*(line for line in lines(MESSAGES) if not book_rows(line)))
    assert desk.session.live == 2
    assert desk.counts.bad_frames == 0


def test_a_word_the_venue_never_said_before_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(FrameError, match="unknown channel 'weather'"):
        parse(b'{"channel":"weather"}')
    with pytest.raises(FrameError, match="unknown method 'dance'"):
        parse(b'{"method":"dance","success":true}')
