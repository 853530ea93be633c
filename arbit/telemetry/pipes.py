"""Whether whoever reads our output keeps up with it: nobody else may hold the loop up."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator
from typing import Any, TextIO

# What a pipe that is ready takes at least without waiting: POSIX 512 bytes, Linux 4096.
PIECE = 512 if not hasattr(select, "PIPE_BUF") else int(select.PIPE_BUF)


class Watched:
    """A stream that remembers what broke it first, whoever has swallowed the error since.

    From then on every write raises that same error. What goes through `write_if_room` may be lost,
    and is not remembered.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """As the stream does."""
        with self._noted():
            return self.stream.write(text)

    def flush(self) -> None:
        """As the stream does."""
        with self._noted():
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error
            raise self.error from None


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


def write_if_room(stream: TextIO | Watched, text: str) -> bool:
    """Write what its reader has room for; False when not all of it went, or nobody is there."""
    stream = stream.stream if isinstance(stream, Watched) else stream
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
