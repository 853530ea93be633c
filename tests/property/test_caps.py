"""Whatever a venue does, no limit is passed, not even for a moment, on the venue's own log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.config import Settings
from arbit.domain.cycle import CycleState, Policy
from tests.property.nasty_acts import AS_FOUND, acts, taken
from tests.unit.execution.nasty import Act, EuroWorld, NastyWorld
from tests.unit.execution.world import usual_settings

D = Decimal
ACTS = acts(
    places=4,
    over_lots=st.sampled_from([0, 0, 0, 0, 1, 50]),
    late_lots=st.sampled_from([0, 0, 0, 0, 0, 1, 20]),
    fee_in=st.sampled_from(["received", "received", "spent", "KFEE"]),
    arrive_s=st.sampled_from([0.005, 0.02, 0.4]),
    match_s=st.sampled_from([0.0, 0.002, 0.3, 0.3]),
    gap_s=st.sampled_from([0.0, 0.002, 0.2]),
    asks=st.sampled_from([0, 0, 1, 3]),
    cancel=st.sampled_from(["obeyed", "refused", "silent", "lost"]),
)


@dataclass(frozen=True)
class Try:
    """A plan of at most so much, so long before the next, with ETH moved by so many bps."""

    most: int
    wait_s: float
    moved_bps: int


TRIES = st.builds(
    Try,
    most=st.sampled_from([30, 100, 150, 150]),
    wait_s=st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.5, 4.0]),
    moved_bps=st.sampled_from([0, 0, 0, 0, -300, 300, -1500, 1500]),
)
# Limits that one or two cycles reach: a plan of 150 USD moves 1.5 BTC, 15 ETH and 156 USD at most.
LIMITS = st.fixed_dictionaries(
    {
        "max_exposure": st.sampled_from([D(110), D(157), D(200), D(320), D(5000)]),
        "asset_caps": st.fixed_dictionaries(
            {},
            optional={
                "BTC": st.sampled_from([D("1.1"), D("1.5"), D("2.9")]),
                "ETH": st.sampled_from([D("15.1"), D(29)]),
                "EUR": st.sampled_from([D(0), D(60)]),
            },
        ),
        "policy": st.sampled_from(list(Policy)),
    }
)
SCAN = st.fixed_dictionaries(
    {
        "max_notional_per_cycle": st.sampled_from([D(110), D(150), D(150)]),
        "max_concurrent_cycles": st.integers(1, 4),
        "max_slippage_bps": st.sampled_from([D(5), D(1000), D(1000)]),
    }
)


def limits(scan: dict[str, Any], risk: dict[str, Any]) -> Settings:
    usual = usual_settings(**risk)
    return usual.model_copy(update={"scan": usual.scan.model_copy(update=scan)})


@given(
    acts=st.lists(ACTS, min_size=1, max_size=14),
    tries=st.lists(TRIES, min_size=2, max_size=6),
    scan=SCAN,
    risk=LIMITS,
)
@settings(max_examples=200, phases=AS_FOUND)
def test_no_limit_is_passed_even_for_a_moment_whatever_the_venue_does(
    acts: list[Act], tries: list[Try], scan: dict[str, Any], risk: dict[str, Any]
) -> None:
    asyncio.run(_traded(acts, tries, limits(scan, risk)))


async def _traded(acts: list[Act], tries: list[Try], told: Settings) -> None:
    world = EuroWorld(*acts, settings=told)
    async with world.running():
        await tried(world, tries)
        await settled(world)
    still = len({one.moved_bps for one in tries}) == 1  # a book that moves takes its top along
    unmeasured = {} if still else {"max_slippage_bps": None}
    assert world.meter(**unmeasured).findings == []
    assert leftovers(world) == []


async def tried(world: NastyWorld, tries: list[Try]) -> None:
    for one in tries:
        taken(world, one.most, one.moved_bps)
        await world.clock.advance(one.wait_s)


async def settled(world: NastyWorld) -> None:
    await world.settle()
    await world.clock.advance(1.0)  # what comes late has come
    assert world.engine.open_cycles == 0, world.engine.works
    await world.auditor.reconcile()  # and what nobody was there to hear of is asked for
    world.agrees()


@given(
    acts=st.lists(ACTS, min_size=1, max_size=12),
    runs=st.lists(
        st.tuples(st.lists(TRIES, min_size=1, max_size=3), st.sampled_from([0.0, 0.3, 3.0, 20.0])),
        min_size=2,
        max_size=3,
    ),
    scan=SCAN,
    risk=LIMITS,
)
@settings(max_examples=80, phases=AS_FOUND)
def test_no_limit_is_passed_though_runs_end_in_the_middle_and_others_take_over(
    acts: list[Act],
    runs: list[tuple[list[Try], float]],
    scan: dict[str, Any],
    risk: dict[str, Any],
) -> None:
    asyncio.run(
        _cut_off(acts, runs, limits(scan, {**risk, "max_crashes": 100, "max_resolve_s": 20}))
    )


async def _cut_off(acts: list[Act], runs: list[tuple[list[Try], float]], told: Settings) -> None:
    world: EuroWorld | None = None
    for number, (tries, away_s) in enumerate(runs):
        world = EuroWorld(*acts[number:], settings=told, before=world, epoch=f"0000{number}")
        async with world.running():
            if number:
                await world.recover()
            await tried(world, tries)
        await world.clock.advance(away_s)
    assert world is not None
    last = EuroWorld(settings=told, before=world, epoch="0000z")
    async with last.running():
        await last.recover()
        await settled(last)
    assert last.meter(max_slippage_bps=None).findings == []


def leftovers(world: NastyWorld) -> list[str]:
    """Cycles that say that all is home and left something that could be traded."""
    found = []
    for record in world.journal.cycles.values():
        if record.state in {CycleState.DONE, CycleState.UNWOUND}:
            cycle = world.engine.past[record.cycle_id]
            for asset, least in (("BTC", D("0.0125")), ("ETH", D("0.002"))):
                if abs(cycle.has(asset)) >= least:
                    found.append(f"{record.state.value}: {cycle.has(asset)} {asset}")
    return found
