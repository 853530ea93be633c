"""The private REST face: by a signer of our own over raw HTTP, and by unmodified ccxt."""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

from arbit.sandbox import SandboxOptions, SandboxServer
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.keys import (
    OTHER_KEY,
    OTHER_SECRET,
    READONLY_KEY,
    READONLY_SECRET,
    TRADE_KEY,
    TRADE_SECRET,
    WITHDRAW_KEY,
    WITHDRAW_SECRET,
)
from arbit.sandbox.kraken.private import PERMISSIONS, Call
from tests.unit.sandbox.test_rest import wired

FROZEN = SandboxOptions(frozen=True)
LOW = "50000.0"
UUID = "5d6b7c2e-8a4f-4c1d-9b3e-0f1a2b3c4d5e"


class Client:
    """Signs as the venue's REST introduction says; shares no code with the sandbox."""

    def __init__(
        self,
        sandbox: SandboxServer,
        http: aiohttp.ClientSession,
        key: str = TRADE_KEY,
        secret: str = TRADE_SECRET,
    ) -> None:
        self.sandbox, self.http, self.key, self.secret = sandbox, http, key, secret
        self.nonces = itertools.count(1)

    async def ask(self, method: str, nonce: str = "", as_json: bool = False, **fields: Any) -> Any:
        path, used = f"/0/private/{method}", nonce or str(next(self.nonces))
        told = {"nonce": used} | fields
        body = json.dumps(told) if as_json else urlencode(told)
        digest = path.encode() + hashlib.sha256((used + body).encode()).digest()
        signed = hmac.new(base64.b64decode(self.secret), digest, hashlib.sha512).digest()
        headers = {
            "API-Key": self.key,
            "API-Sign": base64.b64encode(signed).decode(),
            "Content-Type": f"application/{'json' if as_json else 'x-www-form-urlencoded'}",
        }
        url = self.sandbox.rest_url + path
        async with self.http.post(url, data=body, headers=headers) as reply:
            assert reply.status == 200
            return await reply.json()

    async def result(self, method: str, **fields: Any) -> Any:
        answer = await self.ask(method, **fields)
        assert answer["error"] == []
        return answer["result"]

    async def error(self, method: str, **fields: Any) -> str:
        answer = await self.ask(method, **fields)
        assert "result" not in answer
        (words,) = answer["error"]
        return str(words)

    def top(self, side: int) -> str:
        pair = self.sandbox.market.pairs["BTC/USD"]
        return pair.instrument.price_text(pair.book.top(side, 1)[0][0])

    def order(self, **changes: Any) -> dict[str, Any]:
        asked = {
            "pair": "XXBTZUSD",
            "type": "buy",
            "ordertype": "limit",
            "volume": "0.01",
            "price": self.top(ASK),
            "timeinforce": "IOC",
        }
        return asked | changes

    async def place(self, **changes: Any) -> str:
        reply = await self.result("AddOrder", **self.order(**changes))
        (order_id,) = reply["txid"]
        return str(order_id)


@asynccontextmanager
async def talking(key: str = TRADE_KEY, secret: str = TRADE_SECRET) -> AsyncIterator[Client]:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        aiohttp.ClientSession() as http,
    ):
        yield Client(sandbox, http, key, secret)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with talking() as one:
        # What tests ask in one go would be too much for the counter; it has a test of its own.
        one.sandbox.private.counters.maximum = 1_000
        yield one


