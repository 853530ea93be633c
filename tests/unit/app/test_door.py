"""The door: who is let in, how much of anybody is borne, and that nothing of it hurts the rest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from arbit.app.door import door as room
from arbit.app.door.door import Asked, Caller, CallerGone, Door, connected, opened, peer_of
from arbit.clock import SystemClock
from arbit.domain.errors import UserError
from arbit.domain.events import Event, IncidentSeen

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: a socket's path is bounded."""
    path = Path(tempfile.mkdtemp(prefix="ar"))
    yield path
    shutil.rmtree(path)


class Desk:
    """A door that answers what it was asked, and what it told."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self.asked: list[Asked] = []
        self.path = path
        self.broken: Exception | None = None
        self.door = Door(path, "kraken", self.answer, SystemClock(), self.events.append)

    async def answer(self, asked: Asked, caller: Caller) -> Asked:
        self.asked.append(asked)
        if self.broken is not None:
            raise self.broken
        for part in asked.get("say", []):
            caller.say(part)
        return {"told": asked}


@contextlib.asynccontextmanager
async def at_work(path: Path) -> AsyncIterator[Desk]:
    desk = Desk(path)
    task = asyncio.get_running_loop().create_task(desk.door.run())
    while not task.done() and not os.access(path, os.F_OK):
        await asyncio.sleep(0.001)
    try:
        yield desk
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def said(path: Path, line: bytes) -> list[Any]:
    """What comes back for these bytes, until it hangs up."""

    def talk() -> bytes:
        heard = b""
        with connected(path, 5.0) as call, contextlib.suppress(ConnectionError):
            call.sendall(line)
            while piece := call.recv(65_536):
                heard += piece
        return heard

    return [json.loads(one) for one in (await asyncio.to_thread(talk)).splitlines()]


async def test_it_answers_its_user_alone_at_a_socket_that_goes_with_it(folder: Path) -> None:
    path = folder / "a.sock"
    async with at_work(path) as desk:
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert await said(path, b'{"ask": 1, "say": [{"show": 2}]}\n') == [
            {"show": 2},
            {"told": {"ask": 1, "say": [{"show": 2}]}},
        ]
        desk.door.user += 1  # whoever asks is another user now
        (refused,) = await said(path, b'{"ask": 1}\n')
        assert refused == {"refused": f"expected the user {desk.door.user} that runs this daemon"}
        assert len(desk.asked) == 1
    assert not path.exists()
    assert desk.events == []


def test_the_peer_is_known_by_its_user() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_of(one) == os.geteuid()


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"no json\n",
        b"[1]\n",
        b'"word"\n',
        b"\xff\xfe\n",
        b"[" * 4_000 + b"\n",
        b"x" * 5_000 + b"\n",
        b"x" * 100_000,
        b"9" * 4_000 + b"\n",
    ],
)
async def test_garbage_is_answered_in_one_line(folder: Path, line: bytes) -> None:
    async with at_work(folder / "a.sock") as desk:
        found = await said(desk.path, line)
        assert len(found) <= 1  # none where the caller broke off, its own bytes unread
        assert all(one["refused"].startswith("expected one ") for one in found)
        assert desk.asked == []
        assert await said(desk.path, b'{"ask": 2}\n') == [{"told": {"ask": 2}}]
    assert desk.events == []


async def test_who_is_silent_is_hung_up_on_and_others_are_answered_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "ASK_S", 0.1)
    async with at_work(folder / "a.sock") as desk:
        silent = [connected(desk.path, 5.0) for _ in range(room.MAX_CALLERS)]
        assert await said(desk.path, b'{"ask": 3}\n') == [{"told": {"ask": 3}}]
        for call in silent:
            with call:
                assert await asyncio.to_thread(call.recv, 1) == b""
    assert desk.events == []


async def test_who_asks_drop_by_drop_is_heard_so_many_times_and_no_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "GAP_S", 0.001)
    async with at_work(folder / "a.sock") as desk:
        call = connected(desk.path, 5.0)
        with call, contextlib.suppress(ConnectionError):
            for _ in range(10 * room.MAX_PIECES):
                call.sendall(b" ")
                await asyncio.sleep(0.002)
        assert desk.asked == []
        assert await said(desk.path, b'{"ask": 4}\n') == [{"told": {"ask": 4}}]


class Held(SystemClock):
    """A clock on which the pause between two callers ends when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        assert seconds == room.GAP_S
        await self.go_on.acquire()


