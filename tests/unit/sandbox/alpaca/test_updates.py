"""Trade updates over a real socket, and what can happen to an order's request and answer."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.unit.sandbox.alpaca.desk import KEYS, SECRET, Json, Socket, asked, serving

pytestmark = pytest.mark.unstalled


def events(*wanted: str) -> Callable[[Json], bool]:
    return lambda one: one["stream"] == "trade_updates" and one["data"]["event"] in wanted


async def test_an_order_is_told_from_its_acceptance_to_its_end_in_bytes() -> None:
    async with serving(frozen=True) as wire, wire.updates() as socket:
        status, order = await wire.rest("POST", "/v2/orders", asked(client_order_id="told"))
        assert (status, order["status"]) == (200, "pending_new")
        heard: list[Json] = []
        while not heard or heard[-1]["event"] != "fill":
            heard.append((await socket.hear())["data"])
        assert [one["event"] for one in heard][:2] == ["pending_new", "new"]
        last = heard[-1]
        assert last["order"]["client_order_id"] == "told"
        assert (last["order"]["symbol"], last["order"]["status"]) == ("BTCUSD", "filled")
        fills = [one for one in heard if "price" in one]
        assert sum(Decimal(one["qty"]) for one in fills) == Decimal("0.01")
        assert Decimal(last["position_qty"]) == Decimal("0.109975")
        assert last["timestamp"].endswith("Z")
        assert last["order"]["filled_at"].endswith("-04:00")
        assert last["order"]["created_at"].endswith("Z")
        assert socket.kinds == {aiohttp.WSMsgType.BINARY}
        rows = (await wire.rest("GET", "/v2/account/activities/FILL"))[1]
        told = {one["execution_id"] for one in fills}
        assert {one["id"].partition("::")[2] for one in rows} == told


async def test_the_older_words_authorize_too_and_wrong_ones_do_not() -> None:
    async with serving(frozen=True, binary_updates=False) as wire:
        url = wire.server.addresses["private_ws"]
        data = {"key_id": KEYS["APCA-API-KEY-ID"], "secret_key": SECRET}
        async with wire.http.ws_connect(url) as raw:
            socket = Socket(raw)
            await socket.say(action="authenticate", data=data)
            assert await socket.hear() == {
                "stream": "authorization",
                "data": {"status": "authorized", "action": "authenticate"},
            }
            assert socket.kinds == {aiohttp.WSMsgType.TEXT}
        async with wire.http.ws_connect(url) as raw:
            socket = Socket(raw)
            await socket.say(action="authenticate", data=data | {"secret_key": "no"})
            assert (await socket.hear())["data"]["status"] == "unauthorized"
            await socket.closed()
        async with wire.http.ws_connect(url) as raw:
            socket = Socket(raw)
            await socket.say(action="listen", data={"streams": ["trade_updates"]})
            assert (await socket.hear())["data"]["status"] == "unauthorized"


async def test_nothing_is_told_again_to_who_comes_later() -> None:
    async with serving(frozen=True) as wire:
        await wire.rest("POST", "/v2/orders", asked())
        await asyncio.sleep(0.03)
        async with wire.updates() as socket:
            await wire.rest("POST", "/v2/orders", asked(client_order_id="second"))
            first = await socket.until(events("pending_new", "new", "fill"))
            assert first["data"]["order"]["client_order_id"] == "second"


async def test_a_cancel_and_a_rejection_are_told() -> None:
    async with serving(frozen=True) as wire, wire.updates() as socket:
        resting = asked(time_in_force="gtc", limit_price="50000")
        order = (await wire.rest("POST", "/v2/orders", resting))[1]
        await socket.until(events("new"))
        assert (await wire.rest("DELETE", "/v2/orders/" + order["id"]))[0] == 204
        told = (await socket.until(events("canceled")))["data"]
        assert told["order"]["id"] == order["id"]
        assert told["order"]["canceled_at"].endswith("-04:00")
        wire.server.faults.set("order_rejected")
        await wire.rest("POST", "/v2/orders", asked())
        told = (await socket.until(events("rejected")))["data"]
        assert (told["order"]["status"], told["order"]["filled_qty"]) == ("rejected", "0")


async def test_updates_can_be_doubled_late_lost_or_text() -> None:
    async with serving(frozen=True) as wire, wire.updates() as socket:
        faults = wire.server.faults
        faults.set("exec_duplicate", copies=1)
        await wire.rest("POST", "/v2/orders", asked())
        ids = [(await socket.until(events("fill")))["data"]["execution_id"] for _ in range(2)]
        assert ids[0] == ids[1]
        faults.clear()
        faults.set("exec_gap", skip=1)  # the second is lost: new
        await wire.rest("POST", "/v2/orders", asked())
        heard = [(await socket.hear())["data"]["event"] for _ in range(2)]
        assert "new" not in heard
        await socket.until(events("fill")) if heard[-1] != "fill" else None
        faults.set("updates_late", delay_ms=80)
        faults.set("updates_text")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await wire.rest("POST", "/v2/orders", asked())
        await socket.until(events("fill"))
        assert loop.time() - began_s >= 0.08
        assert aiohttp.WSMsgType.TEXT in socket.kinds


@pytest.mark.parametrize(("when", "placed"), [("after", True), ("before", False)])
async def test_a_504_may_come_with_the_order_placed_or_without(when: str, placed: bool) -> None:
    async with serving(frozen=True) as wire:
        wire.server.faults.set("order_status", status=504, when=when, method="POST")
        status, body = await wire.rest("POST", "/v2/orders", asked(client_order_id="unsure"))
        assert (status, body) == (504, {"message": "backend request timeout"})
        found = await wire.rest("GET", "/v2/orders:by_client_order_id?client_order_id=unsure")
        assert found[0] == (200 if placed else 404)


@pytest.mark.parametrize(
    ("fault", "params", "status"),
    [
        ("rate_limited", {"path": "orders"}, 429),
        ("unauthorized", {"path": "orders"}, 401),
        ("rest_down", {"status": 500, "path": "orders"}, 500),
        ("order_denied", {"status": 403, "code": 40310000, "message": "no"}, 403),
        ("key_revoked", {}, 401),
    ],
)
async def test_a_request_can_be_turned_away(
    fault: str, params: dict[str, Any], status: int
) -> None:
    async with serving(frozen=True) as wire:
        wire.server.faults.set(fault, **params)
        assert (await wire.rest("POST", "/v2/orders", asked()))[0] == status
        assert not wire.server.exchange.books.account("main").trades
        wire.server.faults.clear()
        assert (await wire.rest("POST", "/v2/orders", asked()))[0] == 200


async def test_a_lost_answer_leaves_an_order_that_can_be_asked_for() -> None:
    async with serving(frozen=True) as wire:
        wire.server.faults.set("order_reset", method="POST")
        with pytest.raises(aiohttp.ClientError):
            await wire.rest("POST", "/v2/orders", asked(client_order_id="lost"))
        found = await wire.rest("GET", "/v2/orders:by_client_order_id?client_order_id=lost")
        assert found[0] == 200
        wire.server.faults.set("order_odd", shape="no_id", method="POST")
        assert "id" not in (await wire.rest("POST", "/v2/orders", asked()))[1]
        wire.server.faults.set("read_lag", lag_ms=60_000)
        found = await wire.rest("GET", "/v2/orders:by_client_order_id?client_order_id=lost")
        assert found[0] == 404


async def test_balances_drift_and_fees_wait_when_a_fault_says_so() -> None:
    async with serving(frozen=True, fees_post_after_s=0.05) as wire:
        wire.server.faults.set("drift", asset="USD", amount="-0.5")
        assert (await wire.rest("GET", "/v2/account"))[1]["cash"] == "9999.5"
        wire.server.faults.set("fees_held")
        await wire.rest("POST", "/v2/orders", asked())
        await asyncio.sleep(0.1)
        assert (await wire.rest("GET", "/v2/account/activities/CFEE"))[1] == []
        assert await wire.rest("POST", "/control/post-fees", keys={}) == (200, {"posted": 1})
        assert len((await wire.rest("GET", "/v2/account/activities/CFEE"))[1]) == 1
