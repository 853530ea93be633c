"""Fees that are not those of the schedule: booked as the venue took them; dearer ones are told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.execution.settling import FEE_TOLERANCE
from tests.unit.execution.world import FEE, FEES, World


def reckoning(fee: Decimal) -> World:
    """A daemon that reckons with this fee, at a venue that takes `FEE`."""

    class Reckoning(World):
        fees = dict.fromkeys(FEES, fee)

    return Reckoning()


async def test_a_dearer_fee_than_was_reckoned_with_is_booked_as_it_is_and_told() -> None:
    world = reckoning(FEE / 2)
    async with world.running():
        await world.trade()

    taken = {trade.trade_id: dict(trade.fees) for trade in world.venue.trades}
    assert {one.trade_id: dict(one.fees) for one in world.journal.trades.values()} == taken
    told = [one for one in world.journal.incidents if one.kind == "fee"]
    assert {one.client_id for one in told} == set(world.journal.orders)
    assert all("expected at most" in one.detail for one in told)
    world.agrees()


@pytest.mark.parametrize("reckoned", [FEE, FEE * 2, FEE / FEE_TOLERANCE])
async def test_a_fee_as_reckoned_or_cheaper_is_no_incident(reckoned: Decimal) -> None:
    world = reckoning(reckoned)
    async with world.running():
        await world.trade()

    assert world.journal.orders
    assert world.journal.incidents == []
    world.agrees()
