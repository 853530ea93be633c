"""The bench of alerts in small, so that it does not rot: it measures and tells, no more."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("resource", reason="the benches read processor time from getrusage")

from tests.bench import alerts


def test_a_lane_that_trades_is_measured_in_a_calm_and_in_a_storm() -> None:
    scale = alerts.Scale(alerts=300, scrapes=40, seconds=0.5, rounds=1, kinds=("answers 500",))
    found = alerts.run(scale)
    (one,) = found["kinds"].values()
    assert one["disagree"] == []
    assert one["lost_events"] == 0
    assert (found["alerts"], found["scrapes"]) == (300, one["scrapes"])
    assert one["scrapes"] > 0
    ((calm, storm),) = one["rounds"]
    for stretch in (calm, storm):
        assert stretch["looks"] > 5
        assert stretch["frames"] > 0
        assert 0 <= stretch["ours_p999_ms"] <= stretch["wall_p999_ms"]
    assert (calm["alerts"], calm["scrapes"]) == (0, 0)


def stretch(frames: int = 1_000, decisions: int = 400, cycles: int = 40) -> dict[str, Any]:
    return {"frames": frames, "decisions": decisions, "cycles": cycles}


def found(pairs: list[Any], scrapes: int = 100, **one: Any) -> dict[str, Any]:
    kind = {"ours_p999_ms": {"growth": 1.0}, "disagree": [], "lost_events": 0} | one
    kind = {"standstills": {"calm": 1, "storm": 1}} | kind
    less = {name: alerts.fewer(pairs, name) for name in ("decisions", "cycles")}
    said = {"alerts": 100, "scrapes": scrapes, "asked": {"alerts": 100, "scrapes": 100}}
    return {"kinds": {"hangs": kind}, "fewer": less} | said


def test_what_is_lost_is_found_and_chance_is_not() -> None:
    noise = [(stretch(), stretch(cycles=40 + 9 * (-1) ** number)) for number in range(12)]
    assert alerts.broken(found(noise)) == []
    slower = [(stretch(), stretch(frames=500, decisions=200, cycles=20)) for _ in range(12)]
    assert alerts.broken(found(slower)) == [], "a slower market is no loss of ours"
    fewer = [(stretch(), stretch(cycles=22 + number % 5)) for number in range(12)]
    said = "storms made 41% fewer cycles of a frame than calms"
    assert alerts.broken(found(fewer)) == [said]
    deaf = [(stretch(), stretch(decisions=330 + number)) for number in range(12)]
    assert alerts.broken(found(deaf)) == ["storms made 16% fewer decisions of a frame than calms"]
    assert alerts.fewer(fewer[:5], "cycles")["seen_from"] == 1.0, "of so few nothing is said"
    assert alerts.broken(found(noise, 99)) == ["no such storm: 99 of 100 scrapes"]
    late, lines, still = {"growth": 5.0}, ["order 1 is missing"], {"calm": 0, "storm": 1}
    one = found(noise, ours_p999_ms=late, disagree=lines, lost_events=2, standstills=still)
    assert alerts.broken(one) == [
        "hangs: p99.9 of lateness grew by 5.0 ms",
        "hangs: order 1 is missing",
        "hangs: 2 events or witnesses were lost",
        "hangs: the loop stood still",
    ]
