"""The venue's balances: beside the ledger's, and below zero, where a spot account cannot be."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.account import Balance, Flow
from arbit.execution.comparing import differences, owed
from arbit.ledger import Ledger, opening
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.happenings import audit
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
