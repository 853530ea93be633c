from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from arbit.domain.errors import FrameError
from arbit.domain.market import Market
from arbit.venues.ccxt.kraken_books import ChecksumMismatch, KrakenBooks, units

PAIR = "BTC/USD"
MARKETS = {PAIR: Market(PAIR, "BTC", "USD", price_decimals=1, qty_decimals=8)}
# The official L2 vector (docs.kraken.com, book checksum v2), as floats: what ccxt leaves of it.
ASKS = [
    (45285.2, 0.001),
    (45286.4, 1.54571953),
    (45286.6, 1.54571109),
    (45289.6, 1.54560911),
    (45290.2, 0.1589066),
    (45291.8, 1.54553491),
    (45294.7, 0.04454749),
    (45296.1, 0.3538),
    (45297.5, 0.09945542),
    (45299.5, 0.18772827),
]
BIDS = [
    (45283.5, 0.1),
    (45283.4, 1.54582015),
    (45282.1, 0.1),
    (45281.0, 0.1),
    (45280.3, 1.54592586),
    (45279.0, 0.0799),
    (45277.6, 0.03310103),
    (45277.5, 0.3),
    (45277.3, 1.54602737),
    (45276.6, 0.15445238),
]
OFFICIAL = 3310070434
BESIDE = Path(__file__).resolve().parents[4].parent / "shared" / "data"
RECORDING = (
    Path(os.environ.get("SHARED_DATA", BESIDE))
    / "kraken"
    / "book-btcusd-ethusd-d10-2026-07-07.ndjson"
)


def rows(levels: list[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"price": price, "qty": qty} for price, qty in levels]


def message(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": PAIR,
        "asks": rows(ASKS),
        "bids": rows(BIDS),
        "checksum": OFFICIAL,
    } | changes


def books() -> KrakenBooks:
    return KrakenBooks(MARKETS, 10)


def test_the_official_vector_holds_although_the_digits_went_through_floats() -> None:
    book = books().apply("snapshot", message())
    assert book is not None
    assert (book.bids.best(), book.asks.best()) == (452835, 452852)


def test_a_thin_book_is_checked_over_the_levels_there_are() -> None:
    thin = {
        "symbol": PAIR,
        "asks": [{"price": 50100.0, "qty": 1.5}],
        "bids": [{"price": 50000.0, "qty": 1.0}],
        "checksum": crc32(b"501000" + b"150000000" + b"500000" + b"100000000"),
    }
    assert books().apply("snapshot", thin) is not None


@pytest.mark.parametrize("side", ["asks", "bids"])
@pytest.mark.parametrize("place", range(10))
@pytest.mark.parametrize("field", ["price", "qty"])
def test_any_altered_level_of_the_top_ten_is_a_mismatch(side: str, place: int, field: str) -> None:
    altered = message()
    altered[side][place][field] += 0.1
    with pytest.raises(ChecksumMismatch) as caught:
        books().apply("snapshot", altered)
    assert caught.value.symbol == PAIR


def test_after_a_mismatch_deltas_mean_nothing_until_a_snapshot() -> None:
    held = books()
    held.apply("snapshot", message())
    with pytest.raises(ChecksumMismatch):
        held.apply("update", message(asks=[], bids=[{"price": 45283.5, "qty": 2.0}]))
    assert held.apply("update", message(asks=[], bids=[])) is None
    assert held.apply("snapshot", message()) is not None


@pytest.mark.parametrize("place", ["price", "checksum"])
def test_a_thousand_levels_are_a_frame_error_and_its_symbol_is_named(place: str) -> None:
    """Any other error would leave the symbol believed, with a book that no update reaches."""
    deep: Any = 1
    for _ in range(1_100):
        deep = [deep]
    held = books()
    held.apply("snapshot", message())
    bent = {"price": {"bids": [{"price": deep, "qty": 1.0}]}, "checksum": {"checksum": deep}}
    said = message(**bent[place])
    with pytest.raises(FrameError) as caught:
        held.apply("update", said)
    assert caught.value.symbol == PAIR


def test_a_delta_before_any_snapshot_is_ignored() -> None:
    assert books().apply("update", message()) is None


FIRST, SECOND = (45283.5, 0.1), (45283.5, 2.0)


def thin(kind: str, bid: tuple[float, float]) -> tuple[str, dict[str, Any]]:
    """A message of a book that has one bid, and only ever changes its quantity."""
    digits = f"{bid[0]:.1f}".replace(".", "") + f"{bid[1]:.8f}".replace(".", "").lstrip("0")
    item = {"symbol": PAIR, "asks": [], "bids": rows([bid]), "checksum": crc32(digits.encode())}
    return kind, item


def test_a_snapshot_that_an_update_has_overtaken_is_late_although_its_checksum_is_true() -> None:
    held = books()
    held.apply(*thin("snapshot", FIRST))
    assert held.apply(*thin("update", SECOND)) is not None
    with pytest.raises(ChecksumMismatch, match="contradicts") as caught:
        held.apply(*thin("snapshot", FIRST))
    assert caught.value.symbol == PAIR
    assert not held.holds(PAIR)


