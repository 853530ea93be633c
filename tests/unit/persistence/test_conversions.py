"""Conversions in the journal: kept whole, told apart from cycles, and never taken for one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from arbit.domain.cycle import CycleState
from arbit.domain.records import Batch, CycleRecord, JournalFailed
from arbit.domain.route import ConversionKind
from arbit.persistence.check import check
from tests.unit.persistence.made import NOON_NS, PLAN, cycle, opened

D = Decimal


def conversion(name: str, legs: int, **changes: object) -> CycleRecord:
    """A conversion of so many legs."""
    made = replace(
        cycle(name),
        plan=PLAN[:legs],
        kind=ConversionKind.REBALANCE,
        loss_budget=D("0.1230"),
        profit=D(0),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # named fields of a record


@pytest.mark.parametrize("legs", [1, 2])
def test_a_conversion_is_read_as_it_was_written(tmp_path: Path, legs: int) -> None:
    one = conversion("c1", legs)
    with opened(tmp_path) as journal:
        journal.write(Batch(cycles=(one, cycle("c2"))))
        assert journal.recall().cycles == (one, cycle("c2"))
    assert one.path == ["USD>BTC", "USD>BTC>ETH"][legs - 1]
    assert (one.start_asset, one.end_asset) == ("USD", one.path.rpartition(">")[2])


def test_a_cycle_of_before_is_no_conversion(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(Batch(cycles=(cycle("c1"),)))
        found = journal._connection.execute("SELECT kind, loss_budget FROM cycles").fetchone()
    assert found == {"kind": None, "loss_budget": None}


def test_what_a_conversion_cost_counts_in_its_day(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        ended = conversion("c1", 1, state=CycleState.DONE, ended_ns=NOON_NS, profit_ref=D("-0.40"))
        journal.write(Batch(cycles=(ended,)))
        assert journal.recall().profit_ref_by_day == {"2024-10-04": D("-0.40")}
    assert check(tmp_path / "arbit.db").findings == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("kind=NULL", "a plan of 2 legs"),
        ("kind='gift'", "gift"),
        ("plan='[]'", "a plan of 0 legs"),
        ("loss_budget='much'", "no amount"),
    ],
)
def test_one_that_cannot_be_read_is_a_failure(tmp_path: Path, damage: str, said: str) -> None:
    with opened(tmp_path) as journal:
        journal.write(Batch(cycles=(conversion("c1", 2),)))
        journal._connection.execute(f"UPDATE cycles SET {damage}")  # noqa: S608  our own words
        with pytest.raises(JournalFailed, match=said):
            journal.recall()


def test_when_the_newest_rebalance_ended_is_remembered(tmp_path: Path) -> None:
    done = CycleState.DONE
    with opened(tmp_path) as journal:
        assert journal.recall().last_rebalance_ns == 0
        swept = conversion("c1", 1, state=done, ended_ns=30, kind=ConversionKind.SWEEP)
        journal.write(Batch(cycles=(cycle("c0", done, ended_ns=40), swept)))
        assert journal.recall().last_rebalance_ns == 0
        two = (conversion(f"r{n}", 1, state=done, ended_ns=n) for n in (20, 10))
        journal.write(Batch(cycles=(*two, conversion("r0", 1))))
        assert journal.recall().last_rebalance_ns == 20
