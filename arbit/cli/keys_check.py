"""`arbit keys:check`: may this key be traded with, and would its orders be taken?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from arbit.cli import completion
from arbit.cli.exits import Code
from arbit.domain.errors import UserError

if TYPE_CHECKING:
    from arbit.app.keys_report import KeysReport

Venue = Annotated[
    str, typer.Option(help="Venue whose key is checked.", autocompletion=completion.venues)
]
Symbols = Annotated[str | None, typer.Option(help="Markets, e.g. BTC/USD,ETH/BTC,ETH/USD.")]
Triangles = Annotated[str | None, typer.Option(help="Triangles, ';' between them, or auto.")]
Balances = Annotated[
    bool,
    typer.Option("--balances", help="Show what the account owns, too; it is not shown unasked."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def keys_check(
    venue: Venue = "kraken",
    symbols: Symbols = None,
    triangles: Triangles = None,
    balances: Balances = False,
    as_json: Json = False,
) -> None:
    """Check an API key: permissions, clock, each market, and a rehearsal. Nothing is ordered.

    Examples:
    arbit keys:check --venue kraken --symbols BTC/USD,ETH/BTC,ETH/USD

    arbit keys:check --venue sandbox-alpaca
    """
    from arbit.app.keys_check import run_keys_check
    from arbit.config import Override, load_settings

    if symbols is not None and triangles is not None:
        raise UserError("--symbols and --triangles: expected one of them, both were given")
    said = {"--symbols": symbols, "--triangles": triangles}
    overrides = [
        Override(option, f"ARBIT_VENUES__{venue.upper()}__{option[2:].upper()}", text)
        for option, text in said.items()
        if text is not None
    ]
    report = run_keys_check(load_settings(overrides=overrides), venue, balances=balances)
    if as_json:
        sys.stdout.write(json.dumps(asdict(report) | {"verdict": report.verdict}, indent=2) + "\n")
    else:
        _show(report)
    if not report.fit:
        raise typer.Exit(Code.REFUSED)


def _show(report: KeysReport) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    looked = Table()
    for name in ("looked at", "found", ""):
        looked.add_column(name)
    for check in report.checks:
        looked.add_row(check.what, escape(check.found), check.verdict.value)
    console.print(looked)
    for line in report.told:
        console.print(escape(line), highlight=False)
    for asset, amount in report.balances.items():
        console.print(escape(f"balance: {amount} {asset}"), highlight=False)
    table = Table()
    for name in ("market", "status", "least qty", "least cost", "price step", "lot", "fee bps"):
        table.add_column(name)
    table.add_column("rehearsal")
    for one in report.markets:
        table.add_row(
            one.symbol,
            one.status,
            one.qty_min,
            one.cost_min,
            one.price_increment,
            one.qty_increment,
            one.fee_bps,
            escape(one.rehearsal),
        )
    console.print(table)
    if report.hurdle_bps:
        console.print(
            f"at these fees a gap of {report.hurdle_bps} bps is needed before a cycle earns "
            "anything",
            highlight=False,
        )
    for note in report.notes:
        console.print(escape(f"note: {note}"), highlight=False)
    console.print(f"[bold]Verdict[/bold]: {escape(report.verdict)}", highlight=False)
