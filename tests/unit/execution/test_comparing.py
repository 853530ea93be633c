"""The venue's balances: beside the ledger's, and below zero, where a spot account cannot be."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.account import Balance, Flow
from arbit.domain.order import Trade
from arbit.domain.records import Book, Rough
from arbit.domain.triangle import Side
from arbit.execution.comparing import MANY, differences, owed, settle_costs
from arbit.execution.works import Pad
from arbit.ledger import Ledger, opening
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.happenings import audit
from tests.unit.execution.late_world import LateWorld
from tests.unit.execution.world import D, World


async def test_a_withdrawal_that_the_venue_does_not_list_halts() -> None:
    world = World()
    async with world.running():
        await world.trade()
        await audit(world)
        world.venue.balances_["USD"] -= 500
        await world.clock.advance(1.0)
        await audit(world)
    assert world.breaker.state() is BreakerState.HALTED
    assert world.breaker.reason is Reason.DRIFT
    assert "-500" in world.breaker.detail


async def test_an_account_that_owes_money_halts_although_the_venue_lists_why() -> None:
    world = World()
    async with world.running():
        await world.trade()
        await audit(world)
        assert world.breaker.state() is BreakerState.ACTIVE
        took = world.venue.balances_["ETH"] + D("0.25")
        world.venue.flows.append(Flow("L1", "ETH", -took, "settled", world.clock.now_ns + 1))
        world.venue.balances_["ETH"] -= took
        await world.clock.advance(1.0)
        await audit(world)
        assert world.breaker.state() is BreakerState.HALTED
        assert world.breaker.reason is Reason.HALT
        assert "-0.25" in world.breaker.detail
        assert {one.kind for one in world.journal.incidents} == {"halt"}

        assert world.breaker.resume()
        await audit(world)
        assert world.breaker.state() is BreakerState.HALTED, "it still owes it"
    world.agrees()  # booked as the venue says


async def test_an_account_that_owes_money_when_it_is_opened_halts() -> None:
    world = World()
    world.venue.balances_["EUR"] = D("-0.0001")
    world.clock.now_ns = 86_400 * 10**9
    async with world.running():
        await world.auditor.begin(0, first=True)
    assert world.breaker.state() is BreakerState.HALTED
    assert "-0.0001 EUR" in world.breaker.detail


def test_nothing_is_owed_where_nothing_is_below_zero() -> None:
    assert owed({"USD": Balance(D(0)), "BTC": Balance(D("0.1"), D("0.2"))}) == ""


@pytest.mark.parametrize(
    ("total", "digits", "off", "more"),
    [
        ("100", None, {}, False),
        ("100.00004", 4, {"USD": D("0.00004")}, False),
        ("100.5", 4, {"USD": D("0.5")}, True),
        ("0", 4, {"USD": D(-100)}, True),
    ],
)
def test_a_difference_is_one_that_the_venues_digits_show(
    total: str, digits: int | None, off: dict[str, Decimal], more: bool
) -> None:
    ledger = Ledger()
    ledger.apply(opening("USD", D(100), 1))
    balances = {"USD": Balance(D(total), D(0), digits)}
    assert differences(ledger, balances) == (off, off if more else {})


def test_what_the_venue_does_not_name_is_nothing_there() -> None:
    ledger = Ledger()
    ledger.apply(opening("USD", D(100), 1))
    assert differences(ledger, {}) == ({"USD": D(-100)}, {"USD": D(-100)})


COST = Trade("T1", "O1", "c", "BTC/USD", Side.BUY, D("0.5"), D("3.3"), D("1.65"), (), 7)


@pytest.mark.parametrize(
    ("cost", "slack", "rough"),
    [
        ("1.65", "0.000000001", D(0)),
        ("1.6500000001", "0.000000001", D("0.000000001")),
        ("1.655", "0.01", D("0.01")),
        ("1.65", "0", D(0)),
    ],
)
def test_a_cost_is_rough_by_the_unit_that_fees_are_rounded_to_unless_it_is_whole(
    cost: str, slack: str, rough: Decimal
) -> None:
    assert Rough.of(replace(COST, cost=D(cost), fee_slack=D(slack))) == Rough(rough, 1, 7)


def test_a_venue_that_states_its_fees_states_its_costs() -> None:
    assert Rough.of(COST) is None


@pytest.mark.parametrize(
    ("total", "count", "found"),
    [
        ("99.991", 0, False),
        ("100.0099", 0, False),
        ("99.99", 0, True),
        ("100.01", 0, True),
        ("100.010000000999", 1, False),
        ("100.010000001", 1, True),
    ],
)
def test_dollars_stated_to_the_cent_are_equal_within_one_and_what_was_rounded_of_costs(
    total: str, count: int, *, found: bool
) -> None:
    ledger = Ledger()
    ledger.apply(opening("USD", D(100), 1))
    if count:
        ledger.cost_rough("USD", Rough(D("0.000000001"), count, 7))
    off = differences(ledger, {"USD": Balance(D(total), D(0), 2, coarse=True)})
    assert off == (({"USD": D(total) - 100},) * 2 if found else ({}, {}))


async def test_an_audit_books_what_was_rounded_of_costs_once_and_a_restart_knows_the_rest() -> None:
    world = LateWorld()
    unit = D("0.000000001")
    async with world.running():
        await world.trade()
        world.ledger.cost_rough("USD", Rough(unit, 1, 7))
        world.venue.balances_["USD"] += unit
        await audit(world)
        assert [one for one in world.journal.postings if one.kind == "cost"] == []
        world.posts(world.venue.trades)
        await world.clock.advance(1.0)
        world.auditor._unlisted += 1
        await audit(world)
        await audit(world)
    booked = [one for one in world.journal.postings if one.kind == "cost"]
    assert [one.amount for one in booked if one.book is Book.WALLET] == [unit]
    assert world.ledger.wallet("USD") == world.venue.balances_["USD"]
    assert world.breaker.state() is BreakerState.ACTIVE
    again = LateWorld(before=world)
    assert again.ledger.rough["USD"] == world.ledger.rough["USD"]
    assert again.ledger.slack("USD") == 0


@pytest.mark.parametrize("count", [MANY, MANY + 1])
def test_costs_that_a_coarse_statement_cannot_tell_are_never_booked_and_stay_allowed(
    count: int,
) -> None:
    world, slack = World(), D("0.000001")
    world.ledger.cost_rough("USD", Rough(slack, count, 7))
    wallet, pad = world.ledger.wallet("USD"), Pad()
    stated = {"USD": Balance(wallet + D("0.004"), D(0), 2, coarse=True)}
    settle_costs(world.setup, pad, stated, ())
    assert pad.postings == []
    assert (world.ledger.wallet("USD"), world.ledger.slack("USD")) == (wallet, slack)
    compared = count > MANY  # they are counted from the start again, or each look would be longer
    assert world.ledger.rough["USD"].count == (0 if compared else count)
    assert len(pad.flags) == (1 if compared else 0)
