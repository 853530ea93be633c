from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from arbit.books import BookCache
from arbit.domain.book import Disbelief
from arbit.domain.events import FeedCounts
from arbit.domain.triangle import triangle_of
from arbit.fitness.episodes import Episodes
from arbit.fitness.report import Listed, Report, Subject, TriangleResult, judge, verdict_of
from arbit.scanner import Freshness, Scanner
from tests.unit.fitness.scene import MS, SECOND, Scene

NAMED_KEYS = {
    "venue",
    "seconds",
    "market",
    "books",
    "evaluations",
    "ws_share",
    "staleness_ms",
    "funnel",
    "triangles",
    "paper",
    "assumptions",
    "verdict",
}
BOOK_KEYS = {"symbols", "frames", "verified", "failed", "resyncs", "rest_fallbacks"}
TRIANGLE_KEYS = {
    "legs",
    "hurdle_bps",
    "best_edge_bps",
    "median_edge_bps",
    "episodes",
    "lifetime_ms",
    "break_even_fee_bps",
}


def report_of(scene: Scene, *, simulated: bool = True, hurdle: float | None = 0.0) -> Report:
    scene.finish()
    counts = FeedCounts(frames=7, verified=6, failed=1, resyncs=2, rest_fallbacks=3, bad_frames=4)
    subject = Subject(
        "sandbox", "synthetic", 3, [Listed(scene.triangle, hurdle)], counts, ["a line"]
    )
    trial = scene.trial if simulated else None
    return judge(subject, 2.5, scene.scanner, scene.episodes, scene.lane.unfit, trial)


def traded() -> Scene:
    scene = Scene()
    scene.quiet()
    scene.turn()
    scene.now_ns += 10 * MS
    scene.gap()
    scene.turn()
    scene.pass_ms(1_000)
    return scene


def strictly(report: Report) -> dict[str, Any]:
    """Through JSON that knows no NaN and no Infinity, and back."""
    back: dict[str, Any] = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    return back


def test_the_object_has_every_key_that_was_promised() -> None:
    found = strictly(report_of(traded()))

    assert found.keys() >= NAMED_KEYS
    assert found["books"].keys() >= BOOK_KEYS
    assert found["staleness_ms"].keys() == {"p50", "p99"}
    assert list(found["funnel"]) == ["raw", "gross", "net", "fits", "survives", "filled"]
    assert found["paper"].keys() >= {"cycles", "pnl"}
    for row in found["triangles"]:
        assert row.keys() >= TRIANGLE_KEYS
        assert row["lifetime_ms"].keys() == {"p50", "p90"}


def test_its_figures_are_those_of_the_run() -> None:
    found = strictly(report_of(traded()))

    assert (found["venue"], found["market"], found["seconds"]) == ("sandbox", "synthetic", 2.5)
    assert found["books"]["frames"] == 7
    assert found["books"]["failed"] == 1
    assert (found["evaluations"], found["ws_share"]) == (2, 1.0)
    assert found["funnel"] == dict.fromkeys(found["funnel"], 1)
    assert found["paper"]["cycles"] == 1
    assert found["paper"]["pnl"] == {"USD": "50"}
    best = found["triangles"][0]
    assert best["best_edge_bps"] == 500.0
    assert best["lifetime_ms"] == {"p50": 1000.0, "p90": 1000.0}
    assert best["break_even_fee_bps"] == pytest.approx(161.32, abs=0.01)
    assert found["assumptions"] == ["a line"]


def test_a_machine_can_rebuild_the_triangle_from_its_legs() -> None:
    scene = traded()
    for row in strictly(report_of(scene))["triangles"]:
        sides, symbols = zip(*(leg.split() for leg in row["legs"]), strict=True)
        start = row["path"].split(">")[0]
        triangle = triangle_of(symbols, scene.markets, start)
        assert [leg.side.value for leg in triangle.legs] == list(sides)
        assert triangle.path == row["path"]


def test_a_run_that_saw_nothing_at_all_is_still_strict_json() -> None:
    found = strictly(report_of(Scene()))

    assert (found["evaluations"], found["ws_share"]) == (0, None)
    assert found["staleness_ms"] == {"p50": None, "p99": None}
    assert {row["best_edge_bps"] for row in found["triangles"]} == {None}


