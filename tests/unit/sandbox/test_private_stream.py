"""The private WebSocket face: tokens, orders, sparse reports in order, balances, and its faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from arbit.sandbox import SandboxOptions, SandboxServer
from arbit.sandbox.book import ASK
from arbit.sandbox.keys import READONLY_KEY, TRADE_KEY
from arbit.sandbox.kraken.reports import Number, text_of
from arbit.sandbox.order_kinds import ODD_SHAPES
from arbit.sandbox.wallclock import rfc3339

pytestmark = pytest.mark.unstalled

Json = dict[str, Any]
GUARD_S = 8.0
FROZEN = SandboxOptions(frozen=True)


class Socket:
    """A raw socket on the private face; numbers stay as the text they were."""

    def __init__(self, sandbox: SandboxServer, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.sandbox = sandbox
        self._socket = socket
        self.seen: list[Json] = []
        self._ids = 0

    def token(self, key: str = TRADE_KEY) -> str:
        exchange = self.sandbox.exchange
        wall_ns = self.sandbox._clock.wall_ns()
        return exchange.tokens.issue(exchange.keys[key], wall_ns).text

    async def next(self) -> Json:
        async with asyncio.timeout(GUARD_S):
            while True:
                message = await self._socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, message
                frame: Json = json.loads(message.data, parse_float=str)
                if frame.get("channel") not in ("heartbeat", "status"):
                    self.seen.append(frame)
                    return frame

    async def ask(self, method: str, **params: Any) -> int:
        self._ids += 1
        token = params.pop("token", None) or self.token()
        body = {"method": method, "params": params | {"token": token}, "req_id": self._ids}
        await self._socket.send_str(text_of(body))
        return self._ids

    async def subscribe(self, channel: str, **params: Any) -> tuple[Json, Json]:
        await self.ask("subscribe", channel=channel, **params)
        return await self.next(), await self.next()

    def order(self, qty: str = "0.001", *, slip: str = "5", **more: Any) -> Json:
        listed = self.sandbox.market.pairs["BTC/USD"].instrument
        top = self.sandbox.market.book("BTC/USD").top(ASK, 1)[0][0]
        price = Decimal(top).scaleb(-listed.price_precision) + Decimal(slip)
        return {
            "order_type": "limit",
            "side": "buy",
            "order_qty": Number(Decimal(qty)),
            "symbol": "BTC/USD",
            "limit_price": Number(price),
            "time_in_force": "ioc",
            "cl_ord_id": "mine-1",
            "fee_preference": "base",
        } | more


@asynccontextmanager
async def talking(options: SandboxOptions = FROZEN) -> AsyncIterator[Socket]:
    async with (
        SandboxServer("calm", 7, options=options) as sandbox,
        aiohttp.ClientSession() as http,
        http.ws_connect(sandbox.ws_url) as socket,
    ):
        yield Socket(sandbox, socket)


@pytest.fixture
async def socket() -> AsyncIterator[Socket]:
    async with talking() as one:
        yield one


async def test_an_ioc_is_acknowledged_then_reported_sparsely_and_in_order(socket: Socket) -> None:
    await socket.subscribe("executions", snap_orders=True)
    await socket.ask("add_order", **socket.order())
    reply = await socket.next()
    kinds = [(await socket.next()) for _ in range(4)]

    assert reply["success"] is True
    assert reply["result"]["cl_ord_id"] == "mine-1"
    entries = [frame["data"][0] for frame in kinds]
    assert [one["exec_type"] for one in entries] == ["pending_new", "new", "trade", "filled"]
    assert {one["order_id"] for one in entries} == {reply["result"]["order_id"]}
    assert "symbol" not in entries[1]
    assert not any("ratecount" in one for one in entries)
    assert "cl_ord_id" not in entries[3]
    assert entries[2]["fees"] == [{"asset": "BTC", "qty": "0.00000400000"}]
    numbers = [frame["sequence"] for frame in kinds]
    assert numbers == list(range(numbers[0], numbers[0] + 4))


async def test_who_asks_for_it_is_told_how_full_the_engines_counter_is(socket: Socket) -> None:
    ack, _ = await socket.subscribe("executions", ratecounter=True)
    assert ack["result"]["maxratecount"] == 60
    for number in range(1, 3):
        await socket.ask("add_order", **socket.order(cl_ord_id=f"mine-{number}"))
        await socket.next()
        told = [(await socket.next())["data"][0]["ratecount"] for _ in range(4)]
        assert all(number - 0.5 < float(one) <= number for one in told)


async def test_an_unfilled_ioc_ends_canceled_without_a_word_about_its_terms(
    socket: Socket,
) -> None:
    await socket.subscribe("executions")
    await socket.ask("add_order", **socket.order(slip="-1000"))
    frames = [await socket.next() for _ in range(4)]
    last = frames[-1]["data"][0]
    assert last["exec_type"] == "canceled"
    assert Decimal(last["cum_qty"]) == 0
    assert not {"symbol", "side", "order_qty", "cl_ord_id"} & set(last)


async def test_balances_begin_with_a_snapshot_and_tell_each_movement(socket: Socket) -> None:
    _, snapshot = await socket.subscribe("balances")
    assert {one["asset"] for one in snapshot["data"]} >= {"USD", "BTC", "ETH"}
    await socket.ask("add_order", **socket.order())
    frames = [await socket.next() for _ in range(3)]
    moved = [one["data"][0] for one in frames if one.get("channel") == "balances"]
    assert {one["asset"] for one in moved} == {"USD", "BTC"}
    assert all(one["type"] == "trade" for one in moved)


async def test_the_snapshot_holds_the_latest_trades_when_asked_for(socket: Socket) -> None:
    await socket.ask("add_order", **socket.order())
    await socket.next()
    _, snapshot = await socket.subscribe("executions", snap_trades=True)
    assert [one["exec_type"] for one in snapshot["data"]] == ["trade"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "made up"}, "EAPI:Invalid token"),
        ({"order_type": "market"}, "EGeneral:Invalid arguments:ordertype"),
        ({"order_qty": "0.001"}, "EGeneral:Invalid arguments:volume"),
        ({"order_qty": Number(Decimal("0.00000001"))}, "EOrder:Order minimum not met"),
        ({"limit_price": Number(Decimal("60000.05"))}, "EOrder:Tick size check failed"),
        ({"symbol": "NO/SUCH"}, "EQuery:Unknown asset pair"),
        ({"deadline": "soon"}, "EGeneral:Invalid arguments:deadline"),
        ({"deadline": "2020-01-01T00:00:00.000Z"}, "EService:Deadline elapsed"),
        ({"order_qty": Number(Decimal(100))}, "EOrder:Insufficient funds"),
        ({"fee_preference": "gold"}, "EGeneral:Invalid arguments:fee_preference"),
    ],
)
async def test_a_wrong_order_is_refused_in_the_venues_words(
    socket: Socket, change: Json, words: str
) -> None:
    await socket.ask("add_order", **socket.order(**change))
    reply = await socket.next()
    assert (reply["success"], reply["error"]) == (False, words)
    assert socket.sandbox.exchange.books.account("main").open_orders == {}


async def test_a_reading_token_hears_and_cannot_order(socket: Socket) -> None:
    token = socket.token(READONLY_KEY)
    reply, _ = await socket.subscribe("executions", token=token)
    assert reply["success"] is True
    await socket.ask("add_order", token=token, **socket.order())
    assert (await socket.next())["error"] == "EGeneral:Permission denied"


async def test_a_resting_order_is_cancelled_by_either_id_and_an_unknown_one_is_refused(
    socket: Socket,
) -> None:
    for name in ("order_id", "cl_ord_id"):
        resting = socket.order(slip="-1000", time_in_force="gtc", cl_ord_id=f"rest-{name}")
        await socket.ask("add_order", **resting)
        placed = (await socket.next())["result"]
        await socket.ask("cancel_order", **{name: [placed[name]]})
        assert (await socket.next())["result"] == {name: placed[name]}
    await socket.ask("cancel_order", cl_ord_id=["nobody"])
    assert (await socket.next())["error"] == "EOrder:Unknown order"


async def test_a_socket_that_hears_the_account_outlives_its_token(socket: Socket) -> None:
    await socket.subscribe("executions")
    socket.sandbox.faults.set("token_expired")
    await socket.ask("add_order", token="gone", **socket.order())
    assert (await socket.next())["success"] is True


async def test_another_accounts_socket_hears_nothing_of_it() -> None:
    async with (
        talking() as one,
        aiohttp.ClientSession() as http,
        http.ws_connect(one.sandbox.ws_url) as raw,
    ):
        other = Socket(one.sandbox, raw)
        await other.subscribe("executions", token=other.token("sandbox-other-key"))
        await one.ask("add_order", **one.order())
        await one.next()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await other.next()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_silent_reply_leaves_the_order_as_it_says(socket: Socket, when: str) -> None:
    socket.sandbox.faults.set("order_silent", when=when)
    await socket.ask("add_order", **socket.order())
    await socket.ask("add_order", **socket.order(cl_ord_id="mine-2"))
    reply = await socket.next()
    assert reply["req_id"] == 2
    records = socket.sandbox.exchange.log.records
    kinds = [one["cl_ord_id"] for one in records if one["kind"] == "accept"]
    assert kinds == (["mine-1", "mine-2"] if when == "after" else ["mine-2"])


@pytest.mark.parametrize("shape", ODD_SHAPES)
async def test_an_odd_reply_is_odd_and_its_order_was_accepted(socket: Socket, shape: str) -> None:
    socket.sandbox.faults.set("order_odd", shape=shape)
    await socket.ask("add_order", **socket.order())
    reply = await socket.next()
    accepted = [one for one in socket.sandbox.exchange.log.records if one["kind"] == "accept"]
    order_id = accepted[0]["order_id"]
    fair = {"order_id": order_id, "cl_ord_id": "mine-1"}
    assert reply.get("result") != fair or not reply.get("success") or "error" in reply
    assert len(accepted) == 1


async def test_a_late_order_past_its_deadline_is_refused_by_the_engine(socket: Socket) -> None:
    socket.sandbox.faults.set("order_late", delay_ms=1200, reply=True)
    wall_ns = socket.sandbox._clock.wall_ns() + 700_000_000
    await socket.ask("add_order", **socket.order(deadline=rfc3339(wall_ns)))
    assert (await socket.next())["error"] == "EService:Deadline elapsed"


async def test_reports_can_come_twice_out_of_order_early_together_or_not_at_all(
    socket: Socket,
) -> None:
    await socket.subscribe("executions")
    faults = socket.sandbox.faults
    expected = {
        "exec_duplicate": ["ack", "pending_new", "pending_new", "new", "new"],
        "exec_reorder": ["ack", "new", "pending_new", "filled", "trade"],
        "exec_early": ["pending_new", "new", "trade", "filled", "ack"],
        "exec_batch": ["ack", "pending_new+new+trade+filled"],
        "exec_gap": ["ack", "new", "trade", "filled"],
    }
    for number, (name, wanted) in enumerate(expected.items()):
        faults.clear()
        faults.set(name)
        await socket.ask("add_order", **socket.order(cl_ord_id=f"mine-{number}"))
        got = []
        for _ in wanted:
            frame = await socket.next()
            data = frame.get("data")
            got.append("ack" if data is None else "+".join(one["exec_type"] for one in data))
        assert got == wanted, name
        rest = 8 - len(wanted) + 1 if name == "exec_duplicate" else 0
        for _ in range(rest):
            await socket.next()
