"""The time of tests over real sockets: a stall does not pass in it, work and waiting do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from arbit.clock import SystemClock
from arbit.sandbox.wallclock import WallClock
from tests.unstalled import UnstalledLoop

STALL_S = 0.3
MS = 1_000_000


def passed_ms(between: Callable[[], Any]) -> list[float]:
    """What each clock says of the time that a coroutine took."""

    async def measured() -> list[float]:
        ours, theirs, loop = SystemClock(), WallClock(), asyncio.get_running_loop()

        def shown() -> list[float]:
            mine = [ours.monotonic_ns() / MS, ours.wall_ns() / MS]
            return [*mine, theirs.elapsed_ns() / MS, theirs.wall_ns() / MS, loop.time() * 1e3]

        before = shown()
        await between()
        return [after - at for at, after in zip(before, shown(), strict=True)]

    with asyncio.Runner(loop_factory=UnstalledLoop) as runner:
        return runner.run(measured())


def test_a_stall_does_not_pass_on_any_clock() -> None:
    async def stalled() -> None:
        time.sleep(STALL_S)  # noqa: ASYNC251  the stall itself: the loop does not turn
        await asyncio.sleep(0)

    assert max(passed_ms(stalled)) < STALL_S * 1e3 / 3


def test_a_wait_passes_as_long_as_it_was_asked_for_and_really_takes_that_long() -> None:
    began = time.monotonic()
    passed = passed_ms(lambda: asyncio.sleep(0.1))
    assert time.monotonic() - began > 0.099
    assert min(passed) > 99


def test_a_stall_while_it_waits_counts_for_no_more_than_the_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, stalls = time.monotonic_ns, count(1)

    async def woken_late() -> None:
        late_ns = int(STALL_S * 1e9)
        monkeypatch.setattr(time, "monotonic_ns", lambda: real() + next(stalls) * late_ns)
        await asyncio.sleep(0.001)
        monkeypatch.undo()

    assert max(passed_ms(woken_late)) < STALL_S * 1e3 / 3
    assert next(stalls) > 2


def test_work_passes() -> None:
    async def works() -> None:
        ends = time.process_time() + 0.05
        while time.process_time() < ends:
            pass

    assert min(passed_ms(works)) >= 50


def test_work_of_several_threads_passes_no_faster_than_real_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = time.process_time_ns
    monkeypatch.setattr(time, "process_time_ns", lambda: 4 * real())  # as four side by side

    async def works() -> None:
        ends = time.process_time() + 0.02
        while time.process_time() < ends:
            pass

    began = time.monotonic()
    passed = passed_ms(works)
    assert 20 <= max(passed) <= (time.monotonic() - began) * 1e3


def test_afterwards_the_real_time_is_back() -> None:
    passed_ms(lambda: asyncio.sleep(0))
    began = SystemClock().monotonic_ns()
    time.sleep(0.02)
    assert SystemClock().monotonic_ns() - began >= 20 * MS
