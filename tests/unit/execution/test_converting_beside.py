"""Conversions and cycles at once, with starts in between: each one's move is its own."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from arbit.domain.cycle import Policy
from arbit.domain.plan import SizeLimits
from arbit.domain.route import Conversion, ConversionKind
from arbit.routing import Around, route
from tests.checker_conversions import check_conversions
from tests.unit.execution.converting_world import RICH, Wide, database_of
from tests.unit.execution.happenings import SOL_MARKETS, balanced, kept_cycles, over, take
from tests.unit.execution.sights import ONLINE
from tests.unit.execution.test_converting_allowed import at_once
from tests.unit.execution.world import Script

D = Decimal
AMOUNTS = {"USD": D(100), "BTC": D("0.9"), "ETH": D(8)}
SHAPES = [
    *[Script()] * 3,
    Script(fraction=D("0.4")),
    Script(fraction=D(0)),
    Script(shape="reject"),
    Script(shape="lost_before", asks=2),
    Script(shape="lost_after", asks=2),
    Script(fraction=D("0.4"), shape="lost_after", asks=1, pieces=2),
    Script(fraction=D("0.7"), pieces=3),
    Script(over=D("0.01")),
]


@pytest.fixture(autouse=True)
def _sol(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue of these tests fills SOL's markets, too."""
    for name, one in SOL_MARKETS.items():
        monkeypatch.setitem(ONLINE, name, one)


def begin_some(world: Wide, chance: random.Random) -> None:
    """A cycle, or a conversion, beside what is open already; it may be refused."""
    if chance.random() < 0.45:
        take(world)
        return
    start, end = chance.sample(sorted(AMOUNTS), 2)
    around = Around(world.sights.books, world.sights.markets, world.fees)
    routes = route(start, end, around, SizeLimits(AMOUNTS[start])).by_legs.values()
    found = [one for one in routes if isinstance(one, Conversion)]
    kind, budget = chance.choice(list(ConversionKind)), chance.choice([RICH, D(2)])
    world.gate._unknown.clear()
    if found:
        world.engine.convert(chance.choice(found), kind, budget, world.clock.now_ns)


async def one_run(world: Wide, chance: random.Random) -> None:
    """A start, and some things begun; then it is cut off."""
    async with world.running():
        await world.recover()
        for _ in range(chance.randint(1, 5)):
            world.breaker.resume()
            begin_some(world, chance)
            for _ in range(chance.choice([0, 0, 1, 3, 30])):
                await world.clock.advance(0.005)


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(48))
async def test_what_trading_has_moved_in_the_end_is_no_more_than_what_was_left_in_between(
    seed: int,
) -> None:
    chance = random.Random(seed)
    told = at_once(4, policy=chance.choice(list(Policy)))
    scripts = [chance.choice(SHAPES) for _ in range(chance.randint(2, 14))]
    world = Wide(*scripts, settings=told)
    for run in range(1, chance.randint(2, 4)):
        await one_run(world, chance)
        world = Wide(before=world, epoch=f"0000{run}", settings=told)
    async with world.running():
        await world.recover()
        await over(world)

    world.agrees()
    balanced(world)
    assert check_conversions(database_of(world)) == []
    left: dict[str, Decimal] = {}
    for cycle in kept_cycles(world):
        assert cycle.record.ended_ns
        for asset, amount in cycle.moved().items():
            if asset not in cycle.goals:
                left[asset] = left.get(asset, D(0)) + abs(amount)
    for asset in world.ledger.assets:
        assert world.ledger.held(asset) == 0
        assert abs(world.ledger.deviation(asset)) <= left.get(asset, D(0)), asset
    sent = [one.client_id for one in world.venue.sent]
    assert len(sent) == len(set(sent))
