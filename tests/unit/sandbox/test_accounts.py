"""Orders, fills, holds and balances of the exchange's accounts."""

import contextlib
import random
from decimal import Decimal

import pytest

from arbit.sandbox.book import ASK, BID
from arbit.sandbox.exchange import (
    Canceled,
    Refused,
)
from arbit.sandbox.keys import OTHER_KEY
from arbit.sandbox.orders import ZERO
from tests.unit.sandbox.account_desk import SYMBOL, Desk, expected, half_up


def test_a_wholly_filled_ioc_is_closed_and_every_event_comes_in_order(desk: Desk) -> None:
    order = desk.order(client_id="first")
    assert (order.status, order.filled, order.reason) == ("closed", Decimal("0.01"), "")
    assert desk.kinds() == [
        "Accepted",
        "Opened",
        "Traded",
        "BalanceChanged",
        "BalanceChanged",
        "Filled",
    ]


def test_an_ioc_beyond_the_limit_is_cancelled_with_what_it_got(desk: Desk) -> None:
    price, there = desk.level(ASK)
    desk.exchange.deposit(desk.main, "USD", Decimal(10_000_000), desk.now_ns)
    before = desk.main.balance("BTC")
    order = desk.order(qty=there + Decimal("0.001"), price=price)
    assert (order.status, order.filled) == ("canceled", there)
    assert order.reason
    assert desk.main.balance("BTC") == before + there
    last = desk.events[-1]
    assert isinstance(last, Canceled)
    assert last.cum_qty == there


def test_an_unfilled_ioc_is_cancelled_with_nothing_and_frees_its_hold(desk: Desk) -> None:
    order = desk.order(price=desk.level(BID)[0])
    assert (order.status, order.filled + order.cost + order.fee) == ("canceled", ZERO)
    assert desk.kinds() == ["Accepted", "Opened", "Canceled"]
    assert desk.main.available("USD") == desk.main.balance("USD") == 10_000


def test_one_trade_is_made_for_each_price_level(desk: Desk) -> None:
    levels = [desk.level(ASK, rank) for rank in range(3)]
    desk.exchange.deposit(desk.main, "USD", Decimal(10_000_000), desk.now_ns)
    order = desk.order(qty=sum(qty for _, qty in levels), price=levels[-1][0])
    assert [(trade.price, trade.qty) for trade in order.trades] == levels
    assert order.cost == sum(trade.cost for trade in order.trades)


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("fee_in", ["base", "quote", ""])
def test_cost_and_fee_have_a_digit_that_no_balance_keeps(
    desk: Desk, side: str, fee_in: str
) -> None:
    opening = dict(desk.main.balances)
    price = desk.level(ASK if side == "buy" else BID)[0]
    order = desk.order(side=side, fee_in=fee_in, price=price, qty=Decimal("0.00712345"))
    (trade,) = order.trades
    assert trade.cost == half_up(trade.qty * trade.price, 5)
    in_base = (fee_in or ("quote" if side == "buy" else "base")) == "base"
    rate = Decimal("0.004")
    assert trade.fee_asset == ("BTC" if in_base else "USD")
    assert trade.fee == (
        half_up(trade.qty * rate, 11) if in_base else half_up(trade.cost * rate, 5)
    )
    assert desk.main.balances == expected(desk, desk.main, opening)
    entries = [desk.main.ledgers.get(ledger_id) for ledger_id in trade.ledger_ids]
    assert [entry.asset for entry in entries if entry] == ["BTC", "USD"]
    assert all(entry.balance == desk.main.balance(entry.asset) for entry in entries if entry)


