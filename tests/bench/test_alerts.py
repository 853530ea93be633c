"""The bench of alerts in small, so that it does not rot: it measures and tells, no more."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("resource", reason="the benches read processor time from getrusage")

from tests.bench import alerts


def test_a_lane_that_trades_is_measured_in_a_calm_and_in_a_storm() -> None:
    scale = alerts.Scale(alerts=500, scrapes=40, seconds=0.8, rounds=1, kinds=("answers 500",))
    found = alerts.run(scale)
    (one,) = found["kinds"].values()
    assert one["disagree"] == []
    assert one["lost_events"] == 0
    assert (found["alerts"], found["scrapes"]) == (500, one["scrapes"])
    assert one["scrapes"] > 5
    ((calm, storm),) = one["rounds"]
    for stretch in (calm, storm):
        assert stretch["looks"] > 50
        assert stretch["frames"] > 5
        assert 0 <= stretch["ours_p999_ms"] <= stretch["wall_p999_ms"]
    assert (calm["alerts"], calm["scrapes"]) == (0, 0)


def stretch(frames: int = 1_000, decisions: int = 400, cycles: int = 20) -> dict[str, Any]:
    return {"frames": frames, "decisions": decisions, "cycles": cycles}


def found(pairs: list[Any], **one: Any) -> dict[str, Any]:
    kind = {"ours_p999_ms": {"growth": 1.0}, "disagree": [], "lost_events": 0} | one
    said = {name: alerts.fewer(pairs, name) for name in ("decisions", "cycles")}
    return {"kinds": {"hangs": kind}, "fewer": said}


def test_what_is_lost_is_found_and_chance_is_not() -> None:
    noise = [(stretch(), stretch(cycles=20 + 5 * (-1) ** number)) for number in range(12)]
    assert alerts.broken(found(noise)) == []
    slower = [(stretch(), stretch(frames=500, decisions=201, cycles=10)) for _ in range(12)]
    assert alerts.broken(found(slower)) == [], "a slower market is no loss of ours"
    fewer = [(stretch(), stretch(cycles=11 + number % 5)) for number in range(12)]
    assert alerts.broken(found(fewer)) == ["storms made 36% fewer cycles of a frame than calms"]
    deaf = [(stretch(), stretch(decisions=300 + number)) for number in range(12)]
    (said,) = alerts.broken(found(deaf))
    assert "fewer decisions" in said
    late, lines = {"growth": 5.0}, ["order 1 is missing"]
    one = found(noise, ours_p999_ms=late, disagree=lines, lost_events=2)
    assert alerts.broken(one) == [
        "hangs: p99.9 of lateness grew by 5.0 ms",
        "hangs: order 1 is missing",
        "hangs: 2 events or witnesses were lost",
    ]
