"""`arbit status` and `arbit why`: how each daemon of a data folder is, and why it trades or not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from arbit.cli import completion
from arbit.cli.control import settings_of
from arbit.cli.exits import Code

EVERY_S = 2.0
Venue = Annotated[
    str,
    typer.Argument(
        help="One venue alone. Default: all.",
        metavar="[VENUE]",
        autocompletion=completion.venues,
    ),
]
DataDir = Annotated[str | None, typer.Option("--data-dir", help="The data folder of the daemon.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
Watch = Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")]


def status(
    venue: Venue = "", as_json: Json = False, watch: Watch = False, data_dir: DataDir = None
) -> None:
    """How each daemon of the data folder is, in a word and a few lines.

    Where none runs, what the last run left is told. Leaves with 1 when no daemon answers.

    Example: arbit status --watch
    """
    from arbit.app.door.overview import Past, Silent, statuses
    from arbit.app.door.status import StatusTold, status_lines

    settings = settings_of(data_dir)

    def look() -> list[StatusTold | Silent | Past]:
        return statuses(settings, venue)

    if watch:
        _again(lambda: _say(look(), status_lines, as_json=as_json))
    _say(found := look(), status_lines, as_json=as_json)
    _leave(found)


def why(venue: Venue = "", as_json: Json = False, data_dir: DataDir = None) -> None:
    """Why each daemon trades, or does not: the best edge, its hurdle, what was refused and chosen.

    Where none runs, what the last run left is told. Leaves with 1 when no daemon answers.

    Example: arbit why kraken
    """
    from arbit.app.door.overview import whys
    from arbit.app.door.status import why_lines

    found = whys(settings_of(data_dir), venue)
    _say(found, why_lines, as_json=as_json)
    _leave(found)


def _say(found: Sequence[Any], lines: Callable[[Any], list[str]], *, as_json: bool) -> None:
    from arbit.app.door.overview import Past, Silent
    from arbit.app.door.spoken import spoken

    if as_json:
        sys.stdout.write(json.dumps({"accounts": [asdict(one) for one in found]}) + "\n")
        sys.stdout.flush()
        return
    for one in found:
        if isinstance(one, Past):
            told = one.lines
        elif isinstance(one, Silent):
            told = [f"{one.account}: A DAEMON RUNS AND DOES NOT ANSWER: {one.holder}: {one.why}"]
        else:
            told = lines(one)
        sys.stdout.write("".join(f"{spoken(line)}\n" for line in told))
    if not found:
        sys.stdout.write("nothing was ever traded from this data folder\n")
    sys.stdout.flush()


def _again(look: Callable[[], None]) -> None:
    """Every two seconds, until Ctrl-C."""
    from arbit.app.door.overview import repeat

    try:
        repeat(EVERY_S, look)
    except KeyboardInterrupt:
        raise typer.Exit(Code.INTERRUPTED) from None


def _leave(found: Sequence[Any]) -> None:
    from arbit.app.door.status import StatusTold, WhyTold

    if not any(isinstance(one, StatusTold | WhyTold) for one in found):
        raise typer.Exit(Code.FOUND)
