"""What the simulation demands of limits and plans, on figures that can be reckoned by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.checker import Database
from tests.simulation.limits import at_limits, worse_than_planned
from tests.simulation.worth import misreported

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


def judged(told: str | None, eur: str, btc: str, lost: str = "", blind: str = "") -> str:
    """What is said of a cycle that moved so much of each, in words."""
    fill = {"client_id": "a", "symbol": "BTC/EUR", "side": "buy", "fees": "[]"}
    fill |= {"qty": btc, "cost": str(-Decimal(eur))}
    cycle = {"profit_ref": told, "ended_ns": 1}
    database = Database({"a": {"cycle_id": "one"}}, {"T": fill}, {"one": cycle}, [])
    words = misreported(database, {"one": set(lost.split())}, lambda _: frozenset(blind.split()))
    return "; ".join(words)


@pytest.mark.parametrize(
    ("told", "moved", "lost", "blind", "why"),
    [
        ("-0.04920", ("-100", "0.0017066"), "", "", ""),
        ("10", ("-100", "0.0017066"), "", "", "are worth -0.0492"),
        ("108.37", ("-100", "0.0017066"), "EUR", "EUR", "though nobody prices"),
        (None, ("-100", "0.0017066"), "EUR", "EUR", ""),
        (None, ("-100", "0.0017066"), "EUR", "", "is said to have lost EUR"),
        (None, ("-100", "0.0017066"), "BTC", "BTC", "is said to have lost BTC"),
        (None, ("-100", "0.0017066"), "", "EUR", "not told what it earned"),
        (None, ("-100", "-0.001"), "EUR", "EUR", "though it lost 63.5"),
        ("-63.501", ("-100", "-0.001"), "EUR", "EUR", ""),
        ("-108.42", ("-100", "0.0017066"), "", "BTC", ""),
        ("-108.42", ("-100", "0.0017066"), "", "ETH", "are worth -0.0492"),
        ("0.0635", ("2", "0.000001"), "", "EUR", ""),
        ("0.0635", ("2", "0.000001"), "", "", "are worth 2.2319"),
    ],
)
def test_a_result_is_what_fills_are_worth_but_for_what_no_book_priced(
    told: str | None, moved: tuple[str, str], lost: str, blind: str, why: str
) -> None:
    said = judged(told, *moved, lost, blind)
    assert why in said
    assert bool(said) == bool(why)
