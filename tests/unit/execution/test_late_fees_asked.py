"""When a venue is asked for the fees that it states later, and from when on (0009)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.account import Flow
from arbit.execution.fee_fit import DAYS_NS
from arbit.execution.late_fees import LateFees
from arbit.execution.opening import settled_balances
from arbit.risk.breaker import BreakerState
from tests.unit.execution.happenings import audit, auditing, incidents, pass_time
from tests.unit.execution.late_world import UNIT, LateWorld, traded
from tests.unit.persistence import made

D = Decimal
MINUTE_S = 60


@pytest.mark.parametrize("waits", ["nothing", "something"])
async def test_fees_are_asked_for_now_and_then_only_while_something_waits(waits: str) -> None:
    world = await traded()
    world.posts(world.venue.trades[: 3 if waits == "nothing" else 2])
    async with world.running():
        with auditing(world):
            await pass_time(world, 30, 1)
            listings = world.venue.listings
            await pass_time(world, 31 * MINUTE_S, 5)
    assert world.venue.listings - listings == (0 if waits == "nothing" else 3)


async def test_the_longer_the_list_the_seldomer_it_is_asked_for() -> None:
    world = await traded()
    wall_ns = world.clock.wall_ns()
    old = [Flow(f"D-{n}", "USD", D("0.01") * (-1) ** n, "deposit", wall_ns) for n in range(3_000)]
    world.venue.flows += old
    often = replace(world.setup, fees_posted_every_ns=5 * 10**9)  # as on the sandbox
    world.auditor._late_fees = LateFees(often)
    async with world.running():
        with auditing(world):
            await pass_time(world, 30, 1)
            listings = world.venue.listings
            await pass_time(world, 10 * MINUTE_S, 1)
    assert len(world.waiting()) == 3
    assert 5 <= world.venue.listings - listings <= 7  # every minute and a half, for thirty requests


async def test_fees_that_are_not_posted_for_days_are_told_once() -> None:
    world = await traded()
    world.clock.now_ns += 6 * 86_400 * 10**9
    async with world.running():
        await audit(world)
        world.auditor._unlisted += 1
        await audit(world)
    assert incidents(world) == ["fee"]
    assert "not posted the fees of 3 trades" in world.journal.incidents[0].detail


async def test_an_account_is_not_opened_while_a_trade_may_be_in_its_balances_or_not() -> None:
    world = LateWorld()  # at such a venue no flow tells of a trade
    seconds_ago = world.clock.wall_ns() - 10**9
    hand = replace(made.trade("T-hand", "", "0.1"), at_ns=seconds_ago, fee_slack=UNIT)
    world.venue.trades.append(hand)
    looking = asyncio.ensure_future(settled_balances(world.setup, world.venue, untold=True))
    for _ in range(100):
        await world.clock.advance(0.1)
    opened_ns, balances = await looking
    assert opened_ns > hand.at_ns, "it would be booked again, on top of the opening"
    assert balances


async def test_a_fee_that_is_never_posted_has_no_more_of_the_history_listed_each_day() -> None:
    world = await traded()
    late_fees, day_ns = world.auditor._late_fees, 86_400 * 10**9
    first_ns = world.ledger.late_fees[0].at_ns
    assert late_fees.since_ns(world.clock.wall_ns()) == max(0, first_ns - DAYS_NS)
    world.clock.now_ns += 40 * day_ns
    assert late_fees.since_ns(world.clock.wall_ns()) == world.clock.wall_ns()
    async with world.running():
        await audit(world)
        assert world.engine.take(world.plan("149"), world.clock.now_ns) is None
        await pass_time(world, 5)
    assert len(world.waiting()) == 6
    newest_ns = world.ledger.late_fees[3].at_ns
    assert late_fees.since_ns(world.clock.wall_ns()) == newest_ns - DAYS_NS
    world.posts(world.venue.trades[3:])
    async with world.running():
        await audit(world)
    assert len(world.waiting()) == 3, "their slack stays"
    assert world.breaker.state() is BreakerState.ACTIVE
