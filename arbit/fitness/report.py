"""The honest funnel: what was seen, what of it was real, what of it fees leave, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from arbit.domain.events import FeedCounts
from arbit.domain.fees import break_even_fee_bps
from arbit.domain.histogram import Histogram, merged
from arbit.domain.money import EXACT, plain
from arbit.domain.samples import percentile
from arbit.domain.triangle import Triangle
from arbit.fitness.episodes import Episodes, Stage
from arbit.fitness.trial import Trial
from arbit.scanner import STALENESS_MS, Scanner

BPS = 10_000.0
SEEN_ENOUGH = 0.9  # below this share of believable time the verdict says so first


@dataclass(frozen=True, slots=True)
class Listed:
    """A triangle that was watched: its hurdle in bps (None: a fee is unknown), and tradability."""

    triangle: Triangle
    hurdle_bps: float | None
    why_not_tradable: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured. `market` is synthetic, live or recorded."""

    venue: str
    market: str
    symbols: int
    listed: Sequence[Listed]
    counts: FeedCounts
    assumptions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TriangleResult:
    """One directed triangle's figures. Edges are gross, in bps; None when never evaluated."""

    legs: Sequence[str]
    path: str
    hurdle_bps: float | None
    best_edge_bps: float | None
    median_edge_bps: float | None
    episodes: int
    lifetime_ms: Mapping[str, float | None]
    net_lifetime_ms: Mapping[str, float | None]
    break_even_fee_bps: float | None
    tradable: bool
    why_not_tradable: str | None

    @property
    def shortfall_bps(self) -> float:
        """How far the best edge stayed below the hurdle; infinite when either is unknown.

        Negative by as much as the best edge was above it.
        """
        if self.best_edge_bps is None or self.hurdle_bps is None:
            return float("inf")
        return self.hurdle_bps - self.best_edge_bps


