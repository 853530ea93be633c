"""The market data stream and its REST twin, over real sockets."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal

import aiohttp
import pytest

from arbit.sandbox.alpaca.words import stamp, token
from arbit.sandbox.book import ASK, BID
from tests.unit.sandbox.alpaca.desk import KEYS, SECRET, Json, Socket, Wire, WireBook, serving

pytestmark = pytest.mark.unstalled


def is_book(symbol: str = "BTC/USD", *, whole: bool | None = None) -> Callable[[Json], bool]:
    def wanted(one: Json) -> bool:
        right = one.get("T") == "o" and one.get("S") == symbol
        return right and (whole is None or bool(one.get("r")) == whole)

    return wanted


def is_error(one: Json) -> bool:
    return bool(one.get("T") == "error")


def true_levels(wire: Wire, symbol: str, side: int) -> dict[Decimal, Decimal]:
    pair = wire.server.market.pairs[symbol]
    listed = pair.instrument
    return {
        Decimal(price).scaleb(-listed.price_precision): Decimal(qty).scaleb(-listed.qty_precision)
        for price, qty in pair.book.top(side, 1_000)
    }


async def test_a_whole_book_comes_first_and_deltas_keep_it_true() -> None:
    async with serving("volatile") as wire, wire.data("BTC/USD", "ETH/BTC") as socket:
        ack = await socket.until(lambda one: one["T"] == "subscription")
        assert ack["orderbooks"] == ack["quotes"] == ["BTC/USD", "ETH/BTC"]
        assert ack["trades"] == ack["bars"] == []
        books = {"BTC/USD": WireBook(), "ETH/BTC": WireBook()}
        seen = dict.fromkeys(books, 0)
        removed = quotes = 0
        while min(seen.values()) < 8 or not removed or not quotes:
            for one in await socket.hear():
                if one["T"] == "q":
                    quotes += 1
                    assert one["bp"] < one["ap"]
                    continue
                assert bool(one.get("r")) == (seen[one["S"]] == 0)
                seen[one["S"]] += 1
                books[one["S"]].apply(one)
                assert not books[one["S"]].crossed
                removed += sum(level["s"] == 0 for level in one["b"] + one["a"])
        wire.server.market.freeze()
        await asyncio.sleep(0.03)
        await socket.say(action="unsubscribe", orderbooks=["BTC/USD"])
        while True:
            heard = await socket.hear()
            if heard[0]["T"] == "subscription":
                break
            for one in heard:
                if one["T"] == "o":
                    books[one["S"]].apply(one)
        assert heard[0]["orderbooks"] == ["ETH/BTC"]
        for symbol, book in books.items():
            assert book.sides["b"] == true_levels(wire, symbol, BID)
            assert book.sides["a"] == true_levels(wire, symbol, ASK)


async def test_rest_shows_the_same_book_and_counts_the_calls() -> None:
    async with serving(frozen=True, requests_per_minute=2) as wire:
        url = wire.server.rest_url + "/v1beta3/crypto/us-1/latest/"
        async with wire.http.get(url + "orderbooks?symbols=BTC/USD,ETH/BTC") as reply:
            book = json.loads(await reply.text(), parse_float=Decimal, parse_int=Decimal)
            assert reply.headers["X-RateLimit-Limit"] == "2"
            assert reply.headers["X-RateLimit-Remaining"] == "1"
        assert list(book["orderbooks"]) == ["BTC/USD", "ETH/BTC"]
        shown = {level["p"]: level["s"] for level in book["orderbooks"]["ETH/BTC"]["b"]}
        assert shown == true_levels(wire, "ETH/BTC", BID)
        async with wire.http.get(url + "orderbooks?symbols=NO/SUCH") as reply:
            assert reply.status == 400
        async with wire.http.get(url + "quotes?symbols=BTC/USD") as reply:
            assert reply.status == 429


async def greeted(wire: Wire, raw: aiohttp.ClientWebSocketResponse) -> Socket:
    socket = Socket(raw)
    assert await socket.hear() == [{"T": "success", "msg": "connected"}]
    return socket


async def test_who_is_not_authenticated_gets_the_venues_codes() -> None:
    async with serving(frozen=True) as wire, wire.http.ws_connect(wire.server.ws_url) as raw:
        socket = await greeted(wire, raw)
        await raw.send_str("{not json")
        assert (await socket.hear())[0]["code"] == 400
        await socket.say(action="subscribe", orderbooks=["BTC/USD"])
        assert await socket.hear() == [{"T": "error", "code": 401, "msg": "not authenticated"}]
        await socket.say(action="auth", key=KEYS["APCA-API-KEY-ID"], secret="wrong")
        assert await socket.hear() == [{"T": "error", "code": 402, "msg": "auth failed"}]
        await socket.closed()


async def test_headers_authenticate_too_and_only_once() -> None:
    async with (
        serving(frozen=True) as wire,
        wire.http.ws_connect(wire.server.ws_url, headers=KEYS) as raw,
    ):
        socket = await greeted(wire, raw)
        assert await socket.hear() == [{"T": "success", "msg": "authenticated"}]
        await socket.say(action="auth", key=KEYS["APCA-API-KEY-ID"], secret=SECRET)
        assert (await socket.hear())[0]["code"] == 403


async def test_one_connection_a_key_and_an_old_one_may_hold_its_place() -> None:
    async with serving(frozen=True) as wire:
        async with wire.data(), wire.http.ws_connect(wire.server.ws_url, headers=KEYS) as raw:
            socket = await greeted(wire, raw)
            assert (await socket.hear())[0]["code"] == 406
            await socket.closed()
        async with wire.data():
            wire.server.faults.set("slow_reap", reap_ms=150)
        async with wire.http.ws_connect(wire.server.ws_url, headers=KEYS) as raw:
            assert (await (await greeted(wire, raw)).hear())[0]["code"] == 406
        wire.server.faults.clear()
        await asyncio.sleep(0.2)
        async with wire.data():
            pass


async def test_the_plan_allows_ten_books_and_refuses_the_whole_request_beyond() -> None:
    async with serving("whole-venue", frozen=True) as wire, wire.data() as socket:
        symbols = list(wire.server.market.pairs)[:11]
        await socket.say(action="subscribe", orderbooks=symbols)
        assert await socket.hear() == [{"T": "error", "code": 405, "msg": "symbol limit exceeded"}]
        await socket.say(action="subscribe", orderbooks=symbols[:10], quotes=symbols)
        ack = await socket.until(lambda one: one["T"] == "subscription")
        assert ack["orderbooks"] == symbols[:10]
        await socket.say(action="subscribe", orderbooks=["NO/SUCH"])
        assert (await socket.until(is_error))["code"] == 400


async def test_who_never_authenticates_is_told_so_and_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arbit.sandbox.alpaca.stream.AUTH_WITHIN_NS", 50_000_000)
    async with serving(frozen=True) as wire, wire.http.ws_connect(wire.server.ws_url) as raw:
        socket = await greeted(wire, raw)
        assert (await socket.hear())[0]["code"] == 404
        await socket.closed()


@pytest.mark.parametrize(
    ("units", "precision", "text"),
    [(6350310, 2, "63503.1"), (0, 9, "0"), (25, 9, "2.5e-8"), (1000, 9, "0.000001")],
)
def test_numbers_are_written_as_go_writes_them(units: int, precision: int, text: str) -> None:
    assert token(units, precision) == text


def test_stamps_have_up_to_nanoseconds() -> None:
    assert stamp(1_671_172_531_585_113_205) == "2022-12-16T06:35:31.585113205Z"
    assert stamp(1_671_172_531_500_000_000) == "2022-12-16T06:35:31.5Z"
    assert stamp(1_671_172_531_000_000_000) == "2022-12-16T06:35:31Z"


# What goes wrong


async def test_a_lost_delta_leaves_a_book_wrong_until_a_reset() -> None:
    async with serving("volatile") as wire, wire.data("BTC/USD") as socket:
        await socket.until(is_book(whole=True))
        wire.server.faults.set("drop_delta", symbol="BTC/USD", nth=1)
        wire.server.faults.set("book_reset", symbol="BTC/USD")
        await socket.until(is_book(whole=True))
        assert wire.server.faults.active == []
        assert wire.server.stats.frames_withheld == 1


async def test_a_crossed_book_and_a_stuck_one_and_quotes_that_are_off() -> None:
    async with serving("volatile") as wire, wire.data("BTC/USD", "ETH/USD") as socket:
        book = WireBook()
        book.apply(await socket.until(is_book(whole=True)))
        wire.server.faults.set("crossed_book", symbol="BTC/USD")
        while not book.crossed:
            book.apply(await socket.until(is_book()))
        off = wire.server.faults.set("quote_off", symbol="BTC/USD", bps=500)
        while True:
            quote = await socket.until(lambda one: one["T"] == "q" and one["S"] == "BTC/USD")
            bid = wire.server.market.book("BTC/USD").top(BID, 1)[0][0] / 100
            if quote["bp"] > bid * 1.02:
                break
        wire.server.faults.clear(off)
        wire.server.faults.set("stuck_book", symbol="BTC/USD")
        wire.server.faults.set("stream_error")  # what comes after it was sent after it
        await socket.until(is_error)
        heard = [one["S"] for _ in range(15) for one in await socket.hear()]
        assert set(heard) == {"ETH/USD"}


async def test_errors_and_garbage_come_when_they_are_set() -> None:
    async with serving() as wire, wire.data("BTC/USD") as socket:
        await socket.until(is_book(whole=True))
        wire.server.faults.set("stream_error", code=500, msg="internal error")
        assert (await socket.until(is_error))["code"] == 500
        wire.server.faults.set("garbage", shape="unknown_type")
        await socket.until(lambda one: one["T"] == "weather")
        wire.server.faults.set("stream_error", code=407, msg="slow client", close=True)
        assert (await socket.until(is_error))["msg"] == "slow client"
        assert await socket.closed() == 1008


async def test_a_client_that_does_not_read_is_told_and_closed() -> None:
    async with serving("volatile", outbox_bytes=20_000) as wire, wire.data("BTC/USD") as socket:
        await socket.until(is_book(whole=True))
        session = next(iter(wire.server.sockets.sessions.values()))
        for _ in range(30):
            session.send("[" + " " * 1_000 + "]", 0)
        heard: list[Json] = []
        while not any(is_error(one) for one in heard):
            heard = await socket.hear()
        assert heard[-1]["code"] == 407
        assert await socket.closed() == 1008


async def test_a_late_snapshot_and_a_mute_symbol() -> None:
    async with serving("volatile") as wire, wire.data() as socket:
        wire.server.faults.set("late_snapshot", symbol="BTC/USD", delay_ms=100)
        wire.server.faults.set("mute_symbol", symbol="ETH/USD", until_resubscribe=True)
        await socket.say(action="subscribe", orderbooks=["BTC/USD"])
        first = await socket.until(is_book())
        assert "r" not in first
        await socket.until(is_book(whole=True))


async def test_a_fault_of_the_other_venue_is_refused_by_name() -> None:
    async with serving(frozen=True) as wire:
        base = wire.server.rest_url + "/control/faults"
        async with wire.http.post(base, json={"name": "wrong_checksum"}) as reply:
            assert reply.status == 400
            assert "unknown fault 'wrong_checksum'" in (await reply.json())["error"]
        async with wire.http.post(base, json={"name": "slow_reap"}) as reply:
            assert reply.status == 200
