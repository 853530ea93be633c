"""A tap on the wire: passes every byte on, and notes when an order's request went by.

The exchange under storm is late in reading; here a request is stamped as its bytes come out of the
daemon. Two threads a connection, for as long as both ends are open.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.bench.wire import Splitter, read_head

CHUNK = 1 << 18
MOST = 64  # connections


class Tap:
    """Listens on loopback and passes on to `port`. `stamps_ns` are wall times of orders."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self._listener.getsockname()[1]
        self.stamps_ns: list[int] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        for _ in range(MOST):
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to), timeout=10)
            far.settimeout(None)
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += [near, far]
            self._begin(self._requests, near, far)
            self._begin(_pass_on, far, near)

    @staticmethod
    def _begin(work: Callable[[socket.socket, socket.socket], None], *ends: socket.socket) -> None:
        threading.Thread(target=work, args=ends, daemon=True).start()

    def _requests(self, near: socket.socket, far: socket.socket) -> None:
        """What the daemon says, message by message after the handshake."""
        messages = Splitter()
        with suppress(OSError):
            far.sendall(read_head(near))
            while data := near.recv(CHUNK):
                now_ns = time.time_ns()
                far.sendall(data)
                for payload in messages.feed(data):
                    if payload is not None and b'"add_order"' in payload:
                        self.stamps_ns.append(now_ns)
        _end(near, far)


def _pass_on(far: socket.socket, near: socket.socket) -> None:
    with suppress(OSError):
        while data := far.recv(CHUNK):
            near.sendall(data)
    _end(near, far)


def _end(*ends: socket.socket) -> None:
    for one in ends:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
