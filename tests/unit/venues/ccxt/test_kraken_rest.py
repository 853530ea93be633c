from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.domain.errors import FrameError
from arbit.domain.market import MarketStatus
from arbit.venues.ccxt.kraken_rest import (
    Listing,
    parse_asset_pairs,
    parse_depth,
    parse_listing,
    parse_system_status,
    parse_ticker,
)

BESIDE = Path(__file__).resolve().parents[4].parent / "shared" / "data"
RECORDING = Path(os.environ.get("SHARED_DATA", BESIDE)) / "kraken" / "asset_pairs-2021-04-17.json"


@pytest.fixture(scope="module")
def recorded() -> Listing:
    if not RECORDING.exists():
        pytest.skip(f"no recording: {RECORDING.name} is not under SHARED_DATA")
    return parse_listing(json.loads(RECORDING.read_text()))


def entry(**changes: Any) -> dict[str, Any]:
    listed: dict[str, Any] = {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "aclass_base": "currency",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "fees": [[0, 0.4], [10000, 0.35]],
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }
    return {k: v for k, v in (listed | changes).items() if v is not ...}


def body(**pairs: Any) -> dict[str, Any]:
    return {"error": [], "result": pairs}


def test_the_recording_lists_304_pairs_of_which_11_are_dark_pools(recorded: Listing) -> None:
    assert len(recorded.markets) + len(recorded.skipped) == 304
    assert len(recorded.skipped) == 11
    assert set(recorded.skipped.values()) == {"dark pool"}


def test_the_recording_spans_584_triangles_of_assets(recorded: Listing) -> None:
    joined: dict[str, set[str]] = {}
    for market in recorded.markets.values():
        joined.setdefault(market.base, set()).add(market.quote)
        joined.setdefault(market.quote, set()).add(market.base)
    corners = sum(
        len(joined[market.base] & joined[market.quote]) for market in recorded.markets.values()
    )
    assert corners == 3 * 584


def test_the_recording_uses_the_names_of_websocket_v2(recorded: Listing) -> None:
    names = {name for market in recorded.markets.values() for name in (market.base, market.quote)}
    assert {"BTC", "DOGE", "ETH", "USD"} <= names
    assert not {"XBT", "XDG", "XXBT", "ZUSD"} & names
    assert recorded.id_of["BTC/USD"] == "XXBTZUSD"
    assert recorded.symbol_of["XXBTZUSD"] == recorded.symbol_of["XBTUSD"] == "BTC/USD"


def test_what_the_old_recording_lacks_stays_missing_and_nothing_is_tradable(
    recorded: Listing,
) -> None:
    for market in recorded.markets.values():
        assert market.status is MarketStatus.UNKNOWN
        assert market.price_increment is None
        assert market.cost_min is None
        assert market.qty_min is not None
        assert market.taker_fee is not None
        assert market.why_not_tradable() is not None
    assert sum(market.qty_min is not None for market in recorded.markets.values()) == 293


def test_the_recorded_fee_is_the_first_rung_of_the_ladder_in_fractions(recorded: Listing) -> None:
    assert recorded.markets["BTC/USD"].taker_fee == Decimal("0.0026")


def test_a_complete_entry_is_a_tradable_market() -> None:
    market = parse_asset_pairs(body(XXBTZUSD=entry()))["BTC/USD"]
    assert market.why_not_tradable() is None
    assert (market.base, market.quote) == ("BTC", "USD")
    assert (market.price_decimals, market.qty_decimals) == (1, 8)
    assert market.price_increment == Decimal("0.1")
    assert market.qty_increment == Decimal("0.00000001")
    assert market.taker_fee == Decimal("0.004")


@pytest.mark.parametrize("word", [..., None, "hidden", ""])
def test_a_missing_or_new_status_is_unknown_and_not_tradable(word: Any) -> None:
    market = parse_asset_pairs(body(P=entry(status=word)))["BTC/USD"]
    assert market.status is MarketStatus.UNKNOWN
    assert market.why_not_tradable() is not None


@pytest.mark.parametrize(
    ("field", "attribute"),
    [
        ("tick_size", "price_increment"),
        ("lot_decimals", "qty_increment"),
        ("ordermin", "qty_min"),
        ("costmin", "cost_min"),
        ("fees", "taker_fee"),
        ("pair_decimals", "price_decimals"),
    ],
)
def test_a_missing_fact_is_none_and_never_a_default(field: str, attribute: str) -> None:
    market = parse_asset_pairs(body(P=entry(**{field: ...})))["BTC/USD"]
    assert getattr(market, attribute) is None


def test_a_lot_of_more_than_one_unit_is_not_guessed_at() -> None:
    assert parse_asset_pairs(body(P=entry(lot_multiplier=10)))["BTC/USD"].qty_increment is None


