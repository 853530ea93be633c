"""Audits: other hands' trades are booked and told once; what is not compared begins nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.account import AccountStreamBack, BalanceSeen, Flow
from arbit.domain.errors import FrameError, VenueUnreachable
from arbit.domain.order import OrderIntent, OrderState, Outcome, Remedy
from arbit.execution.audit import AUDITED, Auditor
from arbit.execution.opening import OPENED, UNSURE_NS
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.happenings import (
    audit,
    auditing,
    balanced,
    incidents,
    over,
    pass_time,
    refusal,
    take,
    traded,
)
from tests.unit.execution.world import START, Script, ScriptedVenue, World

D = Decimal
SECOND_NS = 1_000_000_000


async def broken(*_: object) -> Sequence[Any]:
    raise FrameError("trade T: which asset paid its fee is not told")


# --- in time -----------------------------------------------------------------------------------


async def test_an_audit_that_fails_is_told_and_stops_new_cycles_until_one_agrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await traded()
    async with world.running():
        with auditing(world), monkeypatch.context() as patch:
            patch.setattr(type(world.venue), "trades_since", broken)
            await pass_time(world, 280, 10)
            assert incidents(world) == []
            await pass_time(world, 60, 10)
            assert incidents(world) == ["audit"]
            assert "which asset paid its fee" in world.journal.incidents[0].detail
            assert refusal(world) == "audit"
            assert world.auditor.overdue() != ""
        with auditing(world):
            await pass_time(world, 2, 0.5)
            assert world.auditor.overdue() == ""
            assert take(world) is None
            await over(world)
    assert world.engine.ends == {"done": 2}


async def one_after_the_other(world: World, seconds: int) -> float:
    """A cycle begins in the moment when one ends; how long (in s) until none may begin."""
    began_ns, refused_ns = world.clock.now_ns, list[int]()

    def begin() -> None:
        if refusal(world):
            refused_ns.append(world.clock.now_ns)

    def ended(_: object) -> None:
        asyncio.get_running_loop().call_soon(begin)

    world.engine.on_end = ended
    begin()
    with auditing(world):
        await pass_time(world, seconds, 1)
    assert len(refused_ns) == 1
    return (refused_ns[0] - began_ns) / SECOND_NS


@pytest.mark.untraced
@pytest.mark.parametrize("drifts", [True, False])
async def test_cycles_that_follow_each_other_leave_room_for_a_look_every_five_minutes(
    drifts: bool,
) -> None:
    world = World()
    world.venue.latency_s = 0.9
    world.venue.balances_["BTC"] += D(1 if drifts else 0)
    async with world.running():
        assert 300 <= await one_after_the_other(world, 310) <= 304
        assert world.auditor.audits >= 1
        assert world.engine.refusals == {"audit": 1}
        assert refusal(world) == ("breaker" if drifts else "")
    assert (world.breaker.reason is Reason.DRIFT) is drifts


async def test_a_look_that_was_asked_for_is_waited_for_no_longer_than_thirty_seconds() -> None:
    world = World()
    world.venue.latency_s = 0.9
    async with world.running():
        world.auditor(AccountStreamBack())
        assert 30 <= await one_after_the_other(world, 40) <= 34
        assert world.engine.refusals == {"audit": 1}
        assert refusal(world) == ""


async def test_a_look_that_was_asked_for_and_fails_is_overdue_after_thirty_seconds_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await traded()
    monkeypatch.setattr(type(world.venue), "trades_since", broken)
    async with world.running():
        with auditing(world):
            world.auditor(AccountStreamBack())
            await pass_time(world, 29, 1)
            assert world.auditor.overdue() == ""
            await pass_time(world, 3, 1)
            assert refusal(world) == "audit"
    assert incidents(world) == ["audit"]


async def test_a_look_that_something_disturbed_is_still_owed_since_it_was_asked_for() -> None:
    world = await traded()
    async with world.running():
        world.auditor(AccountStreamBack())
        asked_ns = world.auditor._wanted_ns
        await pass_time(world, 10, 1)
        world.venue.latency_s = 3.0
        assert take(world) is None
        await world.auditor.reconcile()
        assert world.auditor._wanted
        assert world.auditor._wanted_ns == asked_ns
        await over(world)


async def test_an_open_cycle_goes_home_although_the_books_were_not_compared() -> None:
    world = World(Script(), Script(shape="reject"))
    async with world.running():
        assert take(world) is None
        world.auditor._agreed_ns -= 400 * SECOND_NS
        assert refusal(world) == "audit"
        await over(world)
    assert world.end == "unwound"
    world.agrees()


# --- what asks for a look ------------------------------------------------------------------------


@pytest.mark.parametrize("remedy", list(Remedy))
async def test_a_venue_that_says_our_books_are_wrong_is_looked_at(remedy: Remedy) -> None:
    world = World(Script(shape="reject", remedy=remedy))
    async with world.running():
        await world.trade()
    assert world.auditor._wanted is (remedy is Remedy.RESYNC)


@pytest.mark.parametrize(
    ("remedy", "state"),
    [(Remedy.HALT, BreakerState.HALTED), (Remedy.LOCKOUT, BreakerState.REDUCING)],
)
async def test_a_key_at_fault_is_heeded_although_nobody_can_say_what_became_of_the_order(
    remedy: Remedy, state: BreakerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reply(venue: ScriptedVenue, intent: OrderIntent, _: Script) -> Outcome:
        await venue.clock.sleep(venue.latency_s)
        return Outcome(intent.client_id, OrderState.UNKNOWN, reason="disabled", remedy=remedy)

    monkeypatch.setattr(ScriptedVenue, "_reply", reply)
    world = World(Script(shape="lost_before", asks=2))
    async with world.running():
        await world.trade()
    assert world.end == "flat"
    assert world.breaker.state() is state


@pytest.mark.parametrize(("kind", "asks"), [("deposit", True), ("trade", False)])
async def test_a_balance_that_no_trade_moved_is_looked_at(kind: str, asks: bool) -> None:
    world = World()
    world.auditor(BalanceSeen("USD", START["USD"] + 500, kind))
    assert world.auditor._wanted is asks


# --- the venue's clock ---------------------------------------------------------------------------


class Apart:
    """The venue's clock, an hour apart from ours; None while nobody knows it."""

    def __init__(self, world: World, apart_s: int) -> None:
        self.world, self.apart_ns = world, apart_s * SECOND_NS
        self.known = True
        setup = replace(world.setup, venue_clock=self)
        world.auditor = Auditor(setup, world.engine, world.venue)

    def __call__(self) -> int | None:
        return self.world.clock.wall_ns() + self.apart_ns if self.known else None

    def deposit(self, ref: str) -> None:
        at_ns = self.world.clock.wall_ns() + self.apart_ns
        self.world.venue.flows.append(Flow(ref, "USD", D(50), "deposit", at_ns))
        self.world.venue.balances_["USD"] += 50


