"""Cancels: when a parallel leg fails, racing a fill, unknown, unanswered; and those of a start."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.cycle import Policy
from arbit.domain.events import OrderRefused
from arbit.domain.order import OrderState
from arbit.risk.breaker import BreakerState
from tests.unit.execution.nasty import Act, NastyWorld
from tests.unit.execution.world import START, usual_settings

D = Decimal
SLOW = Act(match_s=0.3)  # accepted at once, matched long after a cancel has come
FAILS = {
    "refused": Act(fate="reject"),
    "empty": Act(fraction=D(0)),
    "partial": Act(fraction=D("0.3")),
}


def world_of(*acts: Act) -> NastyWorld:
    return NastyWorld(*acts, policy=Policy.PARALLEL)


async def traded(world: NastyWorld) -> NastyWorld:
    """One cycle, until it is over and every venue's promise has come due."""
    async with world.running():
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        await world.settle()
        await world.clock.advance(5.0)
        assert world.engine.open_cycles == 0
        world.agrees()
        await world.auditor.reconcile()
    assert world.breaker.state() is not BreakerState.HALTED
    assert world.meter().findings == []
    return world


def states(world: NastyWorld) -> list[str]:
    """How the three legs ended."""
    rows = sorted(world.journal.orders.values(), key=lambda row: row.leg_index or 9)
    return [row.state.value for row in rows[:3]]


# --- a parallel leg fails ------------------------------------------------------------------------


@pytest.mark.parametrize("leg", [0, 1, 2])
@pytest.mark.parametrize("how", list(FAILS))
async def test_when_a_parallel_leg_fails_the_others_are_cancelled_once_each(
    how: str, leg: int
) -> None:
    acts = [SLOW, SLOW, SLOW]
    acts[leg] = FAILS[how]
    world = await traded(world_of(*acts))

    failed = world.venue.sent[leg].client_id
    legs = [intent.client_id for intent in world.venue.sent[:3]]
    assert sorted(world.venue.cancelled) == sorted(one for one in legs if one != failed)
    assert all(state == "empty" for at, state in enumerate(states(world)) if at != leg)
    if how != "partial":
        assert world.end == "flat"
        assert world.venue.balances_ == START
        assert len(world.venue.sent) == 3


async def test_a_parallel_leg_that_is_lost_is_asked_about_and_the_others_are_cancelled() -> None:
    world = await traded(
        world_of(Act(fate="lost_after", match_s=5.0, asks=2), Act(match_s=5.0), Act(match_s=5.0))
    )
    lost, *others = [intent.client_id for intent in world.venue.sent[:3]]
    assert sorted(world.venue.cancelled) == sorted(others)
    assert states(world) == ["filled", "empty", "empty"]
    assert world.end == "unwound"
    assert [one.client_id for one in world.venue.sent].count(lost) == 1


# --- a cancel and a fill -------------------------------------------------------------------------


@pytest.mark.parametrize("match_s", [0.0, 0.005, 0.014, 0.0149, 0.0151, 0.02, 0.2])
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_cancel_that_races_a_fill_books_what_was_traded_whoever_wins(
    match_s: float, pieces: int
) -> None:
    racing = Act(match_s=match_s, pieces=pieces, gap_s=0.003)
    world = await traded(world_of(FAILS["refused"], racing, racing))

    assert len(world.venue.cancelled) == 2
    won = set(states(world)[1:])
    assert won <= {"filled", "partial", "empty"}
    if match_s <= 0.005:
        assert "filled" in won
    if match_s == 0.2:
        assert won == {"empty"}
    assert world.end == ("flat" if won == {"empty"} else "unwound")


@pytest.mark.parametrize(
    ("cancel", "ends"),
    [("refused", "filled"), ("lost", "filled"), ("silent", "empty")],
)
async def test_a_cancel_that_is_refused_or_never_answered_leaves_the_order_to_its_own_end(
    cancel: str, ends: str
) -> None:
    """Refused: the venue knows no such order. Lost: neither done nor answered. Silent: done."""
    slow = Act(match_s=0.3, cancel=cancel)
    world = await traded(world_of(FAILS["refused"], slow, slow))

    assert len(world.venue.cancelled) == 2
    assert states(world) == ["rejected", ends, ends]
    told = [one for one in world.events if isinstance(one, OrderRefused) and one.code == "cancel"]
    assert len(told) == 2
    assert world.end == ("flat" if ends == "empty" else "unwound")


async def test_a_cancel_that_comes_before_its_order_does_not_stop_it() -> None:
    late = Act(arrive_s=0.4)
    world = await traded(world_of(FAILS["refused"], late, late))
    assert len(world.venue.cancelled) == 2
    assert states(world) == ["rejected", "filled", "filled"]
    assert world.end == "unwound"


# --- a start -------------------------------------------------------------------------------------


async def cut_off(*acts: Act) -> NastyWorld:
    """A run that is gone while its first order is open at the venue."""
    world = NastyWorld(*acts)
    async with world.running():
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        await world.clock.advance(0.05)
    assert [one.client_id for one in await world.nasty.open_orders()] == ["ab000001-11"]
    return world


async def started(first: NastyWorld) -> NastyWorld:
    """The next run: it recovers, then trades once."""
    second = NastyWorld(before=first, epoch="00001")
    async with second.running():
        await second.recover()
        assert second.engine.open_cycles == 0
        second.agrees()
        if second.breaker.state() is BreakerState.ACTIVE:
            await second.trade()
            second.agrees()
    return second


def requests(world: NastyWorld) -> list[tuple[str, str]]:
    return [
        (one["method"], one["cl_ord_id"]) for one in world.nasty.log if one["kind"] == "request"
    ]


@pytest.mark.parametrize("cancel", ["obeyed", "refused"])
async def test_a_start_cancels_our_open_orders_before_anything_new(cancel: str) -> None:
    first = await cut_off(Act(match_s=0.6, cancel=cancel))
    second = await started(first)

    sent = requests(second)
    cancels = [at for at, (method, _) in enumerate(sent) if method == "cancel_order"]
    assert {sent[at][1] for at in cancels} == {"ab000001-11"}
    new = [at for at, (method, one) in enumerate(sent) if method == "add_order" and at]
    assert max(cancels) < min(new)
    log = second.nasty.log
    gone = next(at for at, one in enumerate(log) if one["kind"] == "end")
    assert len([one for one in log[:gone] if one.get("method") == "add_order"]) == 1
    assert first.journal.orders["ab000001-11"].state is (
        OrderState.EMPTY if cancel == "obeyed" else OrderState.FILLED
    )
    assert second.meter().findings == []


async def test_an_order_of_ours_that_no_cancel_removes_halts_the_start() -> None:
    first = await cut_off(Act(match_s=30.0, cancel="refused"))
    second = NastyWorld(before=first, epoch="00001", settings=usual_settings(max_resolve_s=60))
    async with second.running():
        await second.recover()
    assert second.breaker.state() is BreakerState.HALTED
    assert "stay open" in second.breaker.detail
    assert [one for one in requests(second)[1:] if one[0] == "add_order"] == []


async def test_a_start_is_patient_with_a_venue_that_does_not_answer_at_first() -> None:
    first = await cut_off(Act(match_s=600.0))
    first.nasty.deaf, first.nasty.open_asked = 3, 0
    second = await started(first)
    assert first.nasty.open_asked > 3
    assert first.journal.orders["ab000001-11"].state is OrderState.EMPTY
    assert second.breaker.state() is BreakerState.ACTIVE
