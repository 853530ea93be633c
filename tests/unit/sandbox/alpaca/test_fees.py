"""Fees: taken at once from what is received, told later, and never on an order or a fill."""

import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from arbit.sandbox import Faults
from arbit.sandbox.alpaca.matching import ROUNDINGS, FaultyHouseHooks
from tests.unit.sandbox.alpaca.desk import KEYS, Desk

UNIT = Decimal("1e-9")


def half_up(amount: Decimal) -> Decimal:
    return amount.quantize(UNIT, ROUND_HALF_UP)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def bent(desk: Desk) -> Faults:
    faults = Faults("alpaca")
    desk.house.hooks = FaultyHouseHooks(faults, {})
    return faults


def posted(desk: Desk, kinds: str = "CFEE,FEE") -> list[tuple[str, str]]:
    rows = desk.get(f"account/activities/{kinds}", direction="asc")
    return [(one.get("symbol", "USD"), one.get("qty") or one["net_amount"]) for one in rows]


def test_a_buy_pays_in_the_coin_and_a_sale_in_what_it_brings_to_the_last_digit(desk: Desk) -> None:
    price, _ = desk.best()
    bought = desk.filled(qty="0.012345678", limit_price=f"{price}")
    assert "fee" not in bought
    fee = half_up(Decimal("0.012345678") * Decimal("0.0025"))
    assert desk.main.balance("BTC") == Decimal("0.1") + Decimal("0.012345678") - fee
    assert desk.main.balance("USD") == 10_000 - Decimal("0.012345678") * price
    before = desk.main.balance("USD")
    bid, _ = desk.best(0)
    desk.filled(side="sell", qty="0.012345678", limit_price=f"{bid}")
    cost = Decimal("0.012345678") * bid
    assert desk.main.balance("USD") == before + cost - half_up(cost * Decimal("0.0025"))
    assert set(desk.house.totals().values()) == {Decimal(0)}


def test_a_fee_is_posted_a_while_after_its_fill_one_for_each(desk: Desk) -> None:
    desk.filled()
    desk.tick(5)
    desk.filled(qty="0.02")
    assert posted(desk) == []
    assert desk.get("account")["accrued_fees"] == "0"
    desk.tick(15)
    assert posted(desk) == [("BTCUSD", "-0.000025")]
    desk.tick(5)
    assert posted(desk) == [("BTCUSD", "-0.000025"), ("BTCUSD", "-0.00005")]
    row = desk.get("account/activities/CFEE")[0]
    assert row["date"] == "2026-09-21"
    assert "transaction_time" not in row
    assert row["id"].startswith("20260921000000000::")


def test_daily_fees_are_one_for_each_asset_and_the_day_can_be_ended(desk: Desk) -> None:
    desk.house.posting.daily = True
    desk.filled()
    desk.filled(qty="0.02")
    price = desk.best(0)[0]
    desk.filled(side="sell", limit_price=f"{price}")
    assert desk.house.post_fees(desk.now_ns) == 2
    usd = half_up(price * Decimal("0.01") * Decimal("0.0025"))
    assert posted(desk) == [("BTCUSD", "-0.000075"), ("USD", f"{-usd:f}".rstrip("0"))]
    assert desk.house.post_fees(desk.now_ns) == 0


def test_a_posted_fee_moves_no_balance_again(desk: Desk) -> None:
    desk.filled()
    before = dict(desk.main.balances)
    desk.tick(30)
    assert posted(desk) != []
    assert desk.main.balances == before


def test_a_fill_has_the_execution_id_and_how_much_is_left(desk: Desk) -> None:
    desk.filled(qty="0.02")
    rows = desk.get("account/activities/FILL", direction="asc")
    trades = list(desk.main.trades)
    assert [one["id"].partition("::")[2] for one in rows] == [one.trade_id for one in trades]
    assert rows[-1]["leaves_qty"] == "0"
    assert rows[-1]["cum_qty"] == "0.02"
    assert rows[-1]["type"] == "fill"
    assert {one["symbol"] for one in rows} == {"BTC/USD"}


def test_activities_come_in_pages_and_by_category(desk: Desk) -> None:
    for _ in range(5):
        desk.filled(qty="0.001")
    desk.tick(30)
    every = [one["id"] for one in desk.get("account/activities", direction="asc")]
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = desk.get("account/activities", direction="asc", page_size="3", **token)
        seen += [one["id"] for one in page]
        if len(page) < 3:
            break
        token = {"page_token": page[-1]["id"]}
    assert seen == every
    assert len(every) == 10
    fees = desk.get("account/activities", category="non_trade_activity")
    assert {one["activity_type"] for one in fees} == {"CFEE"}
    assert desk.call("GET", "account/activities/FILL", page_size="101")[0] == 422
    assert desk.call("GET", "account/activities/ODD")[0] == 422
    fills = desk.get("account/activities/FILL", direction="asc")
    later = desk.get("account/activities/FILL", after=fills[2]["transaction_time"])
    assert len(later) == 2
    assert desk.get("account/activities/FILL", date="2020-01-01") == []


