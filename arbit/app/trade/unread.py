"""What a command says while orders are out: a reader who has left, or who sleeps, costs nothing."""

from __future__ import annotations

import sys

from arbit.telemetry.pipes import Watched, has_room, turn_away, write_if_room

__all__ = ["Watched", "has_room", "say", "tell", "turn_away"]


def say(line: str) -> None:
    """A line of a run that goes on: kept back when nobody reads, never waited with."""
    write_if_room(sys.stdout, line + "\n")


def tell(line: str) -> None:
    """A line of the report, when the run is over. Of a reader who has left nothing is heard."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        turn_away(sys.stdout)
