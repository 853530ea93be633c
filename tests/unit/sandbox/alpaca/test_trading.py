"""Orders over REST: what is taken, what is refused and in which words."""

from decimal import Decimal
from typing import Any

import pytest

from arbit.sandbox.alpaca.trading import Call
from tests.unit.sandbox.alpaca.desk import KEYS, Desk, asked


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_order_is_answered_before_it_meets_its_book(desk: Desk) -> None:
    status, body = desk.place(client_order_id="mine-1")
    assert (status, body["status"], body["filled_qty"]) == (200, "pending_new", "0")
    assert (body["symbol"], body["qty"], body["filled_avg_price"]) == ("BTC/USD", "0.01", None)
    desk.tick()
    found = desk.get("orders:by_client_order_id", client_order_id="mine-1")
    assert (found["id"], found["status"], found["filled_qty"]) == (body["id"], "filled", "0.01")
    assert found["filled_at"].endswith("Z")


def test_what_an_ioc_order_cannot_fill_is_canceled_and_the_rest_is_kept(desk: Desk) -> None:
    price, there = desk.best()
    order = desk.filled(qty=f"{there + Decimal('0.01')}", limit_price=f"{price}")
    assert (order["status"], order["filled_qty"]) == ("canceled", f"{there}")
    assert Decimal(order["filled_avg_price"]) == price
    assert order["canceled_at"] is not None


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        ({"qty": "1"}, 403, 40310000, "insufficient balance for USD (requested: 64000, available"),
        ({"qty": "0.0001"}, 403, 40310000, "cost basis must be >= minimal amount of order 10"),
        ({"qty": "0.0000000001"}, 422, 42210000, "invalid qty"),
        ({"limit_price": "64000.001"}, 422, 42210000, "invalid limit_price"),
        ({"time_in_force": "day"}, 422, 42210000, "invalid crypto time_in_force"),
        ({"symbol": "NO/SUCH"}, 422, 42210000, 'asset "NO/SUCH" not found'),
        ({"side": "hold"}, 422, 42210000, "invalid side"),
        ({"type": "market"}, 422, 42210000, "invalid order type"),
        ({"client_order_id": "x" * 129}, 422, 40010001, "no more than 128"),
        ({"qty": None}, 422, 40010001, "qty is required"),
        ({"qty": "many"}, 422, 40010001, "qty is not a number"),
        ({"qty": "3", "side": "sell"}, 403, 40310000, "insufficient balance for BTC"),
        ({"qty": "4", "limit_price": "63000"}, 403, 40310000, "cost basis must be <="),
    ],
)
def test_a_wrong_order_is_refused_in_the_venues_envelope(
    desk: Desk, changes: dict[str, Any], status: int, code: int, words: str
) -> None:
    got, body = desk.place(**changes)
    assert (got, body["code"]) == (status, code)
    assert words in body["message"]
    assert desk.main.open_orders == {}
    assert [one["words"] for one in desk.house.log.records if one["kind"] == "refuse"] == [
        body["message"]
    ]


def test_a_small_sale_and_a_small_order_for_bitcoin_have_no_floor(desk: Desk) -> None:
    assert desk.place(side="sell", qty="0.00002", limit_price="60000")[0] == 200
    assert desk.place(symbol="ETH/BTC", qty="0.001", limit_price="0.06")[0] == 200


def test_a_client_id_is_used_once_for_ever(desk: Desk) -> None:
    assert desk.filled(client_order_id="once")["status"] == "filled"
    status, body = desk.place(client_order_id="once")
    assert (status, body) == (
        422,
        {"code": 40010001, "message": "client_order_id must be unique"},
    )


def test_an_order_that_would_trade_with_ones_own_is_blocked(desk: Desk) -> None:
    _, resting = desk.place(time_in_force="gtc", limit_price="50000")
    status, body = desk.place(side="sell", limit_price="49999")
    assert (status, body["code"]) == (403, 40310000)
    assert body["message"].startswith("potential wash trade detected")
    assert body["existing_order_id"] == resting["id"]
    assert desk.place(side="sell", limit_price="50001")[0] == 200


def test_an_open_order_can_be_canceled_once_and_an_unknown_one_never(desk: Desk) -> None:
    _, order = desk.place(time_in_force="gtc", limit_price="50000")
    desk.tick()
    assert desk.get("orders/" + order["id"])["status"] == "new"
    assert desk.call("DELETE", "orders/" + order["id"]) == (204, None)
    assert desk.get("orders/" + order["id"])["status"] == "canceled"
    status, body = desk.call("DELETE", "orders/" + order["id"])
    assert (status, body["code"]) == (422, 42210000)
    status, body = desk.call("DELETE", "orders/azerty")
    assert (status, body) == (404, {"code": 40410000, "message": "order not found for azerty"})


