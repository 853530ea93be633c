"""Recordings through the same books, scanner and funnel as a live market."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.app.replay import ReplayOptions, replay
from arbit.books import BookCache
from arbit.config import Override, load_settings
from arbit.domain.book import BookView, Source
from arbit.domain.errors import RecordingError, UserError
from arbit.domain.events import Event
from arbit.domain.triangle import Triangle, triangle_of
from arbit.fitness.report import Report
from arbit.scanner import Freshness, Scanner
from arbit.sizing import gross_rates
from arbit.tape.binance import book_of
from arbit.tape.reader import frames
from tests.integration.kraken_tape import gap, instruments, quiet, snapshot, write
from tests.unit.fitness.scene import markets_of

DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
KRAKEN = DATA / "kraken" / "book-btcusd-ethusd-d10-2026-07-07.ndjson"
MESSAGES = DATA / "kraken" / "v2_messages.ndjson"
BINANCE = DATA / "binance" / "triangle-btc-eth-usdt-2025-08-31.ndjson"
recorded = pytest.mark.skipif(not BINANCE.exists(), reason=f"no recorded data at {DATA}")

D = Decimal


def replayed(
    path: Path, *, fee_bps: str | None = "0", simulate: bool = True, **more: str
) -> tuple[Report, RecordingError | None]:
    said = dict(more)
    if fee_bps is not None:
        for venue in ("KRAKEN", "BINANCE"):
            said[f"ARBIT_VENUES__{venue}__TAKER_FEE_BPS"] = fee_bps
    overrides = [Override(key, key, text) for key, text in said.items()]
    settings = load_settings(None, {}, overrides)
    return replay(settings, ReplayOptions(path, simulate, lambda _: None))


def whole(path: Path, **given: Any) -> Report:
    report, error = replayed(path, **given)
    assert error is None
    json.dumps(report.as_dict(), allow_nan=False)
    return report


# --- the recorded markets ------------------------------------------------------------------------


@recorded
def test_every_checksum_of_the_recorded_kraken_books_agrees() -> None:
    report = whole(KRAKEN, fee_bps=None)
    counts = report.subject.counts

    assert (counts.frames, counts.verified, counts.failed) == (3_000, 2_962, 0)
    assert (counts.bad_frames, counts.resyncs) == (0, 0)
    assert report.subject.symbols == 2
    assert report.verdict == "No triangle among the 2 markets watched: nothing to measure."
    assert any("taker fee 40 bps" in line for line in report.subject.assumptions)
    assert any("increments of BTC/USD, ETH/USD" in line for line in report.subject.assumptions)
    assert any("venue's own time" in line for line in report.subject.assumptions)


@recorded
def test_a_pile_of_every_kind_of_kraken_message_is_read_to_its_end() -> None:
    report = whole(MESSAGES, fee_bps=None)
    counts = report.subject.counts

    # One snapshot and updates of one book: its author cut it to five levels a side, so its
    # checksums, made of ten, cannot agree, and nothing else is a book.
    assert counts.frames == 99
    assert counts.verified == 0
    assert report.subject.symbols == 1
    assert any("failed the venue's checksum" in line for line in report.subject.assumptions)


@recorded
def test_the_recorded_binance_triangle_without_fees_shows_the_known_best_edge() -> None:
    report = whole(BINANCE)
    best, other = report.triangles

    assert best.path == "USDT>ETH>BTC>USDT"
    assert round(best.best_edge_bps or 0, 2) == 3.33
    assert round(best.median_edge_bps or 0, 2) == 0.28
    assert (other.best_edge_bps or 0) < 0
    assert report.evaluations == 1_083
    assert report.ws_share == 1.0
    assert report.funnel["gross"] == report.funnel["raw"] > 0


@recorded
def test_with_ten_bps_a_leg_nothing_is_net_and_the_verdict_says_so() -> None:
    report = whole(BINANCE, fee_bps="10")

    assert report.funnel["gross"] > 0
    assert [report.funnel[stage] for stage in ("net", "fits", "survives", "filled")] == [0] * 4
    assert "best gross edge 3.3 bps against a hurdle of 30.1 bps" in report.verdict
    assert "zero net episodes; at these fees nothing here is worth trading" in report.verdict
    assert report.paper is not None
    assert report.paper["cycles"] == 0


@recorded
def test_without_a_fee_given_the_published_one_is_assumed_aloud() -> None:
    report = whole(BINANCE, fee_bps=None)

    assert report.funnel["net"] == 0
    assert any(
        "taker fee 10 bps a leg: binance's published entry tier" in line
        for line in report.subject.assumptions
    )


class Recorder:
    """The recorder's own path, BTC > USDT > ETH > BTC, over the recorded books."""

    def __init__(self) -> None:
        markets = markets_of("BTC/USDT", "ETH/USDT", "ETH/BTC")
        self.triangle: Triangle = triangle_of(markets, markets, "BTC")
        assert self.triangle.path == "BTC>USDT>ETH>BTC"
        self.cache = BookCache()
        self.cache.watch(markets)
        hour = 3_600 * 10**9
        self.scanner = Scanner(self.cache, [self.triangle], [1.0], Freshness(hour, hour))

    def rows(self) -> Iterator[tuple[dict[str, BookView], float, dict[str, Any]]]:
        """Books, the scanner's edge and what the recorder reckoned, where there are three books."""
        lines = BINANCE.read_text(encoding="utf-8").splitlines()
        for frame, line in zip(frames(BINANCE), lines, strict=True):
            at_ns = frame.at_ns
            self.cache.put(
                book_of(frame.fields), seen_ns=at_ns, confirmed_ns=at_ns, source=Source.RECORDED
            )
            seen = [self.cache.last_known(symbol) for symbol in self.triangle.symbols]
            books = {view.symbol: view for view in seen if view is not None}
            if len(books) == 3:
                edge = self.scanner.edge_now(0, at_ns).edge
                yield books, edge, json.loads(line).get("expected") or {}


