"""The benches in small, so that they do not rot. Ratios with much slack: the real runs are
`python -m tests.bench.feed` and `python -m tests.bench.scan`, on a quiet machine."""

import pytest

pytest.importorskip("resource", reason="the benches read processor time from getrusage")

from tests.bench import daemon, feed, scan
from tests.bench.processes import talking


def test_an_update_does_not_pay_for_the_triangles_that_exist_elsewhere() -> None:
    few, many, ratio, bench = scan.cost_ratio(rounds=5, updates=500)
    assert len(bench.triangles) == 10_670
    assert min(few, many) > 0
    assert ratio < 3  # a thousand times the triangles


def test_both_contestants_end_with_the_same_books_and_ours_hands_on_every_message() -> None:
    scale = feed.Scale(seconds=0.1, flood=2_000, rounds=1)
    wanted = {"profile": "calm", "seed": 3, "depth": 25, "count": scale.total}
    with talking("tests.bench.venue", wanted) as venue:
        figures = feed.contest(venue, venue.hear(), scale)
    assert all(it.delivered_per_s == it.drained_per_s for it in figures["ours"].values())
    rate, cpu = feed.ratios(figures)
    assert rate > 1
    assert cpu < 1


def test_the_daemon_decides_about_every_message_of_a_whole_venue() -> None:
    wanted = {"profile": "whole-venue", "seed": 3, "depth": 25, "count": 3_000}
    with talking("tests.bench.venue", wanted) as venue:
        address = {name: text for name, text in venue.hear().items() if name in ("rest", "ws")}
        with talking("tests.bench.daemon", address) as watched:
            assert watched.hear()["symbols"] > 600
            venue.say({"rate": 2_000, "first": 0, "count": 3_000, "stamp": "due"})
            played, told = venue.hear(), watched.hear()
    assert told["decided"] == played["sent"] > 2_900
    assert told["bad"] == 0
    assert told["triangles"] > 1_000
    assert told["evaluations"] > 1_000
    assert told["rss_mb"] < scan.RSS_MB_AT_MOST


def test_latencies_are_measured_from_the_stamp_of_the_sender() -> None:
    wanted = {"profile": "calm", "seed": 3, "depth": 25, "count": daemon.LATENCY_RATE}
    with talking("tests.bench.venue", wanted) as venue:
        age = daemon.latencies_us(venue, venue.hear(), rounds=1, seconds=1)
    assert min(age.asleep_us, age.lingering_us, age.bare_us) > 0
