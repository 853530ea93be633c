"""A parallel leg fails on a real wire: the others are cancelled, or found out all the same."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from arbit.domain.cycle import Policy
from arbit.domain.order import OrderState
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.kraken.private import parts
from tests.exposure import Limits, Meter
from tests.shapes.rig import Daemon, Rig, rig

pytestmark = pytest.mark.unstalled

LATE_MS, SOON_MS = 1_000, 15  # when the other legs are matched: after the cancels, or about then
NO_FUNDS = "EOrder:Insufficient funds"
# How the venue treats a cancel, when the orders are matched, and how they then end.
CASES: dict[str, tuple[dict[str, Any], int, set[str]]] = {
    "obeyed": ({}, LATE_MS, {"empty"}),
    "a race": ({}, SOON_MS, {"empty", "filled"}),
    "unknown order": ({"error": "EOrder:Unknown order", "accepted": False}, LATE_MS, {"filled"}),
    "no reply, not done": ({"when": "before"}, LATE_MS, {"filled"}),
    "no reply, done": ({"when": "after"}, LATE_MS, {"empty"}),
}


@pytest.mark.parametrize("transport", ["ws", "rest"])
@pytest.mark.parametrize("name", list(CASES))
async def test_the_other_legs_are_cancelled_or_found_out(
    transport: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault, delay_ms, ends = CASES[name]
    # A key asks one question at a time: a cancel without a reply would hold the others up so long.
    quick = functools.partial(CcxtSettings, rest_timeout_ms=300)
    monkeypatch.setattr(parts, "CcxtSettings", quick)
    async with rig(transport, policy=Policy.PARALLEL) as one:
        faults = one.server.faults
        faults.set("match_delay", delay_ms=delay_ms, times=2)
        method = {"ws": "add_order", "rest": "AddOrder"}[transport]
        faults.set("order_error", method=method, error=NO_FUNDS, accepted=False)
        if fault:
            kind = "order_error" if "error" in fault else "order_silent"
            faults.set(kind, method="cancel", times=2, **fault)
        async with one.daemon() as daemon:
            await daemon.trade()
            await asyncio.sleep(0.1)
            await daemon.settle()
            assert await daemon.findings() == []
            check(one, daemon, ends)


def check(one: Rig, daemon: Daemon, ends: set[str]) -> None:
    rows = [row for row in one.journal.orders.values() if row.leg_index]
    states = sorted(row.state.value for row in rows)
    assert states.count("rejected") == 1
    assert set(states) - {"rejected"} <= ends
    log = list(one.server.exchange.log.records)
    asked = [r["cl_ord_id"] for r in log if r["kind"] == "request" and "ancel" in r["method"]]
    wanted = sorted(r.intent.client_id for r in rows if r.state.value != "rejected")
    assert sorted(asked) == wanted, "each was asked for once"
    meter = Meter(Limits(max_cycles=1), log)
    assert meter.findings == []
    (end,) = daemon.engine.ends
    assert end == ("flat" if set(states) == {"rejected", "empty"} else "unwound")


@pytest.mark.parametrize("transport", ["ws", "rest"])
async def test_a_start_cancels_what_the_last_run_left_open_before_it_sends_anything(
    transport: str,
) -> None:
    async with rig(transport) as one:
        one.server.faults.set("match_delay", delay_ms=20_000, times=1)
        async with one.daemon() as daemon:
            assert daemon.engine.take(daemon.plan(), daemon.clock.monotonic_ns()) is None
            await asyncio.sleep(0.1)
        account = one.server.exchange.books.account("main")
        assert len(account.open_orders) == 1
        async with one.daemon() as daemon:
            assert not account.open_orders
            await daemon.settle()
            await daemon.trade()
            assert await daemon.findings() == []
    log = list(one.server.exchange.log.records)
    asked = [r["method"].lower().replace("_", "") for r in log if r["kind"] == "request"]
    assert asked[:2] == ["addorder", "cancelorder"]
    assert asked.count("cancelorder") == 1
    first = next(row for row in one.journal.orders.values())
    assert first.state is OrderState.EMPTY
