"""`arbit kill`, `unkill`, `pause` and `resume`: what stops trading, and what lets it go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object on stdout: what was done, what daemons answered."),
]


def kill(venue: OneVenue = "all", data_dir: DataDir = None, as_json: Json = False) -> None:
    """Stop every order at once: nothing leaves, open cycles are held and listed.

    Where no daemon runs it says so, loudly, and still leaves with code 0: the next start finds it.

    Example: arbit kill
    """
    from arbit.app.door import control

    settings, one = settings_of(data_dir), "" if venue == control.ALL else venue
    with _told(as_json=as_json) as told:
        told.done(control.kill(settings, one))
        told.heard(control.answers(settings, one))


def unkill(venue: OneVenue = "all", data_dir: DataDir = None, as_json: Json = False) -> None:
    """Switch the kill switch off again; one that was meant for a venue alone, by its name.

    Example: arbit unkill kraken
    """
    from arbit.app.door import control

    settings, one = settings_of(data_dir), "" if venue == control.ALL else venue
    with _told(as_json=as_json) as told:
        told.done(control.unkill(settings, one))
        told.heard(control.answers(settings, one))


def pause(venue: Venue, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Begin no new cycle on a venue; open ones finish or unwind.

    Example: arbit pause kraken
    """
    from arbit.app.door import control

    settings = settings_of(data_dir)
    names = control.named(settings, venue)
    with _told(as_json=as_json) as told:
        for name in names:  # every file first: a daemon that hangs must not keep another waiting
            told.done(control.pause(settings, name))
        for name in names:
            told.heard(control.answers(settings, name))


def resume(
    venue: Venue,
    data_dir: DataDir = None,
    accept_balances: Accept = False,
    as_json: Json = False,
) -> None:
    """End a pause, and close the venue's circuit breaker.

    Example: arbit resume all
    """
    from arbit.app.door import control

    settings = settings_of(data_dir)
    with _told(as_json=as_json) as told:
        for name in control.named(settings, venue):
            told.done(control.resume(settings, name, accept_balances=accept_balances))
            told.heard(control.answers(settings, name))


def settings_of(data_dir: str | None) -> Settings:
    """Settings of this data folder."""
    from arbit.config import Override, load_settings

    said = [] if data_dir is None else [Override("--data-dir", "ARBIT_DATA_DIR", data_dir)]
    return load_settings(overrides=said)


class _Told:
    """Lines at once, or all of it as one object at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.kept: dict[str, list[str]] = {"done": [], "daemons": []}

    def done(self, line: str) -> None:
        """What is so from now on."""
        self._say("done", line)

    def heard(self, lines: list[str]) -> None:
        """What daemons answered."""
        for line in lines:
            self._say("daemons", line)

    def _say(self, kind: str, line: str) -> None:
        from arbit.app.door.spoken import spoken

        self.kept[kind].append(spoken(line))
        if not self._as_json:
            sys.stdout.write(f"{self.kept[kind][-1]}\n")


@contextmanager
def _told(*, as_json: bool) -> Iterator[_Told]:
    """What was done before an error is told all the same: its files are there."""
    told = _Told(as_json=as_json)
    try:
        yield told
    finally:
        if as_json and told.kept["done"]:
            sys.stdout.write(json.dumps(told.kept, indent=2) + "\n")
