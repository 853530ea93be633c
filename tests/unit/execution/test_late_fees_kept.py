"""What is remembered of posted fees: which trades they may stand for, how many, and since when."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from arbit.domain.account import FEE_POSTED, Balance, Flow
from arbit.domain.records import Batch, Book, LateFee, PostedState
from arbit.execution.late_fees import AGAIN_NS, LateFees
from arbit.execution.works import Pad
from tests.unit.execution.world import World

D = Decimal


@dataclass
class Desk:
    """The late fees of one world, in whole BTC with a slack of one, and what is noted of them."""

    world: World = field(default_factory=World)
    pad: Pad = field(default_factory=Pad)

    def __post_init__(self) -> None:
        self.fees = LateFees(self.world.setup)

    def waits(self, name: str, guess: int, at_ns: int, gross: int = 1_000) -> None:
        late = LateFee(name, "BTC/USD", "BTC", D(guess), D(1), D(gross), at_ns)
        self.world.ledger.fee_waits(late)

    def posts(self, *fees: tuple[str, int]) -> None:
        """The venue lists these posted fees, the first the oldest."""
        flows = [Flow(ref, "BTC", D(-fee), FEE_POSTED, 10 + n) for n, (ref, fee) in enumerate(fees)]
        assert self.fees.take(flows) == []
        self.fees.settle(self.pad)

    def agree(self, off: int) -> None:
        """The venue has so much more BTC than we know of."""
        total = self.world.ledger.wallet("BTC") + off
        self.fees.agree(self.pad, {"BTC": Balance(total)})

    @property
    def waiting(self) -> list[str]:
        return [one.trade_id for one in self.world.ledger.late_fees]

    @property
    def booked(self) -> list[tuple[str, Decimal]]:
        return [(one.ref, one.amount) for one in self.pad.postings if one.book is Book.WALLET]

    def write(self) -> None:
        """What was noted is kept, as the engine does after each look."""
        self.world.journal.write(
            Batch(
                postings=tuple(self.pad.postings),
                late_fees=tuple(self.pad.late_fees.values()),
                posted_fees=tuple(self.pad.posted_fees.values()),
            )
        )
        self.pad = Pad()


def closed_one() -> Desk:
    """Trades of 100 and 101 wait; a fee of 100 was posted, and the first was taken for its own."""
    desk = Desk()
    desk.waits("A", 100, 1)
    desk.waits("B", 101, 2)
    desk.posts(("F", 100))
    assert (desk.waiting, desk.booked) == (["B"], [])
    return desk


def test_a_balance_beyond_the_slack_has_the_other_trade_wait_and_books_what_that_changes() -> None:
    """The fee was of B: it took 100 of 101 reckoned, and A took 99 of 100."""
    desk = closed_one()
    before = desk.world.ledger.wallet("BTC")
    desk.agree(2)
    assert desk.waiting == ["A"]
    assert desk.booked == [("F", D(1))]
    assert desk.world.ledger.wallet("BTC") == before + 1
    assert {name: one.ref for name, one in desk.pad.late_fees.items()} == {"A": "", "B": "F"}
    desk.world.ledger.check()
    desk.posts()
    assert desk.world.ledger.slack("BTC") == 1, "the fee is of one trade, not of two together"
    desk.posts(("G", 99))
    assert desk.waiting == []
    assert desk.booked == [("F", D(1)), ("G", D(1))]
    assert desk.world.ledger.wallet("BTC") == before + 2, "what the venue has, to the last digit"


@pytest.mark.parametrize("off", [0, 1, -1, 5, -5])
def test_pairs_stay_within_the_slack_and_where_no_other_would_explain_it(off: int) -> None:
    desk = closed_one()
    desk.agree(off)
    assert (desk.waiting, desk.booked) == (["B"], [])


def test_a_start_that_settles_before_the_journal_was_read_still_knows_what_was_posted() -> None:
    desk = closed_one()
    desk.write()
    again = Desk(desk.world)
    again.fees.settle(again.pad)
    assert again.pad.empty, "nothing is known yet, and nothing is settled by it"
    again.posts(("F", 100))
    assert again.booked == []
    again.agree(2)
    assert (again.waiting, again.booked) == (["A"], [("F", D(1))])


def test_only_the_newest_that_are_closed_may_be_paired_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arbit.execution.late_fees.MAX_STATED", 1)
    desk = Desk()
    for n, name in enumerate("ABC"):
        desk.waits(name, (100, 500, 101)[n], n)
    desk.posts(("F", 100), ("G", 500))
    assert desk.waiting == ["C"]
    desk.write()
    desk.agree(2)
    assert (desk.waiting, desk.booked) == (["C"], []), "F and its trade are closed for good"
    desk.posts(("F", 100), ("G", 500))
    assert (desk.waiting, desk.booked) == (["C"], []), "and listed again, it is booked no more"
    assert set(desk.fees._mine) == {"G"}, "what can be paired no more is not remembered"


def test_a_group_is_forgotten_only_with_the_last_of_its_trades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arbit.execution.late_fees.MAX_STATED", 2)
    desk = Desk()
    for n, guess in enumerate((100, 200, 400)):
        desk.waits(f"T{n}", guess, n)
    desk.posts(("F", 699))
    assert desk.waiting == []
    desk.waits("late", 5_000, 3)
    desk.posts()
    assert desk.world.ledger.slack("BTC") == 1 + 2, "two of the group are known: they are loose"
    desk.posts(("G", 5_000))
    desk.waits("later", 9_000, 4)
    desk.posts()
    assert desk.world.ledger.slack("BTC") == 1, "of one of them alone nobody can tell any more"


def test_of_fees_that_fit_nothing_only_the_newest_are_tried_once_they_were_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arbit.execution.late_fees.MAX_LEFT", 2)
    desk = Desk()
    desk.posts(("old", 1_000), ("mid", 2_000), ("new", 3_000))
    assert list(desk.pad.posted_fees) == ["old", "mid", "new"], "all are, until they were told"
    desk.world.clock.now_ns += AGAIN_NS
    told = desk.fees.strange(desk.pad, 0)
    assert told is not None
    assert "1000 BTC (old), 2000 BTC (mid), 3000 BTC (new)" in told.said
    assert not told.ours
    desk.posts()
    for n, guess in enumerate((1_000, 2_000, 3_000)):
        desk.waits(f"T{n}", guess, n)
    desk.posts()
    assert desk.waiting == ["T0"]
    assert {ref: one.state for ref, one in desk.pad.posted_fees.items()} == {
        "old": PostedState.TOLD,
        "mid": PostedState.FITS,
        "new": PostedState.FITS,
    }


def test_trades_of_nothing_give_no_hint_of_a_rate_and_the_newest_still_do() -> None:
    desk = Desk()
    desk.waits("A", 10, 1, gross=0)
    assert desk.fees.words({"BTC": D(-5)}) == "; -5 BTC is beyond the 1 of fees not yet posted"
    desk.waits("B", 10, 2, gross=10_000)
    said = desk.fees.words({"BTC": D(-5)})
    assert "as if the fee were 25 bps" in said, said
