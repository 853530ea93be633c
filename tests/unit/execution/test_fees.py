"""Fees that are not those of the schedule: booked as the venue took them; dearer ones are told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.refusal import RefusalCode, Refused
from tests.unit.execution.world import FEE, FEES, Script, World

D = Decimal
TENTH_OF_A_BP = D("0.00001")


def reckoning(fee: Decimal, *scripts: Script) -> World:
    """A daemon that reckons with this fee, at a venue that takes `FEE`."""

    class Reckoning(World):
        fees = dict.fromkeys(FEES, fee)

    return Reckoning(*scripts)


async def test_a_dearer_fee_than_was_reckoned_with_is_booked_as_it_is_and_told() -> None:
    world = reckoning(FEE / 2)
    async with world.running():
        await world.trade()

    taken = {trade.trade_id: dict(trade.fees) for trade in world.venue.trades}
    assert {one.trade_id: dict(one.fees) for one in world.journal.trades.values()} == taken
    (told,) = [one for one in world.journal.incidents if one.kind == "fee"]
    assert told.client_id == next(iter(world.journal.orders)), "the first to be taken so much"
    assert "took a fee of 10 bps, 5 were expected" in told.detail
    world.agrees()


@pytest.mark.parametrize("reckoned", [FEE, FEE * 2, FEE - TENTH_OF_A_BP])
async def test_a_fee_as_reckoned_or_cheaper_is_no_incident(reckoned: Decimal) -> None:
    world = reckoning(reckoned)
    async with world.running():
        await world.trade()

    assert world.journal.orders
    assert world.journal.incidents == []
    assert world.setup.fees.doubt() == ""
    world.agrees()


async def test_a_fee_in_an_asset_that_nobody_prices_is_told_and_doubts_nothing() -> None:
    world = reckoning(FEE, *[Script(fee_asset="KFEE")] * 3)
    world.venue.balances_["KFEE"] = D(1)
    async with world.running():
        await world.trade()

    told = [one.detail for one in world.journal.incidents if one.kind == "fee"]
    assert len(told) == 3
    assert all("KFEE, expected at most" in one for one in told)
    assert world.setup.fees.doubt() == ""


@pytest.mark.parametrize(("reckoned_bps", "doubted"), [("1.5", ["ETH/BTC"]), ("2", [])])
async def test_a_fee_in_a_third_asset_is_compared_by_what_it_is_worth(
    reckoned_bps: str, doubted: list[str]
) -> None:
    """Three cents of a leg of 150 dollars are two basis points."""
    nothing = D("0.00000001")
    scripts = [Script(fee_asset="BTC", fee=nothing), Script(fee_asset="USD", fee=D("0.03000"))]
    scripts += [Script(fee_asset="USD", fee=nothing)] * 4
    world = reckoning(D(reckoned_bps) / 10_000, *scripts)
    async with world.running():
        await world.trade()

    assert dict(world.venue.trades[1].fees) == {"USD": D("0.03")}
    assert list(world.setup.fees.doubts) == doubted


async def test_a_fee_too_high_to_be_a_rate_stops_what_is_new_like_any_dearer_one() -> None:
    """Twelve percent of a leg: told each time, and no second cycle pays it as well."""
    world = reckoning(FEE, Script(fee_asset="BTC", fee=D("0.18000000")))
    async with world.running():
        await world.trade()
        first, *_ = world.venue.trades
        assert D(dict(first.fees)["BTC"]) / first.qty > D("0.1")
        refused = world.engine.take(world.plan(), world.clock.now_ns)

    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.FEES, refused
    told = [one.detail for one in world.journal.incidents if one.kind == "fee"]
    assert "fee of 0.18000000 BTC, expected at most" in told[0]
    assert "took a fee of 1000 bps, 10 were expected" in told[1]
