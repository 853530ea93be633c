"""Keys, nonces, permissions, limits and gates of the private REST face."""

import pytest
from aiohttp import web

from arbit.sandbox.keys import (
    OTHER_KEY,
    OTHER_SECRET,
    READONLY_KEY,
    READONLY_SECRET,
    TRADE_KEY,
)
from arbit.sandbox.kraken.private import PERMISSIONS, Call
from tests.unit.sandbox.private_client import LOW, Client, talking

pytestmark = pytest.mark.unstalled


async def test_nonces_must_rise_for_each_key_on_its_own(client: Client) -> None:
    assert "result" in await client.ask("Balance", nonce="100")
    for nonce in ("100", "99", "-1", "x", "101.5", str(1 << 64)):
        answer = await client.ask("Balance", nonce)
        assert answer["error"] == ["EAPI:Invalid nonce"], nonce
    other = Client(client.sandbox, client.http, OTHER_KEY, OTHER_SECRET)
    assert "result" in await other.ask("Balance", nonce="5")
    assert "result" in await client.ask("Balance", nonce="101")
    assert client.sandbox.exchange.refusals["EAPI:Invalid nonce"] == 6


async def test_an_unknown_key_a_revoked_one_and_an_unknown_method_are_told_apart(
    client: Client,
) -> None:
    assert await client.error("Nothing") == "EGeneral:Unknown method"
    client.sandbox.exchange.keys[TRADE_KEY].revoked = True
    assert await client.error("Balance") == "EAPI:Invalid key"
    client.key = "nobody"
    assert await client.error("Balance") == "EAPI:Invalid key"


@pytest.mark.parametrize("method", ["AddOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter"])
async def test_a_reading_key_reads_and_cannot_touch_orders(method: str) -> None:
    async with talking(READONLY_KEY, READONLY_SECRET) as reader:
        assert await reader.error(method, txid="O", timeout="60") == "EGeneral:Permission denied"
        assert (await reader.result("Balance"))["ZUSD"] == "10000.0000"


async def test_every_method_asks_for_its_permission(client: Client) -> None:
    key = client.sandbox.exchange.keys[TRADE_KEY]
    for method, wanted in PERMISSIONS.items():
        key.permissions = frozenset()
        answer = await client.ask(method)
        assert (answer["error"] == ["EGeneral:Permission denied"]) == bool(wanted), method
        for permission in wanted:
            key.permissions = frozenset({permission})
            answer = await client.ask(method)
            assert answer["error"] != ["EGeneral:Permission denied"], method


async def test_accounts_do_not_see_each_other(client: Client) -> None:
    mine = await client.place(timeinforce="GTC", price=LOW)
    done = await client.place()
    other = Client(client.sandbox, client.http, OTHER_KEY, OTHER_SECRET)
    assert (await other.result("OpenOrders"))["open"] == {}
    assert (await other.result("ClosedOrders"))["count"] == 0
    assert (await other.result("TradesHistory"))["count"] == 0
    assert await other.error("QueryOrders", txid=done) == "EOrder:Unknown order"
    assert await other.error("CancelOrder", txid=mine) == "EOrder:Unknown order"
    assert (await other.result("Balance"))["ZUSD"] == "10000.0000"


async def test_the_call_counter_refuses_what_is_too_much_and_orders_are_free() -> None:
    async with talking() as busy:
        for _ in range(7):
            await busy.result("TradesHistory")
        assert await busy.error("Ledgers") == "EAPI:Rate limit exceeded"
        for _ in range(5):
            await busy.place()
        other = Client(busy.sandbox, busy.http, OTHER_KEY, OTHER_SECRET)
        await other.result("Balance")
        assert busy.sandbox.exchange.refusals == {"EAPI:Rate limit exceeded": 1}


async def test_reads_show_only_what_is_visible(client: Client) -> None:
    reads = client.sandbox.private.reads
    done = await client.place(cl_ord_id="late")
    reads.visible = lambda order, now_ns: False
    reads.visible_trade = lambda trade, now_ns: False
    assert (await client.result("ClosedOrders", cl_ord_id="late"))["closed"] == {}
    assert (await client.result("TradesHistory"))["trades"] == {}
    assert await client.error("QueryOrders", txid=done) == "EOrder:Unknown order"


class Withholding:
    """A gate that answers with a web page, before acceptance or after it."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.calls: list[Call] = []

    def _page(self, stage: str, call: Call) -> web.StreamResponse | None:
        self.calls.append(call)
        if stage != self.stage or call.name != "AddOrder":
            return None
        return web.json_response({"error": ["EService:Timeout"]})

    async def before(self, call: Call, request: web.Request) -> web.StreamResponse | None:
        return self._page("before", call)

    async def after(
        self, call: Call, answer: dict[str, object], request: web.Request
    ) -> web.StreamResponse | None:
        return self._page("after", call)


@pytest.mark.parametrize(("stage", "placed"), [("before", 0), ("after", 1)])
async def test_a_gate_acts_before_acceptance_or_after_it(
    client: Client, stage: str, placed: int
) -> None:
    client.sandbox.private.gate = gate = Withholding(stage)
    assert await client.error("AddOrder", **client.order(cl_ord_id="lost")) == "EService:Timeout"
    assert (await client.result("ClosedOrders", cl_ord_id="lost"))["count"] == placed
    assert gate.calls[0].fields["cl_ord_id"] == "lost"


async def test_garbage_bodies_get_an_answer_and_never_an_accident(client: Client) -> None:
    bodies: list[tuple[bytes, str]] = [
        (b"", ""),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"a=1&" * 500, "application/x-www-form-urlencoded"),
        (b"[1,2]", "application/json"),
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"nonce":{"a":[true,null,1.5]}}', "application/json"),
    ]
    for body, kind in bodies:
        headers = {"API-Key": TRADE_KEY, "API-Sign": "!", "Content-Type": kind}
        url = f"{client.sandbox.rest_url}/0/private/AddOrder"
        async with client.http.post(url, data=body, headers=headers) as reply:
            assert reply.status == 200
            assert (await reply.json())["error"] == ["EAPI:Invalid signature"]


# --- ccxt, unmodified -----------------------------------------------------------------------------
