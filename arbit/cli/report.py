"""`arbit report`: results, why less came than expected, and where balances went."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from rich.console import Console

    from arbit.app.reports.report import Report, Results
    from arbit.config import Settings

DAYS = 36_500
WIDTH = 160  # columns, where nobody looks at a screen
DataDir = Annotated[str | None, typer.Option("--data-dir", help="Where the journal is kept.")]
Account = Annotated[
    str | None,
    typer.Option("--account", help="Whose rows: venue:mode:key. Needed where there are several."),
]
Days = Annotated[str, typer.Option("--days", help="How many days back; 0 is everything.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")]
Html = Annotated[
    str | None,
    typer.Option(
        "--html", help="Write one HTML file with plots, complete in itself.", metavar="FILE"
    ),
]


def report(
    account: Account = None,
    days: Days = "0",
    as_json: Json = False,
    html: Html = None,
    data_dir: DataDir = None,
) -> None:
    """What an account earned, why less came than expected, and where its balances went.

    Reads the journal, and wallets on chains from history, beside a running daemon too, and never
    mixes accounts. Amounts of causes are in the asset that cycles begin with;
    docs/decisions/0018 says what a cause means.

    Example: arbit report --days 30 --html month.html
    """
    from arbit.app.reports.report import as_json as told_json
    from arbit.app.reports.report import report_of
    from arbit.app.reports.report_html import MARK, page
    from arbit.app.written import write_whole
    from arbit.cli.numbers import whole

    settings = _settings(data_dir)
    url = settings.history_url.get_secret_value() if settings.history_url else None
    told = report_of(settings.data_dir, account, whole("--days", days, 0, DAYS), url)
    if html is not None:
        write_whole("--html", Path(html), page(told), MARK)
    if as_json:
        sys.stdout.write(json.dumps(told_json(told), indent=2, sort_keys=True) + "\n")
    elif html is not None:
        sys.stdout.write(f"{html}: {told.account}\n")
    else:
        _draw(told)


def _draw(told: Report) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    lines = [
        (
            told.account,
            f"{_time(told.from_ns) if told.from_ns else 'all'} to {_time(told.until_ns)}",
        ),
        ("cycles", _counted(told.ends)),
        ("conversions", _counted(told.conversions)),
        ("orders", _counted(told.orders)),
        ("trades", str(told.trades)),
        ("incidents", _counted(told.incidents)),
    ]
    if told.unpriced:
        lines.append(("nobody can price", f"{told.unpriced} cycles"))
    if told.not_explained:
        lines.append(("not explained", f"{told.not_explained} cycles of before it was kept"))
    if told.fees_waiting:
        lines.append(("fees not stated yet", f"of {told.fees_waiting} trades"))
    _table(console, "", ("", ""), lines)
    for one in told.results:
        title = f"{one.start}: {one.cycles} cycles, {one.conversions} conversions"
        _table(console, title, ("why less came", one.start), _why(one))
    balances = [
        (
            one.asset,
            *map(_exact, (one.opening, one.fills, one.fees, one.rounding)),
            ", ".join(f"{word} {_exact(much)}" for word, much in one.transfers.items()) or "0",
            *map(_exact, (one.unexplained, one.closing)),
        )
        for one in told.balances
    ]
    head = ("asset", "before", "fills", "fees", "rounding", "transfers", "unexplained", "now")
    _table(console, "where balances went", head, balances)
    if told.wallets:
        from arbit.app.reports.report_wallets import HEAD, TITLE, wallet_rows

        _table(console, TITLE, HEAD, wallet_rows(told.wallets))


def _why(one: Results) -> list[tuple[str, str]]:
    planned = [(f"  planned {cause.value}", _less(much)) for cause, much in one.planned.items()]
    short = [(f"  {cause.value}", _less(much)) for cause, much in one.shortfall.items()]
    unpriced = [(f"not priced: {name}", _less(much)) for name, much in one.unvalued.items()]
    return [
        ("best prices promised", _short(one.at_tops)),
        *planned,
        ("expected", _short(one.expected)),
        *short,
        ("brought", _short(one.brought)),
        (f"of that in {one.start} itself", _short(one.profit)),
        *unpriced,
    ]


def _table(
    console: Console, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", box=None)
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:  # what a venue named is text, never markup, and on one line
        table.add_row(*(Text("".join(x for x in cell if x.isprintable())) for cell in row))
    console.print(table)
    console.print()


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def _short(amount: Decimal) -> str:
    return f"{amount:+.8f}" if amount else "0"


def _less(amount: Decimal) -> str:
    return _short(amount.copy_negate())


def _exact(amount: Decimal) -> str:
    return f"{amount:f}"


def _time(wall_ns: int) -> str:
    return f"{datetime.fromtimestamp(wall_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _settings(data_dir: str | None) -> Settings:
    from arbit.config import Override, load_settings

    said = [] if data_dir is None else [Override("--data-dir", "ARBIT_DATA_DIR", data_dir)]
    return load_settings(overrides=said)