def test_updates_ahead_of_an_accepted_subscriptions_snapshot_tell_that_it_is_late() -> None:
    held = books()
    held.asked(PAIR)
    held.accepted(PAIR)
    assert held.apply(*thin("update", SECOND)) is None
    with pytest.raises(ChecksumMismatch):
        held.apply(*thin("snapshot", FIRST))


def test_a_snapshot_that_agrees_with_the_updates_before_it_is_taken() -> None:
    held = books()
    held.asked(PAIR)
    held.accepted(PAIR)
    held.apply(*thin("update", SECOND))
    assert held.apply(*thin("snapshot", SECOND)) is not None
    assert held.apply(*thin("snapshot", SECOND)) is not None


@pytest.mark.parametrize("consent_is_heard", [True, False])
def test_updates_of_the_former_subscription_say_nothing_against_the_next_snapshot(
    *, consent_is_heard: bool
) -> None:
    held = books()
    held.apply(*thin("snapshot", FIRST))
    held.forget(PAIR)
    held.asked(PAIR)
    assert held.apply(*thin("update", SECOND)) is None
    if consent_is_heard:
        held.accepted(PAIR)
    assert held.apply(*thin("snapshot", FIRST)) is not None


def test_a_snapshot_of_a_book_that_was_given_up_is_ignored_until_it_is_asked_for_again() -> None:
    held = books()
    held.forget(PAIR)
    assert held.apply(*thin("snapshot", FIRST)) is None
    held.asked(PAIR)
    assert held.apply(*thin("snapshot", FIRST)) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": None},
        {"symbol": "NO/SUCH"},
        {"symbol": 7},
        {"bids": None},
        {"bids": {}},
        {"bids": [None]},
        {"bids": [{"price": 1.0}]},
        {"bids": [{"price": None, "qty": 1.0}]},
        {"bids": [{"price": "45283.5", "qty": 1.0}]},
        {"bids": [{"price": float("nan"), "qty": 1.0}]},
        {"bids": [{"price": float("inf"), "qty": 1.0}]},
        {"bids": [{"price": 10**400, "qty": 1.0}]},
        {"bids": [{"price": 0.0, "qty": 1.0}]},
        {"bids": [{"price": -1.0, "qty": 1.0}]},
        {"bids": [{"price": 1.0, "qty": -1.0}]},
        {"bids": [{"price": 1.0, "qty": True}]},
        {"bids": [{"price": 1.05, "qty": 1.0}]},
        {"bids": [{"price": 1e15, "qty": 1.0}]},
        {"bids": [{"price": 1.0, "qty": 90071992.54740993}]},
        {"checksum": None},
        {"checksum": "3310070434"},
    ],
)
def test_what_cannot_be_a_book_is_a_domain_error(changes: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        books().apply("snapshot", message(**changes))


def test_a_message_of_another_type_is_a_domain_error() -> None:
    with pytest.raises(FrameError):
        books().apply("replace", message())


def test_a_market_without_stated_decimals_cannot_be_verified() -> None:
    nameless = KrakenBooks({PAIR: Market(PAIR, "BTC", "USD")}, 10)
    with pytest.raises(FrameError, match="decimals"):
        nameless.apply("snapshot", message())


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (255965.95133811, 8, 25596595133811),
        (57243433.97814443, 8, 5724343397814443),
        (90071992.54740991, 8, 9007199254740991),
        (0.00000012, 8, 12),
        (45285.2, 1, 452852),
        (0.05, 5, 5000),
        (3, 0, 3),
        (1e-10, 10, 1),
    ],
)
def test_a_float_gives_back_its_digits(value: float, decimals: int, expected: int) -> None:
    assert units(value, decimals) == expected


def test_every_recorded_checksum_holds_although_the_digits_went_through_floats() -> None:
    if not RECORDING.exists():
        pytest.skip(f"no recording: {RECORDING.name} is not under SHARED_DATA")
    lines = RECORDING.read_text().splitlines()
    digits: dict[str, tuple[int, int]] = {}
    for line in lines:  # precision comes from the wire's digits: the recording has no instruments
        exact = json.loads(line, parse_float=Decimal)
        if exact.get("channel") == "book" and exact["type"] == "snapshot":
            (item,) = exact["data"]
            level = item["asks"][0]
            digits[item["symbol"]] = (_decimals(level["price"]), _decimals(level["qty"]))
    markets = {
        s: Market(s, "", "", price_decimals=p, qty_decimals=q) for s, (p, q) in digits.items()
    }
    held, verified = KrakenBooks(markets, 10), 0
    for line in lines:
        frame = json.loads(line)
        if frame.get("channel") == "book":
            verified += sum(held.apply(frame["type"], item) is not None for item in frame["data"])
    assert verified == 2962


def _decimals(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent
