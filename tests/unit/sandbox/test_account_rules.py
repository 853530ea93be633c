"""What the exchange refuses, counts and limits."""

from decimal import Decimal
from typing import Any

import pytest

from arbit.sandbox.book import ASK
from arbit.sandbox.exchange import (
    Refused,
)
from arbit.sandbox.keys import OTHER_KEY
from arbit.sandbox.orders import ZERO
from tests.unit.sandbox.account_desk import START, SYMBOL, Desk, S, half_up


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "BTC/XYZ"}, "EQuery:Unknown asset pair"),
        ({"side": "hold"}, "EGeneral:Invalid arguments:type"),
        ({"tif": "fok"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"stp": "cancel"}, "EGeneral:Invalid arguments:stptype"),
        ({"fee_in": "usd"}, "EGeneral:Invalid arguments:oflags"),
        ({"qty": Decimal("0.010000001")}, "EGeneral:Invalid arguments:volume"),
        ({"qty": Decimal(0)}, "EGeneral:Invalid arguments:volume"),
        ({"qty": Decimal("NaN")}, "EGeneral:Invalid arguments:volume"),
        ({"qty": Decimal("0.01" + "0" * 40 + "1")}, "EGeneral:Invalid arguments:volume"),
        ({"price": Decimal("60000.05")}, "EOrder:Tick size check failed"),
        ({"symbol": "SOL/USD", "price": Decimal("148.0001")}, "EOrder:Tick size check failed"),
        ({"qty": Decimal("0.00000001")}, "EOrder:Order minimum not met"),
        ({"price": Decimal("0.1")}, "EOrder:Cost minimum not met"),
        ({"qty": Decimal(1)}, "EOrder:Insufficient funds"),
        ({"qty": Decimal(10) ** 9, "price": Decimal(10) ** 9}, "EOrder:Insufficient funds"),
        ({"side": "sell", "qty": Decimal("0.11")}, "EOrder:Insufficient funds"),
        ({"deadline_ns": START}, "EService:Deadline elapsed"),
        ({"client_id": "x" * 19}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"client_id": "a b"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"client_id": "a", "userref": 1}, "EGeneral:Invalid arguments:cl_ord_id"),
    ],
)
def test_a_wrong_order_is_refused_in_the_venues_words(
    desk: Desk, changes: dict[str, Any], words: str
) -> None:
    before = dict(desk.main.balances)
    assert desk.words(**changes) == words
    assert desk.exchange.refusals == {words: 1}
    assert desk.exchange.log.records[-1]["kind"] == "refuse"
    assert (desk.main.balances, desk.main.holds, desk.events) == (before, {}, [])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("cancel_only", "EService:Market in cancel_only mode"),
        ("post_only", "EService:Market in post_only mode"),
        ("maintenance", "EService:Unavailable"),
        ("work_in_progress", "EService:Unavailable"),
        ("delisted", "EQuery:Unknown asset pair"),
    ],
)
def test_a_pairs_mode_decides_what_it_takes(desk: Desk, status: str, words: str) -> None:
    resting = desk.order(tif="gtc", price=Decimal("50000.0"), client_id="mine")
    desk.market.set_status(SYMBOL, status)
    assert desk.words() == words
    desk.exchange.cancel(desk.main, order_id=None, client_id="mine", now_ns=desk.now_ns)
    assert not resting.is_open
    desk.market.set_status(SYMBOL, "limit_only")
    assert desk.order().status == "closed"


def test_an_engine_in_maintenance_neither_takes_nor_cancels(desk: Desk) -> None:
    resting = desk.order(tif="gtc", price=Decimal("50000.0"))
    desk.market.set_system("maintenance")
    assert desk.words() == "EService:Unavailable"
    with pytest.raises(Refused, match="EService:Unavailable"):
        desk.exchange.cancel(
            desk.main, order_id=resting.order_id, client_id=None, now_ns=desk.now_ns
        )
    assert resting.is_open


def test_a_client_id_must_be_unique_among_open_orders_only(desk: Desk) -> None:
    desk.order(client_id="again")
    desk.order(client_id="again")  # the first has ended: no idempotency for IOC
    desk.order(client_id="rests", tif="gtc", price=Decimal("50000.0"))
    assert desk.words(client_id="rests") == "EGeneral:Invalid arguments:cl_ord_id"
    assert desk.order(desk.account(OTHER_KEY), client_id="rests").status == "closed"


def test_validate_checks_everything_and_places_nothing(desk: Desk) -> None:
    assert desk.words(validate=True, qty=Decimal(1)) == "EOrder:Insufficient funds"
    order = desk.order(validate=True)
    assert order.order_id == ""
    assert not desk.main.open_orders
    assert not desk.main.holds
    assert not len(desk.main.closed)
    assert desk.events == []


def test_the_engine_counter_lets_sixty_orders_through_and_drains_one_a_second(
    desk: Desk,
) -> None:
    low = Decimal("50000.0")
    for _ in range(60):
        desk.exchange.add_order(desk.main, desk.ask(price=low), START)
    with pytest.raises(Refused, match="EOrder:Rate limit exceeded"):
        desk.exchange.add_order(desk.main, desk.ask(price=low), START)
    desk.exchange.add_order(desk.main, desk.ask(symbol="BTC/EUR", price=low), START)
    desk.exchange.add_order(desk.main, desk.ask(price=low), START + S)
    assert desk.exchange.refusals["EOrder:Rate limit exceeded"] == 1