async def test_add_order_answers_with_a_description_and_an_id_and_no_fill(client: Client) -> None:
    price = client.top(ASK)
    reply = await client.result("AddOrder", **client.order(cl_ord_id=UUID))
    assert reply["descr"] == {"order": f"buy 0.01000000 XBTUSD @ limit {price}"}
    assert set(reply) == {"descr", "txid"}
    (order_id,) = reply["txid"]
    found = (await client.result("ClosedOrders", cl_ord_id=UUID))["closed"]
    assert list(found) == [order_id]
    order = found[order_id]
    cost = (Decimal("0.01") * Decimal(price)).quantize(Decimal("0.0001"))
    assert order["status"] == "closed"
    assert Decimal(order["vol_exec"]) == Decimal("0.01")
    assert Decimal(order["cost"]) == cost
    assert Decimal(order["fee"]) == (cost * Decimal("0.004")).quantize(Decimal("0.0001"))
    assert (order["oflags"], order["cl_ord_id"], order["reason"]) == ("fciq", UUID, None)
    assert order["descr"]["pair"] == "XBTUSD"
    assert isinstance(order["opentm"], float)


async def test_a_partly_filled_ioc_reads_as_cancelled_with_what_it_got(client: Client) -> None:
    client.sandbox.exchange.deposit(
        client.sandbox.exchange.books.account("main"), "USD", Decimal(10**7), 1
    )
    there = client.sandbox.market.book("BTC/USD").top(ASK, 1)[0][1]
    listed = client.sandbox.market.pairs["BTC/USD"].instrument
    order_id = await client.place(volume=listed.qty_text(there + 100_000))
    order = (await client.result("QueryOrders", txid=order_id, trades="true"))[order_id]
    assert (order["status"], order["vol_exec"]) == ("canceled", listed.qty_text(there))
    assert order["reason"]
    trades = await client.result("QueryTrades", txid=",".join(order["trades"]))
    assert sum(Decimal(one["vol"]) for one in trades.values()) == Decimal(order["vol_exec"])


async def test_validate_has_a_description_and_no_id(client: Client) -> None:
    reply = await client.result("AddOrder", **client.order(validate="true"))
    assert set(reply) == {"descr"}
    assert (await client.result("ClosedOrders"))["count"] == 0


async def test_open_orders_are_found_by_client_id_and_by_userref_and_cancelled(
    client: Client,
) -> None:
    mine = await client.place(cl_ord_id="mine", timeinforce="GTC", price=LOW)
    await client.place(userref="77", timeinforce="GTC", price=LOW)
    assert list((await client.result("OpenOrders", cl_ord_id="mine"))["open"]) == [mine]
    assert len((await client.result("OpenOrders", userref="77"))["open"]) == 1
    assert len((await client.result("OpenOrders"))["open"]) == 2
    assert (await client.result("BalanceEx"))["ZUSD"] == {
        "balance": "10000.0000",
        "hold_trade": "1004.0000",
    }
    assert await client.result("CancelOrder", cl_ord_id="mine") == {"count": 1}
    assert await client.error("CancelOrder", txid=mine) == "EOrder:Unknown order"
    assert await client.result("CancelAll") == {"count": 1}
    assert (await client.result("OpenOrders"))["open"] == {}
    closed = (await client.result("ClosedOrders", cl_ord_id="mine"))["closed"][mine]
    assert (closed["status"], closed["reason"]) == ("canceled", "User requested")


async def test_the_dead_mans_switch_tells_when_it_fires(client: Client) -> None:
    armed = await client.result("CancelAllOrdersAfter", timeout="60")
    now, fires = (datetime.fromisoformat(armed[name]) for name in ("currentTime", "triggerTime"))
    assert fires - now == timedelta(seconds=60)
    assert (await client.result("CancelAllOrdersAfter", timeout="0"))["triggerTime"] == "0"
    assert await client.error("CancelAllOrdersAfter", timeout="x") == (
        "EGeneral:Invalid arguments:timeout"
    )


