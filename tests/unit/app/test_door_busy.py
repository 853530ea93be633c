"""A caller waits its turn at a door where others wait, for as long as it has said."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbit.app.door.door import connected

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


@pytest.fixture
def full() -> Iterator[tuple[Path, socket.socket]]:
    """A door before which the system lets nobody else wait, and its listener."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())  # its path is short
        path = Path(folder) / "door"
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(0)
        first = stack.enter_context(socket.socket(socket.AF_UNIX))
        first.connect(str(path))
        yield path, listener


def test_it_is_let_in_once_there_is_room(full: tuple[Path, socket.socket]) -> None:
    path, listener = full

    def let_in() -> None:
        for _ in range(2):
            listener.accept()[0].close()

    room = threading.Timer(0.05, let_in)
    room.start()
    with connected(path, 10.0) as line:
        assert line.gettimeout() == 10.0
    room.join()


def test_it_gives_up_when_there_is_none(full: tuple[Path, socket.socket]) -> None:
    path, _ = full
    with pytest.raises(OSError, match="temporarily unavailable"):
        connected(path, 0.05)
