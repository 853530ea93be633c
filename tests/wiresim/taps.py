"""What leaves the daemon, byte by byte: HTTP requests and WebSocket messages, read independently.

A tap sits on a client's end and sees what its library writes. It knows enough of HTTP/1.1 and of
RFC 6455 to tell one request from the next, and nothing of the libraries that wrote them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

MASKED, LONG, LONGER = 0x80, 126, 127
TEXT = 1


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, or one text message of a WebSocket (`method` WS, its text in `body`)."""

    method: str
    path: str
    body: str

    @property
    def name(self) -> str:
        """The call of a REST path."""
        return self.path.split("?")[0].rsplit("/", 1)[-1]

    @property
    def private(self) -> bool:
        """Whether it is signed."""
        return self.path.startswith("/0/private/")

    @property
    def fields(self) -> dict[str, str]:
        """A form's fields."""
        return dict(parse_qsl(self.body, keep_blank_values=True))


class Tap:
    """One connection's requests, told when their last byte is written."""

    def __init__(self, tell: Callable[[Request], None]) -> None:
        self._tell = tell
        self._rest = bytearray()
        self._message = bytearray()
        self.upgraded = False

    def __call__(self, data: bytes) -> None:
        """These bytes are written."""
        self._rest += data
        while self._frame() if self.upgraded else self._http():
            pass

    def _http(self) -> bool:
        head, found, rest = bytes(self._rest).partition(b"\r\n\r\n")
        if not found:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return False
        self._rest = bytearray(rest[size:])
        method, path, _ = first.split(" ", 2)
        self.upgraded = headers.get("upgrade", "").lower() == "websocket"
        self._tell(Request(method, path, rest[:size].decode()))
        return bool(self._rest)

    def _frame(self) -> bool:
        raw = self._rest
        if len(raw) < 2:
            return False
        size, at = raw[1] & 0x7F, 2
        if size in {LONG, LONGER}:
            width = 2 if size == LONG else 8
            if len(raw) < at + width:
                return False
            size, at = int.from_bytes(raw[at : at + width], "big"), at + width
        if not raw[1] & MASKED:
            raise ValueError("a client's frame without a mask")
        if len(raw) < at + 4 + size:
            return False
        mask, payload = raw[at : at + 4], raw[at + 4 : at + 4 + size]
        key = (bytes(mask) * (size // 4 + 1))[:size]
        plain = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
        kind, final = raw[0] & 0x0F, raw[0] & 0x80
        self._rest = raw[at + 4 + size :]
        if kind <= TEXT:
            self._message += plain.to_bytes(size, "big")
            if final:
                text, self._message = self._message.decode(), bytearray()
                self._tell(Request("WS", "", text))
        return bool(self._rest)
