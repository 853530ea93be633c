"""Asks a daemon at its door, from a command: one question, and what it answers line by line."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from arbit.app.door.door import MAX_ANSWER, connected
from arbit.app.door.spoken import spoken
from arbit.domain.errors import UserError

SHORT_S = 3.0  # for what a daemon knows
LONG_S = 600.0  # for what it does: between two lines
PIECE = 65_536
Answered = Mapping[str, Any]


class NobodyAnswers(UserError):
    """No daemon answers at a door; the text says which, and why."""


def door_of(lock: Path) -> Path:
    """The socket of the daemon that has this lock."""
    return lock.with_suffix(".sock")


def asked(door: Path, question: Answered, timeout_s: float) -> Iterator[Answered]:
    """Every line of the answer. NobodyAnswers when none comes; UserError for what is refused."""
    try:
        with connected(door, timeout_s) as line:
            with contextlib.suppress(BrokenPipeError):  # refused before we asked: that is read
                line.sendall(json.dumps(question).encode() + b"\n")
            for told in _lines(line):
                if "refused" in told:
                    raise UserError(spoken(str(told["refused"])))
                yield told
    except TimeoutError:
        raise NobodyAnswers(f"{door}: no answer within {timeout_s:g} s") from None
    except OSError as error:
        raise NobodyAnswers(f"{door}: {error.strerror or error}") from None


def answer(door: Path, question: Answered) -> Answered:
    """The last line of the answer. NobodyAnswers and UserError as above."""
    told = list(asked(door, question, SHORT_S))
    if not told:
        raise NobodyAnswers(f"{door}: it hung up without an answer")
    return told[-1]


def _lines(line: socket.socket) -> Iterator[Answered]:
    heard = b""
    while True:
        piece = line.recv(PIECE)
        heard += piece
        *whole, heard = heard.split(b"\n")
        for one in whole:
            try:
                told = json.loads(one)
            except (ValueError, RecursionError):
                told = None
            if not isinstance(told, dict):
                raise NobodyAnswers("what answers is no daemon of ours")
            yield told
        if not piece:
            return
        if len(heard) > MAX_ANSWER:
            raise NobodyAnswers("what answers does not end its line")