async def test_trades_and_ledgers_of_a_history_add_up_to_the_balance(client: Client) -> None:
    for side, book in (("buy", ASK), ("sell", BID), ("buy", ASK)):
        await client.place(type=side, price=client.top(book), oflags="fciq")
    trades = (await client.result("TradesHistory", ledgers="true"))["trades"]
    assert len(trades) == 3
    usd, btc = Decimal(10_000), Decimal("0.1")
    for trade in trades.values():
        assert (trade["pair"], trade["maker"]) == ("XXBTZUSD", False)
        sign = 1 if trade["type"] == "buy" else -1
        usd -= sign * Decimal(trade["cost"]) + Decimal(trade["fee"])
        btc += sign * Decimal(trade["vol"])
    balance = await client.result("Balance")
    assert (Decimal(balance["ZUSD"]), Decimal(balance["XXBT"])) == (usd, btc)
    ledger = (await client.result("Ledgers", asset="ZUSD", type="trade"))["ledger"]
    assert len(ledger) == 3
    assert sum(Decimal(one["amount"]) - Decimal(one["fee"]) for one in ledger.values()) == (
        usd - 10_000
    )
    assert next(iter(ledger.values()))["balance"] == balance["ZUSD"]
    newest = next(iter(trades))
    assert set(ledger) < {entry for one in trades.values() for entry in one["ledgers"]}
    assert ledger[trades[newest]["ledgers"][1]]["refid"] == newest


async def test_lists_come_newest_first_fifty_a_page_and_within_bounds(client: Client) -> None:
    exchange = client.sandbox.exchange
    account = exchange.books.account("main")
    start_ns = exchange.now_ns
    for count in range(60):
        exchange.deposit(account, "USD", Decimal(1 + count), start_ns + count * 1_000_000_000)
    first = await client.result("Ledgers")
    second = await client.result("Ledgers", ofs="50")
    assert (first["count"], len(first["ledger"]), len(second["ledger"])) == (60, 50, 10)
    amounts = [Decimal(one["amount"]) for one in first["ledger"].values()]
    assert amounts == sorted(amounts, reverse=True)
    assert not set(first["ledger"]) & set(second["ledger"])
    at_s = list(first["ledger"].values())[9]["time"]
    since = await client.result("Ledgers", start=f"{at_s + 0.5:.6f}")
    assert since["count"] == 9
    upto = await client.result("Ledgers", end=f"{at_s + 0.5:.6f}")
    assert upto["count"] == 51
    after = await client.result("Ledgers", start=list(first["ledger"])[9])
    assert after["count"] == 9
    assert await client.error("Ledgers", start="never") == "EGeneral:Invalid arguments:start"


async def test_trade_volume_reports_what_is_charged(client: Client) -> None:
    reply = await client.result("TradeVolume", pair="XBTUSD,EURUSD")
    assert reply["fees"]["XXBTZUSD"] == {
        "fee": "0.4000",
        "minfee": "0.1000",
        "maxfee": "0.4000",
        "nextfee": "0.3500",
        "nextvolume": "10000.0000",
        "tiervolume": "0.0000",
    }
    assert reply["fees_maker"]["XXBTZUSD"]["fee"] == "0.2500"
    assert reply["fees"]["EURUSD" if "EURUSD" in reply["fees"] else "ZEURZUSD"]["fee"] == "0.2000"
    assert reply["volume"] == "0.0000"
    assert await client.error("TradeVolume", pair="NONE") == "EQuery:Unknown asset pair"


async def test_key_info_names_the_permissions_in_the_venues_words(client: Client) -> None:
    info = await client.result("GetApiKeyInfo")
    assert info["permissions"] == [
        "close-trades",
        "create-ws-token",
        "modify-trades",
        "query-closed-trades",
        "query-funds",
        "query-ledger",
        "query-open-trades",
    ]
    assert (info["apiKeyName"], info["nonceWindow"], info["validUntil"]) == (TRADE_KEY, 0, "0")
    able = Client(client.sandbox, client.http, WITHDRAW_KEY, WITHDRAW_SECRET)
    assert "withdraw-funds" in (await able.result("GetApiKeyInfo"))["permissions"]