@pytest.mark.parametrize("apart_s", [-3_600, 3_600])
async def test_windows_begin_by_the_venues_clock_whatever_ours_says(apart_s: int) -> None:
    world = World()
    world.clock.now_ns = 86_400 * SECOND_NS  # neither clock begins at nothing
    venue = Apart(world, apart_s)
    async with world.running():
        await world.auditor.begin(0, first=False)
        for number in range(3):
            await pass_time(world, 130, 1)  # beyond what is looked back
            venue.deposit(f"L-{number}")
            await audit(world)
            balanced(world)
    assert world.breaker.state() is BreakerState.ACTIVE
    flag = world.journal.flags[AUDITED]
    assert abs(int(flag.value) - world.clock.wall_ns() - venue.apart_ns) < 20 * SECOND_NS


async def test_an_account_is_opened_at_a_time_of_the_venues_and_not_before_it_is_known() -> None:
    world = World()
    world.clock.now_ns = 86_400 * SECOND_NS
    venue = Apart(world, -3_600)
    venue.known = False
    with pytest.raises(VenueUnreachable, match="clock is not known"):
        await world.auditor.begin(0, first=True)
    venue.known = True
    await world.auditor.begin(0, first=True)
    venues_ns = world.clock.wall_ns() - 3_600 * SECOND_NS
    assert int(world.journal.flags[OPENED].value) == venues_ns - UNSURE_NS
    async with world.running():
        await world.clock.advance(1)
        venue.deposit("L-after")  # by our clock this was long before the account was opened
        await world.auditor._missed(0)
    assert [p.ref for p in world.journal.postings if p.kind == "flow"] == ["L-after", "L-after"]


async def test_an_account_is_not_opened_while_nobody_can_say_what_its_balances_include() -> None:
    """The venue's clock is known to a second: what moved just now may be in them, or not."""
    world = World()
    world.clock.now_ns = 86_400 * SECOND_NS
    venue = Apart(world, 0)
    venue.deposit("L-just-now")
    opening = asyncio.ensure_future(world.auditor.begin(0, first=True))
    await world.clock.advance(1.0)
    assert OPENED not in world.journal.flags
    await world.clock.advance(5.0)
    await opening
    async with world.running():
        venue.deposit("L-after")  # at once: our idea of the venue's time may be ahead of it
        await world.auditor._missed(0)
    assert [p.ref for p in world.journal.postings if p.kind == "flow"] == ["L-after", "L-after"]


async def test_an_account_where_money_moves_all_the_time_is_not_opened() -> None:
    world = World()
    world.clock.now_ns = 86_400 * SECOND_NS
    venue = Apart(world, 0)
    opening = asyncio.ensure_future(world.auditor.begin(0, first=True))
    for number in range(12):
        venue.deposit(f"L-{number}")
        await world.clock.advance(1.0)
    with pytest.raises(VenueUnreachable, match="all the time"):
        await opening
    assert OPENED not in world.journal.flags


async def test_while_the_venues_clock_is_not_known_more_is_asked_and_not_less() -> None:
    world = World()
    venue = Apart(world, 3_600)
    async with world.running():
        await world.auditor.begin(0, first=False)
        since_ns = world.auditor._since_ns
        venue.known = False
        await pass_time(world, 130, 1)
        await audit(world)
        assert world.auditor._since_ns == since_ns
        assert world.auditor.overdue() == ""