@recorded
def test_each_leg_s_rate_agrees_with_the_recorder_on_all_598_rows() -> None:
    recorder = Recorder()
    compared = walked = 0
    for books, _, expected in recorder.rows():
        if not expected:
            continue
        rates = gross_rates(recorder.triangle, books, D(str(expected["tradedNotional"])))
        assert rates is not None
        for rate, name in zip(rates, ("rate1", "rate2", "rate3"), strict=True):
            assert abs(float(rate) - expected[name]) <= 1e-8 * max(1.0, expected[name])
        tops = (books["BTC/USDT"].bids[0].price, books["ETH/BTC"].bids[0].price)
        walked += (rates[0], rates[2]) != tops
        edge = rates[0] * rates[1] * rates[2] - 1
        assert (edge > 0) is expected["isArbitrageOpportunity"]
        assert (edge > 0) is (expected["unrealisedPnl"] > 0)
        compared += 1

    assert (compared, walked) == (598, 6)


@recorded
def test_the_edges_of_the_recording_are_the_known_ones() -> None:
    edges = sorted(edge * 1e4 for _, edge, _ in Recorder().rows())

    assert len(edges) == 1_083
    figures = (edges[0], edges[len(edges) // 2], edges[-1])
    assert [round(figure, 2) for figure in figures] == [-1.83, 0.28, 3.33]


@recorded
def test_a_replay_is_the_same_every_time() -> None:
    first, second = (whole(BINANCE).as_dict() for _ in range(2))
    assert first == second


@recorded
def test_a_corrupted_digit_in_the_recording_fails_and_heals_at_the_next_snapshot(
    tmp_path: Path,
) -> None:
    lines = KRAKEN.read_text(encoding="utf-8").splitlines()
    snapshots = [line for line in lines if '"type":"snapshot"' in line and '"BTC/USD"' in line]
    target = next(n for n in range(1_000, 3_000) if '"BTC/USD","bids":[{"price"' in lines[n])
    digits = lines[target].split('"qty":')[1].split("}")[0]
    assert digits.strip("0."), "a level that is removed has no digit in the checksum"
    changed = digits[:-1] + ("1" if digits[-1] != "1" else "2")
    lines[target] = lines[target].replace(digits, changed, 1)
    tape = tmp_path / "corrupt.ndjson"
    tape.write_text("\n".join([*lines, snapshots[0]]) + "\n", encoding="utf-8")
    report = whole(tape)
    counts = report.subject.counts

    after = sum('"BTC/USD"' in line and '"book"' in line for line in lines[target + 1 :])
    assert counts.failed == 1
    assert counts.by_symbol_failed == {"BTC/USD": 1}
    assert counts.verified == 2_962 - 1 - after + 1
    assert counts.resyncs == 1
    assert any(f"line {target + 1} failed" in line for line in report.subject.assumptions)


# --- recordings of our own -----------------------------------------------------------------------


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
