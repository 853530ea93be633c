"""The gateway in virtual time: when it is ready, what leaves, and what it does about losses."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import OrderTransport, RateTier
from arbit.domain.account import (
    AccountStreamBack,
    AccountStreamLost,
    ForeignOrder,
    TradeSeen,
    VenueOrder,
)
from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.domain.events import VenueSaid
from arbit.domain.order import OrderState, Outcome, Trade
from arbit.domain.triangle import Side
from arbit.venues.account_stream import CATCH_UP_S
from arbit.venues.kraken.budgets import TIERS
from arbit.venues.kraken.outcomes import judge
from tests.unit.venues.kraken.private import words
from tests.unit.venues.kraken.private.venue import WALL_NS, Line, Scene
from tests.unit.venues.virtual import settle

MINE = "abq1w2e1-11"
SECOND = 1_000_000_000


def fills(line: Line, request: dict[str, Any]) -> None:
    """Acknowledge, fill at once, and end."""
    line.say(words.yes(request["req_id"], "O1", request["params"]["cl_ord_id"]))
    line.executions(
        words.opening("O1", request["params"]["cl_ord_id"]),
        words.trade("O1", "T1", "0.5"),
        words.ending("O1", "filled"),
    )


def missed_trade() -> Trade:
    one = Decimal(1)
    return Trade("T9", "O9", "", "BTC/USD", Side.BUY, one, one, one, (), WALL_NS)


async def test_it_is_ready_when_the_stream_is_whole_and_the_clock_is_known() -> None:
    scene = Scene()
    assert "not connected" in scene.gateway.unready()
    assert scene.gateway.deadline_ns() is None
    async with scene.running():
        assert scene.gateway.deadline_ns() == scene.clock.wall_ns() + 2 * SECOND
        assert scene.told_of(AccountStreamBack) == [AccountStreamBack()]
        assert scene.rest.since == []  # nothing was missed at a start


async def test_an_order_leaves_in_the_call_and_ends_by_the_stream() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_order = fills
        waiting = scene.gateway.send(scene.intent())
        (order,) = scene.venue.orders
        assert order["params"]["token"] == "token-1"
        outcome = await waiting
        assert (outcome.state, len(outcome.trades)) == (OrderState.FILLED, 1)
        assert len(scene.told_of(TradeSeen)) == 1


async def test_an_end_that_is_not_told_is_asked_for_soon_after_the_deadline() -> None:
    scene = Scene()  # with the margin for lagging reads that a user has who sets nothing
    async with scene.running():
        waiting = asyncio.ensure_future(scene.gateway.send(scene.intent()))
        await scene.clock.advance(2.9)
        assert not waiting.done()
        await scene.clock.advance(0.2)
        assert (await waiting).state is OrderState.UNKNOWN


async def test_nothing_leaves_without_a_stream() -> None:
    scene = Scene()
    async with scene.running():
        intent = scene.intent()
        scene.venue.line.cut()
        outcome = await scene.gateway.send(intent)
        assert outcome.state is OrderState.REJECTED
        assert outcome.reason.startswith("not sent: account stream: connection lost")
        assert scene.venue.orders == []


async def test_a_cut_socket_loses_the_order_and_comes_back_with_what_was_missed() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        lost_ns = scene.clock.wall_ns()
        scene.venue.line.cut()
        assert (await waiting).state is OrderState.UNKNOWN
        assert scene.told_of(AccountStreamLost) == [AccountStreamLost("connection lost")]
        scene.rest.missed = [missed_trade()]
        scene.rest.open = [
            VenueOrder("O8", "robot", "BTC/USD", open=True, filled_qty=Decimal(0), at_ns=1),
            VenueOrder("O7", "ab-old", "BTC/USD", open=True, filled_qty=Decimal(0), at_ns=1),
        ]
        await scene.clock.advance(2)
        assert scene.gateway.unready() == ""
        assert [one for one in scene.told if isinstance(one, TradeSeen)] == [
            TradeSeen(missed_trade())
        ]
        assert [one.order.order_id for one in scene.told if isinstance(one, ForeignOrder)] == ["O8"]
        assert isinstance(scene.told[-1], AccountStreamBack)
        (since_ns,) = scene.rest.since
        assert lost_ns - 200 * SECOND < since_ns < lost_ns - 60 * SECOND
        assert scene.venue.tokens == 2  # a fresh one for each connection


@pytest.mark.parametrize("ahead_s", [-7_200, 7_200])
async def test_what_was_missed_is_asked_for_by_the_venues_clock(ahead_s: int) -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.ahead_ns = ahead_s * SECOND  # since a second ago: somebody has set our clock
        await scene.clock.advance(3)
        venue_ns = scene.clock.wall_ns() + scene.venue.ahead_ns
        scene.venue.line.cut()
        await scene.clock.advance(2)
        (since_ns,) = scene.rest.since
        assert venue_ns - 130 * SECOND < since_ns < venue_ns - 100 * SECOND


async def test_a_gap_is_made_up_for_on_the_same_socket() -> None:
    scene = Scene()
    async with scene.running():
        line = scene.venue.line
        line.sequence["executions"] += 1
        line.executions(words.live("O1"))
        assert "did not arrive" in scene.gateway.unready()
        await scene.clock.advance(1)
        assert scene.gateway.unready() == ""
        assert len(scene.venue.lines) == 1
        assert len(scene.rest.since) == 1


async def test_a_gap_before_the_first_frame_of_a_whole_stream_is_asked_for_too() -> None:
    scene = Scene()
    async with scene.running(until_ready=False):
        while not scene.told_of(AccountStreamBack):
            await scene.clock.advance(0.01)
        assert scene.rest.since == []
        line = scene.venue.line
        line.sequence["executions"] += 1
        line.executions(words.live("O1"))
        await scene.clock.advance(1)
        assert len(scene.rest.since) == 1


async def test_a_stream_stays_lost_while_the_questions_fail() -> None:
    scene = Scene()
    async with scene.running():
        scene.rest.error = VenueUnreachable("no answer")
        scene.venue.line.cut()
        await scene.clock.advance(30)
        assert "cannot be asked" in scene.gateway.unready()
        assert 3 < len(scene.rest.since) < 30
        assert len(scene.told_of(AccountStreamBack)) == 1
        scene.rest.error = None
        await scene.clock.advance(20)
        assert scene.gateway.unready() == ""


@pytest.mark.parametrize("tier", list(RateTier))
def test_a_round_of_questions_has_the_time_that_its_budget_takes(tier: RateTier) -> None:
    """A round that is cut off begins anew, with as much to ask: it would never end.

    A busy two minutes of a thousand trades are pages of fifty, at two each, and as many questions
    about their orders, at one; an audit may take every second turn, and a third is kept back.
    """
    pages = 1_000 / 50
    needs_s = 2 * (2 * pages + pages) / TIERS[tier].rest_per_s
    assert needs_s < CATCH_UP_S


async def test_a_gap_during_the_questions_is_asked_for_again() -> None:
    scene = Scene()
    async with scene.running():
        line = scene.venue.line
        scene.rest.delay_s = 1.0
        line.sequence["executions"] += 1
        line.executions(words.live("O1"))
        await scene.clock.advance(0.5)
        line.sequence["executions"] += 1
        line.executions(words.live("O1"))
        await scene.clock.advance(2)
        assert scene.gateway.unready() != ""
        await scene.clock.advance(3)
        assert scene.gateway.unready() == ""
        assert len(scene.rest.since) == 2


async def test_a_mute_socket_is_dropped_and_dialled_again() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.mute = True
        await scene.clock.advance(3)
        assert scene.gateway.unready() != ""
        scene.venue.mute = False
        await scene.clock.advance(5)
        assert scene.gateway.unready() == ""
        assert len(scene.venue.lines) > 1


async def test_a_socket_that_talks_and_answers_no_ping_is_dropped() -> None:
    scene = Scene()
    async with scene.running():
        first = scene.venue.line
        scene.venue.mute = True
        for _ in range(60):
            first.say(b'{"channel":"heartbeat"}')
            await scene.clock.advance(0.1)
        assert not first.open
        assert "ping" in scene.told_of(AccountStreamLost)[0].why  # type: ignore[union-attr]  # it is one


async def test_a_venue_that_is_down_is_dialled_ever_less_often() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.down = True
        scene.venue.line.cut()
        tokens = scene.venue.tokens
        await scene.clock.advance(300)
        assert scene.venue.tokens - tokens < 40
        scene.venue.down = False
        await scene.clock.advance(40)
        assert scene.gateway.unready() == ""


async def test_a_refused_subscription_is_no_stream_and_no_storm() -> None:
    scene = Scene()
    scene.venue.refuse = "EGeneral:Permission denied"
    async with scene.running(until_ready=False):
        await scene.clock.advance(120)
        assert "Permission denied" in scene.gateway.unready()
        assert len(scene.venue.lines) < 25
        assert VenueSaid("kraken", "EGeneral:Permission denied") in scene.events


@pytest.mark.untraced
@pytest.mark.parametrize(
    ("words_said", "wait_s"),
    [
        ("EOrder:Domain rate limit exceeded", 5),
        ("EGeneral:Temporary lockout", 900),
        (f"EService: Throttled: {WALL_NS // SECOND + 61}", 45),
    ],
)
async def test_nothing_is_sent_before_the_venue_permits_it(words_said: str, wait_s: int) -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_order = lambda line, one: line.say(words.no(one["req_id"], words_said))
        refused = await scene.gateway.send(scene.intent())
        assert refused.state is OrderState.REJECTED
        assert refused.remedy is judge(words_said).remedy
        scene.venue.on_order = fills
        for _ in range(2):
            again = await scene.gateway.send(scene.intent("abq1w2e2-11"))
            assert again.reason.startswith("not sent: told to wait")
            await scene.clock.advance(wait_s / 2 - 1)
        await scene.clock.advance(10)
        assert scene.gateway.unready() == ""
        assert len(scene.venue.orders) == 1
        assert (await scene.gateway.send(scene.intent("abq1w2e3-11"))).state is OrderState.FILLED


async def test_a_lockout_keeps_even_the_socket_from_dialling() -> None:
    scene = Scene()
    async with scene.running():
        scene.gateway.judged("EGeneral:Temporary lockout", judge("EGeneral:Temporary lockout"))
        scene.venue.line.cut()
        await scene.clock.advance(890)
        assert len(scene.venue.lines) == 1
        await scene.clock.advance(20)
        assert len(scene.venue.lines) == 2


async def test_a_token_that_is_not_taken_is_renewed_before_the_next_order() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_order = lambda line, one: line.say(
            words.no(one["req_id"], "EAPI:Invalid token")
        )
        assert (await scene.gateway.send(scene.intent())).state is OrderState.UNKNOWN
        assert "token" in scene.gateway.unready()
        await scene.clock.advance(1)
        assert scene.gateway.unready() == ""
        scene.venue.on_order = fills
        await scene.gateway.send(scene.intent("abq1w2e2-11"))
        assert scene.venue.orders[-1]["params"]["token"] == "token-2"


async def test_the_token_is_renewed_at_half_its_life() -> None:
    scene = Scene()
    async with scene.running():
        await scene.clock.advance(455)
        scene.venue.on_order = fills
        await scene.gateway.send(scene.intent())
        assert scene.venue.orders[-1]["params"]["token"] == "token-2"
        assert len(scene.venue.lines) == 1


async def test_a_question_goes_to_the_resolver() -> None:
    scene = Scene()
    async with scene.running():
        assert (await scene.gateway.resolve(scene.intent(), "O1")).state is OrderState.NEVER


async def test_a_stop_leaves_what_is_in_flight_unknown() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
    assert (await waiting).state is OrderState.UNKNOWN


# --- over REST -----------------------------------------------------------------------------------


async def test_over_rest_the_stream_tells_the_end_before_the_questions_do() -> None:
    scene = Scene(OrderTransport.REST)
    async with scene.running():
        scene.rest.delay_s = 60
        waiting = asyncio.ensure_future(scene.gateway.send(scene.intent()))
        await settle()
        assert scene.rest.sent == [MINE]
        assert scene.venue.orders == []
        scene.venue.line.executions(words.opening("O1", MINE), words.trade("O1", "T1", "0.5"))
        scene.venue.line.executions(words.ending("O1", "filled"))
        outcome = await waiting
        assert (outcome.state, outcome.order_id) == (OrderState.FILLED, "O1")
        assert scene.gateway.following.in_flight == 0


async def test_over_rest_a_lost_stream_leaves_the_questions() -> None:
    scene = Scene(OrderTransport.REST)
    async with scene.running():
        scene.rest.delay_s = 1
        scene.rest.outcome = Outcome(MINE, OrderState.EMPTY, order_id="O1")
        waiting = asyncio.ensure_future(scene.gateway.send(scene.intent()))
        await settle()
        scene.venue.line.cut()
        await scene.clock.advance(2)
        assert (await waiting).state is OrderState.EMPTY


async def test_over_rest_it_is_ready_without_a_stream() -> None:
    scene = Scene(OrderTransport.REST)
    scene.venue.no_token = VenueRefused("EGeneral:Permission denied")
    async with scene.running(until_ready=False):
        await scene.clock.advance(1)
        assert scene.rest.times_asked == 1
        assert scene.gateway.unready() == ""
        scene.rest.outcome = Outcome(MINE, OrderState.EMPTY, order_id="O1")
        assert (await scene.gateway.send(scene.intent())).state is OrderState.EMPTY
        deadline_ns = scene.gateway.deadline_ns()
        assert deadline_ns is not None
        assert deadline_ns - scene.clock.wall_ns() == 3_000_000_000


async def test_over_rest_a_refusal_of_an_order_that_the_stream_has_shown_proves_nothing() -> None:
    scene = Scene(OrderTransport.REST)
    async with scene.running():
        scene.rest.delay_s = 1
        said = "EOrder:Insufficient funds"
        scene.rest.outcome = Outcome(MINE, OrderState.REJECTED, reason=said)
        waiting = asyncio.ensure_future(scene.gateway.send(scene.intent()))
        await settle()
        scene.venue.line.executions(words.opening("O1", MINE))
        await scene.clock.advance(2)
        outcome = await waiting
        assert (outcome.state, outcome.order_id) == (OrderState.UNKNOWN, "O1")