@pytest.mark.parametrize(("age_s", "cost"), [(0, 8), (7, 6), (12, 5), (30, 4), (60, 2), (100, 1)])
def test_a_cancel_costs_more_the_younger_the_order(desk: Desk, age_s: int, cost: int) -> None:
    order = desk.order(tif="gtc", price=Decimal("50000.0"))
    now_ns = desk.now_ns + age_s * S
    before = desk.exchange.engine_level(desk.main, SYMBOL, now_ns)
    desk.exchange.cancel(desk.main, order_id=order.order_id, client_id=None, now_ns=now_ns)
    assert desk.exchange.engine_level(desk.main, SYMBOL, now_ns) == before + cost


def test_the_open_orders_of_a_pair_are_limited_by_the_tier(desk: Desk) -> None:
    for _ in range(60):
        desk.play(1.0)
        desk.order(tif="gtc", price=Decimal("5000.0"), qty=Decimal("0.001"))
    desk.play(5.0)
    assert desk.words(price=Decimal("5000.0"), qty=Decimal("0.001")) == (
        "EOrder:Orders limit exceeded"
    )


def test_cancelling_what_is_not_open_is_refused_and_logged(desk: Desk) -> None:
    done = desk.order(client_id="done")
    for order_id, client_id in ((done.order_id, None), (None, "done"), ("O", None)):
        with pytest.raises(Refused, match="EOrder:Unknown order"):
            desk.exchange.cancel(
                desk.main, order_id=order_id, client_id=client_id, now_ns=desk.now_ns
            )
    theirs = desk.order(desk.account(OTHER_KEY), tif="gtc", price=Decimal("50000.0"))
    with pytest.raises(Refused, match="EOrder:Unknown order"):
        desk.exchange.cancel(
            desk.main, order_id=theirs.order_id, client_id=None, now_ns=desk.now_ns
        )
    assert theirs.is_open


def test_the_dead_mans_switch_cancels_once_and_zero_disarms_it(desk: Desk) -> None:
    low = Decimal("50000.0")
    first = desk.order(tif="gtc", price=low)
    theirs = desk.order(desk.account(OTHER_KEY), tif="gtc", price=low)
    desk.exchange.cancel_all_after(desk.main, 60, desk.now_ns)
    desk.exchange.cancel_all_after(desk.main, 0, desk.now_ns)
    desk.play(61)
    assert first.is_open
    _, fires_ns = desk.exchange.cancel_all_after(desk.main, 60, desk.now_ns)
    assert fires_ns == desk.now_ns + 60 * S
    desk.play(59)
    assert first.is_open
    desk.play(1)
    assert (first.status, theirs.status) == ("canceled", "open")
    second = desk.order(tif="gtc", price=low)
    desk.play(120)
    assert second.is_open
    with pytest.raises(Refused, match="timeout"):
        desk.exchange.cancel_all_after(desk.main, 86_401, desk.now_ns)


def test_deposits_and_withdrawals_are_ledger_entries(desk: Desk) -> None:
    entry = desk.exchange.deposit(desk.main, "USD", Decimal("12.34567"), desk.now_ns)
    assert (entry.type, entry.amount, entry.balance) == (
        "deposit",
        Decimal("12.3457"),
        Decimal("10012.3457"),
    )
    entry = desk.exchange.withdraw(desk.main, "USD", Decimal(10_000), desk.now_ns)
    assert (entry.type, entry.balance) == ("withdrawal", Decimal("12.3457"))
    assert desk.kinds() == ["BalanceChanged", "BalanceChanged"]
    with pytest.raises(Refused, match="EFunding:Insufficient funds"):
        desk.exchange.withdraw(desk.main, "USD", Decimal(13), desk.now_ns)
    with pytest.raises(ValueError, match="no asset"):
        desk.exchange.deposit(desk.main, "XYZ", Decimal(1), desk.now_ns)
    assert not any(desk.exchange.totals().values())


def test_a_flat_fee_holds_for_every_pair_and_both_sides() -> None:
    desk = Desk(taker_fee_bps=Decimal("1.5"))
    order = desk.order()
    assert order.fee == half_up(order.cost * Decimal("0.00015"), 5)
    order = desk.order(symbol="EUR/USD", qty=Decimal(100), price=desk.level(ASK, 0, "EUR/USD")[0])
    assert order.fee == half_up(order.cost * Decimal("0.00015"), 5)
    with pytest.raises(ValueError, match="taker fee"):
        Desk(taker_fee_bps=Decimal(-1))


def test_the_ladders_fee_falls_with_thirty_days_volume_and_flat_pairs_do_not_count() -> None:
    desk = Desk(balances={"USD": Decimal(1_000_000)})
    euro = desk.level(ASK, 0, "EUR/USD")[0]
    assert desk.order(symbol="EUR/USD", qty=Decimal(100), price=euro).fee > 0
    assert desk.main.volume_usd(desk.now_ns) == 0
    while desk.main.volume_usd(desk.now_ns) < 10_000:
        assert desk.order(qty=Decimal("0.05"), price=desk.level(ASK, 5)[0]).filled > 0
    order = desk.order()
    assert order.fee == half_up(order.cost * Decimal("0.0035"), 5)
    assert desk.main.volume_usd(desk.now_ns + 31 * 86_400 * S) == 0


def test_balances_can_be_chosen_and_must_be_of_listed_assets() -> None:
    desk = Desk(balances={"SOL": Decimal(5)})
    assert (desk.main.balance("SOL"), desk.main.balance("USD")) == (Decimal(5), ZERO)
    with pytest.raises(ValueError, match="no asset XYZ"):
        Desk(balances={"XYZ": Decimal(5)})
    with pytest.raises(ValueError, match="tier"):
        Desk(tier="gold")
