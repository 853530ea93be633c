"""Orders as values: what they may move, what they moved, and how one ends by its trades."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.order import (
    Fill,
    OrderHappening,
    OrderIntent,
    OrderReport,
    OrderState,
    Trade,
    end_of,
    happening_of,
    total,
)
from arbit.domain.triangle import Leg, Side

D = Decimal
BUY = Leg("BTC/USD", Side.BUY, "USD", "BTC")
SELL = BUY.reversed()


def intent(leg: Leg) -> OrderIntent:
    return OrderIntent("ab1", leg, D("0.5"), D(200), D("0.001"))


def trade(side: Side = Side.BUY, qty: str = "2", **changes: object) -> Trade:
    usual: dict[str, object] = {
        "trade_id": "T",
        "order_id": "O",
        "client_id": "ab1",
        "symbol": "BTC/USD",
        "side": side,
        "qty": D(qty),
        "price": D(50),
        "cost": D(100),
        "fees": (),
        "at_ns": 1,
    }
    return Trade(**(usual | changes))  # type: ignore[arg-type]  # the fields of a trade


@pytest.mark.parametrize(("leg", "spent", "received"), [(BUY, "100", "0.5"), (SELL, "0.5", "100")])
def test_what_an_order_may_spend_and_bring_at_its_limit(
    leg: Leg, spent: str, received: str
) -> None:
    assert intent(leg).most_spent == D(spent)
    assert intent(leg).most_received == D(received)


@pytest.mark.parametrize(
    ("leg", "fee_asset", "spent", "received"),
    [
        (BUY, "BTC", "99", "0.4"),
        (BUY, "USD", "99.1", "0.5"),
        (BUY, "KFEE", "99", "0.5"),
        (SELL, "USD", "0.5", "98.9"),
        (SELL, "BTC", "0.6", "99"),
        (SELL, "KFEE", "0.5", "99"),
    ],
)
def test_a_fee_is_on_top_of_what_left_or_off_what_came(
    leg: Leg, fee_asset: str, spent: str, received: str
) -> None:
    fill = Fill(D("0.5"), D(99), D("0.1"), fee_asset)
    report = OrderReport(intent(leg), OrderState.FILLED, 1, fill)
    assert (report.spent, report.received) == (D(spent), D(received))


def test_an_order_that_did_not_trade_moved_nothing() -> None:
    report = OrderReport(intent(BUY), OrderState.EMPTY, 1)
    assert (report.spent, report.received) == (D(0), D(0))


def test_a_trade_moves_its_two_assets_and_pays_each_of_its_fees() -> None:
    fees = (("BTC", D("0.1")), ("KFEE", D(3)))
    assert trade(Side.BUY, fees=fees).moves("BTC", "USD") == (
        ("BTC", D(2)),
        ("USD", D(-100)),
        ("BTC", D("-0.1")),
        ("KFEE", D(-3)),
    )
    assert trade(Side.SELL, fees=(("USD", D(1)),)).moves("BTC", "USD") == (
        ("BTC", D(-2)),
        ("USD", D(100)),
        ("USD", D(-1)),
    )


@pytest.mark.parametrize(
    ("traded", "state"),
    [
        ([], OrderState.EMPTY),
        (["0"], OrderState.EMPTY),
        (["0.001"], OrderState.PARTIAL),
        (["1", "0.999"], OrderState.PARTIAL),
        (["1", "1"], OrderState.FILLED),
        (["2.001"], OrderState.FILLED),
    ],
)
def test_how_an_order_of_two_ended_by_what_was_traded(traded: list[str], state: OrderState) -> None:
    assert end_of(D(2), [trade(qty=qty) for qty in traded]) is state


def test_a_total_is_exact_however_small_what_is_added() -> None:
    assert total([D("1E+20"), D("1E-20"), D(-1)]) == D("99999999999999999999.00000000000000000001")
    assert total([]) == 0


STANDS_FOR = {
    OrderState.ACKED: OrderHappening.ACK,
    OrderState.REJECTED: OrderHappening.REJECT,
    OrderState.UNKNOWN: OrderHappening.LOSE,
    OrderState.FILLED: OrderHappening.FILL_ALL,
    OrderState.PARTIAL: OrderHappening.FILL_PART,
    OrderState.EMPTY: OrderHappening.FILL_NONE,
    OrderState.NEVER: OrderHappening.FIND_NEVER,
}


@pytest.mark.parametrize("state", list(OrderState))
def test_what_an_outcome_stands_for_and_no_outcome_is_planned_or_sent(state: OrderState) -> None:
    if state in STANDS_FOR:
        assert happening_of(state) is STANDS_FOR[state]
    else:
        with pytest.raises(KeyError):
            happening_of(state)


def test_five_states_of_an_order_are_ends() -> None:
    ends = {"filled", "partial", "empty", "rejected", "never"}
    assert {state.value for state in OrderState if state.over} == ends
