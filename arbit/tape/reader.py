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
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from arbit.domain.errors import RecordingError, UserError

MAX_LINE_BYTES = 8 * 1024 * 1024
MAX_UNTIMED_LINES = 10_000  # held back at the start, until the first time is known
MAX_NS = 2**63 - 1  # the year 2262: a later time is a mistake


class Format(enum.StrEnum):
    """The shapes of recording that can be read."""

    KRAKEN = "kraken"
    BINANCE = "binance"


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One line: when it was received (ns since 1970), its bytes, and the same decoded.

    `received` is False when the venue's own time stands in, or the time of the frame before.
    """

    line_number: int
    at_ns: int
    payload: bytes
    fields: Mapping[str, Any]
    received: bool = True


def format_of(path: Path) -> Format:
    """Which format a recording is in, by its first line. UserError when it is none we know."""
    _must_be_a_file(path)
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
        inner = fields.get("frame", fields)
        if not isinstance(inner, dict):
            raise RecordingError(str(path), line_number, "expected an object under 'frame'")
        stamp_ns = received_ns = _received_ns(path, line_number, fields)
        if stamp_ns is None:
            stamp_ns = _venue_ns(path, line_number, inner)
        payload = line if inner is fields else _inner_bytes(path, line_number, line)
        if stamp_ns is None and last_ns is None:
            if len(early) >= MAX_UNTIMED_LINES:
                why = f"no time in the first {MAX_UNTIMED_LINES} lines; expected received_ns"
                raise RecordingError(str(path), line_number, why)
            early.append((line_number, payload, inner))  # before the first time that is known
            continue
        last_ns = max(last_ns or 0, stamp_ns or 0)
        for number, earlier, what in early:
            yield RecordedFrame(number, last_ns, earlier, what, received=False)
        early.clear()
        yield RecordedFrame(line_number, last_ns, payload, inner, received_ns is not None)
    for number, earlier, what in early:  # a recording without any time at all
        yield RecordedFrame(number, 1, earlier, what, received=False)


def nanoseconds(stamp: str) -> int:
    """An RFC 3339 time, UTC unless it says otherwise, as nanoseconds since 1970.

    ValueError when it is none, or lies before 1970 or after 2262.
    """
    head, _, tail = stamp.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    whole = datetime.fromisoformat(head + tail[len(digits) :])
    whole = whole if whole.tzinfo is not None else whole.replace(tzinfo=UTC)
    since_1970 = whole - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since_1970.days * 86_400 + since_1970.seconds
    nanos = seconds * 1_000_000_000 + int(digits[:9].ljust(9, "0"))
    if not 0 < nanos <= MAX_NS:
        raise ValueError("expected a time between 1970 and 2262")
    return nanos


def _must_be_a_file(path: Path) -> None:
    """A recording is read more than once: a pipe or a device would not stand that."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise UserError(f"--replay {path}: cannot be read: {why or error}") from None
    if not stat.S_ISREG(mode):
        raise UserError(f"--replay {path}: expected a file of recorded frames")


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
        flaw = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        place = f" at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        why = f"expected one JSON object, got {_shown(line)} ({flaw}{place} of {len(line)})"
        raise RecordingError(str(path), line_number, why) from None
    if not isinstance(fields, dict):
        raise RecordingError(str(path), line_number, f"expected one JSON object: {_shown(line)}")
    return fields


def _shown(line: bytes) -> str:
    """The beginning of a line as printable text."""
    return repr(line[:60].decode(errors="replace")) + ("..." if len(line) > 60 else "")


def _received_ns(path: Path, line_number: int, fields: Mapping[str, Any]) -> int | None:
    stamp = fields.get("received_ns")
    if stamp is None:
        return None
    if isinstance(stamp, int) and stamp is not True and 0 < stamp <= MAX_NS:
        return stamp
    why = f"received_ns is {str(stamp)[:60]!r}; expected nanoseconds since 1970, a whole number"
    raise RecordingError(str(path), line_number, why)


def _venue_ns(path: Path, line_number: int, fields: Mapping[str, Any]) -> int | None:
    """The venue's own time of a Kraken frame; None when it carries none."""
    data = fields.get("data")
    row = data[0] if isinstance(data, list) and data else None
    text = row.get("timestamp") if isinstance(row, dict) else fields.get("time_out")
    if not isinstance(text, str):
        return None
    try:
        return nanoseconds(text)
    except (ValueError, OverflowError) as error:
        raise RecordingError(str(path), line_number, f"bad time {text[:60]!r} ({error})") from None


class _Wrapped(msgspec.Struct):
    frame: msgspec.Raw


_wrapped = msgspec.json.Decoder(_Wrapped)


def _inner_bytes(path: Path, line_number: int, line: bytes) -> bytes:
    """The wrapped frame's own bytes: its digits matter to the checksum and must not be redone."""
    try:
        return bytes(_wrapped.decode(line).frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = f"expected one JSON object, got {_shown(line)} ({error})"
        raise RecordingError(str(path), line_number, why) from None
