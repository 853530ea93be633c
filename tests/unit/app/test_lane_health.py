"""How a lane is looked at goes on, whatever breaks in a look."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from arbit.app.trade.health import LaneHealth
from arbit.domain.events import Event, IncidentSeen
from arbit.domain.health import Judged
from tests.unit.venues.virtual import VirtualClock


class Failing(LaneHealth):
    """The first look breaks; the others are counted."""

    looks = 0

    def look(self) -> Judged:
        self.looks += 1
        if self.looks == 1:
            raise ZeroDivisionError("of ours")
        return self.told

    @property
    def told(self) -> Judged:
        return Judged.__new__(Judged)


async def test_after_an_error_of_ours_it_is_told_and_looked_again() -> None:
    clock, told = VirtualClock(), list[Event]()
    desk = SimpleNamespace(
        lane=SimpleNamespace(sighted_pulses=0),
        setup=SimpleNamespace(venue=SimpleNamespace(name="v")),
    )
    run: Any = SimpleNamespace(desk=desk)
    trader: Any = SimpleNamespace()
    health = Failing(run, trader, clock, told.append)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(health.apart())
        await clock.advance(5)
        assert (health.looks, len(told)) == (1, 1)
        await clock.advance(30)
        task.cancel()
    assert health.looks > 20
    assert [type(one) for one in told] == [IncidentSeen]
