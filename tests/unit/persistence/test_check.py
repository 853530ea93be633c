from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from arbit.domain.account import Flow
from arbit.domain.book import Level
from arbit.domain.errors import UserError
from arbit.domain.records import Batch, LateFee, PostedFee, PostedState
from arbit.domain.walk import LegWalk, Seen
from arbit.ledger import flow, late_fee, opening
from arbit.persistence.check import check
from tests.unit.persistence.made import ACCOUNT, NOON_NS, OTHER, D, a_cycle, opened

# What is done to sound books, and what must be said of it.
DAMAGES = {
    "DELETE FROM cycles WHERE cycle_id='c0001'": "order o0001: its cycle is missing",
    "DELETE FROM orders WHERE client_id='o0001'": "fills of o0001 (kraken:live:0123456789ab): "
    "their order is missing",
    "DELETE FROM fills WHERE trade_id='t0001'": "order o0001: filled, but 0 of 0.00100000",
    "UPDATE fills SET qty='0.00099999' WHERE trade_id='t0001'": "filled, but 0.00099999",
    "UPDATE orders SET state='partial' WHERE client_id='o0001'": "order o0001: partial, but",
    "UPDATE orders SET state='rejected' WHERE client_id='o0001'": "order o0001: rejected, but",
    "UPDATE orders SET state='unknown' WHERE client_id='o0001'": "unknown: not resolved",
    "UPDATE orders SET state='lost' WHERE client_id='o0001'": "order o0001: cannot be read",
    "UPDATE cycles SET state='lost' WHERE cycle_id='c0001'": "cycle c0001: cannot be read",
    "UPDATE cycles SET ended_ns=0 WHERE cycle_id='c0001'": "cycle c0001: held, not closed",
    "UPDATE cycles SET profit='much' WHERE cycle_id='c0001'": "cycle c0001: cannot be read",
    "UPDATE fills SET qty='many' WHERE trade_id='t0001'": "fill t0001: cannot be read",
    "UPDATE ledger SET ref='t9', kind='rounding' WHERE n=(SELECT max(n) FROM ledger)": (
        "its trade t9 is missing"
    ),
    "UPDATE ledger SET amount='NaN' WHERE n=1": "ledger line 1: cannot be read",
    "UPDATE ledger SET book='purse' WHERE n=1": "ledger line 1: cannot be read",
    "DELETE FROM ledger WHERE n=1": "ledger of kraken:live:0123456789ab: USD is off by 1000.00",
    "UPDATE walks SET cycle_id='c9'": "walk of c9, leg 1: its cycle is missing",
    "UPDATE walks SET levels='[[1]]'": "walk of c0001, leg 1: cannot be read",
    "UPDATE ledger SET account='other' WHERE n=1": "ledger of other: USD is off by",
}


def sound(folder: Path) -> Path:
    with opened(folder) as journal:
        journal.write(Batch(postings=opening("USD", D("-1000.00"), NOON_NS)))
        for number in range(3):
            journal.write(a_cycle(number))
        seen = LegWalk("c0001", 1, Seen.SENT, (Level(D("50000.0"), D("0.00100000")),))
        journal.write(Batch(walks=(seen,)))
    with opened(folder, OTHER) as journal:
        journal.write(Batch(postings=flow(Flow("L-1", "EUR", D("7.10"), "deposit", 1))))
    return folder / "arbit.db"


def test_sound_books_have_no_findings_and_their_wallets_are_told(tmp_path: Path) -> None:
    found = check(sound(tmp_path))
    assert found.findings == []
    assert found.wallets == {
        ACCOUNT: {"USD": "-1150.60000000", "BTC": "0.00300000", "KFEE": "-0.0000000000000000003"},
        OTHER: {"EUR": "7.10"},
    }
    assert found.counts == {
        "cycles": 3,
        "orders": 3,
        "fills": 3,
        "ledger": 28,
        "walks": 1,
        "runs": 2,
    }


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_found_and_named(tmp_path: Path, damage: str) -> None:
    path = sound(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(damage).rowcount == 1
    findings = check(path).findings
    assert any(DAMAGES[damage] in one for one in findings), findings


def test_a_check_of_nothing_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    with pytest.raises(UserError, match="no database yet"):
        check(path)
    assert not path.exists()


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    path = sound(tmp_path)
    before = path.read_bytes()
    check(path)
    assert path.read_bytes() == before


def late(folder: Path) -> Path:
    """Two trades of which one fee was posted, a unit more than reckoned, and one waits."""
    fees = [replace(LATE, trade_id=f"t000{n}") for n in range(2)]
    posted = PostedFee("F1", "", "BTC", D("0.000001001"), NOON_NS, PostedState.FITS)
    with opened(folder) as journal:
        for number in range(2):
            journal.write(a_cycle(number))
        journal.write(Batch(late_fees=tuple(fees)))
        journal.write(
            Batch(
                late_fees=(replace(fees[0], ref="F1"),),
                posted_fees=(posted,),
                postings=late_fee("F1", "BTC", D("-0.000000001"), NOON_NS),
            )
        )
    return folder / "arbit.db"


LATE = LateFee("t", "BTC/USD", "BTC", D("0.000001"), D("0.000000001"), D("0.001"), NOON_NS)
LATE_DAMAGES = {
    "DELETE FROM fee_posted": "fee of t0000: F1 was not posted",
    "DELETE FROM fee_pending": "BTC is booked -0.000001000 otherwise than posted",
    "UPDATE fee_posted SET fee='0.000001002'": "BTC is booked -0.000000001 otherwise than posted",
    "DELETE FROM ledger WHERE kind='late_fee'": "BTC is booked -0.000000001 otherwise than posted",
    "UPDATE fee_posted SET fee='much'": "posted fee F1: cannot be read",
    "UPDATE fee_posted SET state='lost'": "posted fee F1: cannot be read",
    "UPDATE fee_pending SET guess='much' WHERE ref=''": "fee of t0001: cannot be read",
}


def test_late_fees_that_were_booked_as_posted_have_no_findings(tmp_path: Path) -> None:
    assert check(late(tmp_path)).findings == []


@pytest.mark.parametrize("damage", LATE_DAMAGES)
def test_late_fees_that_were_booked_otherwise_are_found(tmp_path: Path, damage: str) -> None:
    path = late(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(damage)
    assert any(LATE_DAMAGES[damage] in one for one in check(path).findings)


def test_what_an_operator_accepted_is_no_finding(tmp_path: Path) -> None:
    path = late(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE fee_pending SET ref='accepted:1:BTC' WHERE ref=''")
    assert check(path).findings == []
