"""Opens the door: the command line, and the only caller of `load_settings`."""

from __future__ import annotations

import sys

import typer

from arbit.cli import fitness, sandbox
from arbit.domain.errors import UserError, VenueError

USER_MISTAKE = 2
VENUE_UNREACHABLE = 4

app = typer.Typer(
    name="arbit",
    help="An honest instrument and a safe executor for triangular arbitrage on one exchange.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="fitness")(fitness.fitness)
app.command(name="sandbox")(sandbox.sandbox)


@app.callback()
def _root() -> None:
    """Global options stand here when there are any; commands follow."""


def main() -> None:
    """Run the command. A user's mistake is one clear line and exit code 2, never a traceback."""
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"arbit: {error}\n")
        raise SystemExit(USER_MISTAKE) from None
    except VenueError as error:
        sys.stderr.write(f"arbit: {error}\n")
        raise SystemExit(VENUE_UNREACHABLE) from None
