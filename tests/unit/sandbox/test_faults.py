"""Each switchable fault does what its row of the table says, and stops when told."""

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from arbit.sandbox import FAULT_KINDS, SandboxServer
from arbit.sandbox.faults import FaultError, Faults
from arbit.sandbox.poison import POISON_SHAPES
from tests.unit.sandbox.conftest import Client, Json, connected, is_book, is_reply, watching

pytestmark = pytest.mark.unstalled

BTC, ETH = "BTC/USD", "ETH/USD"


def updates(frames: list[Json], symbol: str) -> list[Json]:
    return [frame for frame in frames if is_book(frame, "update", symbol)]


async def test_a_mute_symbol_is_silent_while_heartbeats_flow_and_the_book_moves_on(
    calm: SandboxServer,
) -> None:
    async with watching(calm, BTC, ETH) as client:
        fault = calm.faults.set("mute_symbol", symbol=BTC)
        await client.listen(0.1)
        before = calm.control.state(10, BTC)["books"]
        frames = await client.listen(1.2)
        assert not updates(frames, BTC)
        assert updates(frames, ETH)
        assert {"channel": "heartbeat"} in frames
        assert calm.control.state(10, BTC)["books"] != before
        assert calm.faults.clear(fault) == 1
        await client.until(lambda frame: is_book(frame, "update", BTC))
        assert BTC in client.mismatches  # what it missed shows at the first frame
        assert ETH not in client.mismatches


async def test_a_mute_symbol_may_speak_again_when_subscribed_anew(calm: SandboxServer) -> None:
    async with watching(calm, BTC, ETH) as client:
        calm.faults.set("mute_symbol", until_resubscribe=True)
        await client.listen(0.1)
        assert not [frame for frame in await client.listen(0.4) if is_book(frame)]
        await client.unsubscribe([BTC])
        await client.subscribe([BTC])
        await client.until(lambda frame: is_book(frame, "snapshot", BTC))
        await client.until(lambda frame: is_book(frame, "update", BTC))
        assert client.mismatches == []
        assert not updates(await client.listen(0.3), ETH)


async def test_a_mute_socket_says_nothing_but_stays_open_and_is_read(calm: SandboxServer) -> None:
    async with watching(calm, BTC) as client, watching(calm, BTC) as other:
        calm.faults.set("mute_socket", connection=1)
        await client.listen(0.1)
        asked = calm.stats.requests
        await client.ask({"method": "ping"})
        assert await client.listen(1.2) == []
        assert calm.stats.requests == asked + 1
        assert await other.listen(0.2)
        calm.faults.clear("mute_socket")
        await client.until(is_book)


async def test_a_mute_socket_may_keep_its_pongs(calm: SandboxServer) -> None:
    async with watching(calm, BTC) as client:
        calm.faults.set("mute_socket", pongs=True)
        await client.listen(0.1)
        await client.ask({"method": "ping", "req_id": 9})
        assert [frame["method"] for frame in await client.listen(0.4)] == ["pong"]


async def test_a_half_open_socket_neither_reads_nor_writes(calm: SandboxServer) -> None:
    async with watching(calm, BTC) as client:
        calm.faults.set("half_open", connection=1)
        await client.listen(0.1)
        asked = calm.stats.requests
        await client.ask({"method": "ping"})
        await client.socket.ping()
        assert await client.listen(0.5) == []
        assert calm.stats.requests == asked
        calm.faults.clear()
        await client.until(lambda frame: frame.get("method") == "pong")


async def test_the_nth_delta_is_lost_and_the_next_frame_shows_it(calm: SandboxServer) -> None:
    async with watching(calm, BTC, ETH, depth=25) as client:
        calm.faults.set("drop_delta", symbol=BTC, nth=3)
        await client.until(lambda _: BTC in client.mismatches)
        assert ETH not in client.mismatches
        assert calm.stats.frames_withheld == 1
        assert calm.faults.active == []


@pytest.mark.parametrize("field", ["price", "qty"])
async def test_a_corrupt_digit_is_caught_at_that_very_frame(
    calm: SandboxServer, field: str
) -> None:
    async with watching(calm, BTC, ETH) as client:
        calm.faults.set("corrupt_digit", symbol=BTC, field=field)
        while calm.faults.active or not client.mismatches:
            assert not client.mismatches
            await client.until(lambda frame: is_book(frame, "update", BTC))
        assert client.mismatches == [BTC]


async def test_a_wrong_checksum_is_wrong_once_and_the_book_was_right(calm: SandboxServer) -> None:
    async with watching(calm, BTC) as client:
        calm.faults.set("wrong_checksum", symbol=BTC)
        await client.until(lambda _: bool(client.mismatches))
        await client.listen(0.5)
        assert client.mismatches == [BTC]


