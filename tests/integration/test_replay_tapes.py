"""Recordings through the same books, scanner and funnel as a live market."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from arbit.app.measure.replay import ReplayOptions, replay
from arbit.config import Override, load_settings
from arbit.domain.errors import UserError
from arbit.domain.events import Event
from tests.integration.kraken_tape import gap, instruments, quiet, snapshot, write
from tests.integration.replaying import replayed, whole

DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
KRAKEN = DATA / "kraken" / "book-btcusd-ethusd-d10-2026-07-07.ndjson"
MESSAGES = DATA / "kraken" / "v2_messages.ndjson"
BINANCE = DATA / "binance" / "triangle-btc-eth-usdt-2025-08-31.ndjson"
recorded = pytest.mark.skipif(not BINANCE.exists(), reason=f"no recorded data at {DATA}")

D = Decimal


def test_a_wrapped_kraken_recording_goes_through_the_whole_funnel(tmp_path: Path) -> None:
    tape = write(
        tmp_path / "tape.ndjson",
        *((0.0, line) for line in quiet()),
        (1.0, gap()),
        (1.5, gap()),
        (2.0, quiet()[2]),
    )
    report = whole(tape)

    assert report.subject.counts.verified == 6
    assert report.funnel == dict.fromkeys(report.funnel, 1)
    assert report.seconds == 2.0
    assert report.triangles[0].lifetime_ms == {"p50": 1_000.0, "p90": 1_000.0}
    assert report.paper is not None
    assert report.paper["pnl"] == {"USD": "50"}


def test_stated_minima_are_obeyed_and_only_recorded_markets_watched(tmp_path: Path) -> None:
    names = ("BTC/USD", "ETH/BTC", "ETH/USD", "XRP/USD", "XRP/BTC", "DOGE/USD")
    tape = write(
        tmp_path / "tape.ndjson",
        (0.0, instruments(*names)),
        *((0.1, line) for line in quiet()),
        (1.0, snapshot("ETH/USD", [("10.5", "0.00009")], [("10.6", "500")])),
    )
    report = whole(tape)

    assert report.subject.symbols == 3
    assert len(report.triangles) == 2
    assert report.funnel["net"] == 1
    assert report.funnel["fits"] == 0
    assert set(report.unfit) == {"below_qty_min"}
    assert not any("increments of" in line for line in report.subject.assumptions)


def test_a_market_that_goes_off_line_in_the_recording_is_not_believed_from_then_on(
    tmp_path: Path,
) -> None:
    names = ("BTC/USD", "ETH/BTC", "ETH/USD")
    tape = write(
        tmp_path / "tape.ndjson",
        (0.0, instruments(*names)),
        *((0.1, line) for line in quiet()),
        (1.0, instruments("BTC/USD", status="maintenance")),
        (1.1, gap()),
        (1.2, instruments("BTC/USD")),
        (1.3, quiet()[2]),
    )
    report = whole(tape)

    assert (report.funnel["raw"], report.funnel["gross"]) == (1, 1)  # gross once it was back
    assert report.refused["market_status"] >= 1


def test_a_failed_checksum_is_waited_out_however_long_the_next_snapshot_takes(
    tmp_path: Path,
) -> None:
    broken = [snapshot("BTC/USD", [("99.9", "50")], [("100", "50")], checksum=n) for n in range(9)]
    tape = write(
        tmp_path / "tape.ndjson",
        *((0.0, line) for line in quiet()),
        *((1.0 + n / 10, line) for n, line in enumerate(broken)),
        (700.0, quiet()[0]),
        *((700.1, line) for line in quiet()[1:]),
        (700.2, gap()),
    )
    report = whole(tape)
    counts = report.subject.counts

    assert (counts.failed, counts.verified) == (9, 7)
    assert counts.resyncs == 1  # the one that brought the book back
    assert report.funnel["net"] == 1


def test_a_recorded_refusal_does_not_lock_its_symbol_out(tmp_path: Path) -> None:
    refusal = (
        '{"method":"subscribe","success":false,"error":"EGeneral:Temporary","symbol":"BTC/USD"}'
    )
    tape = write(
        tmp_path / "tape.ndjson",
        (0.0, refusal),
        *((0.1, line) for line in quiet()),
    )
    report = whole(tape)

    assert report.subject.counts.verified == 3
    assert report.subject.counts.refusals == 1
    assert report.evaluations > 0


def test_a_gap_of_hours_ages_the_books_and_costs_no_time(tmp_path: Path) -> None:
    tape = write(
        tmp_path / "tape.ndjson",
        *((0.0, line) for line in quiet()),
        (1.0, gap()),
        (1.0 + 200 * 3_600, quiet()[2]),
        (1.1 + 200 * 3_600, gap()),
    )
    report = whole(tape)

    assert report.seconds == pytest.approx(1.1 + 200 * 3_600)
    # The books of the day before are three seconds old once, and stale ever after.
    assert report.triangles[0].lifetime_ms["p90"] == pytest.approx(2_000.0)
    assert report.refused["stale"] >= 1
    assert report.funnel["gross"] == 1


def test_lines_out_of_order_are_taken_in_file_order_at_the_latest_time(tmp_path: Path) -> None:
    tape = write(
        tmp_path / "tape.ndjson",
        *((5.0, line) for line in quiet()),
        (1.0, gap()),
        (6.0, quiet()[2]),
    )
    report = whole(tape)

    assert report.seconds == 1.0
    assert report.triangles[0].lifetime_ms["p50"] == 1_000.0


def test_what_is_under_way_when_the_recording_ends_is_unfinished_and_not_made_up(
    tmp_path: Path,
) -> None:
    tape = write(tmp_path / "tape.ndjson", *((0.0, line) for line in quiet()), (1.0, gap()))
    report = whole(tape)

    assert report.seconds == 1.0
    assert report.paper is not None
    assert (report.funnel["fits"], report.funnel["survives"]) == (1, 0)
    assert report.paper["ends"]["unfinished"] == report.paper["cycles"] == 1
    assert report.paper["pnl"] == {}


def test_frames_that_are_no_kraken_messages_are_counted_and_named(tmp_path: Path) -> None:
    tape = write(
        tmp_path / "tape.ndjson",
        (0.0, quiet()[0]),
        (0.1, '{"channel":"mystery"}'),
        (0.2, '{"channel":"book","type":"snapshot","data":[{"symbol":5}]}'),
        *((0.3, line) for line in quiet()),
    )
    report = whole(tape)

    assert report.as_dict()["books"]["bad_frames"] == 2
    assert any("line 2 (and 1 more)" in line for line in report.subject.assumptions)
    assert report.evaluations > 0


@pytest.mark.parametrize("keep", [0.35, 0.62, 0.99])
def test_what_was_read_before_a_truncated_line_is_reported(tmp_path: Path, keep: float) -> None:
    tape = write(
        tmp_path / "tape.ndjson",
        *((n / 10, line) for n, line in enumerate([*quiet(), gap(), *quiet()])),
    )
    text = tape.read_text(encoding="utf-8")
    tape.write_text(text[: int(len(text) * keep)], encoding="utf-8")
    report, error = replayed(tape)

    assert error is not None
    assert error.line_number == text[: int(len(text) * keep)].count("\n") + 1
    assert report.subject.counts.frames == error.line_number - 1
    assert report.as_dict()["seconds"] == pytest.approx((error.line_number - 2) / 10)


def test_a_recording_that_breaks_before_any_book_is_reported_as_nothing(tmp_path: Path) -> None:
    tape = tmp_path / "tape.ndjson"
    tape.write_text('{"channel":"heartbeat"}\nnonsense\n', encoding="utf-8")
    report, error = replayed(tape)

    assert error is not None
    assert error.line_number == 2
    assert report.verdict.startswith("No triangle among the 0 markets")
    json.dumps(report.as_dict(), allow_nan=False)


def test_a_binance_line_that_shows_no_depth_is_named(tmp_path: Path) -> None:
    tape = tmp_path / "tape.ndjson"
    good = '{"frame":{"stream":"ethbtc@d","data":{"bids":[["0.1","1"]],"asks":[]}},"received_ns":1}'
    bad = '{"frame":{"stream":"ethbtc@d","data":{"bids":[["0.0","1"]],"asks":[]}},"received_ns":2}'
    tape.write_text(f"{good}\n{bad}\n", encoding="utf-8")
    report, error = replayed(tape)

    assert "line 2: not a Binance partial-depth frame" in str(error)
    assert report.subject.counts.frames == 2


def test_a_symbol_that_the_recording_lacks_is_the_user_s_mistake(tmp_path: Path) -> None:
    tape = write(tmp_path / "tape.ndjson", *((0.0, line) for line in quiet()))
    with pytest.raises(UserError, match="'DOGE/USD'"):
        replayed(tape, ARBIT_VENUES__KRAKEN__SYMBOLS="DOGE/USD")


def test_events_of_a_replay_are_published(tmp_path: Path) -> None:
    tape = write(
        tmp_path / "tape.ndjson",
        *((0.0, line) for line in quiet()),
        (1.0, gap()),
        (2.0, quiet()[2]),
    )
    heard: list[Event] = []
    settings = load_settings(None, {}, [Override("x", "ARBIT_VENUES__KRAKEN__TAKER_FEE_BPS", "0")])
    replay(settings, ReplayOptions(tape, simulate=True, publish=heard.append))

    assert [type(event).__name__ for event in heard] == ["PaperCycleEnded", "EpisodeEnded"]
