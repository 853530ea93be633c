"""What a command says while orders are out: a reader who has left, or who sleeps, costs nothing."""

from __future__ import annotations

import errno
import sys

from arbit.telemetry.pipes import Watched, has_room, turn_away, write_if_room

__all__ = ["Watched", "has_room", "say", "tell", "turn_away"]


def say(line: str) -> None:
    """A line of a run that goes on: kept back when nobody reads, never waited with."""
    write_if_room(sys.stdout, line + "\n")


def tell(line: str) -> None:
    """A line of the report, when the run is over. Of a reader who has left nothing is heard.

    Nor is it a fault of the run: it ended as it did. That a disk was full is still remembered.
    """
    out = sys.stdout
    try:
        out.write(line + "\n")
        out.flush()
    except (OSError, ValueError) as error:
        if isinstance(out, Watched) and _has_left(error):
            out.error = None
        turn_away(out)


def _has_left(error: Exception) -> bool:
    """A pipe without a reader, or a terminal that hung up."""
    return isinstance(error, ConnectionError) or getattr(error, "errno", 0) == errno.EIO
