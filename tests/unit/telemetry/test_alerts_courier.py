"""A letter that is never taken is given up, is seen, and keeps none of the others waiting."""

from __future__ import annotations

import asyncio

from arbit.domain.alert import Alert, Answer
from arbit.domain.events import BreakerChanged, IncidentSeen, VenueFailed
from arbit.telemetry.alerts_courier import LONGEST_WAIT_S, MAX_REFUSED, STALE_NS
from tests.unit.telemetry.test_alerts import HALTED, LATE_FILL, Desk
from tests.unit.venues.virtual import SECOND

REFUSED = Answer("answered 400", refused=True)
BUSY = Answer("answered 429", 1e9)


class Picky(Desk):
    """One whose receiver refuses what came of a venue that ended; the times at which it did."""

    def __init__(self) -> None:
        super().__init__(per_minute=600)
        self.refused_s: list[float] = []
        self.courier._deliver = self.picky

    async def picky(self, alert: Alert) -> Answer:
        if alert.kind != "venue_failed":
            return await self.receiver(alert)
        self.refused_s.append(self.clock.now_ns / SECOND)
        return REFUSED


async def test_a_letter_that_is_refused_again_and_again_is_given_up_and_stays_visible() -> None:
    async with Picky().at_work() as desk:
        assert isinstance(desk, Picky)
        desk.hear(VenueFailed("kraken", "boom"))
        await desk.clock.advance(900)
        assert len(desk.refused_s) == MAX_REFUSED
        waits = [b - a for a, b in zip(desk.refused_s, desk.refused_s[1:], strict=False)]
        assert waits == sorted(waits)
        assert waits[0] > 1
        assert waits[-1] <= LONGEST_WAIT_S + 1
        told = desk.courier.reading()
        assert (told.receiver, told.failing, told.why) == ("discord", True, "answered 400")
        assert (told.undelivered, told.lost) == (1, 1)
        assert told.oldest_s is not None
        assert told.oldest_s > 898
        assert [one.state for one in desk.changes].count("lost") == 1
        desk.hear(HALTED)
        await desk.clock.advance(2)
        assert desk.states == ["halted"]
        told = desk.courier.reading()
        assert (told.failing, told.undelivered) == (False, 1), "what was lost stays lost"


async def test_letters_behind_one_that_is_refused_wait_a_second_or_two_and_no_longer() -> None:
    async with Picky().at_work() as desk:
        desk.hear(VenueFailed("kraken", "boom"))
        for number in range(60):
            put_ns, taken = desk.clock.now_ns, len(desk.receiver.taken)
            desk.hear(BreakerChanged(f"v{number}", "halted", "drift", ""))
            while len(desk.receiver.taken) == taken:
                await desk.clock.advance(0.1)
                assert desk.clock.now_ns - put_ns < 2.2 * SECOND
            await desk.clock.advance(2)


async def test_many_that_are_refused_are_tried_no_more_than_one_a_half_second() -> None:
    async with Picky().at_work() as desk:
        assert isinstance(desk, Picky)
        for number in range(40):
            desk.hear(VenueFailed(f"v{number}", "boom"))
        await desk.clock.advance(900)
        waits = [b - a for a, b in zip(desk.refused_s, desk.refused_s[1:], strict=False)]
        assert min(waits) >= 0.5
        assert len(desk.refused_s) == 40 * MAX_REFUSED
        assert desk.courier.reading().lost == 40


async def test_a_hurry_tries_each_letter_once_whatever_comes_of_it() -> None:
    async with Picky().at_work() as desk:
        assert isinstance(desk, Picky)
        desk.receiver.why = "answered 500"
        for number in range(5):
            desk.hear(VenueFailed(f"v{number}", "boom"))
            desk.hear(IncidentSeen(f"v{number}", "late_fill", ""))
        await desk.clock.advance(1)
        for letter in desk.courier._others:  # too old to be told: no try is spent on them
            letter.put_ns -= STALE_NS
        refused, asked = len(desk.refused_s), len(desk.receiver.asked)
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(desk.alerts.finish(3.5))
            await desk.clock.advance(1)
            assert ending.done(), "nothing is left to try"
        assert len(desk.refused_s) == refused + 5
        assert len(desk.receiver.asked) == asked
        last = desk.changes[-1]
        assert (last.state, last.waiting) == ("lost", 5)


async def test_a_hurry_does_not_shorten_the_wait_that_a_receiver_asks_for() -> None:
    async with Desk().at_work() as desk:
        desk.receiver.why, desk.receiver.retry_after_s = BUSY.why, BUSY.retry_after_s
        desk.hear(HALTED)
        desk.hear(LATE_FILL)
        await desk.clock.advance(1)
        assert len(desk.receiver.asked) == 1
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(desk.alerts.finish(3.5))
            await desk.clock.advance(4)
            assert ending.done()
        assert len(desk.receiver.asked) == 1
        assert desk.changes[-1].state == "lost"


async def test_a_letter_that_is_on_its_way_is_not_pushed_out() -> None:
    async with Desk(per_minute=10_000).at_work() as desk:
        desk.receiver.hangs = True
        desk.hear(HALTED)
        await desk.clock.advance(1)
        for number in range(150):
            desk.hear(BreakerChanged(f"v{number}", "halted", "drift", ""))
        desk.receiver.hangs = False
        await desk.clock.advance(3)
        told = desk.courier.reading()
        assert told.lost == 51
        await desk.clock.advance(60)
        assert "kraken" in {alert.venue for alert in desk.receiver.taken}
        assert desk.courier.reading().undelivered == 51


async def test_the_oldest_that_waits_has_its_age_though_it_is_tried_behind_the_others() -> None:
    async with Desk().at_work() as desk:
        desk.receiver.why = "timed out"
        desk.hear(HALTED)
        await desk.clock.advance(500)
        desk.hear(VenueFailed("kraken", "boom"))
        await desk.clock.advance(100)
        told = desk.courier.reading()
        assert (told.undelivered, told.lost, told.why) == (2, 0, "timed out")
        assert told.oldest_s == 600
        desk.receiver.why = ""
        await desk.clock.advance(400)
        told = desk.courier.reading()
        assert (told.failing, told.undelivered, told.oldest_s) == (False, 0, None)


async def test_a_hurry_where_nothing_waits_ends_no_courier() -> None:
    async with Desk().at_work() as desk:
        await desk.clock.advance(1)
        await desk.alerts.finish(3.5)
        await desk.clock.advance(1)
        desk.hear(HALTED)
        await desk.clock.advance(1)
        assert desk.states == ["halted"]
