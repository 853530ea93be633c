"""Requests over real sockets: sent once, told apart by fate, bounded, and never showing a key."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from arbit.clock import SystemClock
from arbit.domain.errors import BrokenRule, FrameError, UserError, VenueRefused, VenueUnreachable
from arbit.venues.alpaca import gateway, http
from arbit.venues.alpaca.http import Http, Keys, Lost, NeverLeft, json_of
from arbit.venues.alpaca.rate import Budget

KEYS = Keys("PKTESTKEYID", "very-secret-and-made-up")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def answer(status: str, body: bytes = b"{}", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Rig:
    """A server that answers each request with the next of its replies, and remembers requests."""

    def __init__(self, replies: list[bytes | None]) -> None:
        self.replies = replies
        self.heard: list[bytes] = []
        self.open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        size = int(line.split(b":")[1])
                self.heard.append(head + await reader.readexactly(size))
                reply = self.replies.pop(0) if self.replies else OK
                if reply is None:  # the connection breaks instead of an answer
                    break
                writer.write(reply)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def rigged(
    *replies: bytes | None, budget: Budget | None = None, keys: Keys | None = KEYS
) -> AsyncIterator[tuple[Rig, Http]]:
    rig = Rig(list(replies))
    server = await asyncio.start_server(rig.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asking = Http(f"http://127.0.0.1:{port}/", keys, budget or Budget(), SystemClock(seed=1))
    try:
        yield rig, asking
    finally:
        await asking.close()
        server.close()
        for writer in rig.open:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await server.wait_closed()


async def test_a_request_carries_the_key_in_its_headers_and_strings_in_its_body() -> None:
    async with rigged() as (rig, asking):
        await asking.ask("POST", "/v2/orders", body={"symbol": "ETH/BTC", "qty": "0.1"})
        await asking.ask("GET", "/v2/orders", params={"symbols": "A/B,C/D"})
    post, get = rig.heard
    assert post.startswith(b"POST /v2/orders HTTP/1.1")
    assert b"APCA-API-KEY-ID: PKTESTKEYID" in post
    assert b"APCA-API-SECRET-KEY: very-secret-and-made-up" in post
    assert post.endswith(b'{"symbol": "ETH/BTC", "qty": "0.1"}')
    assert get.startswith((b"GET /v2/orders?symbols=A/B,C/D ", b"GET /v2/orders?symbols=A%2FB%2CC"))


async def test_without_a_key_none_is_sent() -> None:
    async with rigged(keys=None) as (rig, asking):
        await asking.ask("GET", "/v1beta3/x")
    assert b"APCA" not in rig.heard[0]


async def test_any_status_is_an_answer_with_what_the_limit_and_the_date_say() -> None:
    told = "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-RateLimit-Remaining: 7\r\n"
    reply = answer(
        "403 Forbidden", b'{"code":40310000}', told + "X-RateLimit-Reset: 1700000000\r\n"
    )
    budget = Budget()
    async with rigged(reply, budget=budget) as (_, asking):
        found = await asking.ask("DELETE", "/v2/orders/x")
    assert (found.status, found.ok, found.body) == (403, False, b'{"code":40310000}')
    assert (found.remaining, found.reset_s) == (7, 1_700_000_000)
    assert found.date == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert found.sent_ns <= found.heard_ns
    assert not budget.may(found.heard_ns)  # 7 left is within the third that is kept
    assert budget.may(found.heard_ns, reserved=True)


async def test_a_refused_connection_and_a_name_that_nobody_has_never_left() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it
        port = held.getsockname()[1]
        for base in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid", "http://", "x"):
            asking = Http(base, KEYS, Budget(), SystemClock(seed=1))
            with pytest.raises(NeverLeft) as caught:
                await asking.ask("POST", "/v2/orders", body={})
            await asking.close()
            assert "secret" not in str(caught.value)


async def test_a_connection_that_breaks_before_the_answer_is_lost_and_nothing_is_sent_again() -> (
    None
):
    async with rigged(None) as (rig, asking):
        with pytest.raises(Lost):
            await asking.ask("POST", "/v2/orders", body={"a": "b"})
        assert len(rig.heard) == 1


async def test_what_was_given_up_is_not_delivered_to_a_venue_that_wakes_up_later() -> None:
    body, got = {"a": "b" * 100_000}, b""
    with socket.socket() as asleep:  # its kernel takes a little, and nobody reads
        asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        asleep.bind(("127.0.0.1", 0))
        asleep.listen()
        base = f"http://127.0.0.1:{asleep.getsockname()[1]}"
        asking = Http(base, KEYS, Budget(), SystemClock(seed=1))
        with pytest.raises(Lost):
            await asking.ask("POST", "/v2/orders", body=body, within_s=0.2)
        woken, _ = asleep.accept()
        with woken, contextlib.suppress(ConnectionResetError):
            woken.settimeout(5)
            while part := await asyncio.to_thread(woken.recv, 65_536):
                got += part
        await asking.close()
    assert 0 < len(got) < len(body["a"])


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
def test_what_nobody_takes_is_given_up_by_the_kernel_when_we_give_up() -> None:
    tcp = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ())
    with http.forgetful_socket(tcp) as made:
        told_ms = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert told_ms == http.TOTAL_S * 1_000 == gateway.ORDER_S * 1_000


async def test_a_kept_connection_that_breaks_does_not_send_an_order_twice() -> None:
    async with rigged(OK, None) as (rig, asking):
        await asking.ask("GET", "/v2/clock")
        with pytest.raises(Lost):
            await asking.ask("POST", "/v2/orders", body={"a": "b"})
        assert [one.split(b" ")[0] for one in rig.heard] == [b"GET", b"POST"]


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{",
        b"no http at all\r\n\r\n",
        b"",
    ],
)
async def test_an_answer_that_does_not_come_whole_is_lost(broken: bytes) -> None:
    async with rigged(broken) as (_, asking):
        with pytest.raises(Lost):
            await asking.ask("GET", "/v2/clock", within_s=0.2)


async def test_an_answer_beyond_any_size_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 1_000)
    async with rigged(answer("200 OK", b"x" * 1_001)) as (_, asking):
        with pytest.raises(Lost, match="more than 1000 bytes"):
            await asking.ask("GET", "/v2/clock")


async def test_a_redirect_is_not_followed() -> None:
    async with rigged(answer("307 Moved", b"", "Location: /elsewhere\r\n")) as (rig, asking):
        assert (await asking.ask("POST", "/v2/orders", body={})).status == 307
        assert len(rig.heard) == 1


async def test_a_full_budget_lets_nothing_leave_but_the_urgent() -> None:
    budget = Budget(5)
    async with rigged(budget=budget) as (rig, asking):
        await asking.ask("GET", "/1")
        await asking.ask("GET", "/2")
        with pytest.raises(NeverLeft, match="no room"):
            await asking.ask("GET", "/3")
        await asking.ask("GET", "/4", reserved=True)
        assert len(rig.heard) == asking.asked == 3


async def test_too_many_keeps_everything_back_for_a_while() -> None:
    async with rigged(answer("429 Too Many", b'{"message":"too many requests."}')) as (_, asking):
        assert (await asking.ask("GET", "/v2/clock")).status == 429
        with pytest.raises(NeverLeft, match="no room"):
            await asking.ask("GET", "/v2/clock", reserved=True)


async def test_a_question_is_asked_again_when_nobody_answered_and_its_digits_are_kept() -> None:
    replies = (answer("504 Gateway"), None, answer("200 OK", b'{"p":63501.60}'))
    async with rigged(*replies) as (rig, asking):
        found, whole = await asking.question("/v1beta3/x")
        assert str(found["p"]) == "63501.60"
        assert whole.status == 200
        assert len(rig.heard) >= 3


async def test_a_question_that_is_refused_is_refused_once_in_the_venues_words() -> None:
    body = b'{"code":40410000,"message":"order not found for azerty"}'
    async with rigged(answer("404 Not Found", body)) as (rig, asking):
        with pytest.raises(VenueRefused, match=r"404 order not found for azerty \(code 40410000\)"):
            await asking.question("/v2/orders:by_client_order_id")
        assert len(rig.heard) == 1


async def test_words_that_repeat_our_secret_or_move_the_cursor_are_told_as_one_plain_line() -> None:
    words = f"no\\nluck \\u001b[31m{KEYS.secret}"
    body = f'{{"message":"{words}"}}'.encode()
    async with rigged(answer("400 Bad", body)) as (_, asking):
        with pytest.raises(VenueRefused, match=r"^400 no luck \[31m\*\*\*$"):
            await asking.question("/v2/clock")


async def test_an_answer_whose_packing_is_none_is_told_in_one_line() -> None:
    packed = answer("200 OK", b"garbage", "Content-Encoding: gzip\r\n")
    async with rigged(packed) as (_, asking):
        with pytest.raises(Lost, match=r"^GET /v2/clock: [^\n]+$"):
            await asking.ask("GET", "/v2/clock")


async def test_a_question_whose_answer_is_a_page_makes_no_sense() -> None:
    async with rigged(answer("200 OK", b"<html>")) as (_, asking):
        with pytest.raises(FrameError, match="not JSON"):
            await asking.question("/v2/clock")


async def test_a_question_gives_up_after_its_tries() -> None:
    async with rigged(answer("500 X"), answer("500 X")) as (rig, asking):
        with pytest.raises(VenueUnreachable, match="500"):
            await asking.question("/v2/clock", tries=2)
        assert len(rig.heard) == 2


async def test_after_close_nothing_is_asked() -> None:
    async with rigged() as (_, asking):
        await asking.close()
        await asking.close()
        with pytest.raises(BrokenRule):
            await asking.ask("GET", "/")


def test_a_key_is_never_shown_and_one_that_no_header_carries_is_refused_without_it() -> None:
    assert "very-secret" not in repr(KEYS)
    for secret in ("", "two words", "line\nbreak", "é"):
        with pytest.raises(UserError) as caught:
            Keys("id", secret)
        assert not secret or secret not in str(caught.value)


def test_json_is_read_with_its_own_digits_and_what_is_none_is_refused() -> None:
    assert json_of(b'{"a":[1e-7,5,"x"]}', "x") == {"a": [Decimal("1E-7"), 5, "x"]}
    for body in (b"", b"NaN", b"[Infinity]", b"\xff", b"[" * 100_000, b"[" * 30 + b"]" * 30):
        with pytest.raises(FrameError):
            json_of(body, "x")
    with pytest.raises(FrameError):
        json_of(b"1" * 5_000, "x")
