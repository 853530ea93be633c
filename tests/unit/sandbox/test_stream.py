"""The WebSocket v2 face, read by an independent client."""

import asyncio
import re

import aiohttp
import pytest

from arbit.sandbox import SandboxOptions, SandboxServer
from tests.unit.sandbox.conftest import WireBook, connected, is_book, is_reply, watching

pytestmark = pytest.mark.unstalled

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_the_first_frame_is_the_engine_status_and_nothing_else_comes_unasked(
    calm: SandboxServer,
) -> None:
    async with connected(calm) as client:
        frame = await client.next()
        assert frame["channel"] == "status"
        assert frame["data"][0]["system"] == "online"
        assert frame["data"][0]["api_version"] == "v2"
        assert await client.listen(1.2) == []


@pytest.mark.parametrize("depth", [10, 25])
async def test_every_frame_of_every_book_carries_the_checksum_a_client_computes(depth: int) -> None:
    async with SandboxServer(profile="volatile", seed=3) as sandbox:
        symbols = list(sandbox.market.pairs)
        async with watching(sandbox, *symbols, depth=depth) as client:
            frames = await client.listen(1.3)
        updates = [frame for frame in frames if is_book(frame)]
        assert len(updates) > 150
        assert client.mismatches == []
        assert sum(book.reentries for book in client.books.values()) > 3
        assert all(RFC3339.fullmatch(frame["data"][0]["timestamp"]) for frame in updates)


async def test_a_planted_wrong_reading_is_seen_by_the_checking_client(calm: SandboxServer) -> None:
    async with watching(calm, "BTC/USD") as client:
        book = client.books["BTC/USD"]
        book.sides["bids"].pop(book.ordered("bids")[4])
        await client.until(is_book)
        assert client.mismatches


async def test_a_level_pushed_out_of_scope_is_never_removed_by_name() -> None:
    async with SandboxServer(profile="volatile", seed=5) as sandbox:
        async with watching(sandbox, *sandbox.market.pairs, depth=10) as client:
            await client.listen(0.8)
        books = client.books.values()
        assert sum(book.removals for book in books) > 20
        assert sum(book.removals_out_of_scope for book in books) == 0
        assert all(len(book.ordered("bids")) == 10 for book in books)
        assert all(pair.book.level_count(0) > 10 for pair in sandbox.market.pairs.values())


async def test_numbers_are_padded_to_the_precision_of_the_pair(calm: SandboxServer) -> None:
    async with watching(calm, *calm.market.pairs) as client:
        await client.listen(0.5)
        for symbol, book in client.books.items():
            pair = calm.market.pairs[symbol].instrument
            for price, qty in book.top("bids", 10) + book.top("asks", 10):
                assert len(price.partition(".")[2]) == pair.price_precision
                assert len(qty.partition(".")[2]) == pair.qty_precision


async def test_a_frozen_market_leaves_every_client_with_the_true_top_ten(
    calm: SandboxServer,
) -> None:
    async with watching(calm, *calm.market.pairs, depth=25) as client:
        await client.listen(0.4)
        calm.market.freeze()
        await client.listen(0.3)
        truth = calm.control.state(10)["books"]
        assert isinstance(truth, dict)
        for symbol, book in client.books.items():
            assert [list(one) for one in book.top("bids", 10)] == truth[symbol]["bids"]
            assert [list(one) for one in book.top("asks", 10)] == truth[symbol]["asks"]
            assert book.checksum() == truth[symbol]["checksum"]


async def test_one_acknowledgement_a_symbol_before_its_snapshot(calm: SandboxServer) -> None:
    async with connected(calm) as client:
        await client.next()
        await client.subscribe(["BTC/USD", "ETH/BTC"], depth=25)
        frames = [frame for frame in await client.listen(0.4) if not is_book(frame)]
        order = [
            (is_reply(frame), (frame["result"] if is_reply(frame) else frame["data"][0])["symbol"])
            for frame in frames
        ]
        assert order == [
            (True, "BTC/USD"),
            (False, "BTC/USD"),
            (True, "ETH/BTC"),
            (False, "ETH/BTC"),
        ]
        assert frames[0]["req_id"] == "1"
        assert frames[0]["result"]["depth"] == "25"
        assert RFC3339.fullmatch(frames[0]["time_in"])
        assert frames[0]["time_in"] <= frames[0]["time_out"]


