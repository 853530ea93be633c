"""The dead man's switch is asked while decisions are made, and only then."""

from __future__ import annotations

import asyncio

from arbit.domain.alert import Answer
from arbit.domain.events import AlertsChanged
from arbit.telemetry.deadman import DeadMan
from tests.unit.venues.virtual import VirtualClock


async def test_it_is_asked_while_decisions_are_made_and_not_when_they_stop() -> None:
    clock, told = VirtualClock(), []
    age_s: float | None = None
    answer = Answer()

    async def ping() -> Answer:
        return answer

    def tell(event: AlertsChanged) -> None:
        told.append((event.receiver, event.state))

    dead_man = DeadMan(ping, lambda: age_s, clock, tell, every_s=60, max_age_s=30)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(dead_man.run())
        await clock.advance(100)
        assert dead_man.pings == {"sent": 0, "failed": 0, "withheld": 1}
        age_s = 0.2
        await clock.advance(1)
        assert dead_man.pings["sent"] == 1
        await clock.advance(600)
        assert dead_man.pings["sent"] == 11
        age_s = 31.0  # it lives, and decides nothing
        await clock.advance(600)
        assert dead_man.pings == {"sent": 11, "failed": 0, "withheld": 2}
        age_s, answer = 1.0, Answer("timed out")
        await clock.advance(181)
        assert dead_man.pings["failed"] in {3, 4}
        answer = Answer()
        await clock.advance(60)
        task.cancel()
    assert told == [("deadman", "failing"), ("deadman", "delivering")]
