"""The schedule of asking again, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from arbit.domain.errors import FrameError, VenueError, VenueRefused, VenueUnreachable
from arbit.venues.retry import retried
from tests.unit.venues.virtual import VirtualClock


class Question:
    """Fails as often as it is told to, and remembers when it was asked."""

    def __init__(self, clock: VirtualClock, *errors: VenueError) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.asked_ms: list[int] = []

    async def __call__(self) -> str:
        self.asked_ms.append(self.clock.now_ns // 1_000_000 - 10_000)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


async def run(question: Question, tries: int = 4, passing: str = "EService:") -> str:
    """Ask, moving time until it is over."""
    clock = question.clock
    task = asyncio.get_running_loop().create_task(
        retried(question, clock, tries=tries, passing=lambda said: said.text.startswith(passing))
    )
    for _ in range(400):
        await clock.advance(0.05)
        if task.done():
            break
    return await task


def down(times: int) -> list[VenueError]:
    return [VenueUnreachable("nobody") for _ in range(times)]


async def test_an_unanswered_question_is_asked_again_after_longer_and_longer_pauses() -> None:
    question = Question(VirtualClock(), *down(3))
    assert await run(question) == "answer"
    # Half of each doubled pause is drawn, here a half of that half: 375, 750 and 1500 ms.
    assert question.asked_ms == [0, 375, 1_125, 2_625]


async def test_pauses_stop_growing_and_questions_end() -> None:
    question = Question(VirtualClock(), *down(20))
    with pytest.raises(VenueUnreachable):
        await run(question, tries=7)
    pauses = [b - a for a, b in zip(question.asked_ms, question.asked_ms[1:], strict=False)]
    assert pauses == [375, 750, 1_500, 3_000, 3_000, 3_000]


async def test_a_refusal_is_final_unless_its_words_pass() -> None:
    question = Question(VirtualClock(), VenueRefused("EService:Busy"))
    assert await run(question) == "answer"
    final = Question(VirtualClock(), VenueRefused("EGeneral:Permission denied"))
    with pytest.raises(VenueRefused):
        await run(final)
    assert final.asked_ms == [0]


async def test_an_answer_that_makes_no_sense_is_not_asked_for_again() -> None:
    question = Question(VirtualClock(), FrameError("nonsense"))
    with pytest.raises(FrameError):
        await run(question)
    assert question.asked_ms == [0]
