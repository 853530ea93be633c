"""Recordings through the same books, scanner and funnel as a live market."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.books import BookCache
from arbit.domain.book import BookView, Source
from arbit.domain.triangle import Triangle, triangle_of
from arbit.scanner import Freshness, Scanner
from arbit.sizing import gross_rates
from arbit.tape.binance import book_of
from arbit.tape.reader import frames
from tests.integration.replaying import whole
from tests.unit.fitness.scene import markets_of

DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
KRAKEN = DATA / "kraken" / "book-btcusd-ethusd-d10-2026-07-07.ndjson"
MESSAGES = DATA / "kraken" / "v2_messages.ndjson"
BINANCE = DATA / "binance" / "triangle-btc-eth-usdt-2025-08-31.ndjson"
recorded = pytest.mark.skipif(not BINANCE.exists(), reason=f"no recorded data at {DATA}")

D = Decimal


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
def test_a_replay_heeds_the_floor_that_the_user_has_set() -> None:
    """How triangles are chosen is the user's in a replay too, not the defaults."""
    report = whole(BINANCE, ARBIT_ROTATION__LIQUIDITY_FLOOR="1000000000")
    assert report.funnel["net"] > 0
    assert report.funnel["fits"] == 0
    assert set(report.unfit) == {"below_liquidity_floor"}


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
