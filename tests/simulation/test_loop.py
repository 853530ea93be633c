from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable

import pytest

from tests.simulation.clock import SimClock
from tests.simulation.guards import OutsideWorld, guarded
from tests.simulation.loop import SECOND_NS, Deadlock, Process, SimCrash, SimLoop


def finish(loop: SimLoop, task: asyncio.Task[None]) -> None:
    loop.run(task.done)
    task.result()


def test_an_hour_of_sleep_is_one_jump() -> None:
    loop = SimLoop(5 * SECOND_NS)
    clock = SimClock(loop, random.Random(1))

    async def work() -> None:
        await clock.sleep(3_600.0)

    finish(loop, loop.create_task(work()))
    assert clock.monotonic_ns() == 3_605 * SECOND_NS
    assert loop.jumps == 1


def test_timers_of_one_moment_run_in_the_order_of_their_entry() -> None:
    loop = SimLoop(0)
    heard: list[int] = []
    for number in range(50):
        loop.at_ns(7, heard.append, number)
    loop.run(lambda: len(heard) == 50)
    assert heard == list(range(50))


def test_a_timeout_is_kept_to_the_nanosecond() -> None:
    loop = SimLoop(SECOND_NS)

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await asyncio.Event().wait()

    finish(loop, loop.create_task(work()))
    assert loop.now_ns == SECOND_NS * 5 // 4


def test_what_waits_for_nothing_is_a_deadlock() -> None:
    loop = SimLoop(0)

    async def work() -> None:
        await asyncio.Event().wait()

    task = loop.create_task(work())
    with pytest.raises(Deadlock):
        loop.run(lambda: False)
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own


def test_a_killed_process_never_runs_again_not_even_its_finally() -> None:
    loop, process, said = SimLoop(0), Process(1), list[str]()
    process.kill_tick = 5

    async def work() -> None:
        try:
            for number in range(9):
                said.append(str(number))
                await asyncio.sleep(1)
        finally:
            said.append("finally")

    process.context.run(loop.create_task, work())
    loop.at_ns(99 * SECOND_NS, said.append, "world")
    loop.run(lambda: "world" in said)
    assert said == ["0", "1", "world"]
    assert process.killed_at == "resume"
    loop.bury(process)


def test_a_kill_at_a_seam_stops_the_turn_and_the_handlers_cannot_hold_it() -> None:
    loop, process, said = SimLoop(0), Process(1), list[str]()
    process.kill_point = 2

    async def child() -> None:
        process.point("one")
        try:
            process.point("two")
        except Exception:  # noqa: BLE001  what a daemon's supervisor would do
            said.append("held")
        said.append("went on")

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            await asyncio.sleep(50)
        said.append("after")

    process.context.run(loop.create_task, work())
    loop.at_ns(99 * SECOND_NS, said.append, "world")
    loop.run(lambda: "world" in said)
    assert said == ["world"]
    with pytest.raises(SimCrash):
        process.point("a zombie's")
    loop.bury(process)


def test_a_frozen_process_finds_everything_that_came_meanwhile_in_order() -> None:
    loop, process, said = SimLoop(0), Process(1), list[str]()
    for number in range(3):
        loop.at_ns(10 + number, said.append, str(number), context=process.context)
    loop.freeze(process)
    loop.at_ns(100, said.append, "world")
    loop.at_ns(200, loop.thaw, process)
    loop.run(lambda: len(said) == 4)
    assert said == ["world", "0", "1", "2"]


@pytest.mark.parametrize(
    "reach", [threading.Thread(target=print).start, socket.socket, lambda: [socket.socketpair()]]
)
def test_the_outside_world_raises_by_whatever_way_it_is_reached(
    reach: Callable[[], object],
) -> None:
    with guarded(lambda: 0.0), pytest.raises(OutsideWorld):
        reach()


@pytest.mark.parametrize(
    "reach",
    [
        lambda: [time.time_ns(), time.monotonic()],
        lambda: time.sleep(0),
        lambda: [random.random()],
        lambda: [random.Random()],
        lambda: [uuid.uuid4()],
        lambda: os.urandom(1),
        lambda: SimLoop(0).run_in_executor(None, print),
        lambda: SimLoop(0).call_soon_threadsafe(print),
    ],
)
def test_real_time_and_ambient_chance_raise(reach: Callable[[], object]) -> None:
    with guarded(lambda: 0.0), pytest.raises(RuntimeError):
        reach()
