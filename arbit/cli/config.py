"""`arbit config`: the settings as they are understood, what is wrong with them, a first `.env`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arbit.cli import completion
from arbit.cli.exits import Code

if TYPE_CHECKING:
    from arbit.config.told import Told

ENV_FILE = Path(".env")

app = typer.Typer(
    name="config",
    help="The settings: what they are and who said so, what is wrong with them, a first .env file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Venues = Annotated[
    list[str] | None,
    typer.Option(
        "--venue",
        help="Show this venue's settings; repeat for several. Default: those of the settings.",
        autocompletion=completion.venues,
    ),
]
Changed = Annotated[bool, typer.Option("--changed", help="Those alone that somebody set.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")]
Force = Annotated[
    bool, typer.Option("--force", help="Write a new one; the old is kept beside it as a backup.")
]


@app.command()
def show(venue: Venues = None, changed: Changed = False, as_json: Json = False) -> None:
    """Every setting with its value and where it comes from; secrets are masked, always.

    The environment wins over .env, which wins over the default. Nothing is contacted.

    Examples:
    arbit config show --changed

    arbit config show --venue kraken --json
    """
    from arbit.config.load import hear_settings
    from arbit.config.told import DEFAULT, told_settings
    from arbit.domain.errors import UserError

    heard = hear_settings()
    if heard.settings is None:
        raise UserError("\n".join(heard.problems))
    told = told_settings(heard, venue or ())
    found = [one for one in told if not changed or one.source != DEFAULT]
    if as_json:
        sys.stdout.write(json.dumps({"settings": [asdict(one) for one in found]}, indent=2) + "\n")
    else:
        _show(found)


@app.command()
def check(as_json: Json = False) -> None:
    """Whether the settings are in order: everything that is wrong at once, a line each.

    Nothing is contacted. Exit code 2 when something is wrong.

    Example: arbit config check
    """
    from arbit.app.config.check import wrong_together
    from arbit.config.load import hear_settings

    heard = hear_settings()
    problems = list(heard.problems)
    if heard.settings is not None:
        problems += wrong_together(heard.settings)
    if as_json:
        sys.stdout.write(json.dumps({"ok": not problems, "problems": problems}, indent=2) + "\n")
    else:
        for line in problems:
            sys.stderr.write(f"arbit: {line}\n")
        if not problems:
            sys.stdout.write(f"the settings are in order; {len(heard.said)} of them were set\n")
    if problems:
        raise typer.Exit(Code.MISTAKE)


@app.command()
def init(force: Force = False) -> None:
    """Write .env with every setting at its default, commented out and explained.

    For its owner's eyes alone (mode 600). One that is there is never written over.

    Example: arbit config init
    """
    from arbit.app.config.init import write_env
    from arbit.cli.config_docs import env_first

    kept = write_env(ENV_FILE, env_first(), force=force)
    if kept is not None:
        sys.stdout.write(f"{kept}: what was there before\n")
    sys.stdout.write(f"{ENV_FILE}: written; uncomment what you change, then `arbit config check`\n")


def _show(found: Sequence[Told]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in ("setting", "value", "from"):
        table.add_column(name, overflow="fold")
    for one in found:  # what somebody typed is text, never markup, and on one line
        words = (one.key, one.value or "unset", one.source)
        table.add_row(*(Text("".join(x for x in word if x.isprintable())) for word in words))
    console.print(table)
