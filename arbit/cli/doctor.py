"""`arbit doctor`: is this machine fit to trade, and the program itself?"""

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
    from rich.text import Text

    from arbit.app.doctor.report import Finding, Report

COLOURS = {"pass": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}

Venue = Annotated[
    str,
    typer.Option(
        help="A venue to be looked at beside the configured ones.",
        autocompletion=completion.venues,
    ),
]
NoNetwork = Annotated[bool, typer.Option("--no-network", help="Contact nobody at all.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def doctor(venue: Venue = "", no_network: NoNetwork = False, as_json: Json = False) -> None:
    """Look at the machine, its files, the configured venues, and the program's own answers.

    Each check says what it saw and, where something is wrong, what mends it. With nothing
    configured nobody is contacted. Leaves with 1 when a check fails; warnings are allowed.

    Examples:
    arbit doctor

    arbit doctor --no-network --json

    arbit doctor --venue kraken
    """
    from arbit.app.doctor.run import run_doctor
    from arbit.config import load_settings

    settings, problems = None, tuple[str, ...]()
    try:
        settings = load_settings()
        if venue:
            settings.venue(venue)
    except UserError as error:
        if settings is not None:  # the option's own mistake
            raise
        problems = tuple(str(error).splitlines())
    report = run_doctor(settings, problems, venue=venue, network_too=not no_network)
    if as_json:
        told = {
            "ok": report.ok,
            "counts": report.counts,
            "findings": [asdict(one) for one in report.findings],
        }
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif sys.stdout.isatty():
        _table(report)
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(report)))
    if not report.ok:
        raise typer.Exit(Code.FOUND)


def _lines(report: Report) -> list[str]:
    lines = []
    for one in report.findings:
        lines.append(f"{one.verdict.value.upper():8}{one.name}: {one.seen}")
        if one.fix:
            lines.append(f"        fix: {one.fix}")
    return [*lines, report.words]


def _table(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("check", "verdict", "seen"):
        table.add_column(name)
    for one in report.findings:
        table.add_row(one.name, Text(one.verdict.value, COLOURS[one.verdict.value]), _said(one))
    console = Console()
    console.print(table)
    console.print(Text(report.words, "green" if report.ok else "bold red"))


def _said(one: Finding) -> Text:
    from rich.text import Text

    said = Text(one.seen)
    if one.fix:
        said.append(f"\nfix: {one.fix}", "bold")
    return said
