"""Each cycle is explained once it is over: told, and counted by cause."""

from __future__ import annotations

from decimal import Decimal

from arbit.app.reports.shortfalls import MAX_WAITING, Shortfalls
from arbit.domain.attribution import Cause
from arbit.domain.events import CycleEnded, CycleExplained, Event
from arbit.execution.cycle import Cycle
from tests.unit.execution.world import Script, World

D = Decimal
ENDED = CycleEnded("test", "", "", "", "")


async def traded(*scripts: Script) -> tuple[World, Shortfalls, list[Event]]:
    world, told = World(*scripts), list[Event]()
    async with world.running():
        await world.trade()
    return world, Shortfalls("test", world.journal, told.append), told


def the_cycle(world: World) -> Cycle:
    cycle = world.engine.cycle_with(next(iter(world.journal.orders)))
    assert cycle is not None
    return cycle


async def test_a_cycle_is_told_with_what_each_cause_took() -> None:
    world, shortfalls, told = await traded(Script(), Script(D("0.4")))
    cycle = the_cycle(world)
    shortfalls.note(cycle)
    assert told == []  # not in the turn that ended it
    shortfalls(ENDED)
    (one,) = told
    assert isinstance(one, CycleExplained)
    assert (one.venue, one.cycle_id, one.asset) == ("test", cycle.cycle_id, "USD")
    causes = [getattr(one, cause.value) for cause in Cause]
    off = D(one.expected) - sum(map(D, causes)) - D(one.brought)
    assert abs(off) < D("0.000000001")  # eight figures, each to ten places
    assert D(one.partial) > 0  # the promise of what leg 2 did not trade
    assert D(one.latency) < 0  # which was there, and on the way home most of it was had
    assert {name: seen.count for name, seen in shortfalls.bps.items()} == dict.fromkeys(Cause, 1)
    shortfalls(ENDED)
    assert len(told) == 1


async def test_another_venues_end_and_a_journal_that_cannot_be_read_tell_nothing() -> None:
    world, shortfalls, told = await traded()
    cycle = the_cycle(world)
    shortfalls.note(cycle)
    shortfalls(CycleEnded("other", "", "", "", ""))
    assert told == []
    world.journal.walks.clear()  # as of a run before this was kept
    shortfalls(ENDED)
    assert told == []
    assert all(seen.count == 0 for seen in shortfalls.bps.values())


async def test_where_nobody_listens_no_more_than_a_bound_waits() -> None:
    world, shortfalls, _ = await traded()
    cycle = the_cycle(world)
    for _ in range(MAX_WAITING + 5):
        shortfalls.note(cycle)
    shortfalls(ENDED)
    assert shortfalls.bps["fee"].count == MAX_WAITING
