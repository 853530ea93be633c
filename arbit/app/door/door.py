"""A daemon's door: a Unix socket beside the database, for whoever runs it and nobody else.

One line of JSON asks, lines of JSON answer, and the daemon hangs up. Nothing that comes through it
can hurt trading: callers are let in one after the other, a few milliseconds apart and few at once;
what they ask is bounded, and so is the time in which they must have asked and have heard; whoever
is slower is hung up on. An error of ours in an answer is told to the caller and ends nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from arbit.domain.errors import ArbitError, UserError
from arbit.domain.events import IncidentSeen
from arbit.ports import Clock, Listener

MAX_CALLERS = 8
WAITING = 16  # callers that the system keeps for us; the next one waits, or is refused by it
GAP_S = 0.005  # between two callers, and between two pieces of what one asks
MAX_ASKED = 4_096  # bytes
MAX_PIECES = 32
MAX_ANSWER = 131_072  # bytes: it fits into the socket, so that no reader is waited for
ASK_S = 2.0
HEAR_S = 2.0
MAX_FAULTS = 3  # of our own that are told
OTHERS = stat.S_IWGRP | stat.S_IWOTH
_TIMEVAL = struct.Struct("@ll")
_PEER = struct.Struct("3i")  # Linux: process, user, group
_XUCRED = struct.Struct("2I")  # macOS: version, user

Asked = Mapping[str, Any]


class CallerGone(ArbitError):
    """Whoever asked has hung up, or does not read what is answered."""


class Caller:
    """Whoever asked. `say` tells a part of the answer before the rest is done."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def say(self, part: Asked) -> None:
        """One line now. CallerGone when nobody is there for it: then nothing is to be done."""
        line = _line(part)
        with contextlib.suppress(OSError):
            if not self._hung_up() and os.write(self._connection.fileno(), line) == len(line):
                return
        raise CallerGone("the caller has hung up")

    def _hung_up(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return not self._connection.recv(1, socket.MSG_PEEK)
        return False


Answer = Callable[[Asked, Caller], Awaitable[Asked]]


class Door:
    """One account's. `answer` is given what was asked; UserError is told to the caller."""

    def __init__(
        self, path: Path, venue: str, answer: Answer, clock: Clock, publish: Listener
    ) -> None:
        self._path, self._venue = path, venue
        self._answer = answer
        self._clock = clock
        self._publish = publish
        self._room = asyncio.Semaphore(MAX_CALLERS)
        self.user = _own_user()
        self.faults = 0

    async def run(self) -> None:
        """Answer until cancelled. Where no door can be, that is told once, and trading goes on."""
        try:
            listener = opened(self._path)
        except UserError as error:
            self._publish(IncidentSeen(self._venue, "door", f"nobody can ask this daemon: {error}"))
            return
        made = self._path.stat()  # its number: at the end another may lie there
        try:
            with listener:
                await self._serve(listener)
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(made, self._path.lstat()):
                    self._path.unlink()

    async def _serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                await self._room.acquire()
                connection = None
                with contextlib.suppress(OSError):  # no descriptor left, or gone before we looked
                    connection, _ = await loop.sock_accept(listener)
                if connection is None:
                    self._room.release()
                else:
                    group.create_task(self._called(connection), name="caller")
                await self._clock.sleep(GAP_S if connection is not None else 1.0)

    async def _called(self, connection: socket.socket) -> None:
        """One caller. What breaks here is a value: it ends neither the door nor the trading."""
        try:
            with connection:
                (found,) = await asyncio.gather(self._talk(connection), return_exceptions=True)
        finally:
            self._room.release()
        quiet = isinstance(found, OSError | TimeoutError | CallerGone)
        if isinstance(found, Exception) and not quiet:
            self.faults += 1
            if self.faults <= MAX_FAULTS:
                said = f"an answer has failed: {type(found).__name__}: {found}"
                self._publish(IncidentSeen(self._venue, "door", said[:500]))

    async def _talk(self, connection: socket.socket) -> None:
        caller = Caller(connection)
        if peer_of(connection) != self.user:
            caller.say({"refused": f"expected the user {self.user} that runs this daemon"})
            return
        async with asyncio.timeout(ASK_S):
            asked = await self._heard(connection)
        if isinstance(asked, str):
            caller.say({"refused": asked})
            return
        (found,) = await asyncio.gather(self._answer(asked, caller), return_exceptions=True)
        if isinstance(found, UserError):
            found = {"refused": str(found)}
        elif isinstance(found, BaseException):
            with contextlib.suppress(CallerGone):
                caller.say({"refused": "the daemon could not answer: its log says why"})
            raise found
        async with asyncio.timeout(HEAR_S):
            await asyncio.get_running_loop().sock_sendall(connection, _line(found))

    async def _heard(self, connection: socket.socket) -> Asked | str:
        """What is asked; in words what is wrong with it."""
        loop, heard = asyncio.get_running_loop(), b""
        for _ in range(MAX_PIECES):
            piece = await loop.sock_recv(connection, MAX_ASKED)
            heard += piece
            if not piece or b"\n" in piece or len(heard) > MAX_ASKED:
                break
            await self._clock.sleep(GAP_S)
        line, ended, _ = heard.partition(b"\n")
        if not ended or len(line) > MAX_ASKED:
            return f"expected one line of at most {MAX_ASKED} bytes"
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            return "expected one JSON object in a line"
        return asked if isinstance(asked, dict) else "expected one JSON object in a line"


def _line(told: Asked) -> bytes:
    line = json.dumps(told).encode() + b"\n"
    if len(line) <= MAX_ANSWER:
        return line
    return json.dumps({"refused": f"the answer has {len(line)} bytes: too many"}).encode() + b"\n"


def opened(path: Path) -> socket.socket:
    """The socket that listens at this path, for its user alone. UserError says why none can.

    One that a daemon left which is gone is replaced; one where somebody answers, or a file that is
    no socket, is left as it is.
    """
    family = _family()
    most = 103 if sys.platform == "darwin" else 107
    size = len(os.fsencode(path))
    if size > most:
        raise UserError(f"{path}: expected a path of at most {most} bytes, it has {size}")
    try:
        _refuse_open_folder(path.parent)
        _take_away_stale(path, family)
        return _listening(path, family)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None


def _listening(path: Path, family: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        with _for_us_alone():
            listener.bind(str(path))
        listener.listen(WAITING)
        listener.setblocking(False)
        stack.pop_all()
    return listener


def connected(path: Path, timeout_s: float) -> socket.socket:
    """A line to whoever answers there. OSError when nobody does, UserError without such sockets."""
    line = socket.socket(_family(), socket.SOCK_STREAM)
    with contextlib.ExitStack() as stack:
        stack.callback(line.close)
        # Where others wait too, a socket that must not block is refused at once (Linux: EAGAIN).
        seconds, rest = divmod(timeout_s, 1.0)
        waits = _TIMEVAL.pack(int(seconds), int(rest * 1e6))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, waits)
        line.connect(str(path))
        line.settimeout(timeout_s)
        stack.pop_all()
    return line


def peer_of(connection: socket.socket) -> int | None:
    """The user at the other end; None where the system does not say."""
    if hasattr(socket, "SO_PEERCRED"):
        said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        return int(_PEER.unpack(said)[1])
    if sys.platform == "darwin":
        said = connection.getsockopt(0, 1, 76)  # SOL_LOCAL, LOCAL_PEERCRED: a struct xucred
        return int(_XUCRED.unpack_from(said)[1])
    return None


def _own_user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else -1


def _family() -> int:
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise UserError("this system has no Unix sockets: files alone reach a daemon")
    return int(family)


def _refuse_open_folder(folder: Path) -> None:
    there = folder.stat()
    if there.st_uid != _own_user():
        raise UserError(f"{folder}: expected a folder of our own user")
    if there.st_mode & OTHERS:
        mode = stat.S_IMODE(there.st_mode)
        raise UserError(f"{folder}: expected that others may not write there, its mode is {mode:o}")


def _take_away_stale(path: Path, family: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UserError(f"{path}: expected a socket or nothing, there is something else")
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
                return
            except BlockingIOError:  # somebody listens, and has many callers
                pass
        raise UserError(f"{path}: another process answers there")


@contextlib.contextmanager
def _for_us_alone() -> Iterator[None]:
    """What is made meanwhile is its user's alone: from the first moment on."""
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)