async def test_a_flood_is_let_in_one_after_the_other_with_a_pause_in_between(folder: Path) -> None:
    desk, clock = Desk(folder / "a.sock"), Held()
    desk.door = Door(desk.path, "kraken", desk.answer, clock, desk.events.append)
    task = asyncio.get_running_loop().create_task(desk.door.run())
    await asyncio.sleep(0)
    calls = [connected(desk.path, 5.0) for _ in range(5)]
    for call in calls:
        call.sendall(b'{"ask": 5}\n')
    for count in range(1, 4):
        while len(desk.asked) < count:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert len(desk.asked) == count, "the next one waits in the kernel"
        clock.go_on.release()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    for call in calls:
        call.close()


async def test_an_error_of_ours_is_told_and_ends_nothing(folder: Path) -> None:
    async with at_work(folder / "a.sock") as desk:
        desk.broken = RuntimeError("a bug")
        for _ in range(room.MAX_FAULTS + 2):
            (refused,) = await said(desk.path, b'{"ask": 6}\n')
            assert refused == {"refused": "the daemon could not answer: its log says why"}
        desk.broken = UserError("expected another")
        assert await said(desk.path, b'{"ask": 6}\n') == [{"refused": "expected another"}]
        desk.broken = None
        assert await said(desk.path, b'{"ask": 7}\n') == [{"told": {"ask": 7}}]
    told = [one for one in desk.events if isinstance(one, IncidentSeen)]
    assert len(told) == len(desk.events) == room.MAX_FAULTS
    assert told[0].detail == "an answer has failed: RuntimeError: a bug"


async def test_an_answer_beyond_what_a_socket_holds_is_not_sent(folder: Path) -> None:
    assert room.MAX_ANSWER < 200_000, "it fits into the socket's buffer"
    async with at_work(folder / "a.sock") as desk:

        async def much(_asked: Asked, _caller: Caller) -> Asked:
            return {"told": "x" * room.MAX_ANSWER}

        desk.door._answer = much
        (refused,) = await said(desk.path, b'{"ask": 8}\n')
        assert refused["refused"].endswith("bytes: too many")


def test_a_caller_who_has_hung_up_or_does_not_read_is_gone() -> None:
    one, other = socket.socketpair()
    one.setblocking(False)
    with one:
        Caller(one).say({"show": 1})
        with pytest.raises(CallerGone):
            _said_without_end(one)
        other.close()
        with pytest.raises(CallerGone):
            Caller(one).say({"show": 1})


def _all_connected(calls: list[socket.socket], path: Path) -> None:
    for call in calls:
        call.connect(str(path))


def _said_without_end(connection: socket.socket) -> None:
    for _ in range(100_000):
        Caller(connection).say({"show": "x" * 10_000})


def refusal_of(path: Path) -> str:
    with pytest.raises(UserError) as refused:
        opened(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_socket_that_nobody_answers_at_is_replaced_and_no_other_file(folder: Path) -> None:
    path = folder / "a.sock"
    opened(path).close()  # whoever made it has gone
    assert path.exists()
    with opened(path):
        assert "another process answers there" in refusal_of(path)
        assert path.exists()
    path.unlink()
    path.write_text("a user's own")
    assert "expected a socket or nothing" in refusal_of(path)
    assert path.read_text() == "a user's own"
    path.unlink()
    path.symlink_to(folder / "elsewhere.sock")
    assert "expected a socket or nothing" in refusal_of(path)


def test_one_with_more_callers_than_it_can_hold_is_no_stale_one(folder: Path) -> None:
    path = folder / "a.sock"
    with opened(path), contextlib.ExitStack() as stack:
        calls = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(100)]
        for call in calls:
            call.setblocking(False)
        with pytest.raises(BlockingIOError):
            _all_connected(calls, path)
        assert "another process answers there" in refusal_of(path)
        assert path.exists()


def test_no_door_is_made_where_others_may_write_nor_where_its_path_is_too_long(
    folder: Path,
) -> None:
    folder.chmod(0o770)
    assert "others may not write there, its mode is 770" in refusal_of(folder / "a.sock")
    folder.chmod(0o700)
    assert "expected a path of at most" in refusal_of(folder / ("a" * 120))
    assert "No such file" in refusal_of(folder / "none" / "a.sock")


async def test_without_a_door_it_is_told_once_and_nothing_else_ends(folder: Path) -> None:
    desk = Desk(folder / ("a" * 120))
    await desk.door.run()
    (event,) = desk.events
    assert isinstance(event, IncidentSeen)
    assert event.kind == "door"
    assert event.detail.startswith("nobody can ask this daemon: ")


async def test_what_another_has_put_in_its_place_is_not_taken_away(folder: Path) -> None:
    async with at_work(folder / "a.sock") as desk:
        desk.path.unlink()
        desk.path.write_text("another's")
    assert desk.path.read_text() == "another's"
