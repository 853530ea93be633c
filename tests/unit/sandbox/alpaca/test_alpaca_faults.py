"""What can go wrong at Alpaca: on the way to an answer, on a socket, and in what is shown."""

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from arbit.sandbox.alpaca.assets import clock
from arbit.sandbox.alpaca.garbage import SHAPES, garbage
from arbit.sandbox.alpaca.gate import odd_body
from arbit.sandbox.faults import FAULT_KINDS, Faults
from arbit.sandbox.order_kinds import ODD_SHAPES
from tests.unit.sandbox.alpaca.desk import KEYS, Desk, Json, Socket, Wire, asked, serving

pytestmark = pytest.mark.unstalled

BOOKS = "/v1beta3/crypto/us/latest/orderbooks?symbols=BTC/USD"


async def placed(wire: Wire, client_id: str) -> bool:
    path = f"/v2/orders:by_client_order_id?client_order_id={client_id}"
    return (await wire.rest("GET", path))[0] == 200


async def text_of(wire: Wire, method: str, path: str, body: object = None) -> tuple[int, str]:
    async with wire.http.request(
        method, wire.server.rest_url + path, json=body, headers=KEYS
    ) as reply:
        return reply.status, await reply.text()


async def falls_silent(socket: Socket) -> bool:
    """Whether a tenth of a second passes without a message, after what was on its way."""
    for _ in range(50):
        try:
            async with asyncio.timeout(0.1):
                await socket.socket.receive()
        except TimeoutError:
            return True
    return False


@pytest.mark.parametrize(
    ("fault", "params", "there"),
    [
        ("order_silent", {"when": "after"}, True),
        ("order_silent", {"when": "before"}, False),
        ("order_reset", {"when": "before"}, False),
        ("order_late", {"delay_ms": 20, "reply": False}, True),
    ],
)
async def test_an_answer_may_never_come(fault: str, params: dict[str, Any], there: bool) -> None:
    async with serving(frozen=True) as wire:
        wire.server.faults.set(fault, method="POST", **params)
        with pytest.raises((TimeoutError, aiohttp.ClientError)):
            async with asyncio.timeout(0.25):
                await wire.rest("POST", "/v2/orders", asked(client_order_id="x"))
        assert await placed(wire, "x") == there


async def test_an_answer_may_be_late_torn_a_page_or_a_refusal_of_what_was_done() -> None:
    async with serving(frozen=True) as wire:
        faults = wire.server.faults
        faults.set("order_late", delay_ms=60, reply=True)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert (await wire.rest("POST", "/v2/orders", asked()))[0] == 200
        assert loop.time() - began_s >= 0.06
        faults.set("order_truncated", method="POST")
        _, torn = await text_of(wire, "POST", "/v2/orders", asked())
        assert torn.startswith('{"id"')
        assert not torn.endswith("}")
        faults.set("order_html", method="POST", when="after")
        _, page = await text_of(wire, "POST", "/v2/orders", asked(client_order_id="page"))
        assert page.startswith("<!DOCTYPE html>")
        assert await placed(wire, "page")
        faults.set("order_denied", method="POST", accepted=True)
        status, _ = await wire.rest("POST", "/v2/orders", asked(client_order_id="done"))
        assert status == 403
        assert await placed(wire, "done")


async def test_market_data_over_rest_can_be_down_slow_or_a_page() -> None:
    async with serving(frozen=True) as wire:
        faults = wire.server.faults
        faults.set("rest_down")
        with pytest.raises(aiohttp.ClientError):
            await wire.rest("GET", BOOKS)
        faults.clear()
        faults.set("rest_html", times=1)
        assert (await text_of(wire, "GET", BOOKS))[1].startswith("<!DOCTYPE")
        faults.set("rest_slow", delay_ms=60, times=1)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert (await wire.rest("GET", BOOKS))[0] == 200
        assert loop.time() - began_s >= 0.06
        assert (await wire.rest("GET", BOOKS, keys={**KEYS, "APCA-API-SECRET-KEY": "no"}))[0] == 403
        status, quotes = await wire.rest("GET", BOOKS.replace("orderbooks", "quotes"))
        assert (status, list(quotes["quotes"]["BTC/USD"])) == (200, ["bp", "bs", "ap", "as", "t"])
        assert (await wire.rest("GET", BOOKS.replace("orderbooks", "weather")))[0] == 404
        assert (await wire.rest("GET", "/v1beta3/crypto/us/latest/orderbooks"))[0] == 400


