"""A command that opened a venue and is told to stop says what it had begun."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from types import SimpleNamespace
from typing import Any

from arbit.app.acts.opened import GIVES_WAY_S, Access, Ask, beside_the_turn
from arbit.app.acts.opening import Opening
from arbit.config import Settings
from arbit.domain.errors import ArbitError
from tests.unit.venues.virtual import VirtualClock


async def stopped(**conversions: int) -> str | ArbitError | None:
    """What a command comes to that hears of its stop, and of its end a moment after the drain."""
    over = asyncio.Event()

    async def drain(_: float) -> str:
        over.set()
        return ""

    async def work() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        await over.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        return "told"

    opened: Any = SimpleNamespace(
        trader=SimpleNamespace(drain=drain, engine=SimpleNamespace(conversions=conversions)),
        left=[],
    )
    opening = Opening(Settings(), Ask("sandbox", Access.TRADED, "convert"), VirtualClock())
    return await opening._unless_stopped(opened, work(), [])


async def test_what_was_converted_is_told_though_a_signal_came_meanwhile() -> None:
    assert await stopped(done=1) == "told"


async def test_a_command_that_had_begun_nothing_ends_with_the_signal() -> None:
    assert await stopped() is None


async def test_two_lanes_that_think_at_once_leave_the_turns_of_threads_as_they_were() -> None:
    before_s, ends = sys.getswitchinterval(), (threading.Event(), threading.Event())
    tasks = [asyncio.create_task(beside_the_turn(end.wait, 5)) for end in ends]
    await asyncio.sleep(0)
    assert abs(sys.getswitchinterval() - GIVES_WAY_S) < 1e-6
    ends[0].set()  # the first one to begin ends first
    await tasks[0]
    assert abs(sys.getswitchinterval() - GIVES_WAY_S) < 1e-6
    ends[1].set()
    await tasks[1]
    assert abs(sys.getswitchinterval() - before_s) < 1e-6
