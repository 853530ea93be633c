"""Runs one case and says what is wrong with how it ended."""

from __future__ import annotations

import asyncio

from arbit.config import RiskSettings
from arbit.domain.order import OrderState
from tests.shapes.cases import WORDS, Case
from tests.shapes.rig import Daemon, Rig, rig

TRIES = 3
NOT_MET = "the order that the fault waits for was never sent"
METHODS = {"ws": "add_order", "rest": "AddOrder"}
SKIPS = {"leg_1": 0, "leg_2": 1, "leg_3": 2, "unwind": 2, "recovery": 0}


async def run_case(case: Case) -> list[str]:
    """The findings of one case; none when all is well.

    On a machine that is too busy a leg can miss its deadline, and the order that the fault waits
    for is never sent: that is no case at all, and it is made again.
    """
    for _ in range(TRIES):
        found = await _run_once(case)
        if found != [NOT_MET]:
            break
    return found


async def _run_once(case: Case) -> list[str]:
    usual = {"resolve_margin_ms": RiskSettings().resolve_margin_ms}
    async with rig(case.transport, **(usual if case.lag_ms else {})) as one:
        method = METHODS[case.transport]
        _lag(one, case)
        if case.phase == "unwind":  # leg 2 fills nothing, so that the third order brings home
            one.server.faults.set("fill_share", share=0.0, skip=1)
        params = dict(case.params)
        one.server.faults.set(case.fault, method=method, skip=SKIPS[case.phase], **params)
        return await (_recovered(one, case) if case.phase == "recovery" else _traded(one, case))


def _lag(one: Rig, case: Case) -> None:
    if case.lag_ms:
        one.server.faults.set("read_lag", lag_ms=case.lag_ms)
        if case.transport == "rest":  # there the stream would tell it without a reply
            one.server.faults.set("exec_mute")


async def _traded(one: Rig, case: Case) -> list[str]:
    async with one.daemon() as daemon:
        await daemon.trade()
        await _calm(daemon)
        return await daemon.findings() + _misjudged(one, case)


async def _recovered(one: Rig, case: Case) -> list[str]:
    """The first daemon is gone as soon as its order has left; the next finds out."""
    async with one.daemon() as daemon:
        daemon.engine.take(daemon.plan(), daemon.clock.monotonic_ns())
        await asyncio.sleep(0.05)
    one.server.faults.clear()
    _lag(one, case)
    async with one.daemon() as daemon:
        await daemon.settle()
        await _calm(daemon)
        return await daemon.findings()


async def _calm(daemon: Daemon) -> None:
    """A moment for what is still on its way, such as the report of a late order."""
    await asyncio.sleep(0.1)
    await daemon.settle()


def _misjudged(one: Rig, case: Case) -> list[str]:
    """An order refused in words must be REJECTED when they prove it, and only then."""
    word = case.params.get("error", "")
    if case.fault != "order_error" or case.params.get("accepted"):
        return []
    index = SKIPS[case.phase]
    if len(one.journal.orders) <= index:
        return [NOT_MET]
    record = list(one.journal.orders.values())[index]
    wanted = OrderState.REJECTED if WORDS[word] else OrderState.NEVER
    if record.state is wanted:
        return []
    return [f"{word!r}: {record.state.value}, expected {wanted.value} ({record.reason})"]
