from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from arbit.app.measure.survey import survey_of
from arbit.domain.market import MarketStatus
from arbit.tape.reader import Format


def recording(folder: Path, *frames: dict[str, Any]) -> Path:
    path = folder / "tape.ndjson"
    lines = [
        json.dumps({"frame": frame, "received_ns": n * 1_000_000_000})
        for n, frame in enumerate(frames, 1)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def snapshot(symbol: str, levels: int = 1) -> dict[str, Any]:
    rows = [{"price": 100.5 - n, "qty": 1.25} for n in range(levels)]
    data = {"symbol": symbol, "bids": rows, "asks": [], "checksum": 1, "timestamp": ""}
    return {"channel": "book", "type": "snapshot", "data": [data]}


def instruments(*symbols: str, status: str = "online") -> dict[str, Any]:
    pairs = [
        {
            "symbol": symbol,
            "base": symbol.split("/")[0],
            "quote": symbol.split("/")[1],
            "status": status,
            "price_precision": 1,
            "qty_precision": 8,
            "price_increment": 0.1,
            "qty_increment": 1e-8,
            "qty_min": 0.00005,
            "cost_min": 0.5,
        }
        for symbol in symbols
    ]
    return {"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": pairs}}


def test_only_markets_whose_books_were_recorded_are_watched(tmp_path: Path) -> None:
    names = ("BTC/USD", "ETH/BTC", "ETH/USD", "DOGE/USD")
    survey = survey_of(recording(tmp_path, instruments(*names), snapshot("BTC/USD")), Format.KRAKEN)

    assert set(survey.markets) == survey.stated == {"BTC/USD"}


def test_what_the_recording_states_comes_before_what_its_digits_suggest(tmp_path: Path) -> None:
    tape = recording(tmp_path, snapshot("BTC/USD"), instruments("BTC/USD"), snapshot("BTC/USD"))
    (market,) = survey_of(tape, Format.KRAKEN).markets.values()

    assert (market.price_increment, market.qty_min) == (Decimal("0.1"), Decimal("0.00005"))
    assert market.cost_min == Decimal("0.5")


def test_a_later_change_of_status_is_left_to_its_own_time(tmp_path: Path) -> None:
    tape = recording(
        tmp_path,
        instruments("BTC/USD"),
        snapshot("BTC/USD"),
        instruments("BTC/USD", status="maintenance"),
    )
    (market,) = survey_of(tape, Format.KRAKEN).markets.values()

    assert market.status is MarketStatus.ONLINE


def test_without_instruments_the_digits_of_the_wire_are_the_increments(tmp_path: Path) -> None:
    survey = survey_of(recording(tmp_path, snapshot("BTC/USD")), Format.KRAKEN)
    (market,) = survey.markets.values()

    assert survey.stated == set()
    assert (market.price_increment, market.qty_increment) == (Decimal("0.1"), Decimal("0.01"))
    assert market.qty_min == market.cost_min == 0
    assert market.taker_fee is None


def test_the_depth_is_the_offered_one_that_holds_the_longest_snapshot(tmp_path: Path) -> None:
    assert survey_of(recording(tmp_path, snapshot("A/B", 7)), Format.KRAKEN).depth == 10
    assert survey_of(recording(tmp_path, snapshot("A/B", 11)), Format.KRAKEN).depth == 25


def test_the_depth_that_the_venue_acknowledged_counts_even_for_thin_books(tmp_path: Path) -> None:
    ack = {
        "method": "subscribe",
        "success": True,
        "result": {"channel": "book", "symbol": "A/B", "depth": 100},
    }
    assert survey_of(recording(tmp_path, ack, snapshot("A/B", 3)), Format.KRAKEN).depth == 100


def test_an_error_ends_the_look_and_is_kept_for_the_replay(tmp_path: Path) -> None:
    tape = recording(tmp_path, snapshot("A/B"))
    with tape.open("a", encoding="utf-8") as file:
        file.write("oops\n" + json.dumps({"frame": snapshot("C/D")}) + "\n")
    survey = survey_of(tape, Format.KRAKEN)

    assert set(survey.markets) == {"A/B"}
    assert survey.error is not None
    assert survey.error.line_number == 2
