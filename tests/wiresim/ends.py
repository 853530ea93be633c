"""Two ends of a TCP connection in memory: transports whose bytes arrive late, sliced, or never.

What a kernel does is done here: order is kept, a closed end answers data with a reset, a reader
that pauses makes its writer pause. What a network does is asked of `Weather`.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tests.simulation.loop import SimLoop

MS = 1_000_000
HIGH = 512 * 1024  # bytes on their way, or waiting to be read: the writer is told to pause
LOW = 128 * 1024
EOF, RESET = b"", None
Piece = bytes | None


class Weather(Protocol):
    """What a direction asks of the network."""

    def delay_ns(self) -> int:
        """How long the next bytes are under way."""
        ...

    def slices(self, data: bytes) -> list[tuple[int, bytes]]:
        """The bytes as they arrive: (ns after the one before, piece)."""
        ...

    def abrupt(self) -> bool:
        """Whether an aborted socket is reset, rather than ended."""
        ...


class StubSocket:
    """What libraries ask of a socket beside its bytes."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self, here: tuple[str, int], there: tuple[str, int]) -> None:
        self.here, self.there = here, there

    def fileno(self) -> int:
        """None that anybody could write to."""
        return -1

    def setsockopt(self, *_: object) -> None:
        """Nothing."""

    def getsockopt(self, *_: object) -> int:
        return 0

    def setblocking(self, _: bool) -> None:
        """Nothing."""

    def getsockname(self) -> tuple[str, int]:
        return self.here

    def getpeername(self) -> tuple[str, int]:
        return self.there

    def close(self) -> None:
        """Nothing."""


class Way:
    """One direction. `lost` drops whatever is put in; `held_ns` keeps back what comes before it."""

    def __init__(self, loop: SimLoop, weather: Weather) -> None:
        self.loop = loop
        self.weather = weather
        self.to: End | None = None
        self.lost = False
        self.held_ns = 0
        self.left: int | None = None  # after so many bytes more the direction ends
        self.waiting = 0  # bytes that the reader has not had yet
        self.last_ns = 0
        self._epoch = 0

    def put(self, piece: Piece) -> None:
        """Bytes, an end or a reset set out."""
        if self.lost:
            self.waiting += len(piece or b"")
            return
        if self.left is not None and piece:
            piece, rest = piece[: self.left], piece[self.left :]
            self.left -= len(piece)
            self._data(piece)
            if rest or not self.left:
                self._send(0, EOF)
                self.lost = True
            return
        if piece:
            self._data(piece)
        else:
            self._send(0, piece)

    def drop(self) -> None:
        """What is under way never arrives."""
        self._epoch += 1

    def _data(self, data: bytes) -> None:
        if not data:
            return
        self.waiting += len(data)
        for gap_ns, piece in self.weather.slices(data):
            self._send(gap_ns, piece)

    def _send(self, gap_ns: int, piece: Piece) -> None:
        due_ns = self.loop.now_ns + self.weather.delay_ns()
        self.last_ns = max(self.last_ns + gap_ns, due_ns, self.held_ns)
        end = self.to
        if end is not None:
            context = end.context
            self.loop.at_ns(self.last_ns, self._arrive, self._epoch, piece, context=context)

    def _arrive(self, epoch: int, piece: Piece) -> None:
        if epoch == self._epoch and self.to is not None:
            self.to.arrive(piece)


class End(asyncio.Transport):
    """One end as its protocol holds it. `tap` hears each write before anything becomes of it."""

    def __init__(
        self, loop: SimLoop, way: Way, context: Context, names: tuple[Any, Any], *, client: bool
    ) -> None:
        super().__init__()
        self.loop = loop
        self.out = way
        self.peer: End | None = None
        self.context = context
        self.tap: Callable[[bytes], bool] = lambda _data: True
        self.closing = False
        self.gone = False  # connection_lost was called, or is about to be
        self._protocol: Any = None
        self._paused = False
        self._writer_waits = False
        self._ended = False  # our side of the stream
        self._inbox: deque[Piece] = deque()
        sock = StubSocket(*names)
        # With an ssl_object picows writes through its transport, and not to the descriptor itself.
        self._extra = {"socket": sock, "sockname": names[0], "peername": names[1]}
        if client:
            self._extra["ssl_object"] = self

    # --- what a protocol asks ------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        return self.closing

    def is_reading(self) -> bool:
        return not self._paused and not self.closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self.loop.call_soon(self._read, context=self.context)

    def get_write_buffer_size(self) -> int:
        return max(0, self.out.waiting - HIGH)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return LOW, HIGH

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As they are."""

    def write(self, data: Any) -> None:
        if self.closing or self._ended:
            return
        piece = bytes(data)
        if piece and self.tap(piece):
            self.out.put(piece)
            if self.out.waiting > HIGH and not self._writer_waits:
                self._writer_waits = True
                self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(bytes(one) for one in list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._ended and not self.closing:
            self._ended = True
            self.out.put(EOF)

    def close(self) -> None:
        """After what is written the peer reads an end."""
        if not self.closing:
            self.write_eof()
            self._lose(None)

    def abort(self) -> None:
        """The socket is dropped: the peer finds a reset or an end, with or without the rest."""
        if self.gone:
            return
        if self.out.weather.abrupt():
            self.out.drop()
            self.out.put(RESET)
        elif not self._ended:
            self.out.put(EOF)
        self._lose(None)

    # --- what the other side does --------------------------------------------------------------

    def arrive(self, piece: Piece) -> None:
        """Bytes have come."""
        if piece is RESET:
            self._inbox.clear()
            self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
        elif self.closing:
            self._drink(len(piece))
            if piece:  # nobody is there to read it
                self.out.put(RESET)
        else:
            self._inbox.append(piece)
            self._read()

    def fail(self) -> None:
        """A reset from the network itself."""
        self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _read(self) -> None:
        while self._inbox and not self._paused and not self.closing:
            piece = self._inbox.popleft() or b""
            if not piece:
                if not self._protocol.eof_received():
                    self.close()
                continue
            try:
                self._hand_over(piece)
            except Exception as error:  # noqa: BLE001  as asyncio's own transports do
                said = {"message": "a protocol raised", "exception": error, "transport": self}
                self.loop.call_exception_handler(said)
                self._lose(error)
            self._drink(len(piece))

    def _hand_over(self, piece: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            protocol.data_received(piece)
            return
        while piece and not self.closing:
            room: memoryview = protocol.get_buffer(-1)  # type: ignore[assignment]  # it is one
            size = min(len(room), len(piece))
            room[:size] = piece[:size]
            protocol.buffer_updated(size)
            piece = piece[size:]

    def _drink(self, size: int) -> None:
        peer = self.peer
        if peer is None:
            return
        peer.out.waiting -= size
        if peer._writer_waits and peer.out.waiting < LOW and not peer.gone:
            peer._writer_waits = False
            self.loop.call_soon(peer._protocol.resume_writing, context=peer.context)

    def _lose(self, error: Exception | None) -> None:
        self.closing = True
        if not self.gone:
            self.gone = True
            self.loop.call_soon(self._protocol.connection_lost, error, context=self.context)