async def test_a_duplicate_snapshot_is_true_and_changes_nothing(calm: SandboxServer) -> None:
    async with watching(calm, BTC) as client:
        calm.faults.set("duplicate_snapshot", symbol=BTC)
        await client.until(lambda frame: is_book(frame, "snapshot", BTC))
        await client.listen(0.4)
        assert client.books[BTC].snapshots == 2
        assert client.mismatches == []


@pytest.mark.parametrize("stale", [False, True])
async def test_a_late_snapshot_comes_after_updates_and_only_a_stale_one_is_of_no_use(
    calm: SandboxServer, stale: bool
) -> None:
    async with watching(calm, BTC) as client:
        await client.unsubscribe([BTC])
        await client.until(is_reply)
        calm.faults.set("late_snapshot", symbol=BTC, delay_ms=250, stale=stale)
        client.books[BTC].snapshots = 0
        await client.subscribe([BTC])
        kinds = [frame["type"] for frame in await client.listen(0.5) if is_book_of(frame, BTC)]
        assert kinds[0] == "update"
        assert kinds.count("snapshot") == 1
        assert bool(client.mismatches) is stale


def is_book_of(frame: Json, symbol: str) -> bool:
    return is_book(frame, "update", symbol) or is_book(frame, "snapshot", symbol)


async def test_every_poison_shape_is_sent_and_the_books_go_on(calm: SandboxServer) -> None:
    assert len(POISON_SHAPES) >= 13
    async with watching(calm, BTC, ETH) as client:
        client.books.clear()  # this client only counts: poison is not for its book
        calm.faults.set("poison", symbol=BTC, times=len(POISON_SHAPES))
        odd: list[Json] = []
        while calm.faults.active:
            odd += [frame for frame in await client.listen(0.05) if not is_true_book(frame)]
        odd += [frame for frame in await client.listen(0.1) if not is_true_book(frame)]
        assert len(odd) + len(client.unreadable) >= len(POISON_SHAPES)
        await client.until(is_true_book)


def is_true_book(frame: Json) -> bool:
    if frame.get("channel") == "heartbeat":
        return True
    try:
        levels = frame["data"][0]["bids"] + frame["data"][0]["asks"]
        times = frame["data"][0]["timestamp"] > "2026-01-02"
        return times and all(Decimal(one["price"]) > 0 <= Decimal(one["qty"]) for one in levels)
    except (LookupError, TypeError, ArithmeticError):
        return False


async def test_one_shape_of_poison_can_be_asked_for(calm: SandboxServer) -> None:
    async with watching(calm, BTC) as client:
        calm.faults.set("poison", symbol=BTC, shape="truncated")
        while not client.unreadable:
            await client.next()
        assert str(client.unreadable[0]).startswith('{"channel":"book"')


async def test_a_refused_subscription_has_the_venues_words_and_leaves_others_alone(
    calm: SandboxServer,
) -> None:
    async with connected(calm) as client:
        await client.next()
        calm.faults.set("refuse_subscribe", symbol=BTC, times=1)
        await client.subscribe([BTC, ETH])
        refused = await client.until(is_reply)
        assert (refused["error"], refused["symbol"]) == (f"Currency pair not supported {BTC}", BTC)
        assert (await client.until(is_reply))["success"] is True
        await client.subscribe([BTC])
        assert (await client.until(is_reply))["success"] is True


async def closed_with(client: Client) -> int | None:
    while True:
        message = await client.raw()
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            return client.socket.close_code


@pytest.mark.parametrize(("code", "seen"), [(1001, 1001), (1008, 1008), (1006, 1006)])
async def test_sockets_are_closed_with_the_given_code(
    calm: SandboxServer, code: int, seen: int
) -> None:
    async with watching(calm, BTC) as client:
        calm.faults.set("close", code=code)
        assert await closed_with(client) == seen
        assert calm.faults.active == []
    async with watching(calm, BTC):
        pass  # the next one is let in


async def test_new_sockets_too_can_be_closed(calm: SandboxServer) -> None:
    calm.faults.set("close", code=1013, on_connect=True, times=2)
    for _ in range(2):
        async with connected(calm) as client:
            assert await closed_with(client) == 1013
    async with watching(calm, BTC):
        pass


async def test_connects_are_refused_with_an_http_status(calm: SandboxServer) -> None:
    calm.faults.set("refuse_connects", times=1)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(calm):
            pass
    assert refused.value.status == 503
    async with connected(calm) as client:
        assert (await client.next())["channel"] == "status"


async def test_a_slow_socket_is_late_but_in_order(calm: SandboxServer) -> None:
    async with watching(calm, BTC) as client:
        calm.faults.set("slow", delay_ms=300)
        await client.listen(0.05)
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        await client.ask({"method": "ping", "req_id": 1})
        await client.until(lambda frame: frame.get("method") == "pong")
        assert loop.time() - asked_s >= 0.3
        calm.faults.clear()
        await client.listen(0.3)
        assert client.mismatches == []


