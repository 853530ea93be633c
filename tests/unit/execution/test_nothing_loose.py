"""Whatever the venue does: no cycle ends as if all were well that owns something tradable."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.triangle import Side
from arbit.execution import unwind
from arbit.execution.cycle import Cycle
from arbit.ledger import opening
from arbit.risk.breaker import BreakerState
from tests.unit.execution.happenings import audit, kept_cycles, over
from tests.unit.execution.world import FEES, Script, World, usual_settings

D = Decimal
WELL = {CycleState.DONE, CycleState.UNWOUND, CycleState.FLAT}
SCRIPTS = st.builds(
    Script,
    fraction=st.sampled_from([D(f) for f in ("0", "0.001", "0.01", "0.25", "0.5", "0.999", "1")]),
    shape=st.sampled_from(["ok", "ok", "ok", "reject", "lost_before", "lost_after"]),
    pieces=st.integers(1, 3),
    asks=st.integers(0, 4),
    fee_asset=st.sampled_from(["", "", "", "KFEE", "USD", "BTC", "ETH"]),
    over=st.sampled_from([D(0), D(0), D("0.001"), D("0.05")]),
)


@pytest.mark.untraced
@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=12),
    policy=st.sampled_from(Policy),
    cycles=st.integers(1, 3),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_tradable_is_left_in_a_cycle_that_ended_well_and_the_ledger_is_the_venues(
    scripts: list[Script], policy: Policy, cycles: int
) -> None:
    asyncio.run(_nothing_loose(scripts, policy, cycles))


async def _nothing_loose(scripts: list[Script], policy: Policy, cycles: int) -> None:
    world = World(*scripts, settings=usual_settings(policy=policy, max_exposure=D(400)))
    world.venue.balances_["KFEE"] = D(1)  # what pays fees is there: a spot account cannot owe
    world.ledger.apply(opening("KFEE", D(1), 0))
    async with world.running():
        for _ in range(cycles):
            world.engine.take(world.plan(), world.clock.now_ns)
        await over(world, 150)
        world.agrees()
        await audit(world)
    assert world.breaker.state() is not BreakerState.HALTED, world.breaker.detail
    for cycle in kept_cycles(world):
        assert cycle.record.ended_ns
        if cycle.state in WELL:
            around = unwind.Surroundings(world.sights.books.get, world.sights.markets, FEES)
            left = unwind.look(cycle, D(10**6), around)
            assert left.home, (cycle.state, cycle.moved(), left.prices)
            assert tradable(world, cycle) == [], (cycle.state, cycle.moved())


def tradable(world: World, cycle: Cycle) -> list[str]:
    """The orders on its own markets that what the cycle has, or owes, would be enough for."""
    found = []
    for row in cycle.record.plan:
        one, book = world.sights.markets[row.leg.symbol], world.sights.books[row.leg.symbol]
        lot, least, cost = one.qty_increment, one.qty_min, one.cost_min
        assert lot is not None
        assert least is not None
        assert cost is not None
        for leg in (row.leg, row.leg.reversed()):
            amount = abs(cycle.has(leg.spend)) if leg.spend != cycle.start else D(0)
            price = max(row.limit_price, book.facing(leg.side)[0].price)
            qty = (amount if leg.side is Side.SELL else amount / price) // lot * lot
            if qty >= least and qty * min(price, row.limit_price) >= cost:
                found.append(f"{leg}: {qty}")
    return found
