"""Our WebSocket client against a raw server on loopback that can be as rude as it likes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from arbit.domain.errors import VenueUnreachable
from arbit.venues import slices
from arbit.venues.dial import Connection, PicowsDialer
from arbit.venues.slices import MESSAGES, Slices

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
GUARD_S = 10.0


def frame(kind: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    head = bytes([(0x80 if fin else 0) | kind])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 1 << 16:
        return head + b"\x7e" + struct.pack(">H", len(payload)) + payload
    return head + b"\x7f" + struct.pack(">Q", len(payload)) + payload


@dataclass
class Ear:
    """A handler that remembers."""

    heard: list[bytes] = field(default_factory=list)
    drained: int = 0
    lost: list[str] = field(default_factory=list)
    stops: tuple[int, Callable[[], None]] | None = None

    def on_frame(self, payload: bytes) -> None:
        self.heard.append(payload)
        if self.stops is not None and len(self.heard) == self.stops[0]:
            self.stops[1]()

    def on_drained(self) -> None:
        self.drained += 1

    def on_lost(self, why: str) -> None:
        self.lost.append(why)


class Server:
    """Shakes hands as the standard says, or answers with `instead`; then sends `first`."""

    def __init__(self, first: bytes = b"", instead: bytes = b"") -> None:
        self.first = first
        self.instead = instead
        self.got = bytearray()
        self.writer: asyncio.StreamWriter | None = None
        self.url = ""

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"
        try:
            yield self
        finally:
            if self.writer is not None:
                self.writer.close()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        request = await reader.readuntil(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if line)
        key = next(value for name, value in lines.items() if name.lower() == b"sec-websocket-key")
        accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False)
        writer.write(
            self.instead
            or b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(accept.digest()) + b"\r\n\r\n" + self.first
        )
        while data := await reader.read(65_536):
            self.got += data
        writer.close()

    def send(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(GUARD_S):
        while not true():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def dialled(
    max_bytes: int = 1_000, first: bytes = b""
) -> AsyncIterator[tuple[Server, Ear, Connection]]:
    async with Server(first)() as server:
        ear = Ear()
        connection = await PicowsDialer(max_bytes)(server.url, ear)
        yield server, ear, connection
        connection.abort()


async def test_whole_messages_are_forwarded_as_they_came_and_then_drained() -> None:
    async with dialled() as (server, ear, _):
        server.send(
            frame(TEXT, b"one") + frame(TEXT, b"two") + frame(TEXT) + frame(BINARY, b"\xff")
        )
        await until(lambda: len(ear.heard) == 4)
        assert ear.heard == [b"one", b"two", b"", b"\xff"]
        assert 1 <= ear.drained <= 4


async def test_a_message_in_pieces_is_joined() -> None:
    async with dialled() as (server, ear, _):
        server.send(frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", fin=False))
        server.send(frame(PING, b"?") + frame(CONTINUATION, b"c") + frame(TEXT, b"next"))
        await until(lambda: len(ear.heard) == 2)
        assert ear.heard == [b"abc", b"next"]
        await until(lambda: bool(server.got))  # the protocol's own ping was answered
        assert server.got[0] == 0x80 | PONG


async def test_what_is_sent_is_one_text_message() -> None:
    async with dialled() as (server, _, connection):
        connection.send(b'{"method":"ping"}')
        await until(lambda: len(server.got) >= 6 + 17)
        assert server.got[0] == 0x80 | TEXT
        mask, masked = server.got[2:6], server.got[6:]
        assert bytes(b ^ mask[i % 4] for i, b in enumerate(masked)) == b'{"method":"ping"}'


@pytest.mark.parametrize("whole", [True, False])
async def test_a_message_beyond_the_limit_ends_the_socket(whole: bool) -> None:
    async with dialled(max_bytes=1_000) as (server, ear, _):
        if whole:
            server.send(frame(TEXT, b"x" * 2_000))
        else:
            for _ in range(5):
                server.send(frame(CONTINUATION, b"x" * 400, fin=False))
        await until(lambda: bool(ear.lost))
        assert ear.heard == []
        assert whole or ear.lost == ["a message of more than 1000 bytes"]


async def test_the_code_of_a_close_is_told_once_and_nothing_after_it() -> None:
    async with dialled() as (server, ear, connection):
        server.send(frame(TEXT, b"last") + frame(CLOSE, struct.pack(">H", 1012) + b"bye"))
        await until(lambda: bool(ear.lost))
        await asyncio.sleep(0.05)
        assert ear.heard == [b"last"]
        assert ear.lost == ["closed by the venue with code 1012"]
        connection.send(b"too late")
        connection.close()
        connection.abort()
        assert len(ear.lost) == 1


async def test_a_cut_without_a_word_is_told() -> None:
    async with dialled() as (server, ear, _):
        assert server.writer is not None
        server.writer.transport.abort()
        await until(lambda: bool(ear.lost))
        assert ear.lost == ["connection lost"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_after_our_own_end_the_handler_hears_nothing_more(end: str) -> None:
    async with dialled() as (server, ear, connection):
        connection.send(b"x")
        await until(lambda: bool(server.got))
        getattr(connection, end)()
        server.send(frame(TEXT, b"ghost"))
        await asyncio.sleep(0.05)
        assert (ear.heard, ear.drained, ear.lost) == ([], 0, [])


async def test_what_comes_with_the_handshake_is_heard_and_a_close_with_it_is_told() -> None:
    first = frame(TEXT, b"hello") + frame(CLOSE, struct.pack(">H", 1013))
    async with dialled(first=first) as (_, ear, connection):
        await until(lambda: bool(ear.lost))
        assert ear.heard == [b"hello"]
        connection.send(b"anyone?")
        assert ear.lost == ["closed by the venue with code 1013"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        b"garbage\r\n\r\n",
    ],
)
async def test_any_answer_but_an_upgrade_is_unreachable(answer: bytes) -> None:
    async with Server(instead=answer)() as server:
        ear = Ear()
        with pytest.raises(VenueUnreachable, match="127"):
            await PicowsDialer()(server.url, ear)
        assert (ear.heard, ear.lost) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        "ws://127.0.0.1:1/v2",
        "ws://127.0.0.1:99999/v2",
        "ws://127.0.0.1:x/v2",
        "ws://no such host/v2",
        "ws:///v2",
        "ws://" + "a" * 300 + ".invalid/v2",
    ],
)
async def test_an_address_where_nobody_is_or_can_be_is_unreachable(url: str) -> None:
    with pytest.raises(VenueUnreachable):
        await PicowsDialer()(url, Ear())


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arbit.venues.dial.CONNECT_TIMEOUT_S", 0.1)
    async with Server(instead=b"HTTP/1.1 101 ")() as server:
        with pytest.raises(VenueUnreachable):
            await PicowsDialer()(server.url, Ear())


@pytest.mark.parametrize("some", [b"", b"HTTP/1.1 101 "])
@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_server_that_hangs_up_before_it_has_answered_is_unreachable(
    some: bytes, end: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(some)
        await writer.drain()
        writer.close() if end == "close" else writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        ear = Ear()
        with pytest.raises(VenueUnreachable, match="handshake"):
            await PicowsDialer()(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2", ear)
        assert (ear.heard, ear.lost) == ([], [])


async def test_a_socket_that_is_pinged_and_does_not_answer_is_gone() -> None:
    async with Server()() as server:
        ear = Ear()
        connection = await PicowsDialer(ping_ms=60)(server.url, ear)
        await until(lambda: bool(server.got))
        assert server.got[0] == 0x80 | PING
        await until(lambda: bool(ear.lost))
        assert ear.lost == ["connection lost"]
        connection.abort()


async def test_a_socket_that_answers_its_pings_stays_though_it_says_nothing_else() -> None:
    async with Server()() as server:
        ear = Ear()
        connection = await PicowsDialer(ping_ms=60)(server.url, ear)
        for _ in range(4):
            await until(lambda: bool(server.got))
            size = server.got[1] & 0x7F
            mask, masked = server.got[2:6], server.got[6 : 6 + size]
            server.got.clear()
            server.send(frame(PONG, bytes(b ^ mask[i % 4] for i, b in enumerate(masked))))
        assert ear.lost == []
        connection.abort()


async def test_a_burst_is_handed_on_in_slices_in_order_and_others_have_their_turns() -> None:
    count = 40 * MESSAGES
    burst = b"".join(frame(TEXT, str(number).encode()) for number in range(count))
    async with dialled() as (server, ear, _):
        loop, seen = asyncio.get_running_loop(), list[int]()

        def somebody_else() -> None:
            seen.append(len(ear.heard))
            if len(ear.heard) < count:
                loop.call_soon(somebody_else)

        somebody_else()
        server.send(burst)
        await until(lambda: len(ear.heard) == count and ear.drained > 0)
    assert ear.heard == [str(number).encode() for number in range(count)]
    steps = [after - before for before, after in itertools.pairwise(seen)]
    assert max(steps) <= 2 * MESSAGES  # a slice, and what the socket brought in the same turn


async def test_a_flood_that_nobody_keeps_up_with_waits_in_the_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slices, "HELD_BYTES", 4_000)
    most, held = [0], [0]

    def note(self: Slices, payload: bytes) -> None:
        take(self, payload)
        held[0] = sum(map(len, self._held))
        most[0] = max(most[0], held[0])

    take = Slices.take
    monkeypatch.setattr(Slices, "take", note)
    count, size = 5_000, 900
    async with dialled() as (server, ear, _):
        server.send(frame(TEXT, bytes(size)) * count)
        await until(lambda: len(ear.heard) == count)
    assert most[0] < 600_000  # what one read may bring on top of the limit


async def test_what_waits_when_the_venue_closes_is_heard_before_the_end_is() -> None:
    count = 5 * MESSAGES
    async with dialled() as (server, ear, _):
        server.send(frame(TEXT, b"x") * count + frame(CLOSE, struct.pack(">H", 1001)))
        await until(lambda: bool(ear.lost))
    assert len(ear.heard) == count
    assert ear.lost == ["closed by the venue with code 1001"]


async def test_after_our_own_end_nothing_that_waits_is_heard() -> None:
    async with dialled() as (server, ear, connection):
        ear.stops = (1, connection.abort)
        server.send(frame(TEXT, b"x") * 10 * MESSAGES)
        await until(lambda: bool(ear.heard))
        for _ in range(20):
            await asyncio.sleep(0)
    assert len(ear.heard) == 1


@pytest.mark.parametrize("at", [3, 3 * MESSAGES])  # in the first slice, and in a later one
async def test_a_message_that_breaks_its_hearer_ends_the_socket_as_it_is_lost(at: int) -> None:
    told = list[dict[str, object]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(about))

    def breaks() -> None:
        raise ArithmeticError("a number that nobody thought of")

    async with dialled() as (server, ear, _):
        ear.stops = (at, breaks)
        server.send(frame(TEXT, b"x") * 10 * MESSAGES)
        await until(lambda: bool(ear.lost))
        for _ in range(20):
            await asyncio.sleep(0)
    assert (len(ear.heard), ear.lost) == (at, ["a message that we could not take"])
