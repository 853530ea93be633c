"""Another daemon on our account gives its orders ids like ours: the first one told stops us."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.app.private.sides import Ours
from arbit.domain.account import ForeignOrder, TradeSeen, VenueOrder
from arbit.domain.order import Trade
from arbit.domain.records import JournalFailed
from arbit.execution.ids import Ids
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.world import Script, World, usual_settings

D = Decimal
THEIRS = Ids("zzzzz").order("zzzzz1", 1, 1)
TOLERANT = usual_settings(halt_on_foreign_orders=False)


def order(world: World, client_id: str = THEIRS, at_ns: int = 0) -> ForeignOrder:
    at_ns = at_ns or world.clock.wall_ns()
    return ForeignOrder(VenueOrder("O-1", client_id, "BTC/USD", True, D(0), at_ns))


def trade(world: World, client_id: str = THEIRS) -> Trade:
    made = replace(world.venue.trades[0], trade_id="T-theirs", order_id="O-theirs")
    return replace(made, client_id=client_id, at_ns=world.clock.wall_ns())


async def opened() -> World:
    """A daemon that has recovered and traded once."""
    world = World(settings=TOLERANT)
    async with world.running():
        await world.recover()
        await world.trade()
        await world.clock.advance(5.0)
    return world


def halted_by_a_twin(world: World) -> bool:
    halted = world.breaker.state() is BreakerState.HALTED and world.breaker.reason is Reason.FOREIGN
    return halted and "another daemon trades this account" in world.breaker.detail


@pytest.mark.parametrize("kind", ["order", "trade"])
async def test_an_order_like_ours_that_was_not_sent_from_here_halts_in_the_same_turn(
    kind: str,
) -> None:
    world = await opened()
    audits = world.auditor.audits
    world.auditor(order(world) if kind == "order" else TradeSeen(trade(world)))

    assert halted_by_a_twin(world)
    assert THEIRS in world.breaker.detail
    assert world.auditor.audits == audits, "no audit was waited for"


async def test_it_is_told_once_for_each_order_and_not_again_by_the_audit() -> None:
    world = await opened()
    theirs = trade(world)
    world.auditor(order(world))
    for _ in range(3):
        world.auditor(TradeSeen(theirs))
    world.venue.trades.append(theirs)
    async with world.running():
        await world.clock.advance(10.0)
    told = [one for one in world.journal.incidents if one.kind == "foreign"]
    assert len(told) == 1


async def test_our_own_orders_are_known_whenever_they_are_told_of() -> None:
    first = World(Script(shape="lost_after", asks=10**6), settings=TOLERANT)
    async with first.running():
        await first.recover()
        first.engine.take(first.plan(), first.clock.now_ns)
        await first.clock.advance(0.5)
    mine = first.venue.sent[0].client_id
    assert first.engine.knows(mine)

    second = World(before=first, epoch="00001", settings=TOLERANT)
    second.auditor._opened_ns = 1
    seen = first.trades_of(mine)[0]
    second.auditor(TradeSeen(replace(seen, at_ns=second.clock.wall_ns())))  # before it is adopted
    assert second.engine.knows(mine)
    assert second.breaker.state() is BreakerState.ACTIVE
    assert Ours(second.journal)(mine)


async def test_what_a_folder_given_up_has_traded_before_the_opening_is_no_twin() -> None:
    world = await opened()
    world.auditor._opened_ns = world.clock.wall_ns()
    world.auditor(order(world, at_ns=world.clock.wall_ns() - 1))
    assert world.breaker.state() is BreakerState.ACTIVE

    fresh = World(settings=TOLERANT)  # its account is not opened yet: all of it is of before
    fresh.auditor(order(fresh))
    assert fresh.breaker.state() is BreakerState.ACTIVE


async def test_somebody_else_by_hand_is_a_foreigner_and_no_twin() -> None:
    world = await opened()
    world.auditor(order(world, client_id="by-hand"))
    assert world.breaker.state() is BreakerState.ACTIVE, "and is allowed by these settings"
    assert [one.kind for one in world.journal.incidents] == ["foreign"]


async def test_a_journal_that_cannot_say_accuses_nobody() -> None:
    world = await opened()

    def unreadable(_: str) -> None:
        raise JournalFailed("damaged")

    world.journal.find = unreadable  # type: ignore[method-assign,assignment]  # it cannot be read
    world.auditor(TradeSeen(trade(world)))
    assert world.breaker.state() is BreakerState.ACTIVE
    assert world.auditor._wanted, "asked about again when it can be"
    assert Ours(world.journal)(THEIRS), "until then its look decides"


def test_ids_like_ours_are_ours_when_they_were_sent_from_here() -> None:
    world = World()
    mine = Ours(world.journal)
    assert not mine(THEIRS)
    assert not mine("by-hand")
    mine.sent = lambda client_id: client_id == THEIRS
    assert mine(THEIRS)
    mine.sent = lambda _: True
    assert not mine("by-hand")