async def test_a_second_reader_joins_on_the_picture_the_first_one_holds(
    calm: SandboxServer,
) -> None:
    async with watching(calm, "BTC/USD") as first, watching(calm, "BTC/USD") as second:
        await asyncio.gather(first.listen(0.6), second.listen(0.6))
        assert first.mismatches == second.mismatches == []


async def test_heartbeats_come_once_a_second_after_the_first_subscription() -> None:
    options = SandboxOptions(frozen=True)
    async with SandboxServer(profile="calm", seed=1, options=options) as sandbox:
        async with watching(sandbox, "BTC/USD") as client:
            frames = await client.listen(2.2)
        assert [frame["channel"] for frame in frames] == ["heartbeat", "heartbeat"]


async def test_ping_is_answered_with_the_callers_id(calm: SandboxServer) -> None:
    async with connected(calm) as client:
        await client.next()
        await client.ask({"method": "ping", "req_id": 101})
        pong = await client.next()
        assert (pong["method"], pong["req_id"]) == ("pong", "101")
        assert "time_in" in pong
        await client.socket.ping(b"x")  # a protocol ping is answered below the messages
        await client.ask({"method": "ping"})
        assert "req_id" not in await client.next()


BOOK = {"channel": "book", "symbol": ["BTC/USD"]}
REFUSALS: list[tuple[object, str]] = [
    ("{not json", "Malformed request"),
    ("[1,2]", "Malformed request"),
    ("null", "Malformed request"),
    ("[" * 100_000, "Malformed request"),
    ({}, "Unsupported event"),
    ({"method": "dance"}, "Unsupported event"),
    ({"method": "subscribe"}, "Params field must be a object"),
    ({"method": "subscribe", "params": {"channel": "weather"}}, "Unsupported event"),
    ({"method": "subscribe", "params": {"channel": "status"}}, "Symbol(s) not found"),
    ({"method": "subscribe", "params": {"channel": "book"}}, "Symbol(s) not found"),
    (
        {"method": "subscribe", "params": BOOK | {"symbol": ["FOO/USD"]}},
        "Currency pair not supported FOO/USD",
    ),
    (
        {"method": "subscribe", "params": BOOK | {"symbol": ["XBT/USD"]}},
        "Currency pair not supported XBT/USD",
    ),
    ({"method": "subscribe", "params": BOOK | {"depth": 11}}, "Subscription depth not supported"),
    (
        {"method": "subscribe", "params": BOOK | {"depth": "10"}},
        "Depth field must be a number_integer",
    ),
    ({"method": "unsubscribe", "params": BOOK}, "Subscription Not Found"),
    ({"method": "ping", "params": {}}, "Unsupported field: 'params' for the given msg type: ping"),
    ({"method": "ping", "req_id": "one"}, "Req_id field must be a number_integer"),
]


@pytest.mark.parametrize(("request_frame", "error"), REFUSALS)
async def test_a_bad_request_gets_the_venues_words_and_the_socket_lives(
    calm: SandboxServer, request_frame: object, error: str
) -> None:
    async with connected(calm) as client:
        await client.next()
        await client.ask(request_frame)
        reply = await client.next()
        assert (reply["success"], reply["error"]) == (False, error)
        await client.ask({"method": "ping", "req_id": 5})
        assert (await client.next())["req_id"] == "5"


async def test_binary_from_a_client_is_malformed_and_survived(calm: SandboxServer) -> None:
    async with connected(calm) as client:
        await client.next()
        await client.socket.send_bytes(b"\x00\xff")
        assert (await client.next())["error"] == "Malformed request"


async def test_subscribing_twice_is_refused_and_unsubscribing_stops_the_frames(
    calm: SandboxServer,
) -> None:
    async with watching(calm, "BTC/USD") as client:
        await client.subscribe(["BTC/USD"])
        assert (await client.until(is_reply))["error"] == "Already subscribed"
        await client.unsubscribe(["BTC/USD"], depth=25)
        assert (await client.until(is_reply))["error"] == "Subscription Not Found"
        await client.unsubscribe(["BTC/USD"])
        assert (await client.until(is_reply))["success"] is True
        assert not [frame for frame in await client.listen(0.4) if is_book(frame)]
        await client.subscribe(["BTC/USD"])
        assert (await client.until(is_reply))["success"] is True
        await client.until(lambda frame: is_book(frame, "snapshot"))
        await client.until(is_book)
        assert client.mismatches == []


