"""Reads a recording: one JSON object a line, at recorded times, nothing skipped in silence.

Two shapes are known, told apart by their first line:

- Kraken v2: each line is a WebSocket frame as it came (`{"channel": ...}` or `{"method": ...}`),
  or such a frame wrapped with its receive time (`{"frame": {...}, "received_ns": n}`).
- Binance combined stream: `{"frame": {"stream": "ethbtc@depth5@100ms", "data": {...}},
  "received_ns": n}`.

A bare Kraken frame has no receive time; the venue's own `timestamp` stands in for it, never going
backwards (the first message after a resubscription can carry an old one).
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arbit.domain.errors import RecordingError, UserError

MAX_LINE_BYTES = 8 * 1024 * 1024


class Format(enum.StrEnum):
    """The shapes of recording that can be read."""

    KRAKEN = "kraken"
    BINANCE = "binance"


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One line: when it was received (ns since 1970), its bytes, and the same decoded."""

    line_number: int
    at_ns: int
    payload: bytes
    fields: Mapping[str, Any]


def format_of(path: Path) -> Format:
    """Which format a recording is in, by its first line. UserError when it is none we know."""
    for line_number, line in _lines(path):
        fields = _decode(path, line_number, line)
        inner = fields.get("frame", fields)
        if isinstance(inner, dict) and "stream" in inner:
            return Format.BINANCE
        if isinstance(inner, dict) and ("channel" in inner or "method" in inner):
            return Format.KRAKEN
        raise RecordingError(
            str(path), line_number, "expected a Kraken v2 frame or a Binance combined-stream frame"
        )
    raise UserError(f"--replay {path}: the file is empty; expected recorded frames, one a line")


def frames(path: Path) -> Iterator[RecordedFrame]:
    """Every frame in order. RecordingError at the first line that is not one."""
    last_ns: int | None = None
    early: list[tuple[int, bytes, Mapping[str, Any]]] = []
    for line_number, line in _lines(path):
        fields = _decode(path, line_number, line)
        stamp_ns = _received_ns(path, line_number, fields)
        inner = fields.get("frame", fields)
        if not isinstance(inner, dict):
            raise RecordingError(str(path), line_number, "expected an object under 'frame'")
        payload = line if inner is fields else json.dumps(inner).encode()
        if inner is not fields and "channel" in inner:
            payload = _inner_bytes(line)
        if stamp_ns is None and last_ns is None:
            early.append((line_number, payload, inner))  # before the first time that is known
            continue
        last_ns = max(last_ns or 0, stamp_ns or 0)
        for number, earlier, what in early:
            yield RecordedFrame(number, last_ns, earlier, what)
        early.clear()
        yield RecordedFrame(line_number, last_ns, payload, inner)
    for number, earlier, what in early:  # a recording without any time at all
        yield RecordedFrame(number, 1, earlier, what)


def nanoseconds(stamp: str) -> int:
    """An RFC 3339 time as nanoseconds since 1970. ValueError when it is none."""
    head, dot, tail = stamp.partition(".")
    if not dot:
        return int(datetime.fromisoformat(stamp).timestamp()) * 1_000_000_000
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    whole = datetime.fromisoformat(head + tail[len(digits) :])
    whole = whole if whole.tzinfo is not None else whole.replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1_000_000_000 + int(digits[:9].ljust(9, "0"))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            line_number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                line_number += 1
                if len(line) > MAX_LINE_BYTES:
                    why = f"the line is longer than {MAX_LINE_BYTES} bytes"
                    raise RecordingError(str(path), line_number, why)
                if line.strip():
                    yield line_number, line.strip()
    except OSError as error:
        raise UserError(f"--replay {path}: cannot be read: {error.strerror or error}") from None


def _decode(path: Path, line_number: int, line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        why = f"expected one JSON object, got {line[:60]!r} ({error})"
        raise RecordingError(str(path), line_number, why) from None
    if not isinstance(fields, dict):
        raise RecordingError(str(path), line_number, f"expected a JSON object, got {line[:60]!r}")
    return fields


def _received_ns(path: Path, line_number: int, fields: Mapping[str, Any]) -> int | None:
    stamp = fields.get("received_ns")
    if stamp is not None:
        if not isinstance(stamp, int) or stamp <= 0:
            why = f"received_ns is {stamp!r}; expected nanoseconds since 1970"
            raise RecordingError(str(path), line_number, why)
        return stamp
    data = fields.get("data")
    row = data[0] if isinstance(data, list) and data else None
    text = row.get("timestamp") if isinstance(row, dict) else fields.get("time_out")
    if not isinstance(text, str):
        return None
    try:
        return nanoseconds(text)
    except ValueError as error:
        raise RecordingError(str(path), line_number, f"bad time {text!r} ({error})") from None


def _inner_bytes(line: bytes) -> bytes:
    """The wrapped frame's own bytes: its digits matter to the checksum and must not be redone."""
    start = line.index(b'"frame"') + len(b'"frame"')
    start = line.index(b"{", start)
    text = line[start:].decode()
    _, end = json.JSONDecoder().raw_decode(text)
    return text[:end].encode()
