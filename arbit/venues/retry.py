"""Retries of questions: bounded, with back-off and jitter from our own clock. Never of an order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.ports import Clock
from arbit.venues.backoff import backoff_ms

CAP_MS = 4_000
TRIES = 4
Answer = TypeVar("Answer")


async def retried(
    ask: Callable[[], Awaitable[Answer]],
    clock: Clock,
    *,
    tries: int = TRIES,
    passing: Callable[[VenueRefused], bool] = lambda _: False,
) -> Answer:
    """Ask until answered, `tries` times at most.

    Only a question that nobody answered is asked again, or one refused with words that `passing`
    calls temporary. The last error is raised as it is.
    """

    def worth_it(error: BaseException) -> bool:
        if isinstance(error, VenueRefused):
            return passing(error)
        return isinstance(error, VenueUnreachable)

    def pause_s(state: RetryCallState) -> float:
        return backoff_ms(state.attempt_number, CAP_MS, clock.jitter) / 1e3

    tried = AsyncRetrying(
        stop=stop_after_attempt(tries),
        wait=pause_s,
        retry=retry_if_exception(worth_it),
        sleep=clock.sleep,
        reraise=True,
    )
    answer: Answer = await tried(ask)
    return answer
