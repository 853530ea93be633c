"""`arbit keys:check`: may this key be traded with, and would its orders be taken?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from arbit.cli import completion
from arbit.cli.exits import Code
from arbit.domain.errors import UserError

if TYPE_CHECKING:
    from arbit.app.keys.report import KeysReport

Venue = Annotated[
    list[str] | None,
    typer.Option(
        "--venue",
        help="Venue whose key is checked; repeat for several. Default: kraken.",
        autocompletion=completion.venues,
    ),
]
Symbols = Annotated[str | None, typer.Option(help="Markets, e.g. BTC/USD,ETH/BTC,ETH/USD.")]
Triangles = Annotated[str | None, typer.Option(help="Triangles, ';' between them, or auto.")]
Balances = Annotated[
    bool,
    typer.Option("--balances", help="Show what the account owns, too; it is not shown unasked."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def keys_check(
    venue: Venue = None,
    symbols: Symbols = None,
    triangles: Triangles = None,
    balances: Balances = False,
    as_json: Json = False,
) -> None:
    """Check an API key: permissions, clock, each market, and a rehearsal. Nothing is ordered.

    Examples:
    arbit keys:check --venue kraken --symbols BTC/USD,ETH/BTC,ETH/USD

    arbit keys:check --venue sandbox --venue sandbox-alpaca
    """
    from arbit.app.keys.check import run_keys_check
    from arbit.config import Override, load_settings, venue_key

    if symbols is not None and triangles is not None:
        raise UserError("--symbols and --triangles: expected one of them, both were given")
    names = list(dict.fromkeys(venue or ["kraken"]))
    said = {"--symbols": symbols, "--triangles": triangles}
    overrides = [
        Override(option, venue_key(name, option[2:]), text)
        for name in names
        for option, text in said.items()
        if text is not None
    ]
    settings = load_settings(overrides=overrides)
    reports = [run_keys_check(settings, name, balances=balances) for name in names]
    if as_json:
        sys.stdout.write(json.dumps(_as_json(reports), indent=2) + "\n")
    else:
        for report in reports:
            _show(report)
        if len(reports) > 1:
            sys.stdout.write(f"All: {_verdict(reports)}\n")
    if not all(report.fit for report in reports):
        raise typer.Exit(Code.REFUSED)


def _verdict(reports: Sequence[KeysReport]) -> str:
    """One line of all of them."""
    unfit = [report.venue for report in reports if not report.fit]
    fit = [report.venue for report in reports if report.fit]
    if unfit:
        return f"not fit to trade on {', '.join(unfit)}"
    return f"fit to trade on {', '.join(fit)}"


def _as_json(reports: Sequence[KeysReport]) -> dict[str, object]:
    """A report, or those of several venues by name under one verdict."""
    told = {one.venue: asdict(one) | {"verdict": one.verdict} for one in reports}
    if len(reports) == 1:
        return told[reports[0].venue]
    fit = all(one.fit for one in reports)
    return {"venues": told, "fit": fit, "verdict": _verdict(reports)}


def _plain(text: str) -> str:
    """A venue's words as they are: no markup, and nothing that moves a cursor."""
    from rich.markup import escape

    return escape("".join(one for one in text if one.isprintable()))


def _show(report: KeysReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"[bold]{report.venue}[/bold]", highlight=False)
    looked = Table()
    for name in ("looked at", "found", ""):
        looked.add_column(name)
    for check in report.checks:
        looked.add_row(check.what, _plain(check.found), check.verdict.value)
    console.print(looked)
    for line in report.told:
        console.print(_plain(line), highlight=False)
    for asset, amount in report.balances.items():
        console.print(_plain(f"balance: {amount} {asset}"), highlight=False)
    table = Table()
    for name in ("market", "status", "least qty", "least cost", "price step", "lot", "fee bps"):
        table.add_column(name)
    table.add_column("rehearsal")
    for one in report.markets:
        table.add_row(
            _plain(one.symbol),
            one.status,
            one.qty_min,
            one.cost_min,
            one.price_increment,
            one.qty_increment,
            one.fee_bps,
            _plain(one.rehearsal),
        )
    console.print(table)
    if report.hurdle_bps:
        console.print(
            f"at these fees a gap of {report.hurdle_bps} bps is needed before a cycle earns "
            "anything",
            highlight=False,
        )
    for note in report.notes:
        console.print(_plain(f"note: {note}"), highlight=False)
    console.print(f"[bold]Verdict[/bold]: {_plain(report.verdict)}", highlight=False)
