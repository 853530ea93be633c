"""What a venue may say and no database takes: kept as far as it can be, or refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arbit.domain.account import Flow
from arbit.domain.records import Batch, Incident, JournalFailed, Memory
from arbit.ledger import flow
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.memory import MemoryJournal
from arbit.ports import Journal
from tests.unit.persistence.made import NOON_NS, a_cycle, booked, cycle, opened, order, trade

ODD = "EOdd:\ud800"  # half a character: JSON can spell it, UTF-8 cannot
CLEAN = "EOdd:?"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with opened(tmp_path) as found:
        yield found


def test_odd_words_of_a_venue_are_kept_without_what_cannot_be_written(
    journal: SqliteJournal,
) -> None:
    fill = replace(trade("t1", "o1"), trade_id=ODD, order_id=ODD)
    journal.write(
        Batch(
            cycles=(replace(cycle("c1"), detail=ODD),),
            orders=(replace(order("o1", "c1"), reason=ODD, order_id=ODD),),
            trades=(fill,),
            postings=(*booked(fill), *flow(Flow(ODD, ODD, fill.qty, "deposit", NOON_NS))),
            incidents=(Incident("odd", ODD, NOON_NS, "c1", "o1"),),
        )
    )
    memory = journal.recall()
    assert memory.cycles[0].detail == CLEAN
    assert (memory.orders[0].reason, memory.orders[0].order_id) == (CLEAN, CLEAN)
    assert (memory.trades[0].trade_id, memory.trades[0].order_id) == (CLEAN, CLEAN)
    assert CLEAN in {asset for _, asset in memory.sums}


def test_odd_words_are_known_again_when_the_venue_repeats_them(journal: SqliteJournal) -> None:
    fill = replace(trade("t1", "o1"), trade_id=ODD)
    moved = flow(Flow(ODD, "USD", fill.qty, "deposit", NOON_NS))
    orders = (replace(order("o1", "c1"), order_id=ODD),)
    journal.write(Batch(cycles=(cycle("c1"),), orders=orders, trades=(fill,), postings=moved))
    assert journal.known_trades([ODD, "t2"]) == {ODD}
    assert journal.known_flows([ODD, "L2"]) == {ODD}
    found = journal.find(ODD)
    assert found is not None
    assert found.cycles == (cycle("c1"),)


@pytest.mark.parametrize("at_ns", [10**40, -(10**40), 2**63])
def test_a_time_that_fits_no_column_fails_its_batch_whole_and_the_next_is_kept(
    journal: SqliteJournal, at_ns: int
) -> None:
    late = replace(trade("t1", "o1"), at_ns=at_ns)
    with pytest.raises(JournalFailed, match="too large"):
        journal.write(Batch(cycles=(cycle("c1"),), orders=(order("o1", "c1"),), trades=(late,)))
    assert journal.recall() == Memory()
    journal.write(a_cycle(1))
    assert journal.known_trades(["t0001"]) == {"t0001"}


def test_an_order_that_the_venue_never_named_is_not_found_by_an_empty_name(
    journal: SqliteJournal,
) -> None:
    both: tuple[Journal, ...] = (journal, MemoryJournal())
    for one in both:
        one.write(Batch(cycles=(cycle("c1"),), orders=(replace(order("o1", "c1"), order_id=""),)))
        assert one.find("") is None
        assert one.find("o1") is not None
