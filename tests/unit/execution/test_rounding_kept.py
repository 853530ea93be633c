"""How many of the venue's rows are remembered: a limit on everything, the oldest go first."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.account import Flow
from arbit.domain.records import Batch
from arbit.execution.rounding import Roundings
from arbit.execution.works import Pad
from arbit.ledger import trade_postings
from tests.unit.execution.world import World
from tests.unit.persistence import made

D = Decimal


def row(number: int, off: str = "0.00001", digits: int | None = 4) -> Flow:
    """The venue's row of a trade, its BTC a little more than the trade states."""
    ref, trade_id = f"L{number}", f"T{number}"
    return Flow(ref, "BTC", D("0.1") + D(off), "trade", number, trade_id=trade_id, digits=digits)


def world_of(count: int) -> World:
    world = World()
    for number in range(count):
        trade = made.trade(f"T{number}", "o", "0.1")
        postings = trade_postings(trade, "BTC", "USD")
        world.ledger.apply(postings)
        world.journal.write(Batch(trades=(trade,), postings=tuple(postings)))
    return world


def booked(world: World, roundings: Roundings) -> list[str]:
    pad = Pad()
    roundings.book(pad)
    world.journal.write(Batch(postings=tuple(pad.postings)))
    return sorted({one.ref for one in pad.postings})


def test_of_too_many_rows_that_wait_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arbit.execution.rounding.MAX_ROWS", 2)
    world = world_of(3)
    roundings = Roundings(world.ledger, world.journal)
    roundings.take(row(number) for number in range(3))
    assert booked(world, roundings) == ["T1", "T2"]
    assert not roundings.pending
    roundings.take([row(0)])
    assert booked(world, roundings) == ["T0"], "listed again, it is booked like any other"
    world.ledger.check()


def test_a_row_that_was_settled_and_forgotten_is_booked_no_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arbit.execution.rounding.MAX_ROWS", 1)
    world = world_of(2)
    roundings = Roundings(world.ledger, world.journal)
    for number in range(2):
        roundings.take([row(number)])
        assert booked(world, roundings) == [f"T{number}"]
    wallet = world.ledger.wallet("BTC")
    roundings.take([row(0, digits=None)])  # the stream tells it again
    assert booked(world, roundings) == []
    assert world.ledger.wallet("BTC") == wallet
