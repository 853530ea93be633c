"""Whether whoever reads our output keeps up with it: nobody else may hold the loop up."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TextIO

# What a pipe that is ready takes at least without waiting: POSIX 512 bytes, Linux 4096.
PIECE = 512 if not hasattr(select, "PIPE_BUF") else int(select.PIPE_BUF)


def has_room(stream: TextIO) -> bool:
    """Whether `PIECE` bytes can be written now without waiting for a reader.

    True where nobody can say so: a stream without a descriptor, or a system without `poll`.
    """
    poll = getattr(select, "poll", None)
    if poll is None:
        return True
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return True
    asked = poll()
    asked.register(descriptor, select.POLLOUT)
    return bool(asked.poll(0))


def write_if_room(stream: TextIO, text: str) -> bool:
    """Write what its reader has room for; False when not all of it went, or nobody is there."""
    pieces = max(1, PIECE // 4)  # letters: none takes more than four bytes
    with contextlib.suppress(OSError, ValueError):
        for start in range(0, len(text), pieces):
            if not has_room(stream):
                return False
            stream.write(text[start : start + pieces])
            stream.flush()
        return True
    return False


def turn_away(stream: TextIO) -> None:
    """Its reader has left: from now on it goes nowhere, and nothing of it is ever in the way."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
