"""Matching bent by faults, and what events carry."""

from decimal import Decimal

import pytest

from arbit.sandbox.book import ASK
from arbit.sandbox.exchange import (
    Accepted,
    BalanceChanged,
    Filled,
    Hooks,
    Opened,
    Traded,
    VenueOrder,
)
from arbit.sandbox.orders import ZERO
from tests.unit.sandbox.account_desk import Desk, S, cut_off, expected


class Trouble(Hooks):
    """Every hook at once, each off unless asked for."""

    def __init__(self) -> None:
        self.delay_ns = 0
        self.share = Decimal(1)
        self.beyond = Decimal(0)
        self.third = ""

    def accept_delay_ns(self, order: VenueOrder) -> int:
        return self.delay_ns

    def fill_share(self, order: VenueOrder) -> Decimal:
        return self.share

    def overfill(self, order: VenueOrder) -> Decimal:
        return self.beyond

    def fee_asset(self, order: VenueOrder) -> str:
        return self.third


@pytest.fixture
def trouble(desk: Desk) -> Trouble:
    hooks = Trouble()
    desk.exchange.hooks = hooks
    return hooks


def test_a_delayed_order_is_pending_until_due_and_a_cancel_can_win(
    desk: Desk, trouble: Trouble
) -> None:
    trouble.delay_ns = S
    late = desk.order()
    assert late.status == "pending"
    assert desk.kinds() == ["Accepted"]
    desk.play(0.9)
    assert late.status == "pending"
    desk.exchange.tick(desk.now_ns + S)
    assert not late.is_open
    lost = desk.order()
    desk.exchange.cancel(desk.main, order_id=lost.order_id, client_id=None, now_ns=desk.now_ns)
    desk.exchange.tick(desk.now_ns + 2 * S)
    assert (lost.status, lost.filled) == ("canceled", ZERO)


def test_what_is_delayed_can_be_let_go_at_once_and_what_was_canceled_is_not_counted(
    desk: Desk, trouble: Trouble
) -> None:
    trouble.delay_ns = 600 * S
    held, lost, other = desk.order(), desk.order(), desk.order()
    desk.exchange.cancel(desk.main, order_id=lost.order_id, client_id=None, now_ns=desk.now_ns)
    assert desk.exchange.release(desk.now_ns + S) == 2
    assert [one.is_open for one in (held, other)] == [False, False]
    assert held.filled > ZERO
    assert (lost.status, lost.filled) == ("canceled", ZERO)
    assert "Traded" in desk.kinds()
    assert desk.exchange.release(desk.now_ns + S) == 0
    desk.exchange.tick(desk.now_ns + 601 * S)
    assert desk.kinds() == [], "each comes to its book once"


@pytest.mark.parametrize(("share", "filled"), [("0.5", "0.005"), ("0", "0")])
def test_an_ioc_can_be_made_to_fill_in_part_or_not_at_all(
    desk: Desk, trouble: Trouble, share: str, filled: str
) -> None:
    trouble.share = Decimal(share)
    order = desk.order()
    assert (order.status, order.filled) == ("canceled", Decimal(filled))


def test_an_overfill_is_booked_as_reported(desk: Desk, trouble: Trouble) -> None:
    trouble.beyond = Decimal("0.002")
    order = desk.order()
    assert (order.status, order.filled) == ("closed", Decimal("0.012"))
    assert desk.main.balance("BTC") == Decimal("0.112")
    assert not any(desk.exchange.totals().values())


def test_a_fee_in_a_third_asset_is_an_entry_of_its_own(desk: Desk, trouble: Trouble) -> None:
    trouble.third = "ETH"
    opening = dict(desk.main.balances)
    order = desk.order()
    (trade,) = order.trades
    assert (trade.fee_asset, len(trade.ledger_ids)) == ("ETH", 3)
    assert desk.main.balance("ETH") == 3 - cut_off(trade.fee, 10) < 3
    assert desk.main.balances == expected(desk, desk.main, opening)
    assert not any(desk.exchange.totals().values())


def test_events_carry_the_totals_of_their_moment(desk: Desk) -> None:
    levels = [desk.level(ASK, rank) for rank in range(2)]
    desk.exchange.deposit(desk.main, "USD", Decimal(10_000_000), desk.now_ns)
    order = desk.order(qty=levels[0][1] + levels[1][1], price=levels[1][0])
    traded = [event for event in desk.events if isinstance(event, Traded)]
    assert [event.cum_qty for event in traded] == [levels[0][1], order.qty]
    changed = [event for event in desk.events if isinstance(event, BalanceChanged)]
    assert changed[-1].balance == desk.main.balance("USD")
    assert isinstance(desk.events[1], Accepted)
    assert isinstance(desk.events[2], Opened)
    assert isinstance(desk.events[-1], Filled)