def test_a_run_without_a_single_book_watched_is_a_verdict_and_no_crash() -> None:
    scanner = Scanner(BookCache(), [], [], Freshness(SECOND, SECOND))
    episodes = Episodes(scanner, 0.0, lambda _: None)
    subject = Subject("kraken", "recorded", 0, [], FeedCounts())
    report = judge(subject, 0.0, scanner, episodes, {}, None)

    assert strictly(report)["triangles"] == []
    assert report.verdict == "No triangle among the 0 markets watched: nothing to measure."


def test_without_simulation_paper_says_that_nothing_was_simulated() -> None:
    found = strictly(report_of(traded(), simulated=False))

    assert found["simulated"] is False
    assert found["paper"] == {"cycles": 0, "pnl": {}}


def test_the_episodes_of_all_triangles_add_up_to_the_gross_ones() -> None:
    scene = Scene(fee="0.02")
    for bid in ("10.5", "10.3", "9.0", "10.4"):
        scene.quiet()
        scene.gap(bid)
        scene.turn()
        scene.now_ns += MS
        scene.quiet()
        scene.turn()
    found = strictly(report_of(scene))

    assert sum(row["episodes"] for row in found["triangles"]) == found["funnel"]["gross"] == 3


def row(best: float | None, hurdle: float | None, path: str = "A>B>C>A") -> TriangleResult:
    nothing = {"p50": None, "p90": None}
    return TriangleResult(
        legs=("buy B/A", "buy C/B", "sell C/A"),
        path=path,
        hurdle_bps=hurdle,
        best_edge_bps=best,
        median_edge_bps=best,
        episodes=0,
        lifetime_ms=nothing,
        net_lifetime_ms=nothing,
        break_even_fee_bps=None,
        tradable=True,
        why_not_tradable=None,
    )


def verdict(
    *rows: TriangleResult,
    evaluations: int = 100,
    refused: dict[str, int] | None = None,
    paper: dict[str, Any] | None = None,
    **funnel: int,
) -> str:
    reached = dict.fromkeys(("raw", "gross", "net", "fits", "survives", "filled"), 0) | funnel
    return verdict_of(
        Report(
            subject=Subject("kraken", "live", 3, [], FeedCounts()),
            seconds=1.0,
            evaluations=evaluations,
            refused=refused or {},
            ws_share=1.0,
            staleness_ms={"p50": 1.0, "p99": 2.0},
            funnel=reached,
            unfit={},
            triangles=list(rows),
            paper=paper,
        )
    )


def test_verdict_without_a_triangle() -> None:
    assert verdict() == "No triangle among the 3 markets watched: nothing to measure."


def test_verdict_when_no_three_books_met_names_the_commonest_reason() -> None:
    said = verdict(row(None, 121.0), evaluations=0, refused={"stale": 3, "no_book": 9})
    assert said == "Nothing could be measured: three believable books never met (no_book)."


def test_verdict_when_nothing_arrived_at_all() -> None:
    said = verdict(row(None, 121.0), evaluations=0)
    assert said == "Nothing could be measured: three believable books never met (no book arrived)."


@pytest.mark.parametrize("rows", [[row(3.0, None)], [row(None, 121.0), row(0.0, None)]])
def test_verdict_without_a_fee_gives_no_opinion(rows: list[TriangleResult]) -> None:
    said = verdict(*rows)
    assert said == "No verdict on profit: the taker fees are unknown (give --fee-bps)."


def test_verdict_below_the_hurdle_says_that_nothing_is_worth_trading() -> None:
    said = verdict(row(4.1, 121.0, "USD>BTC>ETH>USD"), raw=5, gross=5)
    assert said == (
        "best gross edge 4.1 bps against a hurdle of 121.0 bps (USD>BTC>ETH>USD): zero net "
        "episodes; at these fees nothing here is worth trading."
    )


def test_verdict_names_the_nearest_to_its_hurdle_when_that_is_another() -> None:
    said = verdict(row(20.0, 30.0, "near"), row(40.0, 121.0, "best"), gross=2)
    assert "best gross edge 40.0 bps against a hurdle of 121.0 bps (best)" in said
    assert "nearest to its hurdle 20.0 bps against a hurdle of 30.0 bps (near)" in said


def test_verdict_when_nothing_fits() -> None:
    said = verdict(row(130.0, 121.0), net=3)
    assert said.endswith("3 net, but none fits depth, lots and minima.")


