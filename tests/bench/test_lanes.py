"""The bench of lanes in small, so that it does not rot: it measures and tells, no more."""

import pytest

pytest.importorskip("resource", reason="the benches read processor time from getrusage")

from tests.bench import lanes
from tests.bench.lanes_daemon import stamp_ns


def test_a_calm_lane_is_measured_without_and_beside_a_storm() -> None:
    told = lanes.way(("sandbox", "kraken"), "sandbox", lanes.Scale(rounds=1, seconds=1.5))
    assert (told["stormed"], told["measured"]) == ("sandbox", "kraken")
    assert set(told["median_ratio"]) == set(lanes.FIGURES)
    assert all(ratio > 0 for ratio in told["median_ratio"].values())
    (only,) = told["rounds"]
    assert only["faults"] > 5
    for stretch in (only["calm"], only["storm"]):
        assert stretch["decisions"] > 5
        assert stretch["messages"] > 5
        assert 0 < stretch["decision_p50_ms"] <= stretch["decision_p99_ms"]
        assert 0 < stretch["wire_p50_ms"] <= stretch["wire_p99_ms"]


def test_a_stamp_is_read_out_of_either_wire() -> None:
    kraken = b'{"channel":"book","data":[{"timestamp":"2026-11-27T22:00:00.250000Z"}]}'
    alpaca = b'[{"T":"o","S":"BTC/USD","t":"2026-11-27T22:00:00.25Z"}]'
    assert stamp_ns(kraken) == stamp_ns(alpaca) == 1_795_816_800_250_000_000
    assert stamp_ns(b'{"channel":"heartbeat"}') == 0
