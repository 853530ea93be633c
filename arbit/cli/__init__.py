"""Opens the door: the command line, and the only caller of `load_settings`."""

from __future__ import annotations

import os
import sys

import typer

from arbit.cli import (
    alerts_test,
    control,
    convert,
    db,
    export,
    fitness,
    keys_check,
    live,
    rebalance,
    report,
    sandbox,
    status,
)
from arbit.domain.account import AccountUnfit
from arbit.domain.errors import UserError, VenueError
from arbit.domain.records import JournalFailed

USER_MISTAKE = 2
REFUSED_BY_SAFETY = 3
VENUE_UNREACHABLE = 4
INTERRUPTED = 130

app = typer.Typer(
    name="arbit",
    help="An honest instrument for triangular arbitrage on one exchange.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="fitness")(fitness.fitness)
app.command(name="live")(live.live)
app.command(name="convert")(convert.convert)
app.command(name="rebalance")(rebalance.rebalance)
app.command(name="report")(report.report)
app.command(name="export")(export.export)
app.command(name="sandbox")(sandbox.sandbox)
app.command(name="keys:check")(keys_check.keys_check)
app.command(name="alerts:test")(alerts_test.alerts_test)
app.add_typer(db.app, name="db")
app.command(name="status")(status.status)
app.command(name="why")(status.why)
app.command(name="kill")(control.kill)
app.command(name="unkill")(control.unkill)
app.command(name="pause")(control.pause)
app.command(name="resume")(control.resume)


@app.callback()
def _root() -> None:
    """Global options stand here when there are any; commands follow."""


def main() -> None:
    """Run the command. A user's mistake is one clear line and exit code 2, never a traceback."""
    try:
        code = app(standalone_mode=False)
    except (UserError, JournalFailed) as error:  # the latter: a start on what cannot be read
        _leave(str(error), USER_MISTAKE)
    except AccountUnfit as error:
        _leave(str(error), REFUSED_BY_SAFETY)
    except VenueError as error:
        _leave(str(error), VENUE_UNREACHABLE)
    except BrokenPipeError:  # whoever read our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(INTERRUPTED) from None
    except typer.Abort:
        raise SystemExit(INTERRUPTED) from None
    except typer.exceptions.TyperException as error:  # an option or argument it cannot read
        _leave(error.format_message().replace("\n", " "), USER_MISTAKE)
    raise SystemExit(code if isinstance(code, int) else 0)


def _leave(line: str, code: int) -> None:
    if line.strip():  # empty when the help was printed instead
        sys.stderr.write(f"arbit: {line}\n")
    raise SystemExit(code) from None