async def test_a_token_is_given_for_fifteen_minutes(client: Client) -> None:
    reply = await client.result("GetWebSocketsToken")
    assert reply["expires"] == 900
    tokens, now_ns = client.sandbox.exchange.tokens, client.sandbox.exchange.now_ns
    found = tokens.find(reply["token"], now_ns)
    assert found is not None
    assert found.key.key == TRADE_KEY
    assert tokens.find(reply["token"], now_ns + 1000 * 1_000_000_000) is None
    assert tokens.find("other", now_ns) is None


async def test_a_json_body_is_as_good_as_a_form(client: Client) -> None:
    reply = await client.result(
        "AddOrder", as_json=True, **client.order(cl_ord_id="json", validate=False)
    )
    assert reply["txid"]
    found = await client.result("ClosedOrders", as_json=True, cl_ord_id="json", trades=True)
    assert len(found["closed"][reply["txid"][0]]["trades"]) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pair": "XYZ"}, "EQuery:Unknown asset pair"),
        ({"ordertype": "market"}, "EGeneral:Invalid arguments:ordertype"),
        ({"type": ""}, "EGeneral:Invalid arguments:type"),
        ({"volume": "1e-2"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "-1"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "0.010000001"}, "EGeneral:Invalid arguments:volume"),
        ({"price": "nan"}, "EGeneral:Invalid arguments:price"),
        ({"price": "63000.05"}, "EOrder:Tick size check failed"),
        ({"timeinforce": "FOK"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"oflags": "fcib,fciq"}, "EGeneral:Invalid arguments:oflags"),
        ({"oflags": "post"}, "EGeneral:Invalid arguments:oflags"),
        ({"stptype": "never"}, "EGeneral:Invalid arguments:stptype"),
        ({"userref": "x"}, "EGeneral:Invalid arguments:userref"),
        ({"cl_ord_id": "no spaces please"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"deadline": "soon"}, "EGeneral:Invalid arguments:deadline"),
        ({"volume": "1"}, "EOrder:Insufficient funds"),
    ],
)
async def test_a_wrong_order_is_refused_once_in_the_venues_words(
    client: Client, changes: dict[str, str], words: str
) -> None:
    assert await client.error("AddOrder", **client.order(**changes)) == words
    assert client.sandbox.exchange.refusals == {words: 1}
    kinds = [record["kind"] for record in client.sandbox.exchange.log.records][-3:]
    assert kinds == ["request", "nonce", "refuse"]


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [
        (-1, "EService:Deadline elapsed"),
        (1, "EGeneral:Invalid arguments:deadline"),
        (10, ""),
        (90, "EGeneral:Invalid arguments:deadline"),
    ],
)
async def test_a_deadline_is_two_seconds_to_a_minute_ahead(
    client: Client, ahead_s: int, words: str
) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=ahead_s)
    text = deadline.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    answer = await client.ask("AddOrder", **client.order(deadline=text))
    assert answer["error"] == ([words] if words else [])


async def test_a_request_is_logged_as_received_before_any_check(client: Client) -> None:
    client.secret = OTHER_SECRET
    assert await client.error("AddOrder", **client.order(volume="lots", cl_ord_id="bad")) == (
        "EAPI:Invalid signature"
    )
    request, refuse = list(client.sandbox.exchange.log.records)[-2:]
    assert (request["kind"], request["face"], request["qty"]) == ("request", "rest", "lots")
    assert (refuse["kind"], refuse["cl_ord_id"], refuse["account"]) == ("refuse", "bad", "main")


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


