"""The checker sees whatever is wrong with a fee that the exchange took and stated later."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.checker import Database, Exchange, check, take

ID = "ab0000a1-11"
FILL = {
    "kind": "fill",
    "trade_id": "T1",
    "order_id": "O1",
    "cl_ord_id": ID,
    "symbol": "BTC/USD",
    "side": "buy",
    "qty": "0.001",
    "price": "50000",
    "cost": "50",
    "fee": "0.000002500",
    "fee_asset": "BTC",
    "moves": [["BTC", "0.001", "0.000002500"], ["USD", "-50", "0"]],
}
TERMS = {"side": "buy", "qty": "0.001", "price": "50000", "tif": "ioc"}
REQUEST = {
    "kind": "request",
    "at": 9,
    "method": "POST /v2/orders",
    "cl_ord_id": ID,
    "face": "rest",
    "pair": "BTC/USD",
    "deadline": "",
    **TERMS,
}
ACCEPT = {
    "kind": "accept",
    "order_id": "O1",
    "cl_ord_id": ID,
    "symbol": "BTC/USD",
    "fee_in": "base",
    **TERMS,
}
FEES = {
    "kind": "fees",
    "activity": "20261127::F1",
    "asset": "BTC",
    "amount": "0.000002500",
    "trades": ["T1"],
}
LINES = [
    ("opening", "USD", "100"),
    ("trade", "BTC", "0.001"),
    ("trade", "USD", "-50"),
    ("fee", "BTC", "-0.000002501"),
    ("late_fee", "BTC", "0.000000001"),
]


def exchange() -> Exchange:
    made = Exchange()
    opening = {"kind": "opening", "asset": "USD", "amount": "100"}
    for record in (opening, REQUEST, ACCEPT, FILL, FEES):
        take(made, copy.deepcopy(record))
    return made


def line(kind: str, book: str, asset: str, amount: str) -> dict[str, Any]:
    ref = {"late_fee": "20261127::F1", "opening": "opening:USD"}.get(kind, "T1")
    return {"ref": ref, "kind": kind, "book": book, "asset": asset, "amount": amount}


def database() -> Database:
    """What a daemon wrote that reckoned a unit too much, and was told."""
    fee = {"symbol": "BTC/USD", "asset": "BTC"}
    return Database(
        orders={
            ID: {
                "client_id": ID,
                "cycle_id": "c1",
                "symbol": "BTC/USD",
                "side": "buy",
                "receive": "BTC",
                "qty": "0.001",
                "limit_price": "50000",
                "deadline_ns": 99,
                "transport": "rest",
                "sent_ns": 5,
                "state": "filled",
            }
        },
        fills={
            "T1": {
                **{name: FILL[name] for name in ("symbol", "side", "qty", "price", "cost")},
                "trade_id": "T1",
                "order_id": "O1",
                "client_id": ID,
                "fees": json.dumps([["BTC", "0.000002501"]]),
                "fee_slack": "0.000000001",
            }
        },
        cycles={},
        ledger=[
            row
            for kind, asset, amount in LINES
            for row in (
                line(kind, "wallet", asset, amount),
                line(kind, "capital", asset, _minus(amount)),
            )
        ],
        late={"T1": {**fee, "guess": "0.000002501", "slack": "0.000000001", "ref": "20261127::F1"}},
        posted={"20261127::F1": {**fee, "fee": "0.0000025", "state": "fits"}},
    )


def _minus(amount: str) -> str:
    return amount[1:] if amount.startswith("-") else f"-{amount}"


def waits(kept: Database) -> None:
    """The daemon has not been told yet."""
    kept.late["T1"]["ref"] = ""
    kept.posted.clear()
    kept.ledger = [row for row in kept.ledger if row["kind"] != "late_fee"]


def test_a_fee_that_was_stated_and_booked_agrees() -> None:
    assert check(exchange(), database()) == []


def test_a_fee_that_waits_agrees_within_its_slack() -> None:
    kept = database()
    waits(kept)
    assert check(exchange(), kept) == []


def dearer(kept: Database) -> None:
    waits(kept)
    kept.late["T1"]["slack"] = kept.fills["T1"]["fee_slack"] = "0.0000000005"


def unbooked(kept: Database) -> None:
    kept.ledger = [row for row in kept.ledger if row["kind"] != "late_fee"]


def invented(kept: Database) -> None:
    kept.posted["F9"] = {**kept.posted["20261127::F1"], "fee": "0", "state": "told"}


def other_amount(kept: Database) -> None:
    kept.posted["20261127::F1"]["fee"] = "0.000002499"


def lost(kept: Database) -> None:
    kept.posted.clear()


def no_row(kept: Database) -> None:
    kept.late.clear()


def other_guess(kept: Database) -> None:
    kept.late["T1"]["guess"] = "0.000002502"


def unfit(kept: Database) -> None:
    kept.posted["20261127::F1"]["state"] = "told"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (dearer, "fill T1: {'BTC': Decimal('0.000002500')} there"),
        (dearer, "balance of BTC"),
        (unbooked, "late fees: {'BTC': Decimal('1E-9')} reckoned too much, {} booked"),
        (unbooked, "balance of BTC"),
        (invented, "posted fee F9: invented"),
        (other_amount, "posted fee 20261127::F1: 0.000002500 there, 0.000002499 here"),
        (lost, "fee of T1: 20261127::F1 is not kept"),
        (lost, "posted fee 20261127::F1: lost"),
        (no_row, "fee of T1: it does not wait, nor was it stated"),
        (other_guess, "waits"),
        (unfit, "it is of our fills, and told"),
    ],
)
def test_what_is_wrong_with_a_late_fee_is_told(
    damage: Callable[[Database], None], said: str
) -> None:
    kept = database()
    damage(kept)
    found = check(exchange(), kept)
    assert any(said in one for one in found), found


@pytest.mark.parametrize("name", ["pair", "side", "qty", "price", "tif", "face"])
def test_a_term_that_was_asked_otherwise_is_told(name: str) -> None:
    told = exchange()
    told.requested[0][name] = "2"
    assert any(f"sent with {name} '2'" in one for one in check(told, database()))
