"""What a person sees while `arbit fitness` runs and when it ends: plain tables, no adornment."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from arbit.app.watch.venue import VenueRun
from arbit.fitness.report import Report

ROWS = 12
FUNNEL_WORDS = {
    "raw": "gap on the last-known books",
    "gross": "gap on believable books",
    "net": "above the hurdle, fees paid",
    "fits": "fits depth, lots and minima",
    "survives": "still there after the latency",
    "filled": "filled on paper",
}


def live_view(runs: Sequence[VenueRun], elapsed_s: float, total_s: float | None) -> RenderableType:
    """The screen while it runs: one table a venue, refreshed a few times a second."""
    of_total = f" of {total_s:.0f}" if total_s is not None else ""
    parts: list[RenderableType] = [Text(f"{elapsed_s:5.1f}{of_total} s   Ctrl-C stops and reports")]
    parts.extend(_live_table(run) for run in runs)
    return Group(*parts)


def _live_table(run: VenueRun) -> Table:
    desk, feed = run.desk, run.feed
    scanner = desk.scanner
    states = ", ".join(f"{name} {state}" for name, state in feed.states().items())
    market = "SYNTHETIC MARKET" if run.market == "synthetic" else run.market
    title = (
        f"{desk.setup.venue.name} ({market})  {feed.integrity.value} books, {states}; "
        f"{feed.counts.frames} frames, {feed.counts.failed} bad checksums, "
        f"{feed.counts.resyncs} resyncs"
    )
    table = Table(title=title, title_justify="left", expand=False)
    for name in ("triangle", "now bps", "best", "hurdle", "oldest ms", "books"):
        words = name in ("triangle", "books")
        table.add_column(name, justify="left" if words else "right", no_wrap=words)
    now_ns = desk.setup.clock_ns()
    ways = sorted(range(len(scanner.directed)), key=lambda way: -scanner.best[way])[:ROWS]
    for way in ways:
        seen = scanner.edge_now(way, now_ns)
        hurdle = desk.setup.watch.listed[way // 2].hurdle_bps
        best = scanner.best[way]
        table.add_row(
            scanner.directed[way].path,
            f"{seen.edge * 1e4:.2f}",
            f"{best * 1e4:.2f}" if best > float("-inf") else "-",
            f"{hurdle:.1f}" if hurdle is not None else "unknown",
            f"{(now_ns - seen.oldest_ns) / 1e6:.0f}",
            seen.why_not.value if seen.why_not else "believable",
        )
    return table


def plain_line(runs: Sequence[VenueRun], elapsed_s: float) -> str:
    """One line of progress for a terminal that is none."""
    parts = []
    for run in runs:
        best = max(run.desk.scanner.best, default=float("-inf"))
        shown = f"{best * 1e4:.2f} bps" if best > float("-inf") else "none yet"
        parts.append(
            f"{run.desk.setup.venue.name}: {run.feed.counts.frames} frames, "
            f"{run.desk.scanner.tally.evaluations} evaluations, best gross edge {shown}"
        )
    return f"{elapsed_s:.0f} s  " + "; ".join(parts)


def show_report(report: Report, console: Console) -> None:
    """The honest funnel, the best triangles, and the verdict."""
    subject, counts = report.subject, report.subject.counts
    market = "SYNTHETIC market" if subject.market == "synthetic" else f"{subject.market} market"
    console.print(
        f"\n[bold]{subject.venue}[/bold]: {market}, {report.seconds:.1f} s, {subject.symbols} books"
    )
    console.print(
        f"frames {counts.frames}, verified {counts.verified}, failed {counts.failed}, "
        f"resyncs {counts.resyncs}, REST fallbacks {counts.rest_fallbacks}"
    )
    share = "-" if report.ws_share is None else f"{report.ws_share * 100:.2f} %"
    p50, p99 = report.staleness_ms["p50"], report.staleness_ms["p99"]
    console.print(
        f"evaluations {report.evaluations}, from WebSocket books {share}; "
        f"oldest leg p50 {_ms(p50)}, p99 {_ms(p99)}"
    )
    if report.refused:
        words = ", ".join(f"{why} {count}" for why, count in sorted(report.refused.items()))
        console.print(f"not evaluated, a book was not believable: {words}")
    console.print(_funnel(report))
    console.print(_triangles(report))
    if report.paper is not None:
        _paper(report, console)
    for line in subject.assumptions:
        console.print(f"assumed: {line}", highlight=False)
    console.print(f"[bold]Verdict[/bold]: {report.verdict}", highlight=False)


def _funnel(report: Report) -> Table:
    table = Table(title="episodes (each gap counted once)", title_justify="left")
    table.add_column("stage")
    table.add_column("episodes", justify="right")
    table.add_column("meaning")
    for stage, count in report.funnel.items():
        shown = str(count)
        if stage == "filled" and report.paper is None:
            shown = "-"
        table.add_row(stage, shown, FUNNEL_WORDS[stage])
    if report.unfit:
        words = ", ".join(f"{why} {count}" for why, count in sorted(report.unfit.items()))
        table.caption = f"looks that did not fit: {words}"
    return table


def _triangles(report: Report) -> Table:
    table = Table(
        title=f"nearest their hurdle ({min(ROWS, len(report.triangles))} of "
        f"{len(report.triangles)}): bps; lifetime of gaps; break-even fee in bps a leg",
        title_justify="left",
    )
    table.add_column("triangle", no_wrap=True)
    for name in ("hurdle", "best", "median", "gaps", "p50 ms", "p90 ms", "b/e fee"):
        table.add_column(name, justify="right")
    for row in report.triangles[:ROWS]:
        table.add_row(
            row.path + ("" if row.tradable else " *"),
            _number(row.hurdle_bps, 1),
            _number(row.best_edge_bps, 2),
            _number(row.median_edge_bps, 2),
            str(row.episodes),
            _number(row.lifetime_ms["p50"], 1),
            _number(row.lifetime_ms["p90"], 1),
            _number(row.break_even_fee_bps, 2),
        )
    untradable = [row for row in report.triangles if not row.tradable]
    if untradable:
        table.caption = f"* not tradable ({len(untradable)}), e.g. {untradable[0].why_not_tradable}"
    return table


def _paper(report: Report, console: Console) -> None:
    paper = report.paper or {}
    pnl = ", ".join(f"{amount} {asset}" for asset, amount in paper["pnl"].items()) or "nothing"
    ends = ", ".join(f"{count} {end}" for end, count in paper["ends"].items() if count)
    console.print(f"paper: {paper['cycles']} cycles ({ends or 'none'}); profit {pnl}")
    if paper["unfinished"]:
        begun = ", ".join(f"{amount} {asset}" for asset, amount in paper["unfinished"].items())
        console.print(f"unfinished when the run ended, neither profit nor loss: {begun}")
    if paper["left_over"]:
        left = ", ".join(f"{amount} {asset}" for asset, amount in paper["left_over"].items())
        console.print(f"left over, counted as nothing: {left}")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