@asynccontextmanager
async def ccxt_kraken(
    sandbox: SandboxServer, key: str = TRADE_KEY, secret: str = TRADE_SECRET
) -> AsyncIterator[Any]:
    kraken = import_module("ccxt.async_support").kraken({"apiKey": key, "secret": secret})
    exchange = wired(kraken, sandbox)
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_ccxt_places_an_ioc_and_finds_everything_about_it() -> None:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        ccxt_kraken(sandbox) as exchange,
    ):
        await exchange.load_markets()
        price = sandbox.market.book("BTC/USD").top(ASK, 1)[0][0] / 10
        params = {"timeInForce": "IOC", "clientOrderId": UUID, "oflags": "fciq"}
        placed = await exchange.create_order("BTC/USD", "limit", "buy", 0.01, price, params)
        found = await exchange.privatePostClosedOrders({"cl_ord_id": UUID})
        assert list(found["result"]["closed"]) == [placed["id"]]
        assert found["result"]["closed"][placed["id"]]["vol_exec"] == "0.01000000"
        still = await exchange.privatePostOpenOrders({"cl_ord_id": UUID})
        assert still["result"]["open"] == {}
        (trade,) = await exchange.fetch_my_trades("BTC/USD")
        assert (trade["order"], trade["amount"], trade["price"]) == (placed["id"], 0.01, price)
        raw = (await exchange.privatePostTradesHistory())["result"]["trades"]
        assert list(raw) == [trade["id"]]
        balance = await exchange.fetch_balance()
        assert balance["BTC"] == {"free": 0.11, "used": 0.0, "total": 0.11}
        main = sandbox.exchange.books.account("main")
        assert balance["USD"]["total"] == float(main.balance("USD"))
        info = await exchange.privatePostGetApiKeyInfo()
        assert "withdraw-funds" not in info["result"]["permissions"]
        fee = await exchange.fetch_trading_fee("BTC/USD")
        assert (fee["taker"], fee["maker"]) == (0.004, 0.0025)


async def test_ccxt_lists_and_cancels_resting_orders() -> None:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        ccxt_kraken(sandbox) as exchange,
    ):
        await exchange.load_markets()
        params = {"clientOrderId": "rests"}
        placed = await exchange.create_order("BTC/USD", "limit", "buy", 0.01, 50_000, params)
        (order,) = await exchange.fetch_open_orders(params=params)
        assert (order["id"], order["status"], order["remaining"]) == (placed["id"], "open", 0.01)
        await exchange.cancel_order(placed["id"])
        (closed,) = await exchange.fetch_closed_orders(params=params)
        assert closed["status"] == "canceled"
        ledger = await exchange.fetch_ledger("BTC")
        assert ledger == []


async def _wrong_secret(exchange: Any) -> None:
    exchange.secret = OTHER_SECRET
    await exchange.fetch_balance()


async def _replayed_nonce(exchange: Any) -> None:
    exchange.incrementing_nonce = lambda: 5
    await exchange.fetch_balance()
    await exchange.fetch_balance()


async def _too_poor(exchange: Any) -> None:
    await exchange.create_order("BTC/USD", "limit", "buy", 10, 60_000, {"timeInForce": "IOC"})


@pytest.mark.parametrize(
    ("misdeed", "error", "words"),
    [
        (_wrong_secret, "ExchangeError", "EAPI:Invalid signature"),
        (_replayed_nonce, "InvalidNonce", "EAPI:Invalid nonce"),
        (_too_poor, "InsufficientFunds", "EOrder:Insufficient funds"),
    ],
)
async def test_ccxt_understands_our_refusals(
    misdeed: Callable[[Any], Any], error: str, words: str
) -> None:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        ccxt_kraken(sandbox) as exchange,
    ):
        await exchange.load_markets()
        expected = getattr(import_module("ccxt"), error)
        with pytest.raises(expected, match=words) as raised:
            await misdeed(exchange)
        assert type(raised.value) is expected


async def test_ccxt_with_a_reading_key_is_denied_an_order() -> None:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        ccxt_kraken(sandbox, READONLY_KEY, READONLY_SECRET) as exchange,
    ):
        await exchange.load_markets()
        denied = import_module("ccxt").PermissionDenied
        with pytest.raises(denied, match="EGeneral:Permission denied"):
            await _too_poor(exchange)
