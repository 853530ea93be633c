"""Which trades a posted fee stands for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.records import LateFee, PostedFee
from arbit.execution.fee_fit import DAYS_NS, FEW, fit, may_be_of, swapped

D = Decimal


def waits(name: str, guess: int, at_ns: int = 1, symbol: str = "BTC/USD") -> LateFee:
    return LateFee(name, symbol, "BTC", D(guess), D(1), D(guess) * 400, at_ns)


def posted(ref: str, fee: int, at_ns: int = 10, symbol: str = "") -> PostedFee:
    return PostedFee(ref, symbol, "BTC", D(fee), at_ns)


def closed(fees: list[PostedFee], trades: list[LateFee]) -> dict[str, str]:
    return {one.trade_id: one.ref for one in fit(fees, trades).late.values()}


def test_of_trades_that_fit_alike_the_oldest_is_taken() -> None:
    trades = [waits("late", 100, 3), waits("old", 100, 1), waits("mid", 100, 2)]
    assert closed([posted("F", 101)], trades) == {"old": "F"}
    assert closed([posted("F", 100), posted("G", 99)], trades) == {"old": "F", "mid": "G"}


@pytest.mark.parametrize(("fee", "fits"), [(98, False), (99, True), (101, True), (102, False)])
def test_the_amount_must_be_within_the_slack(fee: int, *, fits: bool) -> None:
    assert bool(closed([posted("F", fee)], [waits("T", 100)])) is fits


def test_rather_less_was_taken_than_more() -> None:
    group = [waits("A", 118, 1), waits("B", 200, 1)]
    apart = [*group, waits("single", 315, 2)]  # 316 is one too much for it, two too little for both
    assert closed([posted("F", 316), posted("G", 315)], apart) == {
        "A": "F",
        "B": "F",
        "single": "G",
    }
    small = [waits("A", 911, 1), waits("B", 642, 1), waits("small", 5, 2)]
    assert closed([posted("F", 1_555)], small) == {"A": "F", "B": "F", "small": "F"}


def test_who_needs_several_trades_chooses_first() -> None:
    trades = [
        waits("A", 5_927, 1),
        waits("B", 5_926, 2),
        waits("C", 5_927, 3),
        waits("D", 5_927, 4),
    ]
    fees = [posted("one", 5_926), posted("other", 5_926), posted("two", 11_851)]
    assert closed(fees, trades) == {"A": "two", "B": "two", "C": "one", "D": "other"}


def test_a_market_that_is_named_must_be_the_trades_own() -> None:
    trades = [waits("T", 100)]
    assert closed([posted("F", 100, symbol="ETH/BTC")], trades) == {}
    assert closed([posted("F", 100, symbol="BTC/USD")], trades) == {"T": "F"}


def test_a_fee_is_not_of_a_trade_that_came_days_after_it() -> None:
    assert closed([posted("F", 100, at_ns=0)], [waits("T", 100, DAYS_NS)]) == {}
    assert closed([posted("F", 100, at_ns=0)], [waits("T", 100, DAYS_NS - 1)]) == {"T": "F"}


def test_all_that_waits_or_what_follows_each_other_or_any_few() -> None:
    trades = [waits(f"T{n}", 100 * (n + 1) + n * n, n) for n in range(6)]
    guess = {one.trade_id: int(one.guess) for one in trades}
    for names in (["T0", "T1", "T2", "T3", "T4", "T5"], ["T2", "T3", "T4"], ["T0", "T3", "T5"]):
        fee = posted("F", sum(guess[one] for one in names))
        assert closed([fee], trades) == dict.fromkeys(names, "F")


def test_the_search_for_any_few_ends() -> None:
    trades = [waits(f"T{n:02d}", 1_000 * (n + 1), n) for n in range(FEW + 20)]
    assert closed([posted("F", 40_500)], trades) == {}


@pytest.mark.parametrize("group", [1, 10])
def test_a_days_fees_are_fitted_in_a_moment_in_whatever_order_they_come(
    group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, looks = may_be_of, 0

    def counts(posted_: PostedFee, trade: LateFee) -> bool:
        nonlocal looks
        looks += 1
        return counted(posted_, trade)

    monkeypatch.setattr("arbit.execution.fee_fit.may_be_of", counts)
    count = 1_000
    trades = [waits(f"T{n:04d}", 1_000_000 * (n + 1) ** 2, n) for n in range(count)]
    fees = [
        posted(f"F{n * 7 % count:04d}", sum(int(one.guess) for one in trades[n : n + group]), count)
        for n in range(0, count, group)
    ]
    nobodys = posted("Z", 10**9)
    found = fit([*fees, nobodys], trades)
    assert len(found.late) == count
    assert len(found.booked) == len(fees)
    assert looks < 10 * count  # every fee held against every trade would be a million


def test_what_was_taken_for_another_is_paired_anew_when_a_fee_fits_nothing_else() -> None:
    first, second = waits("A", 100, 1), waits("B", 101, 2)
    early = fit([posted("F", 100)], [first, second])
    assert set(early.late) == {"A"}
    pairs = [(posted("F", 100), early.late["A"])]
    then = fit([posted("G", 99, 11)], [second], pairs)
    assert {one.trade_id: one.ref for one in then.late.values()} == {"A": "G", "B": "F"}
    assert then.booked == [(posted("G", 99, 11), D(2))]


def test_a_balance_that_fits_other_pairs_makes_them_anew() -> None:
    taken, left = replace(waits("A", 100, 1), ref="F"), waits("B", 101, 2)
    (swap,) = swapped(D(2), [left], [(posted("F", 100), taken)])
    assert (swap.closed.trade_id, swap.closed.ref) == ("B", "F")
    assert (swap.waits.trade_id, swap.waits.ref) == ("A", "")
    assert swap.gain == 1
    assert swapped(D(1), [left], [(posted("F", 100), taken)]) == []
    assert swapped(D(4), [left], [(posted("F", 100), taken)]) == []
    assert swapped(D(-2), [left], [(posted("F", 100), taken)]) == []


def test_at_last_all_that_was_posted_is_held_against_all_that_waits() -> None:
    trades = [waits("A", 100, 1), waits("B", 200, 2), waits("C", 400, 3)]
    fees = [posted("F", 150), posted("G", 549)]
    found = fit(fees, trades)
    assert set(found.late) == {"A", "B", "C"}
    assert sum(off for _, off in found.booked) == 1
    assert {one.ref for one, _ in found.booked} == {"F", "G"}


def test_a_group_does_not_take_what_a_single_fee_needs_where_all_can_be_fitted() -> None:
    trades = [waits(f"T{n}", guess, n) for n, guess in enumerate((1564, 1570, 1568, 1555, 1566))]
    fees = [posted("A", 1570), posted("B", 1568), posted("C", 1564), posted("D", 3121)]
    assert closed(fees, trades) == {"T0": "C", "T1": "A", "T2": "B", "T3": "D", "T4": "D"}


def test_of_trades_reckoned_alike_each_fee_takes_one_of_its_own_market() -> None:
    trades = [waits("old", 100, 1, symbol="BTC/EUR"), waits("young", 100, 2)]
    fees = [
        posted("F", 100, 10, symbol="BTC/USD"),
        posted("again", 100, 11, symbol="BTC/USD"),  # its market has no other trade
        posted("G", 100, 12, symbol="BTC/EUR"),
    ]
    assert closed(fees, trades) == {"young": "F", "old": "G"}


def test_a_fee_that_fitted_nothing_takes_all_that_is_left_once_a_group_is_gone() -> None:
    """The first is of both ends, which do not follow each other until the middle is taken."""
    trades = [waits(f"T{n}", guess, n) for n, guess in enumerate((1_000, 2_300, 4_700, 9_100))]
    fees = [posted("ends", 10_100, 10), posted("middle", 7_000, 11), posted("nobodys", 1, 12)]
    found = fit(fees, trades)
    assert {one.trade_id: one.ref for one in found.late.values()} == {
        "T0": "ends",
        "T1": "middle",
        "T2": "middle",
        "T3": "ends",
    }
    assert found.left == 1, "nobody's fee is booked for no trade"


def test_no_fee_is_swapped_to_a_trade_that_it_cannot_be_of() -> None:
    taken = replace(waits("A", 100, 1), ref="F")
    pairs = [(posted("F", 100, symbol="BTC/USD"), taken)]
    assert [one.closed.trade_id for one in swapped(D(2), [waits("B", 101, 2)], pairs)] == ["B"]
    for other in (
        waits("B", 101, 2, symbol="BTC/EUR"),  # another market's
        waits("B", 101, DAYS_NS + 10),  # made days after it was posted
        waits("B", 100, 2),  # reckoned alike: nothing would be gained
    ):
        assert swapped(D(2), [other], pairs) == []
