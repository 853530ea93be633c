from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.venues.backoff import WINDOW_NS, ConnectBudget, DialGate, backoff_ms
from tests.unit.venues.virtual import SECOND, VirtualClock


def test_the_pause_doubles_to_its_cap_and_chance_takes_at_most_half_of_it() -> None:
    assert [backoff_ms(n, 15_000, lambda: 0.0) for n in range(8)] == [
        *(125, 250, 500, 1000, 2000, 4000),
        *(7500, 7500),
    ]
    assert [backoff_ms(n, 15_000, lambda: 1.0) for n in range(8)] == [
        *(250, 500, 1000, 2000, 4000, 8000),
        *(15_000, 15_000),
    ]


@given(st.integers(0, 10**6), st.integers(1, 60_000), st.floats(0, 1, exclude_max=True))
def test_no_attempt_waits_longer_than_the_cap_or_less_than_nothing(
    attempt: int, cap_ms: int, chance: float
) -> None:
    assert 0 <= backoff_ms(attempt, cap_ms, lambda: chance) <= cap_ms


@given(
    limit=st.integers(1, 150),
    gaps_ms=st.lists(st.integers(0, 30_000), min_size=1, max_size=400),
    seed=st.integers(0, 9),
)
def test_no_rolling_ten_minutes_see_more_than_the_limit(
    limit: int, gaps_ms: list[int], seed: int
) -> None:
    budget, now_ns, taken = ConnectBudget(limit), random.Random(seed).randrange(10**15), []
    for gap_ms in gaps_ms:
        now_ns += gap_ms * 1_000_000
        now_ns += budget.wait_ns(now_ns)
        assert budget.wait_ns(now_ns) == 0
        budget.take(now_ns)
        taken.append(now_ns)
    for at, start_ns in enumerate(taken):
        assert sum(t < start_ns + WINDOW_NS for t in taken[at:]) <= limit


def test_half_of_the_budget_may_go_at_once_and_the_rest_comes_back_evenly() -> None:
    budget, now_ns, waits = ConnectBudget(110), 10**12, []
    for _ in range(60):
        wait_ns = budget.wait_ns(now_ns)
        waits.append(wait_ns)
        now_ns += wait_ns
        budget.take(now_ns)
    assert waits[:55] == [0] * 55
    assert all(10 * SECOND < wait < 15 * SECOND for wait in waits[55:])


class Yard:
    """Sockets that dial through one gate; which of them succeed, the test says."""

    def __init__(self, limit: int = 110) -> None:
        self.clock = VirtualClock()
        self.gate = DialGate(ConnectBudget(limit), 15_000, self.clock)
        self.dials: list[tuple[int, float]] = []
        self.refused = True

    async def socket(self, number: int) -> None:
        while True:
            await self.gate.enter(number)
            self.dials.append((number, self.clock.now_ns / SECOND - 10))
            await self.clock.sleep(0.01)
            if not self.refused:
                self.gate.through(number)
                return
            self.gate.failed(number)

    @asynccontextmanager
    async def open(self, count: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.socket(number)) for number in range(count)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_sockets_dial_together_while_there_is_no_trouble() -> None:
    yard = Yard()
    yard.refused = False
    async with yard.open(5):
        await yard.clock.advance(0.005)
        assert [number for number, _ in yard.dials] == [0, 1, 2, 3, 4]


async def test_in_an_outage_they_try_one_at_a_time_and_each_in_turn() -> None:
    yard = Yard()
    async with yard.open(5):
        await yard.clock.advance(120)
        later = yard.dials[5:]
        assert [number for number, _ in later[:10]] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
        gaps = [round(b - a, 6) for (_, a), (_, b) in itertools.pairwise(later)]
        assert gaps == sorted(gaps)
        assert max(gaps) < 15.0


@pytest.mark.parametrize("sockets", [1, 6])
async def test_an_outage_costs_the_same_however_many_sockets_wait(sockets: int) -> None:
    yard = Yard()
    async with yard.open(sockets):
        await yard.clock.advance(600)
        assert 50 <= len(yard.dials) - sockets <= 60


async def test_when_one_gets_through_the_others_follow_at_once() -> None:
    yard = Yard()
    async with yard.open(6):
        await yard.clock.advance(300)
        before = len(yard.dials)
        yard.refused = False
        await yard.clock.advance(15.1)
        numbers, times = zip(*yard.dials[before:], strict=True)
        assert sorted(numbers) == list(range(6))
        assert times[-1] - times[0] < 0.1


async def test_a_gate_never_lets_more_through_than_the_budget() -> None:
    yard = Yard(limit=4)
    async with yard.open(3):
        await yard.clock.advance(1_800)
        times = [at for _, at in yard.dials]
        assert max(sum(t <= other < t + 600 for other in times) for t in times) <= 4