def test_verdict_when_nothing_outlives_the_latency() -> None:
    said = verdict(row(130.0, 121.0), net=3, fits=2)
    assert said.endswith(
        "3 net, but none was still there after the latency; "
        "--simulate shows what of it would have filled."
    )


def test_verdict_when_something_was_there_without_paper() -> None:
    said = verdict(row(130.0, 121.0), net=3, fits=2, survives=1)
    assert said.endswith(
        "3 net, 1 still there after the latency; --simulate shows what of it would have filled."
    )


@pytest.mark.parametrize(
    ("pnl", "words", "plainly"),
    [
        (
            {"USD": "-1.5", "BTC": "0.1"},
            "-1.5 USD, 0.1 BTC",
            "a profit in one asset and a loss in another",
        ),
        ({"USD": "-2.39842527"}, "-2.3984 USD", "a loss, not worth trading"),
        ({"USD": "0.0000123456"}, "0.000012 USD", "a profit on paper, which is no promise"),
        ({}, "none", "nothing gained"),
    ],
)
def test_verdict_on_paper_tells_losses_too(pnl: dict[str, str], words: str, plainly: str) -> None:
    paper = {"cycles": 4, "pnl": pnl}
    said = verdict(row(130.0, 121.0), net=3, fits=3, survives=2, filled=1, paper=paper)
    assert said.endswith(
        f"3 net, 2 still there after the latency, 1 filled on paper; paper profit {words} over "
        f"4 cycles, those that went wrong included: {plainly}."
    )


def test_verdict_tells_the_paper_loss_even_when_nothing_outlived_the_latency() -> None:
    paper = {"cycles": 2, "pnl": {"USD": "-9.61"}}
    said = verdict(row(130.0, 121.0), net=3, fits=2, paper=paper)
    assert "none was still there after the latency" in said
    assert said.endswith(
        "paper profit -9.61 USD over 2 cycles, those that went wrong included: "
        "a loss, not worth trading."
    )


def test_verdict_without_any_gap_blames_no_fee() -> None:
    assert verdict(row(-42.1, 0.0)).endswith("nothing here is worth trading at any fee.")


def test_a_run_that_broke_off_or_saw_little_says_so_first() -> None:
    whole = Report(
        subject=Subject("kraken", "live", 3, [], FeedCounts()),
        seconds=3.0,
        evaluations=1,
        refused={},
        ws_share=1.0,
        staleness_ms={"p50": 1.0, "p99": 2.0},
        funnel={},
        unfit={},
        triangles=[row(1.0, 2.0)],
        paper=None,
        verdict="best of all.",
    )
    assert whole.seen_for(0.4).verdict == ("Books were believable 40 % of the time. Best of all.")
    assert whole.seen_for(0.95).verdict == "best of all."
    assert whole.broken_off("why").verdict == "The run broke off after 3.0 s (why). Best of all."


def test_triangles_nearest_their_hurdle_come_first_and_unknown_ones_last() -> None:
    scene = Scene()
    scene.quiet()
    scene.turn()
    report = report_of(scene, hurdle=None)

    # Both hurdles are unknown: the better edge comes first.
    assert [found.path for found in report.triangles] == ["USD>BTC>ETH>USD", "USD>ETH>BTC>USD"]
    assert report.triangles[0].shortfall_bps == float("inf")


def test_an_edge_of_exactly_zero_is_an_edge_and_not_an_unknown_one() -> None:
    scene = Scene()
    scene.put("BTC/USD", [("99", "1")], [("128", "1")])
    scene.put("ETH/BTC", [("0.1", "1")], [("0.125", "1")])
    scene.put("ETH/USD", [("16", "1")], [("17", "1")])
    scene.turn()
    report = report_of(scene, hurdle=None)

    assert report.triangles[0].best_edge_bps == 0.0


def test_refused_evaluations_are_told_by_reason() -> None:
    scene = Scene()
    scene.quiet()
    scene.cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)
    scene.turn()

    assert strictly(report_of(scene))["refused_evaluations"] == {"checksum": 1}


def test_huge_and_tiny_amounts_are_written_without_exponents() -> None:
    scene = traded()
    scene.trial.profit["SHIB"] = scene.trial.profit["USD"].scaleb(22)
    scene.trial.residuals["BTC"] = scene.trial.profit["USD"].scaleb(-9)
    paper = strictly(replace(report_of(scene)))["paper"]

    assert paper["pnl"]["SHIB"] == "5" + "0" * 23
    assert paper["left_over"]["BTC"] == "0.00000005"
