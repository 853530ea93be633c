"""`arbit db`: the journal's file, looked after by hand."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arbit.cli.exits import Code

if TYPE_CHECKING:
    from arbit.app.reports.database import Revisions

app = typer.Typer(
    name="db",
    help="Look after the journal's file: its schema, a check of its books, a backup.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

DataDir = Annotated[str | None, typer.Option("--data-dir", help="Where the journal is kept.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")]


@app.command()
def upgrade(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Make the file, or bring it to this version's schema; a backup is taken first.

    Example: arbit db upgrade
    """
    from arbit.app.reports.database import upgrade_database

    done = upgrade_database(_folder(data_dir))
    if as_json:
        _say(_revisions(done))
    elif done.found == done.latest:
        _say(f"{done.path}: at {done.latest} already")
    else:
        _say(f"{done.path}: {done.found or 'nothing'} -> {done.latest}")


@app.command()
def current(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Which schema the file has, and which one this version knows.

    Example: arbit db current
    """
    from arbit.app.reports.database import current_database

    now = current_database(_folder(data_dir))
    if as_json:
        _say(_revisions(now))
    else:
        _say(f"{now.path}: {now.found or 'no schema'} (this version: {now.latest})")


@app.command()
def check(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Whether the books agree with themselves: exit code 3 and a line for each thing that does not.

    Every order belongs to a cycle, every fill to an order; fills add up to what their order says;
    the ledger adds up to zero for each account and asset.

    Example: arbit db check --json
    """
    from arbit.app.reports.database import check_database

    found = check_database(_folder(data_dir))
    if as_json:
        _say(json.dumps(asdict(found), indent=2, sort_keys=True))
    else:
        for account, amounts in sorted(found.wallets.items()):
            for asset, amount in sorted(amounts.items()):
                _say(f"{account} {asset} {amount}")
        for account, said in sorted(found.runs.items()):
            _say(f"{account} {said}")
        for finding in found.findings:
            _say(f"WRONG {finding}")
        rows = ", ".join(f"{count} {name}" for name, count in sorted(found.counts.items()))
        _say(f"{len(found.findings)} findings in {rows or 'no rows'}")
    if found.findings:
        raise typer.Exit(Code.REFUSED)


@app.command()
def backup(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Copy the file beside itself, safely even while a daemon writes. Five copies are kept.

    Example: arbit db backup --data-dir var
    """
    from arbit.app.reports.database import backup_database

    made = backup_database(_folder(data_dir))
    _say(json.dumps({"path": str(made)}) if as_json else f"{made}")


def _revisions(one: Revisions) -> str:
    return json.dumps({"path": str(one.path), "found": one.found, "latest": one.latest})


def _folder(data_dir: str | None) -> Path:
    from arbit.config import Override, load_settings

    said = [] if data_dir is None else [Override("--data-dir", "ARBIT_DATA_DIR", data_dir)]
    return load_settings(overrides=said).data_dir


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
