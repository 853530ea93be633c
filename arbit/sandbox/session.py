"""One client's socket: a bounded outbox, and the faults that sit on the wire itself.

Frames leave in the order they were handed in, by one writer. A client too slow to read them is
cut off when its outbox is full. Muted, half-open and slow are states of the session.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from aiohttp import WSCloseCode, web

from arbit.sandbox.poison import Frame
from arbit.sandbox.stats import Stats

ABNORMAL = 1006  # never sent: it means that TCP was cut


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str


class Session:
    """A connected client. ``number`` counts connections from 1 and is what faults name."""

    def __init__(
        self,
        number: int,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        outbox_bytes: int,
        stats: Stats,
    ) -> None:
        self.number = number
        self.muted = False
        self.pongs = True
        self.half_open = False
        self.delay_ns = 0
        self.closing = False
        self.last_words: Frame | None = None  # what a client too slow to read is told, if anything
        self._socket = socket
        self._transport = transport
        self._limit = outbox_bytes
        self._stats = stats
        self._outbox: deque[Frame | _Close] = deque()
        self._waiting_bytes = 0
        self._delayed: deque[tuple[int, Frame]] = deque()
        self._wake = asyncio.Event()

    def send(self, frame: Frame, now_ns: int, *, is_pong: bool = False) -> None:
        """Hand a frame to the writer, unless a fault on this socket keeps it back."""
        if self.closing:
            return
        if self.half_open or (self.muted and not (is_pong and self.pongs)):
            self._stats.frames_withheld += 1
            return
        self._waiting_bytes += len(frame)
        if self._waiting_bytes > self._limit:
            self._stats.slow_clients_closed += 1
            self._give_up()
        elif self.delay_ns or self._delayed:
            self._delayed.append((now_ns + self.delay_ns, frame))
        else:
            self._outbox.append(frame)
            self._wake.set()

    def release(self, now_ns: int) -> None:
        """Let delayed frames go whose time has come."""
        while self._delayed and self._delayed[0][0] <= now_ns:
            self._outbox.append(self._delayed.popleft()[1])
            self._wake.set()

    def set_half_open(self, *, half_open: bool) -> None:
        """Stop or resume reading the socket at the transport, and writing with it."""
        if half_open == self.half_open or self._transport.is_closing():
            return
        self.half_open = half_open
        if half_open:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Close after what is already in the outbox; 1006 cuts TCP at once."""
        if code == ABNORMAL:
            self.abort()
        elif not self.closing:
            self.closing = True
            self._outbox.append(_Close(code, reason))
            self._wake.set()

    def abort(self) -> None:
        """Cut TCP without a word."""
        self.closing = True
        self._outbox.clear()
        self._delayed.clear()
        self._transport.abort()

    def _give_up(self) -> None:
        """Drop what is waiting; say the last words and close, or cut TCP where there are none."""
        if self.last_words is None:
            self.abort()
            return
        self._outbox.clear()
        self._delayed.clear()
        self._waiting_bytes = len(self.last_words)
        self._outbox.append(self.last_words)
        self.close(WSCloseCode.POLICY_VIOLATION, "")

    async def pong(self, payload: bytes) -> None:
        """Answer a protocol ping, unless a fault keeps the socket silent."""
        if not (self.closing or self.half_open or (self.muted and not self.pongs)):
            await self._socket.pong(payload)

    async def write(self) -> None:
        """The one writer: until the socket is closed or lost."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._outbox:
                    await self._write_one(self._outbox.popleft())
        except ConnectionError:
            self.abort()  # the client went away; the reader sees the end of the socket

    async def _write_one(self, frame: Frame | _Close) -> None:
        if isinstance(frame, _Close):
            await self._socket.close(
                code=frame.code or WSCloseCode.OK, message=frame.reason.encode()
            )
            return
        self._waiting_bytes -= len(frame)
        silent = self.half_open or (self.muted and not self.pongs)
        if self._socket.closed or silent:  # handed in before the fault
            return
        self._stats.frames_sent += 1
        if isinstance(frame, bytes):
            await self._socket.send_bytes(frame)
        else:
            await self._socket.send_str(frame)
