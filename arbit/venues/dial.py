"""Opens WebSockets with picows, and hides everything about it but bytes in and bytes out."""

from __future__ import annotations

import asyncio
import contextlib
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Protocol

from picows import (
    WSAutoPingStrategy,
    WSError,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from arbit.domain.errors import VenueUnreachable
from arbit.venues.slices import Slices

CONNECT_TIMEOUT_S = 8.0
KEPT_BYTES = 128 * 1024  # by the system, of what was not read yet; some systems keep the double
# A port or a host name that cannot be is a ValueError or an OverflowError of the socket module.
_NO_SOCKET = (
    *(OSError, WSError, TimeoutError, asyncio.InvalidStateError),
    *(ValueError, OverflowError),
)


class FrameHandler(Protocol):
    """Who hears a socket. Called on the event loop; must not raise."""

    def on_frame(self, payload: bytes) -> None:
        """One whole message."""
        ...

    def on_drained(self) -> None:
        """Every message that had arrived has been handed over: a good moment to decide."""
        ...

    def on_lost(self, why: str) -> None:
        """The socket is gone, for this reason. Called once."""
        ...


class Connection(Protocol):
    """An open socket. After `close` or `abort` its handler hears nothing more, whatever arrives."""

    def send(self, payload: bytes) -> None:
        """Queue one text message. Does nothing on a socket that is gone."""
        ...

    def close(self) -> None:
        """Close politely."""
        ...

    def abort(self) -> None:
        """Drop it now: the peer no longer answers."""
        ...


class Dialer(Protocol):
    """Opens a socket to a URL, or raises VenueUnreachable with the reason."""

    async def __call__(self, url: str, handler: FrameHandler) -> Connection:
        """Dial."""
        ...


class _Nobody:
    """Hears what arrives after the end."""

    def on_frame(self, payload: bytes) -> None:
        """Nothing."""

    def on_drained(self) -> None:
        """Nothing."""

    def on_lost(self, why: str) -> None:
        """Nothing."""


class _Listener(WSListener):
    """Joins fragments, forwards messages, and tells the end of the socket once."""

    def __init__(self, handler: FrameHandler, max_bytes: int) -> None:
        self._handler = handler
        self._slices = Slices(handler, self._read, self._broken)
        self._max_bytes = max_bytes
        self._parts: bytearray | None = None  # a message of which more is to come
        self._transport: WSTransport | None = None

    @property
    def opened(self) -> bool:
        """Whether the venue has ever shaken hands."""
        return self._transport is not None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        socket = transport.underlying_transport.get_extra_info("socket")
        if socket is not None:  # the client reads all that the system has kept, in one go
            with contextlib.suppress(OSError):
                socket.setsockopt(SOL_SOCKET, SO_RCVBUF, KEPT_BYTES)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Forward a message, or note the close."""
        kind = frame.msg_type
        if kind == WSMsgType.TEXT and frame.fin and self._parts is None:
            self._slices.take(frame.get_payload_as_bytes())
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._join(transport, frame)
        elif kind == WSMsgType.CLOSE:
            self.end(f"closed by the venue with code {_close_code(frame)}")
            transport.send_close()
            transport.disconnect()
        if frame.last_in_buffer:
            self._slices.drained()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell the handler, unless the socket never opened (then the dial itself failed)."""
        if self._transport is transport:
            self.end("connection lost")

    def end(self, why: str = "") -> None:
        """The handler hears nothing from here on; with a reason it is told that first."""
        if why:
            self._slices.flush()
        self._slices.drop()
        handler, self._handler = self._handler, _Nobody()
        self._slices = Slices(self._handler, self._read, self._broken)
        if why:
            handler.on_lost(why)

    def _read(self, on: bool) -> None:  # noqa: FBT001  a switch
        """Read the socket no further, or again."""
        if self._transport is not None and not self._transport.is_disconnected:
            under = self._transport.underlying_transport
            (under.resume_reading if on else under.pause_reading)()

    def _broken(self) -> None:
        """A message broke its hearer: what it had to tell is lost, and the socket with it."""
        self.end("a message that we could not take")
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _join(self, transport: WSTransport, frame: WSFrame) -> None:
        whole = self._parts if self._parts is not None else bytearray()
        whole += frame.get_payload_as_bytes()
        self._parts = None if frame.fin else whole
        if len(whole) > self._max_bytes:
            self._parts = None
            self.end(f"a message of more than {self._max_bytes} bytes")
            transport.disconnect(graceful=False)
        elif frame.fin:
            self._slices.take(bytes(whole))


def _close_code(frame: WSFrame) -> int:
    payload = frame.get_payload_as_bytes()
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005


class _Socket:
    """A picows transport as a Connection."""

    def __init__(self, transport: WSTransport, listener: _Listener) -> None:
        self._transport = transport
        self._listener = listener

    def send(self, payload: bytes) -> None:
        """Queue one text message."""
        if not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, payload)

    def close(self) -> None:
        """Close politely."""
        self._listener.end()
        if not self._transport.is_disconnected:
            self._transport.send_close()
            self._transport.disconnect()

    def abort(self) -> None:
        """Drop it now."""
        self._listener.end()
        self._transport.disconnect(graceful=False)


class PicowsDialer:
    """Dials with picows. `max_bytes` bounds one message.

    With `ping_ms` a socket is pinged that often, and is gone when no pong comes within as long:
    for a venue that has no sign of life of its own. Pings of the venue's are always answered.
    """

    def __init__(self, max_bytes: int = 8 * 1024 * 1024, ping_ms: int = 0) -> None:
        self._max_bytes = max_bytes
        self._ping_ms = ping_ms

    async def __call__(self, url: str, handler: FrameHandler) -> Connection:
        """Dial. VenueUnreachable when refused, timed out or answered with anything but 101."""
        listener = _Listener(handler, self._max_bytes)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                transport, _ = await ws_connect(
                    lambda: listener,
                    url,
                    websocket_handshake_timeout=CONNECT_TIMEOUT_S,
                    max_frame_size=self._max_bytes,
                    max_redirects=0,
                    disconnect_on_exception=True,
                    enable_auto_ping=self._ping_ms > 0,
                    auto_ping_idle_timeout=self._ping_ms / 1e3 or 10.0,
                    auto_ping_reply_timeout=self._ping_ms / 1e3 or 10.0,
                    auto_ping_strategy=WSAutoPingStrategy.PING_PERIODICALLY,
                )
        except _NO_SOCKET as error:
            raise VenueUnreachable(f"{url}: {str(error) or type(error).__name__}") from None
        if not listener.opened:  # picows takes an end before the answer for the end of its waiting
            raise VenueUnreachable(f"{url}: the connection was lost during the handshake")
        return _Socket(transport, listener)