def test_all_open_orders_go_at_once(desk: Desk) -> None:
    ids = [
        desk.place(time_in_force="gtc", limit_price=price)[1]["id"] for price in ("50000", "49000")
    ]
    status, body = desk.call("DELETE", "orders")
    assert status == 207
    assert [(one["id"], one["status"]) for one in body] == [(one, 200) for one in ids]
    assert desk.get("orders") == []


def test_orders_are_listed_by_status_time_and_direction(desk: Desk) -> None:
    done = desk.filled()
    _, first = desk.place(time_in_force="gtc", limit_price="50000")
    _, second = desk.place(time_in_force="gtc", limit_price="49000")
    ids = [done["id"], first["id"], second["id"]]

    def listed(**query: str) -> list[str]:
        return [one["id"] for one in desk.get("orders", **query)]

    assert listed() == ids[:0:-1]
    assert listed(status="closed") == ids[:1]
    assert listed(status="all", direction="asc", nested="true") == ids
    assert listed(status="all", limit="1") == [ids[2]]
    assert listed(status="all", after=first["submitted_at"]) == [ids[2]]
    assert listed(status="all", until=first["submitted_at"]) == [ids[0]]
    assert desk.call("GET", "orders", status="odd")[0] == 422
    assert desk.call("GET", "orders", after="yesterday")[0] == 422


def test_cash_is_net_of_open_buys_and_a_position_says_what_of_it_is_free(desk: Desk) -> None:
    desk.place(time_in_force="gtc", limit_price="50000", qty="0.02")
    desk.place(time_in_force="gtc", side="sell", limit_price="70000", qty="0.04")
    account = desk.get("account")
    assert (account["cash"], account["status"]) == ("9000", "ACTIVE")
    assert account["non_marginable_buying_power"] == "9000"
    positions = {one["symbol"]: one for one in desk.get("positions")}
    assert (positions["BTCUSD"]["qty"], positions["BTCUSD"]["qty_available"]) == ("0.1", "0.06")
    assert "USDUSD" not in positions


def test_a_key_that_is_wrong_or_withdrawn_opens_nothing(desk: Desk) -> None:
    wrong = Call("GET", "account", {}, KEYS | {"APCA-API-SECRET-KEY": "no"}, {})
    assert desk.trading.answer(wrong, desk.now_ns).status == 401
    assert desk.trading.answer(Call("GET", "account", {}, {}, {}), desk.now_ns).body == {
        "code": 40110000,
        "message": "request is not authorized",
    }
    desk.house.keys[KEYS["APCA-API-KEY-ID"]].revoked = True
    assert desk.place()[0] == 401


def test_so_many_requests_a_minute_and_no_more() -> None:
    desk = Desk(per_minute=2)
    call = Call("POST", "orders", {}, KEYS, asked(client_order_id="a"))
    first = desk.trading.answer(call, desk.now_ns)
    assert first.headers["X-RateLimit-Limit"] == "2"
    assert first.headers["X-RateLimit-Remaining"] == "1"
    assert desk.call("GET", "clock")[0] == 200
    status, body = desk.call("GET", "clock")
    assert (status, body["code"]) == (429, 42910000)
    desk.now_ns += 60_000_000_000
    assert desk.call("GET", "clock")[0] == 200


def test_the_listing_says_increments_and_a_delisted_pair_takes_no_orders(desk: Desk) -> None:
    listed = {one["symbol"]: one for one in desk.get("assets", asset_class="crypto")}
    assert len(listed) == 10
    assert {"BTC/USD", "ETH/BTC", "LTC/BTC", "BCH/BTC", "USDT/USD", "BTC/USDT"} <= set(listed)
    assert listed["BCH/USD"]["price_increment"] == "0.05"
    assert listed["BTC/USD"]["min_trade_increment"] == "0.000000001"
    assert Decimal("0.9") < Decimal(listed["ETH/USD"]["min_order_size"]) * 3374 <= 1
    desk.market.set_status("BTC/USD", "delisted")
    shown = desk.get("assets", asset_class="crypto", status="active")
    assert "BTC/USD" not in [one["symbol"] for one in shown]
    status, body = desk.place()
    assert (status, body["message"]) == (422, "asset BTC/USD is not active")


def test_a_path_nobody_knows_is_not_found(desk: Desk) -> None:
    assert desk.call("GET", "weather")[0] == 404
    assert desk.call("PUT", "orders")[0] == 404
