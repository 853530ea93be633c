"""Fees that a venue takes at once and states later: never drift before, exact after (0009)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.account import FEE_POSTED, Flow
from arbit.domain.order import Trade
from arbit.domain.records import Book, PostedState
from arbit.domain.triangle import Side
from arbit.execution.cycle import Cycle, WorkingOrder, cycles_of
from arbit.execution.late_fees import MAX_WAITING
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.happenings import audit, auditing, incidents, pass_time, refusal
from tests.unit.execution.late_world import UNIT, LateWorld, traded
from tests.unit.execution.world import Script
from tests.unit.persistence import made

D = Decimal
MINUTE_S = 60


def off(world: LateWorld) -> dict[str, Decimal]:
    """What the venue has beyond the ledger."""
    found = {a: world.ledger.drift(a, b) for a, b in world.venue.balances_.items()}
    return {asset: by for asset, by in found.items() if by}


def exact(world: LateWorld) -> None:
    """Nothing waits, and books and balances are equal to the last digit."""
    world.ledger.check()
    assert off(world) == {}
    assert world.waiting() == []
    assert all(world.ledger.slack(asset) == 0 for asset in world.venue.balances_)
    assert all(late.ref for late in world.journal.late_fees.values())


def booked(world: LateWorld) -> list[tuple[str, Decimal]]:
    return [
        (one.ref, one.amount)
        for one in world.journal.postings
        if one.kind == "late_fee" and one.book is Book.WALLET
    ]


async def test_until_a_fee_is_posted_its_slack_is_no_drift_and_nothing_is_listed_for_it() -> None:
    world = await traded()
    assert off(world) != {}, "the venue rounds otherwise: else nothing is tested here"
    async with world.running():
        await audit(world)
        listings = world.venue.listings
        with auditing(world):
            await pass_time(world, 8 * MINUTE_S, 1)
        assert world.auditor.audits > 5
        assert world.venue.listings == listings
    assert len(world.waiting()) == 3
    assert world.breaker.state() is BreakerState.ACTIVE
    assert incidents(world) == []


@pytest.mark.parametrize("whole_day", [False, True])
async def test_once_fees_are_posted_books_and_balances_are_equal_to_the_last_digit(
    *, whole_day: bool
) -> None:
    world = await traded()
    differed = off(world)
    async with world.running():
        await audit(world)
        world.posts(world.venue.trades, whole_day=whole_day)
        with auditing(world):
            await pass_time(world, 11 * MINUTE_S, 5)
    exact(world)
    assert sum(amount for _, amount in booked(world)) == sum(differed.values())
    assert {one.state for one in world.journal.posted_fees.values()} == {PostedState.FITS}
    assert incidents(world) == []


async def test_the_same_posted_fee_is_booked_once_in_one_run_and_in_the_next() -> None:
    world = await traded()
    world.posts(world.venue.trades)
    async with world.running():
        await audit(world)
        exact(world)
        once = booked(world)
        world.auditor._unlisted += 1
        await audit(world)
    again = LateWorld(before=world)
    async with again.running():
        await again.recover()
        again.auditor._unlisted += 1
        await audit(again)
    exact(again)
    assert booked(again) == once
    assert incidents(again) == []


async def test_what_waits_survives_a_restart_and_a_start_asks_for_it() -> None:
    world = await traded()
    async with world.running():
        await audit(world)
    again = LateWorld(before=world)
    assert again.waiting() == world.waiting()
    assert again.ledger.slack("USD") == UNIT
    world.posts(world.venue.trades)
    async with again.running():
        await again.recover()
    exact(again)
    assert again.breaker.state() is BreakerState.ACTIVE


async def test_one_activity_may_stand_for_several_trades_of_an_asset() -> None:
    world = await traded(cycles=3)
    by_asset: dict[str, list[Trade]] = {}
    for trade in world.venue.trades:
        by_asset.setdefault(trade.fees[0][0], []).append(trade)
    assert {len(trades) for trades in by_asset.values()} == {3}
    world.late.post(*by_asset.values(), whole_day=True)
    async with world.running():
        await audit(world)
    exact(world)


async def test_fees_that_are_posted_by_and_by_close_what_they_are_of() -> None:
    world = await traded(cycles=2)
    async with world.running():
        for number, trade in enumerate(world.venue.trades, 1):
            world.posts([trade])
            await pass_time(world, 700, 100)
            await audit(world)
            assert len(world.waiting()) == 6 - number
    exact(world)


async def test_more_than_the_slack_is_drift_and_names_the_rate_that_would_explain_it() -> None:
    world = await traded(dearer="0.0005")
    async with world.running():
        await audit(world)
    assert world.breaker.state() is BreakerState.HALTED
    assert world.breaker.reason is Reason.DRIFT
    (said,) = [one.detail for one in world.journal.incidents if one.kind == "drift"]
    by = world.ledger.drift("BTC", world.venue.balances_["BTC"])
    assert f"{by:f} BTC is beyond the 0.000000001 of fees not yet posted" in said
    assert "as if the fee were 15 bps, taker_fee_bps seems to be another one" in said
    assert world.waiting() != []


async def test_a_difference_that_no_rate_explains_gives_no_hint() -> None:
    world = await traded()
    world.venue.balances_["BTC"] += D("0.000000123")
    async with world.running():
        await audit(world)
    (said,) = [one.detail for one in world.journal.incidents if one.kind == "drift"]
    assert "BTC is beyond the 0.000000001" in said
    assert "bps" not in said


@pytest.mark.parametrize(("units", "halts"), [(1, False), (2, True)])
async def test_the_bound_is_as_wide_as_the_slack_and_no_wider(units: int, *, halts: bool) -> None:
    world = await traded()
    held = world.ledger.wallet("BTC")
    world.venue.balances_["BTC"] = held - units * UNIT
    async with world.running():
        await audit(world)
    assert (world.breaker.state() is BreakerState.HALTED) is halts


async def test_a_posted_fee_of_nobodys_is_told_once_and_never_booked() -> None:
    world = await traded()
    wall_ns = world.clock.wall_ns()
    world.venue.flows.append(Flow("F-old", "SOL", D("-0.5"), FEE_POSTED, wall_ns))
    async with world.running():
        with auditing(world):
            await pass_time(world, MINUTE_S, 1)
    assert incidents(world) == ["fee"]
    assert "0.5 SOL (F-old)" in world.journal.incidents[0].detail
    assert booked(world) == []
    assert world.ledger.wallet("SOL") == 0
    again = LateWorld(before=world)
    async with again.running():
        await again.recover()
        with auditing(again):
            await pass_time(again, 2 * MINUTE_S, 1)
    assert incidents(again) == ["fee"]
    assert again.breaker.state() is BreakerState.ACTIVE


async def test_a_posted_fee_beyond_what_waits_halts_though_no_balance_shows_it() -> None:
    world = await traded()
    world.clock.now_ns += 3 * 86_400 * 10**9  # what is of a trade before us is posted by now
    async with world.running():
        await audit(world)
        assert world.engine.take(world.plan("149"), world.clock.now_ns) is None
        await pass_time(world, 5)
        trade = next(one for one in world.venue.trades[3:] if one.fees[0][0] == "BTC")
        fee = world.late.took(trade) + 2 * UNIT
        world.venue.flows.append(
            Flow("F-dear", "BTC", -fee, FEE_POSTED, world.clock.wall_ns(), symbol=trade.symbol)
        )
        with auditing(world):
            await pass_time(world, 11 * MINUTE_S, 5)
    assert world.breaker.state() is BreakerState.HALTED
    assert world.breaker.reason is Reason.DRIFT
    assert "F-dear" in "".join(one.detail for one in world.journal.incidents)
    assert world.journal.posted_fees["F-dear"].state is PostedState.TOLD
    assert booked(world) == []


async def test_what_an_operator_accepts_is_closed_and_its_fees_are_told_not_booked() -> None:
    world = await traded(dearer="0.0005")
    async with world.running():
        await audit(world)
        world.auditor.accept_balances = True
        await audit(world)
        assert off(world) == {}
        assert world.waiting() == []
        world.posts(world.venue.trades)
        with auditing(world):
            world.auditor._unlisted += 1
            world.auditor._want()
            await pass_time(world, MINUTE_S, 1)
    assert booked(world) == []
    exact(world)
    assert "fee" in incidents(world)


async def test_what_an_operator_accepted_is_remembered_by_a_start_at_which_nothing_waits() -> None:
    world = await traded(dearer="0.0005")
    world.clock.now_ns += 3 * 86_400 * 10**9  # what is of a trade before us is posted by now
    accepted = list(world.venue.trades)
    async with world.running():
        await audit(world)
        world.auditor.accept_balances = True
        await audit(world)
        assert world.waiting() == []
    again = LateWorld(before=world, epoch="00001")
    again.late.dearer = D(0)
    async with again.running():
        await again.recover()
        again.auditor._unlisted += 1
        await audit(again)  # all is listed while nothing waits
        again.breaker.resume()
        assert again.engine.take(again.plan("149"), again.clock.now_ns) is None
        await pass_time(again, 5)
        assert len(again.waiting()) == 3
        again.posts(accepted)
        with auditing(again):
            await pass_time(again, 11 * MINUTE_S, 5)
    assert again.breaker.state() is BreakerState.ACTIVE, again.breaker.detail
    assert "fee" in incidents(again)


async def test_a_fee_that_waits_may_be_missing_from_what_is_free_and_counts_as_exposure() -> None:
    world = await traded()
    ledger = world.ledger
    assert ledger.slack("USD") == UNIT
    assert ledger.free("USD") == ledger.wallet("USD") - UNIT
    assert ledger.exposure("USD") == abs(ledger.deviation("USD")) + UNIT
    world.posts(world.venue.trades)
    async with world.running():
        await audit(world)
    assert ledger.free("USD") == ledger.wallet("USD")
    assert ledger.exposure("USD") == abs(ledger.deviation("USD"))


@pytest.mark.parametrize("digits", [None, 9, 8])
async def test_the_next_leg_spends_what_surely_arrived(digits: int | None) -> None:
    trade = replace(
        made.trade("t1", "o1", "0.123456789"), fees=(("BTC", D("0.000308642")),), fee_slack=UNIT
    )
    assert trade.side is Side.BUY
    cycle = made.cycle("c1")
    working = Cycle(cycle, (WorkingOrder(made.order("o1", "c1"), (trade,)),))
    sure = D("0.123456789") - D("0.000308642") - UNIT
    if digits == 8:
        sure = D("0.12345678") - D("0.00030865") - D("0.00000001")
    assert working.surely("BTC", digits) == sure
    stated = replace(trade, fee_slack=None)
    told = Cycle(cycle, (WorkingOrder(made.order("o1", "c1"), (stated,)),))
    assert told.surely("BTC", 9) == D("0.123456789") - D("0.000308642")


async def test_too_many_fees_that_wait_begin_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await traded()
    assert MAX_WAITING > 1000
    monkeypatch.setattr("arbit.execution.late_fees.MAX_WAITING", 2)
    async with world.running():
        assert refusal(world) == "audit"
    assert world.auditor.overdue() == "3 trades wait for the venue to post their fees"


async def test_a_stranger_who_is_allowed_waits_for_his_fees_like_us() -> None:
    world = await traded()
    intent = replace(world.venue.sent[0], client_id="")
    hand = world.late._trade(intent, D("0.1"), "T-hand", Script())
    world.venue.trades.append(replace(hand, order_id="O-hand"))
    async with world.running():
        await audit(world)
        assert "T-hand" in world.waiting()
        assert world.breaker.reason is Reason.FOREIGN
        world.posts(world.venue.trades)
        await pass_time(world, 700, 100)
        await audit(world)
    exact(world)


async def test_cycles_profits_are_what_their_trades_state_whatever_is_posted_later() -> None:
    world = await traded()
    before = dict(world.journal.cycles)
    world.posts(world.venue.trades)
    async with world.running():
        await audit(world)
    assert world.journal.cycles == before
    assert cycles_of(world.journal.recall()) == []
