"""Trades of other hands, and differences that an operator accepts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.account import Flow
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.happenings import (
    audit,
    auditing,
    balanced,
    by_hand,
    incidents,
    list_rows,
    pass_time,
    refusal,
    traded,
)
from tests.unit.execution.world import Script, World

D = Decimal
SECOND_NS = 1_000_000_000


# --- other hands -----------------------------------------------------------------------------


@pytest.mark.parametrize("halts", [True, False])
async def test_a_trade_by_hand_is_booked_as_the_venue_lists_it_and_told_once(halts: bool) -> None:
    world = await traded(halt_on_foreign_orders=halts)
    by_hand(world)
    async with world.running():
        for _ in range(3):
            await audit(world)
            balanced(world)
        assert incidents(world) == ["foreign"]
        assert world.breaker.state() is (BreakerState.HALTED if halts else BreakerState.ACTIVE)
        assert world.breaker.reason is (Reason.FOREIGN if halts else None)
        assert refusal(world) == ("breaker" if halts else "")
    rows = [p for p in world.journal.postings if p.ref.startswith("L-T-hand")]
    assert {(p.asset, p.kind) for p in rows} == {("BTC", "flow"), ("USD", "flow")}


async def test_after_an_operator_has_resumed_trading_goes_on_beside_a_trade_by_hand() -> None:
    world = await traded()
    by_hand(world)
    async with world.running():
        await audit(world)
        world.breaker.resume()
        await audit(world)
        await world.trade()
        await pass_time(world, 5, 1)
        await audit(world)
    assert world.engine.ends == {"done": 2}
    assert world.breaker.state() is BreakerState.ACTIVE
    assert incidents(world) == ["foreign"]
    balanced(world)


async def test_another_trade_by_hand_is_told_anew() -> None:
    world = await traded()
    by_hand(world)
    async with world.running():
        await audit(world)
        world.breaker.resume()
        by_hand(world, "T-hand-2")
        await audit(world)
    assert incidents(world) == ["foreign", "foreign"]
    assert world.breaker.reason is Reason.FOREIGN
    balanced(world)


@pytest.mark.parametrize("known", [True, False])
async def test_a_start_books_a_trade_by_hand_and_tells_only_of_one_it_did_not_know(
    known: bool,
) -> None:
    first = await traded(halt_on_foreign_orders=False)
    by_hand(first)
    if known:
        async with first.running():
            await audit(first)
    world = World(before=first, epoch="00001", settings=first.settings)
    async with world.running():
        await world.recover()
    assert incidents(world) == ["foreign"]
    assert world.breaker.state() is BreakerState.ACTIVE
    balanced(world)


async def test_a_trade_by_hand_whose_rows_come_late_is_told_once_and_booked_when_they_do() -> None:
    world = await traded(halt_on_foreign_orders=False)
    before = dict(world.venue.balances_)
    trade = by_hand(world, listed=False)
    async with world.running():
        await audit(world)
        assert (world.breaker.state(), world.breaker.reason) == (BreakerState.HALTED, Reason.DRIFT)
        list_rows(world, trade, before)
        world.breaker.resume()
        await audit(world)
    assert world.breaker.state() is BreakerState.ACTIVE
    assert incidents(world) == ["foreign", "drift"]
    balanced(world)


async def test_rows_of_our_own_trades_are_not_booked_beside_them() -> None:
    world = await traded()
    for trade in world.venue.trades:
        row = Flow(f"L-{trade.trade_id}", "BTC", D("0.1"), "trade", trade.at_ns, trade.trade_id)
        world.venue.flows.append(row)
    async with world.running():
        await audit(world)
    again = World(before=world, epoch="00001")
    async with again.running():
        await again.recover()
    assert again.breaker.state() is BreakerState.ACTIVE
    assert not any(p.kind == "flow" for p in world.journal.postings)
    again.agrees()


async def test_a_trade_of_an_order_of_ours_that_no_journal_knows_stops_trading() -> None:
    world = await traded(halt_on_foreign_orders=False)
    intent = world.venue.sent[0]
    trade = world.venue._trade(intent, D("0.1"), "T-lost", Script())
    lost = type(trade)("T-lost", "O-lost", "abzzzzz1-11", *list_of(trade)[3:])
    world.venue.trades.append(lost)
    async with world.running():
        await audit(world)
    assert "foreign" in incidents(world)
    assert world.breaker.state() is BreakerState.HALTED


def list_of(trade: Any) -> list[Any]:
    """The fields of a record, in order."""
    return [getattr(trade, name) for name in trade.__slots__]


# --- an operator's word ------------------------------------------------------------------------


async def test_a_difference_that_nothing_explains_is_booked_on_an_operators_word_alone() -> None:
    world = await traded()
    world.venue.balances_["BTC"] += D("0.25")
    world.venue.balances_["USD"] -= D("3.01")
    async with world.running():
        await audit(world)
        assert world.breaker.reason is Reason.DRIFT
        world.breaker.resume()
        await audit(world)
        assert world.breaker.reason is Reason.DRIFT, "to resume alone explains nothing"

        world.auditor.accept_balances = True
        world.breaker.resume()
        assert refusal(world) == "audit", "nothing begins before it is booked"
        await audit(world)
        assert not world.auditor.accept_balances
        balanced(world)
        assert incidents(world) == ["drift", "drift", "accepted"]
        assert "0.250000 BTC, -3.01000000 USD" in world.journal.incidents[-1].detail

        world.venue.balances_["BTC"] += D("0.00000001")
        await audit(world)
        assert world.breaker.reason is Reason.DRIFT, "one word, one difference"
    again = World(before=world, epoch="00001")
    assert again.ledger.wallet("BTC") == world.venue.balances_["BTC"] - D("0.00000001")


async def test_an_operators_word_is_used_up_by_a_look_that_agrees() -> None:
    world = await traded()
    world.auditor.accept_balances = True
    async with world.running():
        with auditing(world):
            await pass_time(world, 5, 0.5)
        assert not world.auditor.accept_balances
        assert refusal(world) == ""
    assert incidents(world) == []