@pytest.mark.parametrize(
    ("mode", "fee"), [("half_up", "0.000003142"), ("down", "0.000003141"), ("up", "0.000003142")]
)
def test_the_rounding_can_be_another(desk: Desk, mode: str, fee: str) -> None:
    bent(desk).set("fee_rounding", mode=mode)
    desk.filled(qty="0.001256637")  # the fee is 0.0000031415925
    assert desk.main.balance("BTC") == Decimal("0.1") + Decimal("0.001256637") - Decimal(fee)


def test_a_fee_beyond_the_tier_is_taken_and_posted(desk: Desk) -> None:
    bent(desk).set("fee_extra", bps=5)
    desk.filled()
    desk.filled()
    desk.tick(30)
    assert posted(desk) == [("BTCUSD", "-0.00003"), ("BTCUSD", "-0.000025")]


def test_another_rate_can_be_set_and_who_makes_the_price_pays_less() -> None:
    desk = Desk(taker_fee_bps=Decimal(10))
    desk.filled()
    assert desk.main.balance("BTC") == Decimal("0.10999")


def test_ids_balances_and_pending_fees_outlive_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "alpaca-events.ndjson"
    first = Desk(log)
    order = first.filled(client_order_id="kept")
    standing = first.place(time_in_force="gtc", limit_price="50000", client_order_id="open")[1]
    balances = dict(first.main.balances)
    first.house.log.close()
    second = Desk(log)
    assert dict(second.main.balances) == balances
    assert second.place(client_order_id="kept")[0] == 422
    found = second.get("orders:by_client_order_id", client_order_id="kept")
    assert (found["id"], found["status"]) == (order["id"], "filled")
    assert second.get("orders/" + standing["id"])["status"] == "canceled"
    second.tick(30)
    assert posted(second) == [("BTCUSD", "-0.000025")]
    assert second.filled()["id"] not in (order["id"], standing["id"])
    second.house.log.close()
    third = Desk(log)
    third.tick(90)
    assert len(posted(third)) == 2
    third.house.log.close()


def test_the_log_alone_tells_what_every_balance_must_be(tmp_path: Path) -> None:
    log = tmp_path / "alpaca-events.ndjson"
    desk = Desk(log)
    desk.filled(qty="0.0123")
    desk.filled(symbol="ETH/BTC", qty="0.1", limit_price="0.06")
    desk.filled(symbol="ETH/USD", side="sell", qty="0.5", limit_price="3000")
    desk.tick(30)
    desk.house.log.close()
    balances: dict[str, Decimal] = {}
    taken: dict[str, Decimal] = {}
    told: dict[str, Decimal] = {}
    for line in log.read_text("utf-8").splitlines():
        record = json.loads(line)
        if record["account"] != "main":
            continue
        if record["kind"] == "opening":
            balances[record["asset"]] = Decimal(record["amount"])
        if record["kind"] == "fill":
            base, quote = record["symbol"].split("/")
            sign = 1 if record["side"] == "buy" else -1
            balances[base] += sign * Decimal(record["qty"])
            balances[quote] -= sign * Decimal(record["qty"]) * Decimal(record["price"])
            balances[record["fee_asset"]] -= Decimal(record["fee"])
            fee = taken.get(record["fee_asset"], Decimal(0)) + Decimal(record["fee"])
            taken[record["fee_asset"]] = fee
        if record["kind"] == "fees":
            fee = told.get(record["asset"], Decimal(0)) + Decimal(record["amount"])
            told[record["asset"]] = fee
    assert balances == desk.main.balances
    assert taken == told
    assert set(taken) == {"BTC", "ETH", "USD"}
    assert KEYS["APCA-API-SECRET-KEY"] not in log.read_text("utf-8")


@pytest.mark.parametrize("mode", ["half_up", "down", "up"])
def test_costs_can_be_booked_rounded_though_no_fill_says_so(desk: Desk, mode: str) -> None:
    bent(desk).set("cost_rounding", mode=mode)
    price, _ = desk.best()
    desk.filled(qty="0.012345678", limit_price=f"{price}")
    cost = Decimal("0.012345678") * price
    booked = cost.quantize(UNIT, ROUNDINGS[mode])
    assert booked != cost, "a whole cost would show nothing"
    assert desk.main.balance("USD") == 10_000 - booked
    (fill,) = desk.get("account/activities/FILL")
    assert Decimal(fill["qty"]) * Decimal(fill["price"]) == cost
    before, (bid, _) = desk.main.balance("USD"), desk.best(0)
    desk.filled(side="sell", qty="0.012345677", limit_price=f"{bid}")
    brought = (Decimal("0.012345677") * bid).quantize(UNIT, ROUNDINGS[mode])
    assert desk.main.balance("USD") == before + brought - half_up(brought * Decimal("0.0025"))
    assert set(desk.house.totals().values()) == {Decimal(0)}


@pytest.mark.parametrize("mode", ["half_up", "down", "up"])
def test_cash_can_be_stated_to_the_cent_while_more_is_kept(desk: Desk, mode: str) -> None:
    bent(desk).set("cash_in_cents", mode=mode)
    price, _ = desk.best()
    desk.filled(qty="0.012345678", limit_price=f"{price}")
    kept = desk.main.balance("USD")
    told = Decimal(desk.get("account")["cash"])
    assert told == kept.quantize(Decimal("0.01"), ROUNDINGS[mode]) != kept