@pytest.mark.parametrize(
    "changes",
    [
        {"tick_size": "0"},
        {"tick_size": "-0.1"},
        {"tick_size": "NaN"},
        {"tick_size": "cheap"},
        {"tick_size": ["0.1"]},
        {"pair_decimals": -1},
        {"pair_decimals": "1"},
        {"pair_decimals": True},
        {"fees": [[0, 100]]},
        {"fees": [[0, -1]]},
        {"fees": [[0, None]]},
        {"fees": [[]]},
        {"fees": [[0, "1e999999"]]},
        {"wsname": ...},
        {"wsname": "XBTUSD"},
        {"wsname": "A/B/C"},
        {"aclass_base": "futures_contract"},
    ],
)
def test_an_entry_that_makes_no_sense_is_left_out_with_a_reason_and_hurts_no_other(
    changes: dict[str, Any],
) -> None:
    listing = parse_listing(body(BAD=entry(**changes), XETHZUSD=entry(wsname="ETH/USD")))
    assert set(listing.markets) == {"ETH/USD"}
    assert listing.skipped["BAD"]


def test_a_second_entry_of_the_same_symbol_is_left_out() -> None:
    listing = parse_listing(body(ONE=entry(), TWO=entry()))
    assert listing.id_of == {"BTC/USD": "ONE"}
    assert listing.skipped == {"TWO": "BTC/USD is listed already"}


@pytest.mark.parametrize("wrong", [{}, {"result": None}, {"result": []}, [], None, "text", 7])
def test_a_body_that_is_no_answer_is_a_domain_error(wrong: Any) -> None:
    for parse in (
        parse_listing,
        lambda b: parse_ticker(b, Listing({})),
        lambda b: parse_depth(b, "BTC/USD"),
    ):
        with pytest.raises(FrameError):
            parse(wrong)


def test_tops_keep_their_digits_and_one_sided_or_unlisted_markets_are_absent() -> None:
    listing = parse_listing(
        body(XXBTZUSD=entry(), XETHZUSD=entry(wsname="ETH/USD"), E=entry(wsname="EUR/USD"))
    )
    ticker = body(
        XXBTZUSD={"a": ["63501.60000", "1", "1.000"], "b": ["63501.50000", "2", "2.000"]},
        XETHZUSD={"a": ["0.00000", "0", "0.000"], "b": ["1.5", "2", "2.000"]},
        E={"a": None, "b": "nonsense"},
        NOBODY={"a": ["1", "1", "1"], "b": ["1", "1", "1"]},
    )
    tops, qtys = parse_ticker(ticker, listing)
    assert tops == {"BTC/USD": (Decimal("63501.5"), Decimal("63501.6"))}
    assert [str(qty) for qty in qtys["BTC/USD"]] == ["2.000", "1.000"]


@pytest.mark.parametrize(
    "row", [["1.5"], ["1.5", "1"], ["1.5", "1", "x"], ["1.5", "1", "-1"], ["1.5", "1", "1e5000"]]
)
def test_a_top_whose_quantity_makes_no_sense_is_absent(row: list[str]) -> None:
    ticker = body(P={"a": ["1.6", "1", "1.000"], "b": row})
    assert parse_ticker(ticker, parse_listing(body(P=entry()))) == ({}, {})


@pytest.mark.parametrize(("word", "online"), [("online", True), ("post_only", False), ("", False)])
def test_only_online_is_online(word: str, online: bool) -> None:
    assert parse_system_status(body(status=word)) is online
    with pytest.raises(FrameError):
        parse_system_status(body(timestamp="now"))


def test_a_depth_keeps_its_digits_and_levels_too_small_for_them() -> None:
    depth = body(
        XXBTZUSD={
            "asks": [["63501.6", "1.250", 1], ["63502.0", "0.000", 1]],
            "bids": [["63501.5", "0.001", 1]],
        }
    )
    bids, asks = parse_depth(depth, "BTC/USD")
    assert [(str(level.price), str(level.qty)) for level in asks] == [
        ("63501.6", "1.250"),
        ("63502.0", "0.000"),
    ]
    assert [str(level.qty) for level in bids] == ["0.001"]


@pytest.mark.parametrize(
    "pairs",
    [
        {},
        {"A": {"asks": [], "bids": []}, "B": {"asks": [], "bids": []}},
        {"A": []},
        {"A": {"asks": [["x", "1"]], "bids": []}},
        {"A": {"asks": [["1"]], "bids": []}},
        {"A": {"asks": [["1", "1e5000"]], "bids": []}},
        {"A": {"asks": [["1", "1e30"]], "bids": []}},
        {"A": {"asks": [["1e-30", "1"]], "bids": []}},
        {"A": {"asks": [["1", "-1"]], "bids": []}},
        {"A": {"asks": None, "bids": []}},
    ],
)
def test_a_depth_that_is_no_book_is_a_domain_error(pairs: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        parse_depth(body(**pairs), "BTC/USD")
