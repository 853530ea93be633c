"""Progress while a run lasts: a live table on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from arbit.app.watch.venue import VenueRun
from arbit.cli.screen import live_view, plain_line


class Silence:
    """Shows nothing: for `--json`."""

    every_s = 3600.0

    def begin(self, runs: Sequence[VenueRun]) -> None:
        """Nothing."""

    def refresh(self, elapsed_s: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class LiveTable:
    """A table redrawn a few times a second, gone when the run is over."""

    every_s = 0.25

    def __init__(self, total_s: float | None) -> None:
        self._total_s = total_s
        self._runs: Sequence[VenueRun] = ()
        self._live = Live(console=Console(), transient=True, auto_refresh=False)

    def begin(self, runs: Sequence[VenueRun]) -> None:
        """Take over the terminal; log lines appear above the table."""
        self._runs = runs
        self._live.start()

    def refresh(self, elapsed_s: float) -> None:
        """Draw anew."""
        self._live.update(live_view(self._runs, elapsed_s, self._total_s), refresh=True)

    def end(self) -> None:
        """Give the terminal back."""
        self._live.stop()


class PlainLines:
    """A line at the start and every few seconds, for pipes, logs and service managers."""

    every_s = 5.0

    def __init__(self) -> None:
        self._runs: Sequence[VenueRun] = ()

    def begin(self, runs: Sequence[VenueRun]) -> None:
        """Say what is watched."""
        self._runs = runs
        for run in runs:
            synthetic = run.market == "synthetic"
            note = "SYNTHETIC MARKET, nothing here is real" if synthetic else run.market
            watch = run.desk.setup.watch
            _say(
                f"{run.desk.setup.venue.name}: {note}; {len(watch.symbols)} books, "
                f"{len(watch.triangles)} triangles"
            )
            if watch.said:
                _say(f"{run.desk.setup.venue.name}: {watch.said}")

    def refresh(self, elapsed_s: float) -> None:
        """Say how it goes."""
        _say(plain_line(self._runs, elapsed_s))

    def end(self) -> None:
        """Nothing more to say; the report follows."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
