"""Opens the door: the command line, and the only caller of `load_settings`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from arbit import __version__
from arbit.app.trade.unread import Watched
from arbit.cli import (
    alerts_test,
    config,
    control,
    convert,
    db,
    doctor,
    export,
    fitness,
    keys_check,
    live,
    markets,
    plan,
    rebalance,
    report,
    sandbox,
    shadow,
    status,
    streams,
    triangles,
)
from arbit.cli.exits import Code
from arbit.cli.panels import Panel
from arbit.domain.account import AccountUnfit
from arbit.domain.errors import UserError, VenueError
from arbit.domain.records import JournalFailed

app = typer.Typer(
    name="arbit",
    help="An honest instrument for triangular arbitrage on one exchange.\n\n"
    "Begin with: arbit fitness --simulate --secs 20",
    epilog="Exit codes: 0 done, 1 found something, 2 a mistake in what was said, 3 refused for "
    "safety, 4 out of reach, 130 interrupted. docs/commands.md has every command.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
# A command is one line here, one row of `exits.WHEN`, and has an example in its docstring.
app.command(name="fitness", rich_help_panel=Panel.MEASURE)(fitness.fitness)
app.command(name="markets", rich_help_panel=Panel.MEASURE)(markets.markets)
app.command(name="triangles", rich_help_panel=Panel.MEASURE)(triangles.triangles)
app.command(name="plan", rich_help_panel=Panel.MEASURE)(plan.plan)
app.command(name="live", rich_help_panel=Panel.TRADE)(live.live)
app.command(name="shadow", rich_help_panel=Panel.TRADE)(shadow.shadow)
app.command(name="convert", rich_help_panel=Panel.TRADE)(convert.convert)
app.command(name="rebalance", rich_help_panel=Panel.TRADE)(rebalance.rebalance)
app.command(name="status", rich_help_panel=Panel.CONTROL)(status.status)
app.command(name="why", rich_help_panel=Panel.CONTROL)(status.why)
app.command(name="pause", rich_help_panel=Panel.CONTROL)(control.pause)
app.command(name="resume", rich_help_panel=Panel.CONTROL)(control.resume)
app.command(name="kill", rich_help_panel=Panel.CONTROL)(control.kill)
app.command(name="unkill", rich_help_panel=Panel.CONTROL)(control.unkill)
app.command(name="keys:check", rich_help_panel=Panel.ACCOUNT)(keys_check.keys_check)
app.command(name="report", rich_help_panel=Panel.ACCOUNT)(report.report)
app.command(name="export", rich_help_panel=Panel.ACCOUNT)(export.export)
app.command(name="doctor", rich_help_panel=Panel.CARE)(doctor.doctor)
app.add_typer(config.app, name="config", rich_help_panel=Panel.CARE)
app.add_typer(db.app, name="db", rich_help_panel=Panel.CARE)
app.command(name="alerts:test", rich_help_panel=Panel.CARE)(alerts_test.alerts_test)
app.command(name="sandbox", rich_help_panel=Panel.CARE)(sandbox.sandbox)


def _tell_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"arbit {__version__}\n")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_tell_version, is_eager=True, help="Tell the version and leave."
    ),
]


@app.callback()
def _root(version: Version = False) -> None:
    """Options of no command stand here; commands follow."""
    del version  # told before anything else


def main() -> None:
    """Run the command. A user's mistake is one clear line and exit code 2, never a traceback."""
    with streams.watched() as out:
        code = _run(out)
    raise SystemExit(int(streams.code_of(out, code)))


def _run(out: Watched) -> int:
    """The command's own end, whatever became of its words."""
    try:
        code = app(standalone_mode=False)
    except (UserError, JournalFailed) as error:  # the latter: a start on what cannot be read
        return _told(str(error), Code.MISTAKE)
    except AccountUnfit as error:
        return _told(str(error), Code.REFUSED)
    except VenueError as error:
        return _told(str(error), Code.UNREACHABLE)
    except typer.Abort:
        return Code.INTERRUPTED
    except typer.exceptions.TyperException as error:  # an option or argument it cannot read
        return _told(error.format_message().replace("\n", " "), Code.MISTAKE)
    except SystemExit:  # typer and rich make one of a reader who has left
        if out.error is None:
            raise
        return Code.OK
    except OSError as error:
        if error is not out.error:
            raise
        return Code.OK
    return code if isinstance(code, int) else Code.OK


def _told(line: str, code: Code) -> Code:
    streams.complain(line)  # nothing when the help was printed instead
    return code
