"""An order and its envelope: what just fits, and what is said of what does not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.order import OrderIntent
from arbit.domain.records import Purpose
from arbit.domain.refusal import Refused
from arbit.domain.triangle import Leg, Side
from arbit.risk import checks
from arbit.risk.envelope import Allowance, Approved

D = Decimal
NOW = 7_000_000_000
BUY_BTC = Leg("BTC/USD", Side.BUY, "USD", "BTC")
SELL_BTC = BUY_BTC.reversed()


def said(refused: object) -> tuple[str, dict[str, str]]:
    assert isinstance(refused, Refused)
    return refused.code.value, dict(refused.figures)


def envelope(*allowances: Allowance) -> Approved:
    return Approved("c1", Purpose.LEG, allowances, D(1), NOW)


BUY = Allowance("BTC/USD", Side.BUY, D(2), D(100))
SELL = Allowance("BTC/USD", Side.SELL, D(3), D(90))


def intent(leg: Leg, qty: str, limit: str) -> OrderIntent:
    return OrderIntent("ab1", leg, D(qty), D(limit), D(0))


@pytest.mark.parametrize(
    ("order", "funds"),
    [
        (intent(BUY_BTC, "2", "100"), "200"),
        (intent(BUY_BTC, "1", "99"), "99"),
        (intent(SELL_BTC, "3", "90"), "3"),
        (intent(SELL_BTC, "0.001", "200"), "0.001"),
    ],
)
def test_an_order_that_just_fits_its_envelope_its_funds_and_its_time_may_leave(
    order: OrderIntent, funds: str
) -> None:
    assert checks.inside(order, envelope(BUY, SELL), D(funds), NOW) is None


@pytest.mark.parametrize(
    ("order", "allowed"),
    [
        (intent(BUY_BTC, "2.1", "100"), BUY),
        (intent(BUY_BTC, "2", "100.01"), BUY),
        (intent(BUY_BTC, "0", "100"), BUY),
        (intent(BUY_BTC, "-1", "100"), BUY),
        (intent(SELL_BTC, "3.1", "90"), SELL),
        (intent(SELL_BTC, "3", "89.99"), SELL),
    ],
)
def test_an_order_larger_or_worse_than_approved_is_refused_with_both(
    order: OrderIntent, allowed: Allowance
) -> None:
    refused = checks.inside(order, envelope(BUY, SELL), D(10_000), NOW)
    assert said(refused) == (
        "envelope",
        {
            "qty": str(order.qty),
            "most": str(allowed.max_qty),
            "limit": str(order.limit_price),
            "worst": str(allowed.worst_price),
        },
    )


def test_an_order_that_was_never_approved_is_refused_by_name() -> None:
    other = Leg("ETH/USD", Side.BUY, "USD", "ETH")
    for order in (intent(SELL_BTC, "1", "100"), intent(other, "1", "1")):
        refused = checks.inside(order, envelope(BUY), D(10_000), NOW)
        assert said(refused) == ("envelope", {"order": str(order.leg)})


def test_an_order_beyond_its_funds_or_its_time_is_refused_with_how_far() -> None:
    order = intent(BUY_BTC, "2", "100")
    assert said(checks.inside(order, envelope(BUY), D("199.99"), NOW)) == (
        "funds",
        {"spends": "200", "funds": "199.99"},
    )
    late = checks.inside(order, envelope(BUY), D(200), NOW + 2_999_999)
    assert said(late) == ("expired", {"late_ms": "2"})
    assert said(checks.inside(order, envelope(BUY), D(200), NOW + 1)) == (
        "expired",
        {"late_ms": "0"},
    )
