from __future__ import annotations

from typing import Any

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.errors import FrameError
from arbit.tape.binance import book_of, symbol_of


def frame(bids: Any = (), asks: Any = (), stream: str = "ethbtc@depth5@100ms") -> dict[str, Any]:
    return {"stream": stream, "data": {"bids": bids, "asks": asks}}


@pytest.mark.parametrize(
    ("stream", "symbol"),
    [
        ("ethbtc@depth5@100ms", "ETH/BTC"),
        ("btcusdt@depth5", "BTC/USDT"),
        ("usdcusdt@depth20", "USDC/USDT"),
        ("btcfdusd", "BTC/FDUSD"),
        ("bnbeth@depth", "BNB/ETH"),
    ],
)
def test_a_stream_names_its_market(stream: str, symbol: str) -> None:
    assert symbol_of(stream) == symbol


@pytest.mark.parametrize("stream", ["", "@depth5", "usdt@depth", "wat@depth", "btcusd@depth"])
def test_a_stream_that_names_none_is_a_domain_error(stream: str) -> None:
    with pytest.raises(FrameError, match="names no market"):
        symbol_of(stream)


def test_the_precision_is_that_of_the_digits() -> None:
    book = book_of(frame([["0.04100000", "59.1"]], [["0.0411", "7.64360000"]]))

    assert (book.symbol, book.price_decimals, book.qty_decimals) == ("ETH/BTC", 8, 8)
    assert (book.bids.best(), book.asks.best()) == (4_100_000, 4_110_000)


def test_an_empty_side_is_a_book_nobody_believes_and_no_crash() -> None:
    assert book_of(frame([], [["1.0", "2"]])).flaw() is Disbelief.ONE_SIDED
    assert book_of(frame()).flaw() is Disbelief.ONE_SIDED


@pytest.mark.parametrize(
    "rows",
    [
        [["0.0", "1"]],
        [["-1", "1"]],
        [["1e5", "1"]],
        [["NaN", "1"]],
        [["1", "Infinity"]],
        [["", "1"]],
        [["1"]],
        [["1", "2", "3"]],
        ["ab"],
        [None],
        None,
        7,
        [["1" * 31, "1"]],
        [["0." + "0" * 400 + "1", "1"]],
    ],
)
def test_a_level_that_makes_no_sense_is_a_domain_error(rows: Any) -> None:
    with pytest.raises(FrameError):
        book_of(frame(rows, [["1.0", "1"]]))
    with pytest.raises(FrameError):
        book_of(frame([["1.0", "1"]], rows))


@pytest.mark.parametrize("fields", [{}, {"stream": "ethbtc"}, {"stream": "ethbtc", "data": []}])
def test_a_frame_without_depth_is_a_domain_error(fields: dict[str, Any]) -> None:
    with pytest.raises(FrameError, match="not a partial-depth frame"):
        book_of(fields)
