"""Average prices and rates of a walk, against a recorder's own figures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arbit.domain.book import BookView
from arbit.domain.triangle import triangle_of
from arbit.sizing import average_price, gross_rates
from tests.unit.sizing_world import BOOKS, TRIANGLE, D, market, view


def test_the_average_price_walks_depth_and_knows_its_end() -> None:
    asks = BOOKS["BTC/USD"].asks

    assert average_price(asks, D(2)) == 100
    assert average_price(asks, D(4)) == D("100.5")
    assert average_price(asks, D("5.001")) is None
    assert average_price(asks, D(0)) is None
    assert average_price((), D(1)) is None


def test_gross_rates_spend_all_that_the_leg_before_brought() -> None:
    # 403 USD: 2 BTC at 100 leave 203 USD for the level at 101; 15 ETH at 0.10 leave the rest.
    rates = gross_rates(TRIANGLE, BOOKS, D(403))

    assert rates is not None
    bought = D(2) + D(203) / D(101)
    assert float(rates[0]) == pytest.approx(float(bought / 403), rel=1e-12)
    assert float(rates[1]) == pytest.approx(
        float((15 + (bought - D("1.5")) / D("0.11")) / bought), rel=1e-12
    )


def test_gross_rates_of_a_short_or_missing_book_do_not_exist() -> None:
    assert gross_rates(TRIANGLE, BOOKS, D(504)) is None
    assert gross_rates(TRIANGLE, BOOKS, D(0)) is None
    assert gross_rates(TRIANGLE, {}, D(1)) is None


def recording() -> Iterator[dict[str, Any]]:
    shared = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = shared / "binance" / "triangle-btc-eth-usdt-2025-08-31.ndjson"
    if not path.exists():
        pytest.skip(f"the Binance recording is not in {shared} (set SHARED_DATA)")
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)


def test_gross_rates_agree_with_the_recorders_own_on_every_row_it_reckoned() -> None:
    names = {"btcusdt": "BTC/USDT", "ethusdt": "ETH/USDT", "ethbtc": "ETH/BTC"}
    markets = {symbol: market(symbol) for symbol in names.values()}
    triangle = triangle_of(["BTC/USDT", "ETH/USDT", "ETH/BTC"], markets, start="BTC")
    books: dict[str, BookView] = {}
    compared = 0
    for row in recording():
        symbol = names[row["frame"]["stream"].split("@")[0]]
        data = row["frame"]["data"]
        books[symbol] = view(symbol, data["bids"], data["asks"])
        expected = row.get("expected")
        if expected is None or len(books) < 3:
            continue
        rates = gross_rates(triangle, books, D(str(expected["tradedNotional"])))
        assert rates is not None
        for rate, name in zip(rates, ("rate1", "rate2", "rate3"), strict=True):
            assert abs(float(rate) - expected[name]) < 1e-8
        edge = rates[0] * rates[1] * rates[2] - 1
        assert (edge > 0) == (expected["unrealisedPnl"] > 0)
        compared += 1
    assert compared == 598
