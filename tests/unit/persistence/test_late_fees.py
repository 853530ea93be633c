"""Late fees in the journals: the same in memory and on disk, digit for digit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from arbit.domain.records import Batch, LateFee, PostedFee, PostedState
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.memory import MemoryJournal
from tests.unit.persistence import made

D = Decimal
FIRST = LateFee("T1", "BTC/USD", "BTC", D("0.0000012340"), D("0.000000001"), D("0.50"), 5)
SECOND = replace(FIRST, trade_id="T2", at_ns=6)
POSTED = PostedFee("20261124::f-1", "BTC/USD", "BTC", D("0.000001235"), 7, PostedState.FITS)
STRAY = PostedFee("f-2", "", "SOL", D("1.10"), 8)

Journals = MemoryJournal | SqliteJournal


@contextmanager
def journal_of(kind: str, folder: Path) -> Iterator[Journals]:
    if kind == "memory":
        yield MemoryJournal()
        return
    with made.opened(folder) as journal:
        yield journal


each = pytest.mark.parametrize("kind", ["memory", "sqlite"])


@each
def test_what_waits_is_remembered_until_it_is_stated(kind: str, tmp_path: Path) -> None:
    with journal_of(kind, tmp_path) as journal:
        journal.write(Batch(late_fees=(FIRST, SECOND)))
        assert journal.recall().late_fees == (FIRST, SECOND)
        assert journal.stated_fees() == ((), ())
        closed = replace(FIRST, ref=POSTED.ref)
        journal.write(Batch(late_fees=(closed,), posted_fees=(POSTED, STRAY)))
        assert journal.recall().late_fees == (SECOND,)
        stated, posted = journal.stated_fees()
        assert tuple(stated) == (closed,)
        assert set(posted) == {POSTED, STRAY}
        assert str(stated[0].guess) == "0.0000012340"


@each
def test_a_posted_fee_is_a_flow_that_is_known(kind: str, tmp_path: Path) -> None:
    with journal_of(kind, tmp_path) as journal:
        assert journal.known_flows([POSTED.ref, "f-3"]) == frozenset()
        journal.write(Batch(posted_fees=(POSTED, STRAY)))
        assert journal.known_flows([POSTED.ref, "f-2", "f-3"]) == {POSTED.ref, "f-2"}
        told = replace(STRAY, state=PostedState.TOLD)
        journal.write(Batch(posted_fees=(told,)))
        assert list(journal.stated_fees()[1]) == [told]
        assert journal.counts(0, 100).flows == 0


@pytest.mark.parametrize("slack", [None, D("0.000000001"), D("0.00")])
def test_a_trade_keeps_its_slack(slack: Decimal | None, tmp_path: Path) -> None:
    trade = replace(made.trade("t1", "o1"), fee_slack=slack)
    with made.opened(tmp_path) as journal:
        journal.write(
            Batch(cycles=(made.cycle("c1"),), orders=(made.order("o1", "c1"),), trades=(trade,))
        )
        (kept,) = journal.recall().trades
    assert kept == trade
    assert str(kept.fee_slack) == str(slack)