async def test_the_system_status_flips_and_comes_back(calm: SandboxServer) -> None:
    async with watching(calm, BTC) as client:
        calm.faults.set("system_status", status="cancel_only")
        flip = await client.until(lambda frame: frame.get("channel") == "status")
        assert flip["data"][0]["system"] == "cancel_only"
        answer = await rest(calm, "SystemStatus")
        assert answer["result"]["status"] == "cancel_only"
        calm.faults.clear()
        flip = await client.until(lambda frame: frame.get("channel") == "status")
        assert flip["data"][0]["system"] == "online"


async def test_a_pair_status_flips_on_the_instrument_channel_and_over_rest(
    calm: SandboxServer,
) -> None:
    async with connected(calm) as client:
        await client.ask({"method": "subscribe", "params": {"channel": "instrument"}})
        await client.until(lambda frame: frame.get("channel") == "instrument")
        calm.faults.set("pair_status", symbol=BTC, status="post_only")
        flip = await client.until(lambda frame: frame.get("channel") == "instrument")
        assert flip["type"] == "update"
        assert [(p["symbol"], p["status"]) for p in flip["data"]["pairs"]] == [(BTC, "post_only")]
        pairs = (await rest(calm, "AssetPairs"))["result"]
        assert pairs["XXBTZUSD"]["status"] == "post_only"
        assert pairs["XETHZUSD"]["status"] == "online"
        calm.faults.clear()
        flip = await client.until(lambda frame: frame.get("channel") == "instrument")
        assert [(p["symbol"], p["status"]) for p in flip["data"]["pairs"]] == [(BTC, "online")]


async def rest(sandbox: SandboxServer, name: str) -> Any:
    url = f"{sandbox.rest_url}/0/public/{name}"
    async with aiohttp.ClientSession() as http, http.get(url) as reply:
        return await reply.json()


async def test_rest_can_be_down_slow_wrong_or_a_web_page(calm: SandboxServer) -> None:
    calm.faults.set("rest_down")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await rest(calm, "Time")  # this client asks a second time by itself
    calm.faults.clear()
    calm.faults.set("rest_down", status=502, times=1, path="Time")
    with pytest.raises(aiohttp.ContentTypeError):
        await rest(calm, "Time")
    calm.faults.set("rest_error", path="Depth")
    assert await rest(calm, "Depth?pair=XXBTZUSD") == {"error": ["EService:Unavailable"]}
    assert (await rest(calm, "Time"))["error"] == []  # another path is well
    calm.faults.clear()
    calm.faults.set("rest_html", times=1)
    with pytest.raises(aiohttp.ContentTypeError):
        await rest(calm, "Time")
    calm.faults.set("rest_slow", delay_ms=250, times=1)
    loop = asyncio.get_running_loop()
    asked_s = loop.time()
    assert (await rest(calm, "Time"))["error"] == []
    assert loop.time() - asked_s >= 0.25
    assert calm.faults.active == []


def test_every_fault_says_what_it_means_and_whom_it_hits() -> None:
    for name, kind in FAULT_KINDS.items():
        assert kind.name == name
        assert kind.meaning
        assert kind.scope in ("symbol", "socket", "venue", "rest", "order", "account")


@pytest.mark.parametrize(
    ("name", "params", "error"),
    [
        ("gremlin", {}, "unknown fault 'gremlin'"),
        ("slow", {"speed": 1}, "has no parameter 'speed'"),
        ("slow", {"delay_ms": "long"}, "delay_ms is 'long'"),
        ("slow", {"delay_ms": True}, "delay_ms is True"),
        ("slow", {"delay_ms": -5}, "expected 0 to"),
        ("slow", {"times": 0}, "times is 0"),
        ("mute_symbol", {"symbol": "NO/SUCH"}, "unknown symbol 'NO/SUCH'"),
        ("poison", {"shape": "arsenic"}, "shape is 'arsenic'"),
        ("pair_status", {"status": "asleep"}, "status is 'asleep'"),
    ],
)
def test_a_wrong_word_in_a_fault_is_refused_by_name(
    name: str, params: dict[str, Any], error: str
) -> None:
    faults = Faults()
    faults.known_symbol = lambda symbol: symbol == BTC
    with pytest.raises(FaultError, match=error):
        faults.set(name, **params)
    assert faults.active == []


def test_active_faults_are_bounded() -> None:
    faults = Faults()
    for _ in range(256):
        faults.set("slow")
    with pytest.raises(FaultError, match="too many active faults"):
        faults.set("slow")
    assert faults.clear() == 256
