"""A report as one HTML file: nothing in it comes from elsewhere, and nothing in it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape

from arbit.app.reports.report import Report, Results
from arbit.app.reports.report_wallets import HEAD, TITLE, wallet_rows
from arbit.domain.attribution import Cause
from arbit.domain.money import EXACT, plain

MARK = "<!doctype html><!-- arbit report -->"
WIDE, HIGH, EDGE = 720, 180, 8  # of a plot, in pixels
BAR = 22
DIGIT = Decimal("0.0000000001")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = (
    "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:60em;color:#1c2330}"
    "table{border-collapse:collapse;margin:.6em 0 1.6em}"
    "td,th{padding:.2em .8em;border-bottom:1px solid #d9dee6;text-align:right;"
    "font-variant-numeric:tabular-nums}"
    "th:first-child,td:first-child{text-align:left}"
    "svg{background:#f6f8fa;border:1px solid #d9dee6}"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.8em}.note{color:#5b6675}"
)
Rows = Iterable[Sequence[str]]


def page(told: Report) -> str:
    """The whole page."""
    parts = [
        MARK,
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>arbit: {escape(told.account)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(told.account)}</h1>",
        f'<p class="note">{_time(told.from_ns)} to {_time(told.until_ns)}</p>',
        _counts(told),
    ]
    for one in told.results:
        parts += [_results(one), _curve(one.start, told.curves.get(one.start, ()))]
    parts += [_worst(told), _balances(told), _wallets(told), "</body></html>"]
    return "\n".join(parts) + "\n"


def _counts(told: Report) -> str:
    rows = [
        ("cycles", _counted(told.ends)),
        ("conversions", _counted(told.conversions)),
        ("orders", _counted(told.orders)),
        ("trades", str(told.trades)),
        ("incidents", _counted(told.incidents)),
        ("result in the reference currency", short(told.profit_ref)),
        ("cycles that nobody could price", str(told.unpriced)),
        ("cycles not explained (of before this was kept)", str(told.not_explained)),
        ("trades whose fee the venue has not stated", str(told.fees_waiting)),
    ]
    return _table((), rows)


def _results(one: Results) -> str:
    rows = [("best prices promised", short(one.at_tops))]
    rows += [(f"planned: {cause.value}", _minus(much)) for cause, much in one.planned.items()]
    rows.append(("expected", short(one.expected)))
    rows += [(cause.value, _minus(much)) for cause, much in one.shortfall.items()]
    rows.append(("brought", short(one.brought)))
    rows.append((f"of that in {one.start} itself", short(one.profit)))
    rows += [(f"not priced: {name}", _minus(much)) for name, much in one.unvalued.items()]
    bars = [(cause.value, one.shortfall[cause]) for cause in Cause]
    title = f"<h2>{escape(one.start)}: {one.cycles} cycles, {one.conversions} conversions</h2>"
    return title + _table(("", one.start), rows) + _bars(bars)


def _worst(told: Report) -> str:
    if not told.worst:
        return ""
    rows = [
        (
            f"{_time(one.ended_ns)} {one.path} {one.end}",
            *(f"{much:.8f}" for much in (one.expected, one.brought, *one.causes.values())),
        )
        for one in told.worst
    ]
    head = ("cycle", "expected", "brought", *(cause.value for cause in Cause))
    return "<h2>Furthest short of what was expected</h2>" + _table(head, rows)


def _balances(told: Report) -> str:
    rows = []
    for one in told.balances:
        moved = ", ".join(f"{word} {plain(much)}" for word, much in one.transfers.items())
        figures = (one.opening, one.fills, one.fees, one.rounding)
        ends = (plain(one.unexplained), plain(one.closing))
        rows.append((one.asset, *map(plain, figures), moved or "0", *ends))
    head = ("asset", "before", "fills", "fees", "rounding", "transfers", "unexplained", "now")
    return "<h2>Where balances went</h2>" + _table(head, rows)


def _wallets(told: Report) -> str:
    if not told.wallets:
        return ""
    title = f"<h2>{TITLE.capitalize()}</h2>"
    return title + _table(HEAD, wallet_rows(told.wallets))


def _table(head: Sequence[str], rows: Rows) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{f'<tr>{top}</tr>' if head else ''}{body}</table>"


def _curve(start: str, points: Sequence[tuple[int, Decimal]]) -> str:
    """What cycles have earned by and by, as a line."""
    if len(points) < 2:
        return ""
    times = [at_ns for at_ns, _ in points]
    worths = [float(much) for _, much in points]
    low, high = min(0.0, *worths), max(0.0, *worths)
    span, years = (high - low) or 1.0, (times[-1] - times[0]) or 1

    def y(worth: float) -> float:
        return EDGE + (high - worth) / span * (HIGH - 2 * EDGE)

    places = " ".join(
        f"{EDGE + (at_ns - times[0]) / years * (WIDE - 2 * EDGE):.1f},{y(worth):.1f}"
        for at_ns, worth in zip(times, worths, strict=True)
    )
    said = escape(f"earned of {start}: {short(points[-1][1])} by {_time(times[-1])}")
    return (
        f'<svg width="{WIDE}" height="{HIGH}" role="img" aria-label="{said}"><title>{said}</title>'
        f'<line x1="0" x2="{WIDE}" y1="{y(0.0):.1f}" y2="{y(0.0):.1f}" stroke="#b4bcc8"/>'
        f'<polyline fill="none" stroke="#1f6feb" stroke-width="1.5" points="{places}"/></svg>'
        f'<p class="note">{said}</p>'
    )


def _bars(bars: Sequence[tuple[str, Decimal]]) -> str:
    """Shortfalls by cause: to the right what was lost, to the left what was gained."""
    most = max((abs(float(much)) for _, much in bars), default=0.0) or 1.0
    middle, room = WIDE / 2, WIDE / 2 - 140
    drawn = []
    for number, (name, much) in enumerate(bars):
        length = abs(float(much)) / most * room
        left = middle if much > 0 else middle - length
        colour, top = ("#cf222e" if much > 0 else "#1a7f37"), number * BAR + 4
        drawn.append(
            f'<rect x="{left:.1f}" y="{top}" width="{length:.1f}" height="{BAR - 8}" '
            f'fill="{colour}"/><text x="4" y="{top + 12}" font-size="12">{escape(name)}</text>'
        )
    return f'<svg width="{WIDE}" height="{len(bars) * BAR + 4}">{"".join(drawn)}</svg>'


def _minus(amount: Decimal) -> str:
    return short(amount.copy_negate()) if amount else "0"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def short(amount: Decimal) -> str:
    """An amount that is reckoned at marks, to ten places: more of them say nothing to a reader."""
    return plain(EXACT.quantize(amount, DIGIT).normalize(EXACT))


def _time(wall_ns: int) -> str:
    seconds = wall_ns // 10**9
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
