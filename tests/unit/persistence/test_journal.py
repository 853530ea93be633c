from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from arbit.domain.account import Counts, Flow
from arbit.domain.cycle import CycleState
from arbit.domain.errors import BrokenRule
from arbit.domain.learned import Learned
from arbit.domain.order import OrderState
from arbit.domain.records import Batch, Book, Flag, Incident, JournalFailed, Memory
from arbit.ledger import Ledger, flow, opening, rounding
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.memory import MemoryJournal
from arbit.ports import Journal
from tests.unit.persistence.made import (
    ACCOUNT,
    DAY_NS,
    NOON_NS,
    OTHER,
    a_cycle,
    booked,
    cycle,
    opened,
    order,
    trade,
)

D = Decimal


@pytest.fixture(params=["sqlite", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """Both journals keep the same promises."""
    if request.param == "memory":
        yield MemoryJournal()
        return
    with opened(tmp_path) as found:
        yield found


def a_day() -> list[Batch]:
    """What a day leaves behind: cycles over, held and open, late news, flows, flags."""
    fill, late = trade("t1", "o1"), trade("t2", "o2", "0.00000001")
    return [
        Batch(postings=opening("USD", D("1000.00"), NOON_NS - 100)),
        Batch(cycles=(cycle("c1"),), orders=(order("o1", "c1"),)),
        Batch(
            orders=(order("o1", "c1", OrderState.FILLED),), trades=(fill,), postings=booked(fill)
        ),
        Batch(cycles=(cycle("c1", CycleState.DONE, ended_ns=NOON_NS, profit_ref=D("0.10")),)),
        Batch(cycles=(cycle("c2"),), orders=(order("o2", "c2"), order("o3", "c2"))),
        Batch(
            cycles=(cycle("c2", CycleState.RESOLVING),),
            orders=(order("o2", "c2", OrderState.PARTIAL), order("o3", "c2", OrderState.UNKNOWN)),
            trades=(late,),
            postings=booked(late),
            incidents=(Incident("late_fill", "why", NOON_NS, "c2", "o2"),),
            flags=(Flag("breaker", "active", 1), Flag("starts", "1,2", 2)),
        ),
        Batch(postings=flow(Flow("L-1", "BTC", D("0.50"), "deposit", NOON_NS + 7))),
        Batch(flags=(Flag("breaker", "halted", 3),)),
        Batch(
            cycles=(cycle("c4", CycleState.HELD, ended_ns=NOON_NS - DAY_NS, profit_ref=D("-3.0")),)
        ),
        Batch(
            cycles=(cycle("c5", CycleState.FLAT, ended_ns=NOON_NS - 9 * DAY_NS, profit_ref=D(1)),)
        ),
    ]


def test_a_start_remembers_what_it_needs(journal: Journal) -> None:
    for batch in a_day():
        journal.write(batch)
    memory = journal.recall()
    assert {one.cycle_id for one in memory.cycles} == {"c2", "c4"}
    assert {one.intent.client_id: one.state for one in memory.orders} == {
        "o2": OrderState.PARTIAL,
        "o3": OrderState.UNKNOWN,
    }
    assert memory.trades == (trade("t2", "o2", "0.00000001"),)
    assert memory.sums[Book.WALLET, "USD"] == D("949.5995")
    assert memory.sums[Book.WALLET, "BTC"] == D("0.50100001")
    assert memory.flags["breaker"] == Flag("breaker", "halted", 3)
    assert memory.profit_ref_by_day == {
        "2024-09-25": D(1),
        "2024-10-03": D("-3.0"),
        "2024-10-04": D("0.10"),
    }
    assert memory.last_trade_ns == NOON_NS - 2
    assert memory.last_flow_ns == NOON_NS + 7
    Ledger(memory.sums).check()


def test_both_journals_remember_the_same(tmp_path: Path) -> None:
    plain = MemoryJournal()
    with opened(tmp_path) as kept:
        for batch in a_day():
            plain.write(batch)
            kept.write(batch)
            assert ordered(kept.recall()) == ordered(plain.recall())
            assert kept.find("OID-o2") == plain.find("OID-o2")


def ordered(memory: Memory) -> Memory:
    return replace(
        memory,
        cycles=tuple(sorted(memory.cycles, key=lambda one: one.cycle_id)),
        orders=tuple(sorted(memory.orders, key=lambda one: one.intent.client_id)),
        trades=tuple(sorted(memory.trades, key=lambda one: one.trade_id)),
    )


def test_a_record_comes_back_equal_in_every_field(journal: Journal) -> None:
    asked = (cycle("c9", CycleState.RESOLVING), order("o9", "c9"), trade("t9", "o9"))
    journal.write(Batch(cycles=(asked[0],), orders=(asked[1],), trades=(asked[2],)))
    found = journal.recall()
    assert (found.cycles, found.orders, found.trades) == tuple((one,) for one in asked)
    assert str(found.trades[0].fees[1][1]) == str(asked[2].fees[1][1])


def test_a_start_after_the_opening_asks_for_no_flow_that_is_in_it(journal: Journal) -> None:
    journal.write(Batch(postings=opening("USD", D(5), NOON_NS)))
    assert journal.recall().last_flow_ns == NOON_NS


def test_a_trade_known_already_fails_its_batch_whole(journal: Journal) -> None:
    journal.write(a_cycle(1))
    before = journal.recall()
    again = Batch(cycles=(cycle("c2"),), trades=(trade("t7", "o7"), trade("t0001", "o0001")))
    with pytest.raises(JournalFailed, match="UNIQUE"):
        journal.write(again)
    assert journal.recall() == before
    assert journal.known_trades(["t0001", "t7", "t8"]) == {"t0001"}
    journal.write(Batch(trades=(trade("t7", "o7"),)))
    assert journal.known_trades(["t7"]) == {"t7"}


def test_flows_are_known_by_their_reference_and_other_postings_are_not(journal: Journal) -> None:
    journal.write(Batch(postings=flow(Flow("L-1", "USD", D(1), "deposit", 5))))
    journal.write(Batch(postings=booked(trade("t1", "o1"))))
    assert journal.known_flows(["L-1", "t1", "L-2"]) == {"L-1"}


def test_trades_and_flows_of_a_while_are_counted_once_each(journal: Journal) -> None:
    deposits = [Flow(f"L-{n}", "USD", D(1), "deposit", NOON_NS + n) for n in range(4)]
    for one in (*deposits, Flow("accepted:1:USD", "USD", D(7), "accepted", NOON_NS + 2)):
        journal.write(Batch(postings=flow(one)))
    for number in range(3):
        made = replace(trade(f"t{number}", "o1"), at_ns=NOON_NS + number)
        journal.write(Batch(postings=booked(made)))
    journal.write(Batch(postings=rounding("t1", "USD", D("0.0001"), NOON_NS + 1)))
    assert journal.counts(NOON_NS, NOON_NS + 2) == Counts(trades=2, flows=2), "from after, until"
    assert journal.counts(0, 1 << 62) == Counts(trades=3, flows=4)
    assert journal.counts(NOON_NS + 4, NOON_NS + 9) == Counts(0, 0)


def test_what_a_trade_moved_is_told_by_asset_with_its_fee_and_what_was_rounded(
    journal: Journal,
) -> None:
    made = trade("t1", "o1")
    moved: dict[str, Decimal] = {}
    for one in booked(made):
        if one.book is Book.WALLET:
            moved[one.asset] = moved.get(one.asset, D(0)) + one.amount
    journal.write(Batch(postings=booked(made)))
    journal.write(Batch(postings=flow(Flow("t3", "USD", D(1), "deposit", 5))))
    assert journal.wallet_moves(["t1", "t2", "t3"]) == {"t1": moved}
    journal.write(Batch(postings=rounding("t1", "USD", D("-0.00003"), 7)))
    assert journal.wallet_moves(["t1"]) == {"t1": moved | {"USD": moved["USD"] - D("0.00003")}}
    assert journal.wallet_moves([]) == {}


def test_the_newest_orders_are_remembered_whatever_became_of_them(journal: Journal) -> None:
    journal.write(a_cycle(1))
    later = replace(order("o2", "c0001", OrderState.REJECTED), sent_ns=NOON_NS)
    journal.write(Batch(orders=(later,)))
    assert journal.recall().last_sent == (("BTC/USD", NOON_NS), ("BTC/USD", NOON_NS - 3))


def test_what_is_no_amount_leaves_nothing_half_written(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        bad = replace(trade("t2", "o2"), qty=D("NaN"))
        with pytest.raises(BrokenRule):
            journal.write(Batch(cycles=(cycle("c1"),), trades=(trade("t1", "o1"), bad)))
        assert journal.recall() == Memory()
        journal.write(a_cycle(1))


def test_accounts_in_one_file_never_see_each_other(tmp_path: Path) -> None:
    with opened(tmp_path, ACCOUNT) as ours, opened(tmp_path, OTHER) as theirs:
        ours.write(a_cycle(1))
        assert theirs.recall() == Memory()
        assert theirs.find("o0001") is None
        assert theirs.known_trades(["t0001"]) == frozenset()
        theirs.write(a_cycle(1))  # the same ids, in another account, are other rows
        theirs.write(Batch(flags=(Flag("breaker", "halted", 1),)))
        assert ours.recall().flags == {}
        assert len(ours.recall().cycles) == len(theirs.recall().cycles) == 1


def test_a_row_that_cannot_be_read_is_a_failure_and_never_a_guess(tmp_path: Path) -> None:
    damages = {
        "UPDATE ledger SET amount='12x'": "no amount",
        "UPDATE ledger SET amount='NaN'": "no amount",
        "UPDATE ledger SET book='pocket'": "pocket",
        "UPDATE cycles SET plan='[]'": "a plan of 0 legs",
        "UPDATE cycles SET plan='{'": "read",
        "UPDATE cycles SET state='lost', ended_ns=0": "lost",
        "UPDATE cycles SET profit_ref='-'": "no amount",
        "UPDATE orders SET state='sent', side='both'": "both",
        "UPDATE orders SET state='sent'; UPDATE fills SET fees='[[1]]'": "unpack",
    }
    for number, (damage, said) in enumerate(damages.items()):
        with opened(tmp_path / str(number)) as journal:
            journal.write(a_cycle(1))
            for one in damage.split(";"):
                journal._connection.execute(one)
            with pytest.raises(JournalFailed, match=said):
                journal.recall()


def test_what_is_forgotten_of_a_triangle_is_gone_unless_it_is_learned_again(
    journal: Journal,
) -> None:
    one, two, three = (Learned(path, filled=D(1)) for path in ("A>B>C>A", "A>C>B>A", "B>A>C>B"))
    journal.write(Batch(learned=(one, two, three)))
    journal.write(Batch(learned=(two,), forgotten=(one.path, two.path, "nobody's")))
    assert set(journal.recall().learned) == {two, three}


def test_a_token_that_is_not_the_latest_writes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        old = SqliteJournal(tmp_path / "arbit.db", ACCOUNT, 0)
        with pytest.raises(JournalFailed, match="another daemon took over"):
            old.write(a_cycle(1))
        old.close()
        assert journal.recall() == Memory()