async def test_a_socket_can_be_refused_muted_closed_or_cut() -> None:
    async with serving("volatile") as wire:
        faults = wire.server.faults
        faults.set("refuse_connects", status=503, times=1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with wire.data():
                pass
        async with wire.data("BTC/USD") as socket:
            await socket.until(lambda one: one["T"] == "o")
            mute = faults.set("mute_socket")
            assert await falls_silent(socket)
            faults.clear(mute)
            await socket.hear()
            faults.set("close", code=1012)
            assert await socket.closed() == 1012
        async with wire.data("BTC/USD") as socket:
            faults.set("close", code=1006)
            assert await socket.closed() == 1006
        faults.set("auth_error", code=404, msg="auth timeout")
        with pytest.raises(AssertionError):
            async with wire.data():
                pass
        async with wire.data() as socket:
            faults.set("subscribe_error", code=409, msg="insufficient subscription")
            await socket.say(action="subscribe", orderbooks=["BTC/USD"])
            assert (await socket.hear())[0]["code"] == 409


async def test_a_muted_book_speaks_again_to_who_subscribes_anew() -> None:
    async with serving("volatile") as wire, wire.data("BTC/USD") as socket:
        await socket.until(lambda one: one["T"] == "o")
        mute = wire.server.faults.set("mute_symbol", symbol="BTC/USD", until_resubscribe=True)
        await socket.say(action="unsubscribe", orderbooks=["BTC/USD"])
        await socket.until(lambda one: one["T"] == "subscription")
        await socket.say(action="subscribe", orderbooks=["BTC/USD"])
        assert (await socket.until(lambda one: one["T"] == "o"))["r"] is True
        assert wire.server.faults.clear(mute) == 1


async def test_two_updates_can_change_places_and_all_can_be_kept_back() -> None:
    async with serving(frozen=True) as wire, wire.updates() as socket:
        wire.server.faults.set("exec_reorder")
        await wire.rest("POST", "/v2/orders", asked())
        heard = [(await socket.hear())["data"]["event"] for _ in range(2)]
        assert heard == ["new", "pending_new"]
        wire.server.faults.set("exec_mute")
        await wire.rest("POST", "/v2/orders", asked())
        assert await falls_silent(socket)


async def test_the_control_face_shows_the_kinds_and_the_sockets() -> None:
    async with serving(frozen=True) as wire, wire.data("BTC/USD"), wire.updates():
        await asyncio.sleep(0.02)
        base = wire.server.rest_url + "/control"
        async with wire.http.get(base + "/faults") as reply:
            kinds = {one["name"] for one in (await reply.json())["kinds"]}
        assert kinds == set(Faults("alpaca").kinds)
        assert {"slow_reap", "order_status"} <= kinds
        assert "wrong_checksum" not in kinds
        async with wire.http.get(base + "/state?depth=1") as reply:
            sockets: Json = (await reply.json())["connections"]
        assert [one["books"] for one in sockets if "books" in one] == [["BTC/USD"]]
        assert [one["listens"] for one in sockets if "listens" in one] == [True]


def test_every_kind_belongs_to_a_face_and_says_what_it_means() -> None:
    both = set(Faults("kraken").kinds) | set(Faults("alpaca").kinds)
    assert both == set(FAULT_KINDS)
    assert all(kind.meaning for kind in FAULT_KINDS.values())


@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_an_odd_answer_is_not_the_true_one(shape: str) -> None:
    true = {"id": "7", "client_order_id": "mine"}
    assert odd_body(shape, true) != true


def test_garbage_comes_in_turns_and_is_aimed_at_a_book() -> None:
    turns = [garbage("each", turn, "ETH/BTC") for turn in range(len(SHAPES) + 1)]
    assert turns[0] == turns[-1] == garbage("bad_json", 5, "ETH/BTC")
    assert "ETH/BTC" in str(garbage("price_nan", 0, "ETH/BTC"))


def test_the_clock_knows_when_the_stock_market_opens() -> None:
    friday_night = 1_795_816_800_000_000_000 + 7_200_000_000_000
    shown = clock(friday_night)
    assert (shown["is_open"], shown["next_open"]) == (False, "2026-11-30T09:30:00-04:00")
    assert clock(friday_night + int(62 * 3600e9))["is_open"] is True


def test_an_order_that_cannot_be_read_is_refused() -> None:
    desk = Desk()
    for changes, code in (
        ({"order_class": "bracket"}, 42210000),
        ({"notional": "100"}, 42210000),
        ({"symbol": ""}, 40010001),
        ({"limit_price": "0"}, 42210000),
        ({"qty": "0.000001", "side": "sell"}, 42210000),
    ):
        status, body = desk.place(**changes)
        assert (status, body["code"]) == (422, code), changes
    assert desk.call("POST", "orders")[0] == 400
    assert desk.call("GET", "orders", limit="501")[0] == 422
    assert desk.call("GET", "orders", direction="up")[0] == 422
    assert desk.call("GET", "account/activities", direction="up")[0] == 422
    assert desk.call("GET", "account/activities", page_token="x")[0] == 422
    assert desk.call("GET", "account/activities/FILL", category="trade_activity")[0] == 422
    assert desk.get("assets/BTCUSD")["symbol"] == "BTC/USD"
    assert desk.call("GET", "assets/NOSUCH")[0] == 404


def test_money_in_and_out_is_an_activity() -> None:
    desk = Desk()
    desk.house.deposit(desk.main, "USD", Decimal(5), desk.now_ns)
    desk.house.withdraw(desk.main, "BTC", Decimal("0.01"), desk.now_ns + 1)
    rows = desk.get("account/activities", category="non_trade_activity", direction="asc")
    assert [(one["activity_type"], one.get("qty"), one["net_amount"]) for one in rows] == [
        ("CSD", None, "5"),
        ("CSW", "-0.01", "0"),
    ]
