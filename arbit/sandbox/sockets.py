"""Sockets of the sandbox: accepted, read and written, with the faults of the wire itself."""

import asyncio
import contextlib
from collections import deque
from typing import Final, Protocol

from aiohttp import WSMsgType, web

from arbit.sandbox.faults import Faults
from arbit.sandbox.options import SandboxOptions
from arbit.sandbox.session import Session
from arbit.sandbox.stats import Stats
from arbit.sandbox.wallclock import NS, WallClock

MS: Final = 1_000_000
REQUEST_BYTES: Final = 1 << 20
TOO_MANY: Final = 429


class Talk(Protocol):
    """What answers on a socket. Synchronous: sessions queue what is sent."""

    def join(self, session: Session) -> None:
        """A new socket."""

    def leave(self, session: Session) -> None:
        """It is gone."""

    def receive(self, session: Session, text: str) -> None:
        """It said something; "" stands for bytes."""


class Sockets:
    """Every open socket by number, whichever path it came in on."""

    def __init__(
        self, faults: Faults, stats: Stats, clock: WallClock, options: SandboxOptions
    ) -> None:
        self.sessions: dict[int, Session] = {}
        self.limited = False  # whether connects per window are counted, as at Kraken
        self.reads_bytes = False  # whether a binary frame is read as the text it holds
        self._faults = faults
        self._stats = stats
        self._clock = clock
        self._options = options
        self._connects: deque[int] = deque()
        self._next_number = 1

    async def serve(self, request: web.Request, talk: Talk) -> web.StreamResponse:
        """The whole life of one socket."""
        refused = self._refused_connect()
        if refused:
            self._stats.refused_connects += 1
            return web.Response(status=refused)
        socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=REQUEST_BYTES, timeout=1.0
        )
        if not socket.can_prepare(request).ok:
            return web.Response(status=400)
        await socket.prepare(request)
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):  # lost during the handshake
            return socket
        number = self._next_number
        self._next_number += 1
        self._stats.connects += 1
        session = Session(number, socket, transport, self._options.outbox_bytes, self._stats)
        await self._converse(session, socket, talk)
        return socket

    def apply(self) -> None:
        """Bring every socket in line with the active faults."""
        for session in list(self.sessions.values()):
            self._apply_to(session)
        self._apply_closes()

    def abort_all(self) -> None:
        """Cut every socket."""
        for session in list(self.sessions.values()):
            session.abort()

    async def _converse(self, session: Session, socket: web.WebSocketResponse, talk: Talk) -> None:
        self.sessions[session.number] = session
        talk.join(session)
        self._apply_to(session)
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(session.write())
                try:
                    await self._read(session, socket, talk)
                finally:
                    writer.cancel()
        finally:
            session.closing = True
            self._stats.disconnects += 1
            self.sessions.pop(session.number, None)
            talk.leave(session)

    async def _read(self, session: Session, socket: web.WebSocketResponse, talk: Talk) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                talk.receive(session, message.data)
            elif message.type is WSMsgType.BINARY:
                talk.receive(session, self._text(message.data))
            elif message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await session.pong(message.data)

    def _text(self, data: bytes) -> str:
        """The text of a binary frame; "" where it has none: malformed, in the venue's words."""
        if not self.reads_bytes:
            return ""
        return data.decode(errors="replace")

    def _refused_connect(self) -> int:
        """HTTP status to refuse an upgrade with, or 0."""
        fault = self._faults.find("refuse_connects")
        if fault is not None:
            self._faults.use(fault)
            return int(fault.number("status"))
        now_ns = self._clock.elapsed_ns()
        window_ns = int(self._options.connect_window_s * NS)
        while self._connects and now_ns - self._connects[0] > window_ns:
            self._connects.popleft()
        if self.limited and len(self._connects) >= self._options.connects_per_window:
            return TOO_MANY
        self._connects.append(now_ns)
        return 0

    def _apply_to(self, session: Session) -> None:
        number = session.number
        mute = self._faults.find("mute_socket", connection=number)
        slow = self._faults.find("slow", connection=number)
        session.muted = mute is not None
        session.pongs = mute is None or bool(mute.params["pongs"])
        session.delay_ns = 0 if slow is None else int(slow.number("delay_ms") * MS)
        half_open = self._faults.find("half_open", connection=number) is not None
        session.set_half_open(half_open=half_open)

    def _apply_closes(self) -> None:
        for fault in [one for one in self._faults.active if one.kind.name == "close"]:
            if fault.seen:  # done already; it stays for new connections only
                continue
            fault.seen = 1
            for session in list(self.sessions.values()):
                if fault.hits_connection(session.number):
                    session.close(int(fault.number("code")), fault.text("reason"))
            if not fault.params["on_connect"]:
                self._faults.use(fault)
