"""`arbit shadow`: what dry runs have shown, and whether it would let real orders through."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from arbit.cli import completion
from arbit.cli.control import settings_of
from arbit.cli.exits import Code

Venue = Annotated[
    list[str] | None,
    typer.Option(
        help="Venue to tell of; repeat for several. Default: all that have evidence.",
        autocompletion=completion.venues,
    ),
]
DataDir = Annotated[str | None, typer.Option("--data-dir", help="The data folder of the dry runs.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def shadow(venue: Venue = None, as_json: Json = False, data_dir: DataDir = None) -> None:
    """What dry runs have shown, and whether `live` would send real orders on it.

    Nothing is contacted: what the account really pays is compared when `live` starts. It goes by
    the settings: what a dry run was told by options, such as --symbols, is unknown here. Leaves
    with 3 when a venue's evidence does not suffice.

    Examples:
    arbit shadow

    arbit shadow --venue kraken --json
    """
    from arbit.app.golive.shadow_told import shadows, shadows_lines

    found = shadows(settings_of(data_dir), venue or ())
    if as_json:
        sys.stdout.write(json.dumps({"venues": [asdict(one) for one in found]}, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(shadows_lines(found)) + "\n")
    if not found or not all(one.allowed or one.exempt for one in found):
        raise typer.Exit(Code.REFUSED)
