from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.errors import FrameError
from arbit.domain.market import MarketStatus
from arbit.venues.ccxt.unified import (
    DECIMAL_PLACES,
    SIGNIFICANT_DIGITS,
    TICK_SIZE,
    parse_book,
    parse_markets,
    parse_status,
    parse_tops,
)


def listed(**changes: Any) -> dict[str, Any]:
    return {
        "spot": True,
        "active": True,
        "base": "BTC",
        "quote": "USDT",
        "taker": 0.001,
        "precision": {"price": 0.01, "amount": 0.00001},
        "limits": {"amount": {"min": 0.00001}, "cost": {"min": 5.0}},
    } | changes


def test_tick_sizes_become_exact_increments_and_their_decimals() -> None:
    market = parse_markets({"BTC/USDT": listed()}, TICK_SIZE)["BTC/USDT"]
    assert (market.price_increment, market.qty_increment) == (Decimal("0.01"), Decimal("0.00001"))
    assert (market.price_decimals, market.qty_decimals) == (2, 5)
    assert (market.qty_min, market.cost_min) == (Decimal("0.00001"), Decimal(5))
    assert market.taker_fee == Decimal("0.001")
    assert market.why_not_tradable() is None


def test_decimal_places_become_powers_of_ten() -> None:
    entry = listed(precision={"price": 2, "amount": 8})
    market = parse_markets({"X/Y": entry}, DECIMAL_PLACES)["X/Y"]
    assert (market.price_increment, market.qty_increment) == (Decimal("0.01"), Decimal("1e-8"))


def test_significant_digits_are_no_increment() -> None:
    entry = listed(precision={"price": 5, "amount": 5})
    market = parse_markets({"X/Y": entry}, SIGNIFICANT_DIGITS)["X/Y"]
    assert market.price_increment is None
    assert market.why_not_tradable() is not None


@pytest.mark.parametrize(
    ("active", "status"),
    [
        (True, MarketStatus.ONLINE),
        (False, MarketStatus.MAINTENANCE),
        (None, MarketStatus.UNKNOWN),
        ("yes", MarketStatus.UNKNOWN),
        (1, MarketStatus.UNKNOWN),
    ],
)
def test_only_a_market_said_to_be_active_is_online(active: Any, status: MarketStatus) -> None:
    assert parse_markets({"X/Y": listed(active=active)}, TICK_SIZE)["X/Y"].status is status


def test_what_is_missing_or_senseless_is_none() -> None:
    entry = listed(precision={"price": None, "amount": -1}, limits={"amount": None}, taker=None)
    market = parse_markets({"X/Y": entry}, TICK_SIZE)["X/Y"]
    assert (market.price_increment, market.qty_increment) == (None, None)
    assert (market.qty_min, market.cost_min, market.taker_fee) == (None, None, None)


def test_derivatives_and_nameless_markets_are_left_out() -> None:
    markets = {
        "BTC/USDT:USDT": listed(),
        "SWAP": listed(spot=False),
        "NOBODY": listed(base=None),
        "TEXT": "nonsense",
        "BTC/USDT": listed(),
    }
    assert set(parse_markets(markets, TICK_SIZE)) == {"BTC/USDT"}


def test_tops_without_two_sides_are_absent() -> None:
    tickers = {
        "A": {"bid": 1.1, "ask": 1.2, "bidVolume": 3.5, "askVolume": 0.5},
        "F": {"bid": 1.1, "ask": 1.2, "bidVolume": None},
        "G": {"bid": 1.1, "ask": 1e40},
        "B": {"bid": None, "ask": 1.2},
        "C": {"bid": 0, "ask": 1.2},
        "D": None,
        "E": {"bid": float("nan"), "ask": 1.2},
    }
    tops, qtys = parse_tops(tickers)
    assert tops == dict.fromkeys(("A", "F"), (Decimal("1.1"), Decimal("1.2")))
    assert qtys == {"A": (Decimal("3.5"), Decimal("0.5"))}


def test_a_status_is_online_only_in_ccxts_own_word() -> None:
    assert parse_status({"status": "ok"}) is True
    assert parse_status({"status": "maintenance"}) is False
    assert parse_status({"status": None}) is None
    with pytest.raises(FrameError):
        parse_status("ok")


def test_a_book_is_sorted_by_us_and_keeps_the_shortest_digits() -> None:
    bids, asks = parse_book(
        {"bids": [[0.1, 1.0], [0.3, 2.0]], "asks": [[10.5, 1e-8], [9.5, 3, 17]]}, "X/Y"
    )
    assert [str(level.price) for level in bids] == ["0.3", "0.1"]
    assert [str(level.price) for level in asks] == ["9.5", "10.5"]
    assert asks[1].qty == Decimal("0.00000001")


@pytest.mark.parametrize(
    "book",
    [
        None,
        {},
        {"bids": None, "asks": []},
        {"bids": [[None, 1]], "asks": []},
        {"bids": [[1, -1]], "asks": []},
        {"bids": [[1, 1e300]], "asks": []},
        {"bids": [[-1, 1]], "asks": []},
        {"bids": [[float("inf"), 1]], "asks": []},
        {"bids": [[True, 1]], "asks": []},
        {"bids": [["cheap", 1]], "asks": []},
    ],
)
def test_what_is_no_book_is_a_domain_error(book: Any) -> None:
    with pytest.raises(FrameError):
        parse_book(book, "X/Y")
