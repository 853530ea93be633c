"""The little of HTTP that a page of numbers needs: one question, one answer, one connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEAD_BYTES = 8_192  # of a request line and its headers
END = b"\r\n\r\n"
METHODS = (b"GET", b"HEAD")
OURS = frozenset({"127.0.0.1", "localhost", "::1"})

_WORDS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: what for, and whether its answer's head is enough. `refused` is a status."""

    path: str = ""
    head_only: bool = False
    refused: int = 0


def asked(head: bytes, *, ours_alone: bool) -> Asked:
    """What these bytes ask for.

    `ours_alone` refuses who calls us by a name that is not this machine's own: a web page that a
    browser here shows may have its own name point at us, and read what we say.
    """
    line, _, rest = head.partition(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1.") or not words[1].startswith(b"/"):
        return Asked(refused=400)
    if words[0] not in METHODS:
        return Asked(refused=405)
    if ours_alone and _host(rest) not in OURS:
        return Asked(refused=403)
    path = words[1].partition(b"?")[0].decode("latin-1")
    return Asked(path=path, head_only=words[0] == b"HEAD")


def _host(headers: bytes) -> str:
    """The name we are called by, without its port; ours where none is given, as in HTTP/1.0."""
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"host":
            said = value.strip().decode("latin-1").lower()
            if said.startswith("["):
                return said[1:].partition("]")[0]
            return said.partition(":")[0]
    return "localhost"


def head_of(status: int, size: int, content_type: str = "text/plain; charset=utf-8") -> bytes:
    """The head of an answer with so many bytes; nothing comes after it on this connection."""
    lines = [
        f"HTTP/1.1 {status} {_WORDS[status]}",
        f"Content-Type: {content_type}",
        f"Content-Length: {size}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if status == 405:
        lines.append("Allow: GET, HEAD")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def in_words(status: int) -> bytes:
    """The body of an answer that has nothing else to say."""
    return f"{status} {_WORDS[status]}\n".encode("ascii")


def as_json(said: Mapping[str, Any]) -> bytes:
    """One line of JSON."""
    return (json.dumps(said, sort_keys=True) + "\n").encode("ascii")
