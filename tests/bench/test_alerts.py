"""The bench of alerts in small, so that it does not rot: it measures and tells, no more."""

from tests.bench import alerts


def test_a_storm_is_measured_beside_a_calm() -> None:
    scale = alerts.Scale(alerts=1_000, scrapes=200, seconds=0.5, rounds=1, kinds=("answers 500",))
    found = alerts.run(scale)
    (one,) = found["kinds"].values()
    assert one["alerts"] >= 900
    assert one["scrapes"] > 10
    assert one["turns"] > 50
    assert one["calm_p999_ms"] >= 0
    assert set(one) >= {"growth_ms", "lost_calm", "lost_storm"}
