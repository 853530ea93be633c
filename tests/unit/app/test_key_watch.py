"""A key is judged again while it trades: hourly, in a quiet moment, and when it is in question."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from itertools import pairwise

from arbit.app.trade.key_watch import (
    APART_NS,
    ENDING_NS,
    EVERY_NS,
    LONGEST_NS,
    PATIENCE_NS,
    KeyWatch,
)
from arbit.domain.account import AccountStreamLost, AccountUnfit, AccountUntold, KeyDoubted
from arbit.domain.errors import VenueError, VenueUnreachable
from arbit.domain.events import IncidentSeen
from arbit.domain.refusal import RefusalCode, Refused
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.beside import beside
from tests.unit.execution.world import Script, World

SECOND = 1_000_000_000
WITHDRAWS = AccountUnfit("the API key may withdraw: a key that can empty the account is refused")
REFUSED = AccountUnfit("the venue refuses this API key: EAPI:Invalid key")
SILENT = VenueUnreachable("nobody answers")


class Keyed(World):
    """A daemon that watches its key; the venue says of it what the test has it say."""

    def __init__(self, *scripts: Script) -> None:
        super().__init__(*scripts)
        self.says: Sequence[str] | AccountUnfit | VenueError = ()
        self.asked: list[int] = []
        self.answer_takes_s = 0.0
        self.watch = KeyWatch(self.setup, self.engine, self.auditor, self._ask)
        self.gate.key_doubted = self.watch.doubt
        self.gate.unaudited = str  # nobody compares books here

    async def _ask(self) -> Sequence[str]:
        self.asked.append(self.clock.now_ns)
        await self.clock.sleep(self.answer_takes_s)
        if isinstance(self.says, AccountUnfit | VenueError):
            raise self.says
        return self.says

    def told(self, kind: str) -> list[str]:
        kept = [one.detail for one in self.journal.incidents if one.kind == kind]
        said = [e.detail for e in self.events if isinstance(e, IncidentSeen) and e.kind == kind]
        assert kept == said
        return kept

    async def passes(self, nanoseconds: int) -> None:
        """So much time, of which only the last seconds are looked at."""
        self.clock.now_ns += max(nanoseconds - 2 * SECOND, 0)
        await self.clock.advance(min(nanoseconds, 3 * SECOND) / SECOND)

    def resume(self) -> None:
        assert self.breaker.resume()

    @property
    def refused(self) -> str:
        """Why no cycle may begin now; empty when one may."""
        stopped = self.gate.stops_cycles()
        return "" if stopped is None else str(stopped)

    def watching(self) -> AbstractAsyncContextManager[None]:
        return beside(self, self.watch.run)


async def test_a_good_key_is_asked_about_once_an_hour_and_nothing_else_changes() -> None:
    world = Keyed()
    async with world.watching():
        await world.passes(EVERY_NS - 10 * SECOND)
        assert world.asked == [], "the start has just asked"
        for hours in (1, 2, 3):
            await world.passes(EVERY_NS)
            assert len(world.asked) == hours
        world.says = ["the key expires within a week"]
        await world.passes(EVERY_NS)
    assert world.told("key") == ["the key expires within a week"]
    assert world.breaker.state() is BreakerState.ACTIVE
    assert world.refused == ""


async def test_a_key_that_may_withdraw_now_halts_as_one_that_is_refused() -> None:
    world = Keyed()
    async with world.watching():
        world.says = WITHDRAWS
        await world.passes(EVERY_NS)
        assert world.breaker.state() is BreakerState.HALTED
        assert (world.breaker.reason, world.breaker.detail) == (Reason.HALT, str(WITHDRAWS))
        assert world.told("halt") == [str(WITHDRAWS)]
        assert isinstance(world.engine.take(world.plan(), world.clock.now_ns), Refused)
        await world.passes(2 * APART_NS)
        assert len(world.asked) == 1, "it was stopped by the answer, which asks for no other"
        await world.passes(EVERY_NS)
        await world.passes(EVERY_NS)
        assert len(world.asked) == 3
        assert world.told("halt") == [str(WITHDRAWS)], "told once, for as long as it stays so"


async def test_whoever_resumes_nothing_begins_before_the_key_is_good_again() -> None:
    world = Keyed()
    async with world.watching():
        world.says = WITHDRAWS
        await world.passes(EVERY_NS)
        world.resume()
        refused = world.engine.take(world.plan(), world.clock.now_ns)
        assert isinstance(refused, Refused)
        assert refused.code is RefusalCode.GATEWAY_NOT_READY
        assert refused.figures["why"] == str(WITHDRAWS)
        await world.passes(APART_NS)
        assert world.breaker.state() is BreakerState.HALTED, "it is as bad as it was"
        assert world.told("halt") == [str(WITHDRAWS)] * 2
        world.says = SILENT
        world.resume()
        await world.passes(APART_NS)
        assert str(WITHDRAWS) in world.refused, "no answer is no all-clear"
        world.says = ()
        await world.passes(APART_NS)
        assert world.refused == ""
        await world.trade()
    assert world.engine.ends == {"done": 1}


async def test_it_is_asked_again_too_when_it_was_stopped_for_something_else_before() -> None:
    world = Keyed()
    async with world.watching():
        world.breaker.trip(Reason.DRIFT, "0.1 BTC")
        world.says = WITHDRAWS
        await world.passes(EVERY_NS)
        assert world.breaker.reason is Reason.DRIFT
        assert world.told("halt") == [str(WITHDRAWS)]
        world.says = ()
        world.resume()
        await world.passes(APART_NS)
        assert (len(world.asked), world.refused) == (2, "")


async def test_no_answer_is_no_finding_is_told_once_and_asked_for_ever_more_patiently() -> None:
    world = Keyed()
    async with world.watching():
        world.says = SILENT
        await world.passes(EVERY_NS)
        for _ in range(2 * 60):
            await world.passes(60 * SECOND)
        assert world.breaker.state() is BreakerState.ACTIVE
        assert world.refused == ""
        (said,) = world.told("key")
        untold = "the venue does not say what the key may do"
        assert said == f"{untold}: nobody answers; it is asked again"
        pauses = [after - before for before, after in pairwise(world.asked)]
        assert pauses[0] >= APART_NS
        assert pauses == sorted(pauses)
        assert LONGEST_NS <= pauses[-1] < LONGEST_NS + 120 * SECOND
        world.says = ()
        await world.passes(LONGEST_NS)
        asked = len(world.asked)
        await world.passes(EVERY_NS - 10 * SECOND)
        assert len(world.asked) == asked, "an hour from the answer on"


async def test_an_answer_that_says_too_little_stops_nothing_and_clears_nothing() -> None:
    world = Keyed()
    untold = AccountUntold("the venue does not say whether the API key has a nonce window")
    async with world.watching():
        world.says = untold
        await world.passes(EVERY_NS)
        await world.passes(APART_NS)
        assert len(world.asked) == 2
        assert (world.breaker.state(), world.refused) == (BreakerState.ACTIVE, "")
        assert world.told("key") == [f"{untold}; it is asked again"]
        world.says = WITHDRAWS
        await world.passes(2 * APART_NS)
        assert world.breaker.state() is BreakerState.HALTED
        world.says = untold
        world.resume()
        await world.passes(APART_NS)
        assert len(world.asked) == 4
        assert str(WITHDRAWS) in world.refused


async def test_a_question_waits_for_a_moment_without_cycles_but_not_for_ever() -> None:
    world = Keyed(Script(shape="lost_after"))
    async with world.watching():
        await world.passes(EVERY_NS - 10 * SECOND)
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        world.venue.answers = False  # nobody says what became of its order
        await world.clock.advance(20)
        assert world.engine.open_cycles == 1
        assert world.asked == []
        await world.passes(PATIENCE_NS)
        assert len(world.asked) == 1


async def test_a_cycle_that_began_while_the_answer_was_awaited_ends_before_the_halt() -> None:
    world = Keyed(Script(), Script(), Script())
    world.says, world.answer_takes_s, world.venue.latency_s = WITHDRAWS, 3.0, 2.0
    async with world.watching():
        await world.passes(EVERY_NS)
        assert (len(world.asked), world.engine.open_cycles) == (1, 0)
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        while not world.watch.doubt():
            await world.clock.advance(0.5)
        assert world.engine.open_cycles == 1
        assert isinstance(world.engine.take(world.plan(), world.clock.now_ns), Refused)
        assert str(WITHDRAWS) in world.refused, "nothing new begins from the answer on"
        await world.clock.advance(20)
        assert (world.engine.ends, world.engine.open_cycles) == ({"done": 1}, 0)
        assert (world.breaker.state(), world.breaker.reason) == (BreakerState.HALTED, Reason.HALT)
    assert world.told("halt") == [str(WITHDRAWS)]
    assert len(world.asked) == 1


async def test_a_halt_waits_for_open_cycles_no_longer_than_a_bound() -> None:
    world = Keyed(Script(shape="lost_after"))
    world.says = WITHDRAWS
    async with world.watching():
        await world.passes(EVERY_NS - 10 * SECOND)
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        world.venue.answers = False  # nobody says what became of its order
        await world.passes(PATIENCE_NS + 20 * SECOND)
        assert (len(world.asked), world.watch.doubt()) == (1, str(WITHDRAWS))
        await world.passes(ENDING_NS - 10 * SECOND)
        assert (world.engine.open_cycles, world.told("halt")) == (1, [])
        await world.passes(20 * SECOND)
        assert world.told("halt") == [str(WITHDRAWS)]
        assert world.breaker.state() is BreakerState.HALTED


async def test_a_venue_that_refuses_the_key_is_asked_why_within_a_minute() -> None:
    world = Keyed()
    async with world.watching():
        world.says = AccountUnfit("the API key may not query ledger entries: add that permission")
        await world.passes(2 * APART_NS)
        world.breaker.trip(Reason.HALT, "EGeneral:Permission denied")
        await world.clock.advance(2)
        assert len(world.asked) == 1
        assert world.told("halt") == [str(world.says)]
        await world.passes(2 * APART_NS)
        assert len(world.asked) == 1, "once is enough"


async def test_a_refusal_that_has_halted_already_is_no_second_incident_of_the_answer() -> None:
    world = Keyed()
    async with world.watching():
        world.says = REFUSED
        await world.passes(2 * APART_NS)
        world.auditor(KeyDoubted("EAPI:Invalid key"))  # the venue's words to an order
        await world.clock.advance(2)
        assert (len(world.asked), world.watch.doubt()) == (1, str(REFUSED))
        assert world.told("halt") == ["EAPI:Invalid key"]
        world.resume()
        await world.passes(APART_NS)
        assert world.told("halt") == ["EAPI:Invalid key", str(REFUSED)], "as bad as it was"


async def test_the_refusal_of_a_key_that_was_halted_for_is_known() -> None:
    world, refusal = Keyed(), KeyDoubted("EAPI:Invalid key")
    async with world.watching():
        assert not world.watch.has_told(refusal)
        world.says = REFUSED
        await world.passes(EVERY_NS)
        assert world.told("halt") == [str(REFUSED)]
        assert world.watch.has_told(refusal)
        news = (KeyDoubted("EGeneral:Permission denied"), KeyDoubted(""), AccountStreamLost("gone"))
        assert not [one for one in news if world.watch.has_told(one)]
        world.resume()
        assert not world.watch.has_told(refusal), "it halts again"
