"""What comes at a bad moment: a kill between two orders, a venue that contradicts itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.cycle import Policy
from arbit.domain.errors import BrokenRule, VenueUnreachable
from arbit.domain.order import OrderIntent, OrderState, Outcome
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.walk import Seen
from arbit.execution import roster, steps
from arbit.execution.asking import ASK_S
from arbit.execution.cycle import Cycle
from arbit.execution.engine import Engine
from arbit.execution.homing import REPLAN_S
from arbit.execution.works import Work
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.kill import kill
from tests.unit.execution.happenings import (
    incidents,
    late_trade,
    only_cycle,
    over,
    pass_time,
    take,
)
from tests.unit.execution.world import Script, ScriptedVenue, World

D = Decimal
REJECT = Script(shape="reject")
NO_REPLY = Script(shape="lost_after", asks=10**6)


class Killing(ScriptedVenue):
    """Its answer to the order `killer` (from 1) comes with a kill that nobody has looked at yet."""

    killer = 0
    world: World

    async def _reply(self, intent: OrderIntent, script: Script) -> Outcome:
        outcome = await super()._reply(intent, script)
        if len(self.sent) == self.killer:
            kill(self.world.data_dir)
        return outcome


class Killed(World):
    """A world whose kill switch comes on with the answer to an order."""

    venue_of = Killing

    def __init__(self, killer: int, *scripts: Script) -> None:
        super().__init__(*scripts)
        assert isinstance(self.venue, Killing)
        self.venue.world, self.venue.killer = self, killer


def work_of(world: World) -> Work:
    """The only cycle at work."""
    (work,) = world.engine.works.values()
    return work


# --- the kill switch -----------------------------------------------------------------------------


@pytest.mark.parametrize("killer", [1, 2])
async def test_a_kill_with_the_answer_to_a_leg_holds_at_once_what_it_brought(killer: int) -> None:
    world = Killed(killer)
    async with world.running():
        assert take(world) is None
        await world.clock.advance(killer * world.venue.latency_s)
        assert len(world.venue.sent) == killer
        assert world.end == "held"
    assert world.engine.refusals[RefusalCode.KILL_SWITCH] == 1
    assert only_cycle(world).detail == "kill switch"
    assert "held" in incidents(world)
    world.agrees()


async def test_a_kill_before_the_way_home_sends_nothing_home() -> None:
    world = Killed(2, Script(), REJECT)
    async with world.running():
        assert take(world) is None
        await world.clock.advance(2 * world.venue.latency_s)
        assert world.end == "held"
        await pass_time(world, 5)
    assert len(world.venue.sent) == 2
    assert world.ledger.deviation("BTC") > 1
    world.agrees()


async def test_a_kill_while_a_way_home_is_waited_for_leaves_nothing_that_plans_one() -> None:
    world = World(Script(), REJECT)
    async with world.running():
        assert take(world) is None
        world.sights.blind = {"ETH/BTC", "ETH/USD", "BTC/USD"}
        await pass_time(world, 0.1, 0.01)
        assert work_of(world).replanning
        sent = len(world.venue.sent)
        kill(world.data_dir)
        await pass_time(world, 0.1, 0.01)
        assert world.end == "held"
        plans = only_cycle(world).prices
        world.sights.blind = set()
        await pass_time(world, 2 * REPLAN_S, 0.05)
    assert len(world.venue.sent) == sent
    assert only_cycle(world).prices == plans
    assert world.engine.ends == {"held": 1}


async def test_a_way_home_that_is_waited_for_twice_is_planned_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(Script(), REJECT)
    async with world.running():
        assert take(world) is None
        world.sights.blind = {"ETH/BTC", "ETH/USD", "BTC/USD"}
        await pass_time(world, 0.1, 0.01)
        work = work_of(world)
        homing = world.engine._homing
        assert homing.plan(work) is None, "it waits already"
        planned: list[Work] = []
        monkeypatch.setattr(homing, "plan", planned.append)
        await pass_time(world, 2 * REPLAN_S, 0.05)
    assert planned == [work]


# --- what the venue says of an order -------------------------------------------------------------


async def test_an_order_that_was_accepted_and_is_said_to_be_refused_is_asked_about() -> None:
    world = World(replace(NO_REPLY, asks=2))
    async with world.running():
        assert take(world) is None
        client_id = world.venue.sent[0].client_id
        world.engine.ended(Outcome(client_id, OrderState.ACKED, order_id="O-1"))
        world.engine.ended(Outcome(client_id, OrderState.REJECTED, reason="no such order"))
        order = work_of(world).cycle.order(client_id)
        assert order is not None
        assert order.record.state is OrderState.ACKED, "nothing of it is believed"
        assert incidents(world) == ["contradiction"]
        assert work_of(world).asked == {client_id: 2}, "once when it was accepted, and again"
        assert len(world.venue.sent) == 1
        await over(world)
    assert world.venue.asked_ns, "what became of it is known by question"
    assert world.end == "done"
    world.agrees()


async def test_a_trade_that_is_told_twice_is_booked_once() -> None:
    world = World(replace(NO_REPLY, pieces=3, asks=2))
    async with world.running():
        assert take(world) is None
        client_id = world.venue.sent[0].client_id
        first = tuple(world.trades_of(client_id)[:1])
        world.engine.ended(Outcome(client_id, OrderState.ACKED, first))
        assert list(world.journal.trades) == [first[0].trade_id]
        world.engine.ended(Outcome(client_id, OrderState.ACKED, first))
        await over(world)
    assert world.end == "done"
    assert len(world.trades_of(client_id)) == 3
    world.agrees()


async def test_a_step_that_loses_its_order_is_a_broken_rule_and_books_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(NO_REPLY)

    def loses(cycle: Cycle, *_: object) -> steps.Step:
        return steps.Step(replace(cycle, orders=()))

    async with world.running():
        assert take(world) is None
        client_id, postings = world.venue.sent[0].client_id, list(world.journal.postings)
        monkeypatch.setattr(steps, "outcome_of", loses)
        with pytest.raises(BrokenRule, match=f"{client_id} left its cycle"):
            world.engine.ended(world.venue.outcomes[client_id])
    assert world.journal.postings == postings


async def test_of_an_order_that_nobody_here_sent_nothing_is_asked_and_nothing_called_off() -> None:
    world = World(NO_REPLY, policy=Policy.PARALLEL)
    async with world.running():
        assert take(world) is None
        asking, work = world.engine._asking, work_of(world)
        asking.ask_later(work, "ab000001-99")
        await asking.cancel(work.cycle, "ab000001-99")
        assert work.doubted_ns == {}
        assert world.gate.unknown == ()
    assert world.venue.cancelled == []


async def test_an_order_that_is_over_is_not_asked_about() -> None:
    world = World(Script(), NO_REPLY)
    async with world.running():
        assert take(world) is None
        await pass_time(world, 0.5)
        world.engine._asking.ask_later(work_of(world), world.venue.sent[0].client_id)
        assert world.gate.unknown == ()


class Unheard(ScriptedVenue):
    """Two questions about an order never come through, nor does any cancel."""

    unheard = 2

    async def resolve(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        if self.unheard:
            self.unheard -= 1
            raise VenueUnreachable("connection reset")
        return await super().resolve(intent, order_id)


class UnheardWorld(World):
    """A world of such a venue."""

    venue_of = Unheard


async def test_a_question_that_does_not_come_through_is_asked_again() -> None:
    world = UnheardWorld(replace(NO_REPLY, asks=0))
    async with world.running():
        assert take(world) is None
        await pass_time(world, 3.2)
        (unknown,) = world.gate.unknown
        order = work_of(world).cycle.order(unknown)
        assert order is not None
        assert (order.record.state, order.record.reason) == (
            OrderState.UNKNOWN,
            "connection reset",
        )
        await over(world)
    assert world.end == "done"
    assert world.gate.unknown == ()
    world.agrees()


@pytest.mark.parametrize("told", [True, False])  # whether the order was given a deadline
async def test_without_a_deadline_or_the_venues_time_questions_only_become_rarer(
    *, told: bool
) -> None:
    world = World(NO_REPLY)
    soon_ns = world.setup.settings.resolve_margin_ms * 1_000_000  # after a deadline of nothing
    world.setup = replace(world.setup, venue_clock=lambda: None if told else soon_ns)
    asking = Engine(world.setup)._asking
    async with world.running():
        assert take(world) is None
        record = work_of(world).cycle.orders[0].record
    if not told:
        record = replace(record, intent=replace(record.intent, deadline_ns=0))
    waits = [asking._wait_s(record, asked) for asked in range(len(ASK_S) + 2)]
    assert waits == [*ASK_S, ASK_S[-1], ASK_S[-1]]


# --- what an order needs to leave ----------------------------------------------------------------


class Timeless(ScriptedVenue):
    """The venue's time is not known any more after its first order."""

    def deadline_ns(self) -> int | None:
        return None if self.sent else super().deadline_ns()


