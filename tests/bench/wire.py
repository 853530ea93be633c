"""The few bytes of WebSocket that a bench needs on the other side of the feed under test.

Our own so that the sender costs next to nothing: frames are encoded once, before the clock runs.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from collections.abc import Iterator

STAMP_WIDTH = 27  # as wide as the timestamp it takes the place of
STAMP = slice(-31, -4)  # where a book frame of ours keeps its timestamp: `"<27 digits>"}]}`
HEARTBEAT = b'{"channel":"heartbeat"}'
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def stamp(now_ns: int) -> bytes:
    """Monotonic nanoseconds as the text that replaces a frame's timestamp."""
    return b"%027d" % now_ns


def text_frame(payload: bytes) -> bytearray:
    """An unmasked, whole text message, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytearray(b"\x81" + bytes((size,)) + payload)
    if size < 1 << 16:
        return bytearray(b"\x81\x7e" + size.to_bytes(2, "big") + payload)
    return bytearray(b"\x81\x7f" + size.to_bytes(8, "big") + payload)


def masked_frame(payload: bytes) -> bytes:
    """A whole text message as a client sends it, with a mask of zeros."""
    size = len(payload)
    head = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + head + bytes(4) + payload


def accept_key(key: bytes) -> bytes:
    """What the server answers to a client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest())


def upgrade_request(host: str) -> bytes:
    """A client's opening words."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /v2 HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def read_head(sock: socket.socket) -> bytes:
    """An HTTP head, to the blank line and not a byte further. ConnectionError when it ends."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionError("closed during the handshake")
        head += byte
    return head


class Splitter:
    """Cuts a byte stream into the payloads of whole messages. Control frames come out as None."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """The payloads completed by `data`, unmasked."""
        held = self._held + data
        at = 0
        while (cut := _frame_at(held, at)) is not None:
            start, end, mask, opcode = cut
            payload = held[start:end]
            if mask.strip(b"\0"):
                payload = bytes(b ^ mask[i & 3] for i, b in enumerate(payload))
            yield payload if opcode in (1, 2) else None
            at = end
        self._held = held[at:]


def _frame_at(data: bytes, at: int) -> tuple[int, int, bytes, int] | None:
    """(payload start, payload end, mask, opcode) of the frame at `at`, or None if incomplete."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1] & 0x7F, at + 2
    if size > 125:
        width = 2 if size == 126 else 8
        size = int.from_bytes(data[start : start + width], "big")
        start += width
    mask = b""
    if data[at + 1] & 0x80:
        mask = data[start : start + 4]
        start += 4
    if len(data) < start + size:
        return None
    return start, start + size, mask, data[at] & 0x0F