async def test_a_thin_book_shorter_than_ten_levels_still_checks() -> None:
    async with SandboxServer(profile="thin", seed=2) as sandbox:
        thin = [s for s, pair in sandbox.market.pairs.items() if pair.book.level_count(0) < 10]
        assert thin
        async with watching(sandbox, *thin) as client:
            assert client.mismatches == []
            assert all(len(client.books[symbol].ordered("bids")) < 10 for symbol in thin)


async def test_the_instrument_channel_tells_increments_and_status(calm: SandboxServer) -> None:
    async with connected(calm) as client:
        await client.next()
        await client.ask({"method": "subscribe", "params": {"channel": "instrument"}, "req_id": 3})
        acknowledgement = await client.next()
        assert acknowledgement["result"]["snapshot"] is True
        data = (await client.next())["data"]
        assert {asset["id"] for asset in data["assets"]} >= {"USD", "BTC", "DOGE"}
        pairs = {pair["symbol"]: pair for pair in data["pairs"]}
        assert set(pairs) == set(calm.market.pairs)
        sol = pairs["SOL/USD"]  # a tick coarser than the precision
        assert (sol["price_precision"], sol["price_increment"]) == ("4", "0.0020")
        assert {pair["status"] for pair in pairs.values()} == {"online"}


async def test_the_ticker_follows_the_best_bid_and_ask(calm: SandboxServer) -> None:
    async with connected(calm) as client:
        params = {"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "bbo"}
        await client.ask({"method": "subscribe", "params": params})
        snapshot = await client.until(lambda frame: frame.get("channel") == "ticker")
        assert snapshot["type"] == "snapshot"
        update = await client.until(lambda frame: frame.get("type") == "update")
        entry = update["data"][0]
        assert float(entry["bid"]) < float(entry["ask"])
        assert set(entry) >= {"bid_qty", "ask_qty", "last", "volume", "vwap", "change_pct"}


async def test_connects_beyond_the_limit_are_refused_with_429() -> None:
    options = SandboxOptions(connects_per_window=3)
    async with SandboxServer(profile="calm", seed=1, options=options) as sandbox:
        for _ in range(3):
            async with connected(sandbox) as client:
                await client.next()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(sandbox):
                pass
        assert refused.value.status == 429
        assert (sandbox.stats.connects, sandbox.stats.refused_connects) == (3, 1)


async def test_a_socket_without_a_subscription_is_closed_after_a_while() -> None:
    options = SandboxOptions(idle_close_s=0.3)
    async with SandboxServer(profile="calm", seed=1, options=options) as sandbox:
        async with watching(sandbox, "BTC/USD") as reader, connected(sandbox) as idler:
            await idler.next()
            message = await idler.raw()
            assert message.type is aiohttp.WSMsgType.CLOSE
            await reader.until(is_book)
        assert sandbox.stats.idle_clients_closed == 1


async def test_a_client_that_does_not_read_is_cut_off_and_others_go_on() -> None:
    options = SandboxOptions(outbox_bytes=1_000_000)
    async with (
        SandboxServer(profile="calm", seed=1, options=options) as sandbox,
        connected(sandbox) as lazy,
        watching(sandbox, "BTC/USD") as reader,
    ):
        connection = lazy.socket._response.connection
        assert connection is not None
        transport = connection.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        for _ in range(60):  # the snapshot is the largest frame there is
            for method in ("subscribe", "unsubscribe") * 40:
                await lazy.ask({"method": method, "params": {"channel": "instrument"}})
            await reader.until(is_book)
            if sandbox.stats.slow_clients_closed:
                break
        transport.abort()
        assert sandbox.stats.slow_clients_closed == 1
        await reader.until(is_book)


def test_the_independent_book_drops_what_falls_out_of_scope() -> None:
    book = WireBook(1)
    levels = [{"price": "2.0", "qty": "1"}, {"price": "1.0", "qty": "1"}]
    book.apply({"bids": levels, "asks": []}, snapshot=True)
    assert book.top("bids", 10) == [("2.0", "1")]
