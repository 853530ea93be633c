"""`arbit kill`, `unkill`, `pause` and `resume`: what stops trading, and what lets it go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from arbit.cli import completion

if TYPE_CHECKING:
    from arbit.config import Settings

DataDir = Annotated[
    str | None, typer.Option("--data-dir", help="The data folder of the daemon to be told.")
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept-balances",
        help="Book what the venue has more (or less) than our books, after you looked why.",
    ),
]
Venue = Annotated[
    str,
    typer.Argument(
        help="The venue, e.g. kraken, or all that are traded.",
        metavar="VENUE|all",
        autocompletion=completion.one_or_all,
    ),
]
OneVenue = Annotated[
    str,
    typer.Argument(
        help="One venue alone, e.g. kraken. Default: all.",
        metavar="[VENUE]",
        autocompletion=completion.one_or_all,
    ),
]


def kill(venue: OneVenue = "all", data_dir: DataDir = None) -> None:
    """Stop every order at once: nothing leaves, open cycles are held and listed.

    Where no daemon runs it says so, loudly, and still leaves with code 0: the next start finds it.

    Example: arbit kill
    """
    from arbit.app import control

    settings, one = settings_of(data_dir), "" if venue == control.ALL else venue
    _say(control.kill(settings, one), *control.answers(settings, one))


def unkill(venue: OneVenue = "all", data_dir: DataDir = None) -> None:
    """Switch the kill switch off again; one that was meant for a venue alone, by its name.

    Example: arbit unkill kraken
    """
    from arbit.app import control

    settings, one = settings_of(data_dir), "" if venue == control.ALL else venue
    _say(control.unkill(settings, one), *control.answers(settings, one))


def pause(venue: Venue, data_dir: DataDir = None) -> None:
    """Begin no new cycle on a venue; open ones finish or unwind.

    Example: arbit pause kraken
    """
    from arbit.app import control

    settings = settings_of(data_dir)
    names = control.named(settings, venue)
    for name in names:  # every file first: a daemon that hangs must not keep another from its own
        _say(control.pause(settings, name))
    for name in names:
        _say(*control.answers(settings, name))


def resume(venue: Venue, data_dir: DataDir = None, accept_balances: Accept = False) -> None:
    """End a pause, and close the venue's circuit breaker.

    Example: arbit resume all
    """
    from arbit.app import control

    settings = settings_of(data_dir)
    for name in control.named(settings, venue):
        said = control.resume(settings, name, accept_balances=accept_balances)
        _say(said, *control.answers(settings, name))


def settings_of(data_dir: str | None) -> Settings:
    """Settings of this data folder."""
    from arbit.config import Override, load_settings

    said = [] if data_dir is None else [Override("--data-dir", "ARBIT_DATA_DIR", data_dir)]
    return load_settings(overrides=said)


def _say(*lines: str) -> None:
    from arbit.app.spoken import spoken

    sys.stdout.write("".join(f"{spoken(line)}\n" for line in lines))
