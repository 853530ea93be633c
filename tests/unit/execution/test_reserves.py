"""Ways home that would spend a reserve, or put an asset past its cap: another is taken, or none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.config import InventorySettings, Settings
from arbit.config.inventory import Wanted
from arbit.domain.account import Flow
from arbit.domain.cycle import Policy
from arbit.domain.records import Batch
from arbit.ledger import flow
from tests.unit.execution.nasty import Act, NastyWorld
from tests.unit.execution.world import usual_settings

D = Decimal


def wanting(policy: Policy = Policy.SEQUENTIAL, **inventory: Any) -> Settings:
    settings = usual_settings(policy=policy)
    return settings.model_copy(update={"inventory": InventorySettings(**inventory)})


def comes(world: NastyWorld, asset: str, amount: str) -> None:
    """Money comes, or goes, and the books know of it."""
    world.nasty.balances_[asset] += D(amount)
    postings = flow(Flow(f"L-{asset}", asset, D(amount), "deposit", world.clock.wall_ns()))
    world.ledger.apply(postings)
    world.journal.write(Batch(postings=postings))


@pytest.mark.parametrize(("dearer_bps", "end"), [(0, "unwound"), (400, "held")])
async def test_what_is_owed_is_bought_back_with_what_came_in_and_never_with_the_reserve(
    dearer_bps: int, end: str
) -> None:
    """Leg 1 buys no BTC for the BTC that leg 2 spends; meanwhile the owner takes USD out."""
    world = NastyWorld(
        *(Act(fate="reject"), Act(), Act()),
        settings=wanting(Policy.PARALLEL, reserve_amount={"USD": D(9_000)}),
    )
    async with world.running():
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        comes(world, "USD", "-1500")
        world.moved(dearer_bps, ["BTC/USD"])
        await world.settle()

    assert world.end == end
    assert world.nasty.balances_["USD"] >= D(8_500)
    if end == "held":
        assert world.engine.refusals == {}, "no such order was even tried"
        assert world.venue.sent[3:] == []
        assert "no way home" in next(iter(world.journal.cycles.values())).detail
    world.agrees()


async def test_what_is_beyond_the_reserve_pays_what_is_owed() -> None:
    world = NastyWorld(
        *(Act(fate="reject"), Act(), Act()),
        settings=wanting(Policy.PARALLEL, reserve_amount={"USD": D(9_000)}),
    )
    async with world.running():
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        world.moved(400, ["BTC/USD"])
        await world.settle()
    assert world.end == "unwound"
    world.agrees()


@pytest.mark.parametrize(("deposit", "ways"), [("0", ["ETH/USD"]), ("10", ["BTC/USD"])])
async def test_an_asset_that_a_deposit_put_past_its_cap_is_no_way_home(
    deposit: str, ways: list[str]
) -> None:
    """Leg 2 is refused at first: to complete the cycle is best, unless ETH may not be bought."""
    world = NastyWorld(
        *(Act(), Act(fraction=D(0), match_s=0.3)), settings=wanting(caps={"ETH": Wanted(D(46))})
    )
    async with world.running():
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        await world.clock.advance(0.05)
        if deposit != "0":
            comes(world, "ETH", deposit)
        await world.settle()
    assert world.end == "unwound"
    assert world.venue.sent[-1].leg.symbol in ways
    assert D(46) >= world.nasty.balances_["ETH"] - D(deposit)
    world.agrees()
