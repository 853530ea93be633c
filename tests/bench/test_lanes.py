"""The bench of lanes in small, so that it does not rot: it measures and tells, no more."""

import pytest

pytest.importorskip("resource", reason="the benches read processor time from getrusage")

from tests.bench import lanes
from tests.bench.lanes_daemon import stamp_ns


def test_both_lanes_are_measured_calm_and_beside_a_storm() -> None:
    told = lanes.measure(("sandbox", "kraken"), lanes.Scale(rounds=1, seconds=1.5))
    assert [(way["stormed"], way["measured"]) for way in told["ways"]] == [
        ("sandbox", "kraken"),
        ("kraken", "sandbox"),
    ]
    for way in told["ways"]:
        assert set(way["median_ratio"]) == set(lanes.FIGURES)
        assert all(ratio > 0 for ratio in way["median_ratio"].values())
        (only,) = way["rounds"]
        assert only["faults"] > 5
        for stretch in (only["calm"], only["storm"]):
            assert stretch["decisions"] > 20
            assert stretch["messages"] > 20
            assert 0 < stretch["decision_p50_ms"] <= stretch["decision_p99_ms"]
            assert 0 < stretch["wire_p50_ms"] <= stretch["wire_p99_ms"]
        assert only["storm"]["troubles"] == 0, "the calm one has none"


def test_a_stamp_is_read_out_of_either_wire() -> None:
    kraken = b'{"channel":"book","data":[{"timestamp":"2026-11-27T22:00:00.250000Z"}]}'
    alpaca = b'[{"T":"o","S":"BTC/USD","t":"2026-11-27T22:00:00.25Z"}]'
    assert stamp_ns(kraken) == stamp_ns(alpaca) == 1_795_816_800_250_000_000
    assert stamp_ns(b'{"channel":"heartbeat"}') == 0
