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
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def keys_check(
    venue: Venue = "kraken",
    symbols: Symbols = None,
    triangles: Triangles = None,
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
    report = run_keys_check(load_settings(overrides=overrides), venue)
    if as_json:
        sys.stdout.write(json.dumps(asdict(report) | {"verdict": report.verdict}, indent=2) + "\n")
    else:
        _show(report)
    if not report.fit:
        raise typer.Exit(Code.REFUSED)


def _show(report: KeysReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"permissions: {', '.join(report.permissions) or 'not told'}", highlight=False)
    for line in report.told:
        console.print(line, highlight=False)
    if report.offset_ms is not None:
        console.print(
            f"clock: the venue's is {report.offset_ms:+.0f} ms against ours, "
            f"give or take {report.uncertainty_ms:.0f} ms",
            highlight=False,
        )
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
            one.rehearsal,
        )
    console.print(table)
    if report.hurdle_bps:
        console.print(
            f"at these fees a gap of {report.hurdle_bps} bps is needed before a cycle earns "
            "anything",
            highlight=False,
        )
    for note in report.notes:
        console.print(f"note: {note}", highlight=False)
    console.print(f"[bold]Verdict[/bold]: {report.verdict}", highlight=False)
