from __future__ import annotations

import asyncio

import pytest

from arbit.domain.errors import VenueUnreachable
from arbit.venues.ccxt.limits import TokenBucket
from tests.unit.venues.virtual import SECOND, VirtualClock


async def taken_at(clock: VirtualClock, bucket: TokenBucket, count: int) -> list[float]:
    """When each of `count` callers, all asking at once, got its turn (seconds from now)."""
    start_ns, turns = clock.now_ns, []

    async def one() -> None:
        await bucket.take()
        turns.append((clock.now_ns - start_ns) / SECOND)

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    await clock.advance(count * 2)
    await asyncio.gather(*tasks)
    return turns


async def test_a_burst_leaves_at_once_and_the_rest_at_the_rate() -> None:
    clock = VirtualClock()
    bucket = TokenBucket(clock, rate_per_s=2.0, burst=3, queue=10)
    assert await taken_at(clock, bucket, 6) == [0, 0, 0, 0.5, 1.0, 1.5]


async def test_a_rest_refills_the_burst_and_no_more_than_it() -> None:
    clock = VirtualClock()
    bucket = TokenBucket(clock, rate_per_s=1.0, burst=2, queue=10)
    await taken_at(clock, bucket, 4)
    await clock.advance(100)
    assert await taken_at(clock, bucket, 4) == [0, 0, 1, 2]


async def test_no_window_of_ten_seconds_sees_more_than_rate_times_ten_plus_burst() -> None:
    clock = VirtualClock()
    bucket = TokenBucket(clock, rate_per_s=1.0, burst=3, queue=100)
    turns = await taken_at(clock, bucket, 40)
    for start in turns:
        assert sum(start <= turn < start + 10 for turn in turns) <= 13


async def test_callers_beyond_the_queue_are_told_that_nothing_was_asked() -> None:
    clock = VirtualClock()
    bucket = TokenBucket(clock, rate_per_s=1.0, burst=1, queue=2)
    await bucket.take()
    waiting = [asyncio.create_task(bucket.take()) for _ in range(2)]
    await clock.advance(0)
    with pytest.raises(VenueUnreachable, match="not asked"):
        await bucket.take()
    await clock.advance(5)
    await asyncio.gather(*waiting)


async def test_a_caller_that_gives_up_leaves_the_queue() -> None:
    clock = VirtualClock()
    bucket = TokenBucket(clock, rate_per_s=1.0, burst=1, queue=1)
    await bucket.take()
    impatient = asyncio.create_task(bucket.take())
    await clock.advance(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    assert await taken_at(clock, bucket, 1) == [1.0]