class TimelessWorld(World):
    """A world of such a venue."""

    venue_of = Timeless


async def test_without_the_venues_time_no_order_gets_a_deadline_and_none_leaves() -> None:
    world = TimelessWorld()
    async with world.running():
        assert take(world) is None
        await over(world)
    assert len(world.venue.sent) == 1
    assert world.engine.refusals[RefusalCode.CLOCK] > 1, "the next leg, and the way home"
    assert world.end == "held"
    assert world.breaker.reason is Reason.HELD
    world.agrees()


async def test_a_cycle_that_nothing_approved_sends_nothing() -> None:
    world = World(NO_REPLY)
    async with world.running():
        assert take(world) is None
        work = work_of(world)
        work.envelope = None
        drafts: Sequence[steps.SendLeg] = (steps._planned_leg(work.cycle, 2),)
        refused = world.engine._sender.send(work, work.legs_as, drafts)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.ENVELOPE
    assert len(world.venue.sent) == len(world.journal.orders) == 1


async def test_an_order_leaves_although_our_own_book_of_it_cannot_be_kept() -> None:
    world = World()
    world.engine = Engine(replace(world.setup, view=lambda *_: None))
    async with world.running():
        await world.trade()
    assert world.end == "done"
    assert {one.seen for one in world.journal.walks.values()} == {Seen.DECIDED}
    world.agrees()


# --- long ago ------------------------------------------------------------------------------------


async def test_a_late_fill_of_a_cycle_that_is_forgotten_is_known_from_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roster, "MAX_PAST", 1)
    world = World(Script(fraction=D(0)))
    async with world.running():
        await world.trade()
        forgotten = world.venue.sent[0]
        await world.trade()
        assert world.engine.cycle_with(forgotten.client_id) is None
        assert len(world.engine.past) == 1
        kept = {intent.client_id for intent in world.venue.sent[1:]}
        assert set(world.engine._roster._cycle_of) == kept
        assert world.engine.knows(forgotten.client_id)
        assert world.engine.late(late_trade(world, forgotten, "0.1"))
    assert incidents(world) == ["late_fill"]
    assert world.journal.orders[forgotten.client_id].state is OrderState.PARTIAL
    assert world.breaker.state() is BreakerState.REDUCING
    world.agrees()
