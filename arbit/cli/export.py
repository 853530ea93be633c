"""`arbit export`: an account's history as a file that tax tools take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from arbit.cli import completion

DataDir = Annotated[str | None, typer.Option("--data-dir", help="Where the journal is kept.")]
Account = Annotated[
    str | None,
    typer.Option("--account", help="Whose rows: venue:mode:key. Needed where there are several."),
]
Kind = Annotated[
    str,
    typer.Option(
        "--format",
        help="csv, koinly or cointracking.",
        autocompletion=completion.among("csv", "koinly", "cointracking"),
    ),
]
Out = Annotated[
    str | None, typer.Option("--out", help="The file to write. Default: stdout.", metavar="FILE")
]
Year = Annotated[str | None, typer.Option("--year", help="One UTC year alone, e.g. 2026.")]


def export(
    account: Account = None,
    kind: Kind = "csv",
    out: Out = None,
    year: Year = None,
    data_dir: DataDir = None,
) -> None:
    """Write every change of an account's balances: trades with their fees, and what came or went.

    Rows add up to the ledger to the last digit, or nothing is written. Reads the journal alone,
    beside a running daemon too, and never mixes accounts.

    Examples:
    arbit export --format koinly --year 2026 --out koinly-2026.csv
    """
    from arbit.app.reports.export import FIRST_YEAR, LAST_YEAR, Format
    from arbit.app.reports.export import export as made
    from arbit.app.written import write_whole
    from arbit.cli.numbers import whole
    from arbit.config import Override, load_settings
    from arbit.domain.account import Mode
    from arbit.domain.errors import UserError

    if kind not in set(Format):
        raise UserError(f"--format {kind}: expected one of {', '.join(Format)}")
    only = None if year is None else whole("--year", year, FIRST_YEAR, LAST_YEAR)
    said = [] if data_dir is None else [Override("--data-dir", "ARBIT_DATA_DIR", data_dir)]
    file = made(load_settings(overrides=said).data_dir, account, Format(kind), only)
    if f":{Mode.LIVE.value}:" not in file.account:
        sys.stderr.write(f"arbit: {file.account}: this is made-up money\n")
    if out is None:
        sys.stdout.write(file.text)
        return
    write_whole("--out", Path(out), file.text, file.mark)
    sys.stdout.write(f"{out}: {file.rows} rows of {file.account}\n")