@dataclass(frozen=True, slots=True)
class Report:
    """Everything `arbit fitness` found on one venue."""

    subject: Subject
    seconds: float
    evaluations: int
    refused: Mapping[str, int]
    ws_share: float | None
    staleness_ms: Mapping[str, float | None]
    funnel: Mapping[str, int]
    unfit: Mapping[str, int]
    triangles: Sequence[TriangleResult]
    paper: Mapping[str, Any] | None
    believable_share: float | None = None
    verdict: str = ""
    failure: str = ""

    def seen_for(self, share: float | None) -> Report:
        """The same, with the share of the time in which some triangle had believable books."""
        if share is None or share >= SEEN_ENOUGH or not self.triangles:
            return replace(self, believable_share=share)
        gap = f"Books were believable {share * 100:.0f} % of the time. "
        return replace(self, believable_share=share, verdict=gap + _sentence(self.verdict))

    def broken_off(self, failure: str) -> Report:
        """The same, saying that the run ended by itself and why."""
        what_for = _sentence(self.verdict)
        verdict = f"The run broke off after {self.seconds:.1f} s ({failure}). {what_for}"
        return replace(self, verdict=verdict, failure=failure)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data for `--json`: finite numbers, text, lists, null for unknown.

        A leg is written `buy ETH/USD`: side and market, one space between.
        """
        counts = self.subject.counts
        return {
            "venue": self.subject.venue,
            "seconds": round(self.seconds, 3),
            "market": self.subject.market,
            "books": {
                "symbols": self.subject.symbols,
                "frames": counts.frames,
                "verified": counts.verified,
                "failed": counts.failed,
                "resyncs": counts.resyncs,
                "rest_fallbacks": counts.rest_fallbacks,
                "bad_frames": counts.bad_frames,
            },
            "evaluations": self.evaluations,
            "refused_evaluations": dict(self.refused),
            "ws_share": self.ws_share,
            "staleness_ms": {key: _rounded(value) for key, value in self.staleness_ms.items()},
            "funnel": dict(self.funnel),
            "unfit": dict(self.unfit),
            "triangles": [_triangle_dict(result) for result in self.triangles],
            "simulated": self.paper is not None,
            "paper": self.paper if self.paper is not None else {"cycles": 0, "pnl": {}},
            "assumptions": list(self.subject.assumptions),
            "believable_share": self.believable_share,
            "failure": self.failure or None,
            "verdict": self.verdict,
        }


def judge(
    subject: Subject,
    seconds: float,
    scanner: Scanner,
    episodes: Episodes,
    unfit: Mapping[str, int],
    trial: Trial | None,
) -> Report:
    """The report of a run that has ended (`episodes.finish` was called)."""
    tally = scanner.tally
    results = _results(subject, scanner, episodes)
    funnel = {stage.name.lower(): episodes.reached[stage] for stage in Stage}
    total = merged([Histogram(STALENESS_MS), *tally.staleness_ms])
    report = Report(
        subject=subject,
        seconds=seconds,
        evaluations=tally.evaluations,
        refused={why.value: n for why, n in tally.refused.items() if n},
        ws_share=tally.from_ws / tally.evaluations if tally.evaluations else None,
        staleness_ms={"p50": total.quantile(0.5), "p99": total.quantile(0.99)},
        funnel=funnel,
        unfit=dict(unfit),
        triangles=results,
        paper=None if trial is None else _paper(trial),
    )
    return replace(report, verdict=verdict_of(report))


def _results(subject: Subject, scanner: Scanner, episodes: Episodes) -> list[TriangleResult]:
    results = []
    for way, triangle in enumerate(scanner.directed):
        listed = subject.listed[way // 2]
        history = episodes.history[way]
        best = scanner.best[way]
        median = scanner.samples.median(way)
        seen = best != float("-inf")
        results.append(
            TriangleResult(
                legs=[str(leg) for leg in triangle.legs],
                path=triangle.path,
                hurdle_bps=listed.hurdle_bps,
                best_edge_bps=best * BPS if seen else None,
                median_edge_bps=None if median is None else median * BPS,
                episodes=history.episodes,
                lifetime_ms=_spread(history.lifetimes_ms),
                net_lifetime_ms=_spread(history.net_lifetimes_ms),
                break_even_fee_bps=break_even_fee_bps(best * BPS) if seen and best > 0 else None,
                tradable=listed.why_not_tradable is None,
                why_not_tradable=listed.why_not_tradable,
            )
        )
    return sorted(results, key=_nearest_first)


def _nearest_first(result: TriangleResult) -> tuple[float, float, str]:
    """Least short of its hurdle first; where that is unknown, the best edge first."""
    best = result.best_edge_bps
    return result.shortfall_bps, float("inf") if best is None else -best, result.path


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    ordered = sorted(values)
    return {"p50": percentile(ordered, 0.5), "p90": percentile(ordered, 0.9)}


def _paper(trial: Trial) -> dict[str, Any]:
    return {
        "cycles": trial.cycles,
        "pnl": {asset: plain(_trim(amount)) for asset, amount in sorted(trial.profit.items())},
        "ends": {end.value: count for end, count in trial.ends.items()},
        "left_over": {
            asset: plain(_trim(amount)) for asset, amount in sorted(trial.residuals.items())
        },
        "unfinished": {
            asset: plain(_trim(amount)) for asset, amount in sorted(trial.unfinished.items())
        },
        "not_started_busy": trial.skipped_busy,
        "refused": dict(trial.refusals),
    }


def _trim(amount: Decimal) -> Decimal:
    quantised = amount.quantize(Decimal("1e-10"), context=EXACT).normalize(EXACT)
    return quantised or Decimal(0)


def _triangle_dict(result: TriangleResult) -> dict[str, Any]:
    return {
        "legs": list(result.legs),
        "path": result.path,
        "hurdle_bps": _rounded(result.hurdle_bps),
        "best_edge_bps": _rounded(result.best_edge_bps),
        "median_edge_bps": _rounded(result.median_edge_bps),
        "episodes": result.episodes,
        "lifetime_ms": {key: _rounded(value) for key, value in result.lifetime_ms.items()},
        "net_lifetime_ms": {key: _rounded(value) for key, value in result.net_lifetime_ms.items()},
        "break_even_fee_bps": _rounded(result.break_even_fee_bps),
        "tradable": result.tradable,
        "why_not_tradable": result.why_not_tradable,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def verdict_of(report: Report) -> str:
    """One plain sentence: is there anything here, at these fees and this latency?"""
    if not report.triangles:
        return (
            f"No triangle among the {report.subject.symbols} markets watched: "
            "nothing to measure."
        )
    if not report.evaluations:
        worst = max(report.refused, key=lambda why: report.refused[why], default="no book arrived")
        return f"Nothing could be measured: three believable books never met ({worst})."
    near = report.triangles[0]
    if near.hurdle_bps is None or near.best_edge_bps is None:
        return "No verdict on profit: the taker fees are unknown (give --fee-bps)."
    edge = _edge_words(report.triangles)
    funnel = report.funnel
    if not funnel["net"]:
        return f"{edge}: {_nothing_words(report)}."
    if not funnel["fits"]:
        found = f"{funnel['net']} net, but none fits{_unfit_words(report)}"
    elif not funnel["survives"]:
        found = f"{funnel['net']} net, but none was still there after the latency"
    else:
        found = f"{funnel['net']} net, {funnel['survives']} still there after the latency"
    return f"{edge}: {found}{_paper_words(report)}."


def _nothing_words(report: Report) -> str:
    """Why nothing was net: no fee at all would help where there was no gap at all."""
    best = max(row.best_edge_bps or 0.0 for row in report.triangles)
    if best <= 0:
        return "zero net episodes; without any gap nothing here is worth trading at any fee"
    return "zero net episodes; at these fees nothing here is worth trading"


def _unfit_words(report: Report) -> str:
    if not report.unfit:
        return " depth, lots and minima"
    worst = max(report.unfit, key=lambda reason: report.unfit[reason])
    return f", mostly {worst.replace('_', ' ')}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _edge_words(triangles: Sequence[TriangleResult]) -> str:
    """The best gross edge of all against its own hurdle, and who came nearest to theirs."""
    near = triangles[0]
    best = max(triangles, key=lambda row: -1e9 if row.best_edge_bps is None else row.best_edge_bps)
    words = f"best gross edge {_against(best)}"
    return words if best is near else f"{words}, nearest to its hurdle {_against(near)}"


def _against(row: TriangleResult) -> str:
    edge = "none" if row.best_edge_bps is None else f"{row.best_edge_bps:.1f} bps"
    hurdle = (
        "an unknown hurdle" if row.hurdle_bps is None else f"a hurdle of {row.hurdle_bps:.1f} bps"
    )
    return f"{edge} against {hurdle} ({row.path})"


def _paper_words(report: Report) -> str:
    """What paper made of it, and plainly whether that is a loss."""
    paper = report.paper
    if paper is None:
        return "; --simulate shows what of it would have filled" if report.funnel["fits"] else ""
    if not paper["cycles"]:
        return ""
    amounts = {asset: Decimal(amount) for asset, amount in paper["pnl"].items()}
    shown = ", ".join(f"{plain(_short(amount))} {asset}" for asset, amount in amounts.items())
    return (
        f", {report.funnel['filled']} filled on paper; paper profit {shown or 'none'} over "
        f"{paper['cycles']} cycles, those that went wrong included: {_plainly(amounts)}"
    )


def _plainly(amounts: Mapping[str, Decimal]) -> str:
    if any(amount > 0 for amount in amounts.values()):
        if all(amount >= 0 for amount in amounts.values()):
            return "a profit on paper, which is no promise"
        return "a profit in one asset and a loss in another"
    return "a loss, not worth trading" if any(amounts.values()) else "nothing gained"


def _short(amount: Decimal) -> Decimal:
    """Enough digits to read: four after the point, or the first two that are not zero."""
    digits = max(4, 1 - amount.adjusted()) if amount else 0
    return amount.quantize(Decimal(1).scaleb(-min(digits, 10))).normalize() + 0
