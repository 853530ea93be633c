"""The private REST face, call by call."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest

from arbit.sandbox.book import ASK, BID
from arbit.sandbox.keys import (
    OTHER_SECRET,
    TRADE_KEY,
    WITHDRAW_KEY,
    WITHDRAW_SECRET,
)
from tests.unit.sandbox.account_desk import cut_off
from tests.unit.sandbox.private_client import LOW, UUID, Client

pytestmark = pytest.mark.unstalled


async def test_add_order_answers_with_a_description_and_an_id_and_no_fill(client: Client) -> None:
    price = client.top(ASK)
    reply = await client.result("AddOrder", **client.order(cl_ord_id=UUID))
    assert reply["descr"] == {"order": f"buy 0.01000000 XBTUSD @ limit {price}"}
    assert set(reply) == {"descr", "txid"}
    (order_id,) = reply["txid"]
    found = (await client.result("ClosedOrders", cl_ord_id=UUID))["closed"]
    assert list(found) == [order_id]
    order = found[order_id]
    cost = (Decimal("0.01") * Decimal(price)).quantize(Decimal("0.00001"))
    assert order["status"] == "closed"
    assert Decimal(order["vol_exec"]) == Decimal("0.01")
    assert Decimal(order["cost"]) == cost
    assert Decimal(order["fee"]) == (cost * Decimal("0.004")).quantize(
        Decimal("0.00001"), ROUND_HALF_UP
    )
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
        await client.place(type=side, price=client.top(book), volume="0.00712345", oflags="fciq")
    trades = (await client.result("TradesHistory", ledgers="true"))["trades"]
    assert len(trades) == 3
    usd, btc = Decimal(10_000), Decimal("0.1")
    for trade in trades.values():
        assert (trade["pair"], trade["maker"]) == ("XXBTZUSD", False)
        sign = 1 if trade["type"] == "buy" else -1
        cost, fee = Decimal(trade["cost"]), Decimal(trade["fee"])
        assert cut_off(cost, 4) != cost or cut_off(fee, 4) != fee  # stated with a digit more
        usd -= sign * cut_off(cost, 4) + cut_off(fee, 4)
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


async def test_fills_of_one_taker_order_come_as_one_row_unless_each_is_asked_for(
    client: Client,
) -> None:
    exchange, book = client.sandbox.exchange, client.sandbox.market.book("BTC/USD")
    exchange.deposit(exchange.books.account("main"), "USD", Decimal(10**7), 1)
    listed = client.sandbox.market.pairs["BTC/USD"].instrument
    levels = book.top(ASK, 3)
    order_id = await client.place(
        volume=listed.qty_text(sum(qty for _, qty in levels)),
        price=listed.price_text(levels[-1][0]),
    )
    each = {"consolidate_taker": "false"}
    fills = (await client.result("TradesHistory", **each))["trades"]
    assert len(fills) == 3
    history = await client.result("TradesHistory")
    ((one_id, one),) = history["trades"].items()
    assert (history["count"], one["ordertxid"]) == (1, order_id)
    assert one_id not in fills
    for name in ("vol", "cost", "fee"):
        assert Decimal(one[name]) == sum(Decimal(fill[name]) for fill in fills.values())
    assert levels[0][0] < Decimal(one["price"]).scaleb(listed.price_precision) < levels[-1][0]
    for method in ("QueryOrders", "ClosedOrders"):
        asked = {"trades": "true"} | ({"txid": order_id} if method == "QueryOrders" else {})
        alone = await client.result(method, **asked)
        apart = await client.result(method, **asked, **each)
        assert (alone.get("closed", alone))[order_id]["trades"] == [one_id]
        assert set((apart.get("closed", apart))[order_id]["trades"]) == set(fills)
    assert await client.result("QueryTrades", txid=one_id) == {one_id: one}
    assert await client.result("QueryTrades", txid=",".join(fills)) == fills