@pytest.mark.untraced
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_trades_add_up_and_nothing_is_made_or_lost(seed: int) -> None:
    desk = Desk("volatile", seed)
    rng = random.Random(seed)
    accounts = [desk.main, desk.account(OTHER_KEY)]
    opening = {account.name: dict(account.balances) for account in accounts}
    for _ in range(320):
        account, symbol = rng.choice(accounts), rng.choice(list(desk.market.pairs))
        side = rng.choice(["buy", "sell"])
        price, there = desk.level(rng.choice([ASK, BID]), rng.randrange(3), symbol)
        listed = desk.market.pairs[symbol].instrument
        step = Decimal(listed.qty_step).scaleb(-listed.qty_precision)
        qty = (there * rng.choice([1, 2, 3]) / rng.choice([1, 5, 20]) // step) * step
        with contextlib.suppress(Refused):
            desk.order(
                account,
                symbol=symbol,
                side=side,
                price=price,
                qty=qty,
                tif=rng.choice(["ioc", "ioc", "gtc"]),
                fee_in=rng.choice(["", "base", "quote"]),
                stp=rng.choice(["cancel_newest", "cancel_oldest", "cancel_both"]),
            )
        desk.play(rng.choice([0.01, 0.5, 2.0]))
        assert all(amount >= 0 for one in accounts for amount in one.balances.values())
        assert all(one.available(code) >= 0 for one in accounts for code in one.balances)
        assert not any(desk.exchange.totals().values())
    assert sum(len(account.trades) for account in accounts) > 100
    assert any(trade.maker for account in accounts for trade in account.trades)
    for account in accounts:
        assert account.balances == expected(desk, account, opening[account.name])
        desk.exchange.cancel_all(account, desk.now_ns)
        assert not account.holds


def test_an_unexplained_drift_shows_in_the_totals(desk: Desk) -> None:
    opening = dict(desk.main.balances)
    desk.order()
    desk.exchange.drift(desk.main, "USD", Decimal("-0.0001"), desk.now_ns)
    assert desk.exchange.totals()["USD"] == Decimal("-0.0001")
    assert desk.main.balances != expected(desk, desk.main, opening)


def test_an_order_for_all_there_is_never_overdraws_the_account() -> None:
    for symbol in ("DOGE/USD", "XRP/USD", "SOL/USD"):
        desk = Desk()
        price = desk.level(ASK, 8, symbol)[0]
        listed = desk.market.pairs[symbol].instrument
        step = Decimal(listed.qty_step).scaleb(-listed.qty_precision)
        qty = desk.main.balance("USD") / price // step * step
        order = desk.order(symbol=symbol, qty=qty, price=price, fee_in="base")
        assert order.filled > 0
        assert desk.main.balance("USD") >= 0
        assert not any(desk.exchange.totals().values())


def test_a_hold_covers_the_limit_price_and_the_fee_in_the_asset_spent(desk: Desk) -> None:
    resting = desk.order(tif="gtc", price=Decimal("50000.0"), fee_in="quote")
    assert desk.main.hold("USD") == Decimal(500) + Decimal(2)
    desk.order(tif="gtc", price=Decimal("40000.0"), fee_in="base")
    assert desk.main.hold("USD") == Decimal(902)
    desk.order(side="sell", tif="gtc", price=Decimal("90000.0"), fee_in="base")
    assert desk.main.hold("BTC") == Decimal("0.01004")
    desk.exchange.cancel(desk.main, order_id=resting.order_id, client_id=None, now_ns=desk.now_ns)
    assert desk.main.hold("USD") == Decimal(400)
    assert desk.words(qty=Decimal("0.2"), price=Decimal("48001.0"), fee_in="base") == (
        "EOrder:Insufficient funds"
    )


def test_a_resting_order_is_filled_by_the_market_as_a_maker(desk: Desk) -> None:
    price = desk.level(BID)[0] + Decimal("0.1")
    order = desk.order(tif="gtc", price=price)
    assert order.status == "open"
    for _ in range(600):
        desk.play(0.5)
        if not order.is_open:
            break
    assert order.status == "closed"
    assert all(trade.maker and trade.price == price for trade in order.trades)
    rate = Decimal("0.0025")
    assert [trade.fee for trade in order.trades] == [
        half_up(trade.cost * rate, 5) for trade in order.trades
    ]
    assert desk.kinds()[-1] == "Filled"


def test_a_resting_order_shows_in_the_book_and_leaves_it_when_cancelled(desk: Desk) -> None:
    price = desk.level(BID)[0] + Decimal("0.1")
    order = desk.order(tif="gtc", price=price, client_id="resting")
    assert desk.level(BID) == (price, Decimal("0.01"))
    done = desk.exchange.cancel(desk.main, order_id=None, client_id="resting", now_ns=desk.now_ns)
    assert [one.order_id for one in done] == [order.order_id]
    assert desk.level(BID)[0] < price
    assert (order.status, order.reason) == ("canceled", "User requested")


def test_book_changes_of_outside_orders_are_told_even_by_a_frozen_market(desk: Desk) -> None:
    desk.market.freeze()
    price = desk.level(BID)[0] + Decimal("0.1")
    desk.order(tif="gtc", price=price)
    changes = desk.market.advance(1)
    assert [(one.symbol, one.side) for one in changes] == [(SYMBOL, "bid")]
    assert desk.market.advance(2) == []


def test_two_accounts_can_trade_with_each_other(desk: Desk) -> None:
    other = desk.account(OTHER_KEY)
    price = desk.level(BID)[0] + Decimal("0.1")
    resting = desk.order(other, tif="gtc", price=price)
    taking = desk.order(side="sell", price=price)
    assert (resting.status, taking.status) == ("closed", "closed")
    assert resting.trades[0].maker
    assert not taking.trades[0].maker
    assert not any(desk.exchange.totals().values())


@pytest.mark.parametrize(
    ("stp", "resting_status", "taking_status"),
    [
        ("cancel_newest", "open", "canceled"),
        ("cancel_oldest", "canceled", "closed"),
        ("cancel_both", "canceled", "canceled"),
    ],
)
def test_an_account_never_trades_with_itself(
    desk: Desk, stp: str, resting_status: str, taking_status: str
) -> None:
    price, _ = desk.level(BID)
    resting = desk.order(tif="gtc", price=price + Decimal("0.1"))
    taking = desk.order(side="sell", price=price, stp=stp)
    assert (resting.status, taking.status) == (resting_status, taking_status)
    assert not resting.trades
