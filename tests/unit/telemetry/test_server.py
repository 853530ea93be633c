"""The server of the page: bounded in every direction, and never in trading's way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from arbit.clock import SystemClock
from arbit.domain.errors import UserError
from arbit.domain.events import FeedCounts
from arbit.domain.readings import TradingReading, VenueReading
from arbit.telemetry import server as served
from arbit.telemetry.http import HEAD_BYTES
from arbit.telemetry.metrics import MetricsPage
from arbit.telemetry.probes import healthz, readyz
from arbit.telemetry.server import HELPERS, MetricsServer

TRADING = TradingReading({}, {}, {}, {}, "active", killed=False)
WELL = VenueReading(
    "kraken",
    FeedCounts(frames=7),
    {},
    {},
    {},
    {},
    {},
    trading=TRADING,
    decided_ago_s=0.5,
    turned_ago_s=0.02,
    believed_books=3,
    watched_books=4,
)


@asynccontextmanager
async def serving(*readings: VenueReading, host: str = "127.0.0.1") -> AsyncIterator[MetricsServer]:
    page = MetricsPage(lambda: readings, SystemClock())
    async with MetricsServer(page, host, 0, SystemClock()) as server:
        yield server


async def said(server: MetricsServer, question: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(question)
    answer = await asyncio.wait_for(reader.read(), 10)
    await hung_up(writer)
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split(" ")[1]), dict(line.split(": ", 1) for line in rest), body


async def hung_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def get(path: str, host: str = "127.0.0.1:1") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def test_only_an_address_of_this_machine_is_listened_on() -> None:
    async with serving() as server:
        with socket.socket() as other, pytest.raises(OSError, match="refused"):
            other.connect(("127.0.0.2", server.port))  # 0.0.0.0 would take it


async def test_each_question_has_its_answer_and_nothing_else_is_served() -> None:
    async with serving(WELL) as server:
        for question, status in (
            (get("/metrics"), 200),
            (get("/metrics?name=a"), 200),
            (get("/healthz"), 200),
            (get("/readyz"), 200),
            (get("/"), 404),
            (get("/../etc/passwd"), 404),
            (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
            (b"GET /metrics HTTP/1.1\r\nhost: [::1]:9464\r\n\r\n", 200),
            (b"\x16\x03\x01\x00\r\n\r\n", 400),
            (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
            (b"GET http://localhost/metrics HTTP/1.1\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 2 * HEAD_BYTES, 431),
        ):
            told, headers, body = await said(server, question)
            assert told == status, question
            assert int(headers["Content-Length"]) == len(body)
            assert headers["Connection"] == "close"


async def test_a_head_alone_is_answered_without_a_body() -> None:
    async with serving(WELL) as server:
        status, headers, body = await said(server, get("/metrics").replace(b"GET", b"HEAD"))
        assert (status, body) == (200, b"")
        assert int(headers["Content-Length"]) > 1_000


async def test_a_web_page_whose_name_points_at_us_may_not_read() -> None:
    async with serving(WELL) as server:
        assert (await said(server, get("/metrics", "evil.example:9464")))[0] == 403


async def test_probes_say_of_each_venue_why_not() -> None:
    async with serving(WELL, replace(WELL, venue="mexc", ended=True)) as server:
        status, headers, body = await said(server, get("/healthz"))
        assert (status, headers["Content-Type"]) == (200, "application/json")
        status, _, body = await said(server, get("/readyz"))
        told: dict[str, Any] = json.loads(body)
        assert (status, told["ok"]) == (503, False)
        assert told["venues"]["kraken"]["ok"]
        assert told["venues"]["mexc"]["why"] == "its run has ended"


def test_healthy_is_what_takes_its_turns_whatever_the_venues_do() -> None:
    assert healthz([]).ok  # it begins
    assert healthz([WELL, replace(WELL, venue="b", ended=True)]).ok
    assert healthz([replace(WELL, decided_ago_s=900.0, believed_books=0)]).ok
    assert not healthz([WELL, replace(WELL, venue="b", turned_ago_s=10.1)]).ok
    assert not healthz([replace(WELL, ended=True)]).ok


def test_ready_is_what_measures_or_trades() -> None:
    assert readyz([WELL]).ok
    assert readyz([replace(WELL, trading=None)]).ok
    for state in ("trading", "healthy", "degraded", "blocked", "diverged"):
        assert readyz([replace(WELL, health=state)]).ok
    for unready, word in (
        (replace(WELL, ended=True), "ended"),
        (replace(WELL, decided_ago_s=None), "no book"),
        (replace(WELL, decided_ago_s=31.0), "no decision"),
        (replace(WELL, believed_books=2), "2 of 4"),
        (replace(WELL, trading=replace(TRADING, started=False)), "recovery"),
        (replace(WELL, trading=replace(TRADING, killed=True)), "kill switch"),
        (replace(WELL, trading=replace(TRADING, breaker="halted")), "breaker"),
        (replace(WELL, health="mute"), "mute"),
    ):
        answer = readyz([unready])
        assert not answer.ok
        assert word in answer.venues["kraken"]["why"]
    assert not readyz([]).ok


@pytest.mark.unstalled
async def test_who_asks_too_slowly_is_hung_up_on_and_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(served, "QUESTION_S", 0.3)
    async with serving(WELL) as server:
        slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(HELPERS)]

        async def trickle(writer: asyncio.StreamWriter) -> None:
            for byte in get("/metrics")[:-1]:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        trickling = [asyncio.create_task(trickle(writer)) for _, writer in slow]
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert (await said(server, get("/metrics")))[0] == 200  # when one of them has had its time
        assert 0.2 < loop.time() - began_s < 2
        for reader, _ in slow:
            with contextlib.suppress(ConnectionError):  # a byte more had come: reset
                assert await asyncio.wait_for(reader.read(), 2) == b""
        for task, (_, writer) in zip(trickling, slow, strict=True):
            task.cancel()
            await hung_up(writer)
        assert server.broken_off == HELPERS


async def test_who_takes_the_page_too_slowly_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "ANSWER_S", 0.3)
    async with serving(WELL) as server:
        server._page._pieces, server._page._made_ns = (b"x" * 20_000_000,), 2**62
        with socket.create_connection(("127.0.0.1", server.port)) as lazy:
            lazy.sendall(get("/metrics"))
            while not server.broken_off:
                await asyncio.sleep(0.01)
        assert server.answered == 0


async def test_a_page_that_cannot_be_made_ends_nothing() -> None:
    def broken() -> list[VenueReading]:
        raise ZeroDivisionError

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with MetricsServer(
        MetricsPage(broken, SystemClock()), "127.0.0.1", 0, SystemClock()
    ) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/metrics"))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        await hung_up(writer)
        assert (await said(server, get("/")))[0] == 404
    assert isinstance(told[0]["exception"], ZeroDivisionError)


async def test_an_error_beside_the_server_stays_what_it_is() -> None:
    with pytest.raises(UserError, match=r"^said by a lane$"):
        async with serving(WELL):
            raise UserError("said by a lane")


async def test_a_storm_is_served_at_a_pace_that_leaves_the_loop_free() -> None:
    """How late a timer is while hundreds scrape from other threads: most of it is theirs."""

    def scrape(port: int) -> int:
        done = 0
        for _ in range(40):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
                one.sendall(get("/metrics"))
                while one.recv(65_536):
                    pass
            done += 1
        return done

    async with serving(WELL) as server:
        began_s = time.monotonic()
        storm = [asyncio.to_thread(scrape, server.port) for _ in range(8)]
        assert sum(await asyncio.gather(*storm)) == 320
        took_s = time.monotonic() - began_s
        assert took_s >= 320 * served.PAUSE_S  # never faster than that
        assert server.answered == 320
        assert server._page.renders <= took_s + 2
