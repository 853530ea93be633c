"""The checker sees each term of an order that is not what was written, on either face."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arbit.app.store import open_journal
from arbit.clock import SystemClock
from arbit.domain.account import AccountId, Mode
from arbit.venues.kraken.private import ws_orders
from arbit.venues.kraken.rest_orders import RestOrders
from tests.checker import Database, Exchange, check_written_first, compare
from tests.shapes.rig import rig
from tests.terms import spellings

ID = "ab0000a1-11"
AT_NS = 1_795_734_184_587_351_123
ROW = {
    "client_id": ID,
    "symbol": "BTC/USD",
    "side": "buy",
    "receive": "BTC",
    "qty": "0.00100000",
    "limit_price": "50000.0",
    "deadline_ns": AT_NS,
    "transport": "ws",
    "sent_ns": AT_NS - 9,
}
REQUEST = {
    "at": AT_NS,
    "cl_ord_id": ID,
    "face": "ws",
    "method": "add_order",
    "pair": "BTC/USD",
    "side": "buy",
    "qty": "0.001",
    "price": "50000.0",
    "tif": "ioc",
    "deadline": "2026-11-26T23:03:04.587Z",
    "validate": "",
}
OVER_REST = {"face": "rest", "method": "AddOrder", "pair": "XXBTZUSD", "tif": "IOC"}
ACCEPT = {
    "order_id": "O-1",
    "cl_ord_id": ID,
    "symbol": "BTC/USD",
    "side": "buy",
    "qty": "0.001",
    "price": "50000",
    "tif": "ioc",
    "fee_in": "base",
}
FACES = {"ws": {}, "rest": OVER_REST}


def findings(request: dict[str, Any], accept: dict[str, Any], **row: Any) -> list[str]:
    exchange = Exchange(requested=[request], accepts={"O-1": accept})
    database = Database(orders={ID: ROW | row}, fills={}, cycles={}, ledger=[])
    return check_written_first(exchange, database)


@pytest.mark.parametrize("face", FACES)
def test_an_order_that_is_what_was_written_has_no_finding(face: str) -> None:
    assert findings(REQUEST | FACES[face], ACCEPT, transport=face) == []


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("face", "carrier pigeon"),
        ("pair", "ETH/USD"),
        ("pair", "XETHZUSD"),
        ("pair", ""),
        ("side", "sell"),
        ("qty", "0.0010001"),
        ("qty", ""),
        ("price", "50000.1"),
        ("tif", "gtc"),
        ("tif", ""),
        ("deadline", ""),
        ("deadline", "2026-11-26T23:03:04.588Z"),
        ("deadline", "2026-11-26T23:03:05Z"),
    ],
)
def test_each_term_of_a_request_is_compared(face: str, name: str, wrong: str) -> None:
    found = findings(REQUEST | FACES[face] | {name: wrong}, ACCEPT, transport=face)
    assert found[0].startswith(f"{ID}: sent with {name} {wrong!r}, written was ")


def test_an_order_without_a_deadline_of_its_own_is_a_finding() -> None:
    assert findings(REQUEST | {"deadline": ""}, ACCEPT, deadline_ns=0) != []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("symbol", "ETH/USD"),
        ("side", "sell"),
        ("qty", "0.002"),
        ("price", "1"),
        ("tif", "gtc"),
        ("fee_in", "quote"),
    ],
)
def test_each_term_of_an_acceptance_is_compared(name: str, wrong: str) -> None:
    (found,) = findings(REQUEST, ACCEPT | {name: wrong})
    assert found.startswith(f"{ID}: accepted with {name} {wrong!r}, written was ")


def test_a_fee_is_paid_in_what_a_sale_receives_too() -> None:
    sale = {"side": "sell", "receive": "USD"}
    request, accept = REQUEST | {"side": "sell"}, ACCEPT | {"side": "sell", "fee_in": "quote"}
    assert findings(request, accept, **sale) == []
    assert findings(request, accept | {"fee_in": "base"}, **sale) != []
    assert findings(request, accept, side="sell", receive="BTC") != []


def test_a_pair_may_be_spelt_as_rest_spells_it() -> None:
    known = {"BTC/USD": "XXBTZUSD", "ETH/BTC": "XETHXXBT", "DOGE/EUR": "XDGEUR"}
    known |= {"EUR/USD": "ZEURZUSD", "SOL/BTC": "SOLXBT", "USDT/USD": "USDTZUSD"}
    for symbol, name in known.items():
        assert name in spellings(symbol, "rest")
        assert name not in spellings(symbol, "ws")


Bend = Callable[[pytest.MonkeyPatch], None]


def frames(old: str, new: str) -> Bend:
    """A daemon whose WebSocket frames say something else."""

    def bend(patch: pytest.MonkeyPatch) -> None:
        real = ws_orders.add_order_frame
        patch.setattr(
            ws_orders, "add_order_frame", lambda *of: real(*of).replace(old.encode(), new.encode())
        )

    return bend


def fields(**changed: str) -> Bend:
    """A daemon whose REST orders have other fields; an empty one is left out."""

    def bend(patch: pytest.MonkeyPatch) -> None:
        real = RestOrders._params

        def bent(self: RestOrders, *of: Any) -> dict[str, str]:
            return {k: v for k, v in (real(self, *of) | changed).items() if v}

        patch.setattr(RestOrders, "_params", bent)

    return bend


@pytest.mark.parametrize(
    ("face", "bend", "said"),
    [
        ("ws", frames("nothing", "at all"), ""),
        ("ws", frames('"time_in_force":"ioc",', ""), "tif"),
        ("ws", frames('"deadline"', '"dead_line"'), "deadline"),
        ("ws", frames('"fee_preference"', '"fee_reference"'), "fee_in"),
        ("rest", fields(), ""),
        ("rest", fields(timeinforce="GTC"), "tif"),
        ("rest", fields(deadline=""), "deadline"),
        ("rest", fields(oflags=""), "fee_in"),
    ],
)
async def test_a_daemon_with_such_a_bug_is_found_out_by_its_own_trades(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, face: str, bend: Bend, said: str
) -> None:
    bend(monkeypatch)
    account = AccountId("sandbox", Mode.SANDBOX, "k")
    log, database = tmp_path / "events.ndjson", tmp_path / "arbit.db"
    async with rig(face) as one:
        with open_journal(tmp_path, account, SystemClock()) as one.journal:
            async with one.daemon() as daemon:
                await daemon.trade()
                await daemon.auditor.reconcile()  # what was rounded is booked
        records = [json.dumps(record) for record in one.server.exchange.log.records]
    log.write_text("\n".join(records) + "\n")
    found = compare(log, database)
    assert any(f" with {said} " in line for line in found) if said else not found, found
