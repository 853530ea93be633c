"""What the simulation demands of limits and plans, on figures that can be reckoned by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.simulation.limits import at_limits, worse_than_planned

BUY_FIRST = json.dumps(
    [
        ["EUR/USD", "buy", "USD", "EUR", "100", "1.08", "0.001"],
        ["BTC/EUR", "buy", "EUR", "BTC", "0.002", "50000", "0.001"],
        ["BTC/USD", "sell", "BTC", "USD", "0.002", "55000", "0.001"],
    ]
)
SELL_FIRST = json.dumps(
    [
        ["BTC/USD", "sell", "BTC", "USD", "0.002", "55000", "0"],
        ["EUR/USD", "buy", "USD", "EUR", "100", "1.08", "0"],
        ["BTC/EUR", "buy", "EUR", "BTC", "0.0021", "50000", "0"],
    ]
)


def order(side: str, symbol: str, qty: str, price: str) -> dict[str, Any]:
    return {"side": side, "symbol": symbol, "qty": Decimal(qty), "price": Decimal(price)}


@pytest.mark.parametrize(
    ("index", "sent", "why"),
    [
        (1, order("buy", "EUR/USD", "100", "1.08"), ""),
        (1, order("buy", "EUR/USD", "60", "1.07"), ""),
        (1, order("buy", "EUR/USD", "100", "1.0801"), "at 1.0801"),
        (1, order("buy", "EUR/USD", "100.1", "1.08"), "100.1 EUR/USD"),
        (1, order("sell", "EUR/USD", "100", "1.08"), "sell EUR/USD"),
        (3, order("sell", "BTC/USD", "0.002", "55000.1"), ""),
        (3, order("sell", "BTC/USD", "0.002", "54999.9"), "at 54999.9"),
        (3, order("sell", "BTC/EUR", "0.002", "55000"), "sell BTC/EUR"),
    ],
)
def test_an_order_of_a_leg_is_no_larger_and_no_worse_than_planned(
    index: int, sent: dict[str, Any], why: str
) -> None:
    said = worse_than_planned(sent, index, BUY_FIRST)
    assert why in said
    assert bool(said) == bool(why)


def test_what_a_plan_earns_at_its_limits() -> None:
    assert at_limits(BUY_FIRST) == Decimal("1.89")  # 110, less a fee of 0.11, for 108
    assert at_limits(SELL_FIRST) == Decimal("0.0001")
