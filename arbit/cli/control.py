"""`arbit kill`, `unkill`, `pause` and `resume`: what stops trading, and what lets it go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from arbit.cli import completion
from arbit.domain.errors import UserError

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
        told.ask(lambda: control.answers(settings, one))


def unkill(venue: OneVenue = "all", data_dir: DataDir = None, as_json: Json = False) -> None:
    """Switch the kill switch off again; one that was meant for a venue alone, by its name.

    Nothing begins with it: `arbit resume` lets trading go on.

    Example: arbit unkill kraken
    """
    from arbit.app.door import control

    settings, one = settings_of(data_dir), "" if venue == control.ALL else venue
    with _told(as_json=as_json) as told:
        told.done(control.unkill(settings, one))
        told.ask(lambda: control.answers(settings, one))


def pause(venue: Venue, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Begin no new cycle on a venue; open ones finish or unwind.

    Example: arbit pause kraken
    """
    from arbit.app.door import control

    settings = settings_of(data_dir)
    names = control.named(settings, venue)
    with _told(as_json=as_json) as told:
        for name in names:  # one whose file cannot be made keeps no other from its pause
            with told.failing():
                told.done(control.pause(settings, name))
        told.ask(*(partial(control.answers, settings, name) for name in names))


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
    names = control.named(settings, venue)
    with _told(as_json=as_json) as told:
        for name in names:  # where one cannot be resumed, those after it stay as they are
            told.done(control.resume(settings, name, accept_balances=accept_balances))
        told.ask(*(partial(control.answers, settings, name) for name in names))


def settings_of(data_dir: str | None) -> Settings:
    """Settings of this data folder."""
    from arbit.config import Override, load_settings

    said = [] if data_dir is None else [Override("--data-dir", "ARBIT_DATA_DIR", data_dir)]
    return load_settings(overrides=said)


class _Told:
    """Every file first, then words: neither a reader nor a daemon that hangs is in between.

    Lines as they come, or all of it as one object at the end.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._unsaid: list[str] = []
        self._failed: list[str] = []
        self.kept: dict[str, list[str]] = {"done": [], "daemons": []}

    def done(self, line: str) -> None:
        """What is so from now on. Nothing is written yet."""
        self._keep("done", line)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """What fails here is raised when all was tried: by `ask`."""
        try:
            yield
        except UserError as error:
            self._failed.append(str(error))

    def ask(self, *answers: Callable[[], list[str]]) -> None:
        """Tell what was done, and then what daemons answer. UserError for what has failed."""
        if self._failed:
            raise UserError("\n".join(self._failed))
        self._say()
        for heard in answers:
            for line in heard():
                self._keep("daemons", line)
            self._say()

    def end(self, error: str = "") -> None:
        """Tell what is not told yet. Programs are told an error, too, where anything was done."""
        self._say()
        if self._as_json and self.kept["done"]:
            whole = self.kept | ({"error": error} if error else {})
            sys.stdout.write(json.dumps(whole, indent=2) + "\n")
            sys.stdout.flush()

    def _keep(self, kind: str, line: str) -> None:
        from arbit.app.door.spoken import spoken

        self.kept[kind].append(spoken(line))
        self._unsaid.append(self.kept[kind][-1])

    def _say(self) -> None:
        lines, self._unsaid = self._unsaid, []
        if lines and not self._as_json:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()


@contextmanager
def _told(*, as_json: bool) -> Iterator[_Told]:
    """What was done before an error is told all the same: its files are there."""
    told = _Told(as_json=as_json)
    try:
        yield told
    except UserError as error:
        with suppress(OSError):  # the error is said on stderr, whoever hears of the rest
            told.end(str(error))
        raise
    told.end()
