from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import RotationSettings
from arbit.domain.plan import Plan
from arbit.domain.triangle import Leg, Side, Triangle
from arbit.rotation import KEPT_CHOICES, Candidate, Rotation, Verdict, Weighed, turn_back
from tests.unit.sizing_world import BOOKS, RICH, sized, view

D = Decimal
MS = 1_000_000
NOW = 10**12


def plan(name: str, profit: str = "10", start_in: str = "1000") -> Plan:
    """A plan of that profit, of a triangle of its own."""
    made = sized(limits=replace(RICH, max_start=D(100)))
    assert isinstance(made, Plan)
    first, last = Leg(f"{name}/USD", Side.BUY, "USD", name), made.triangle.legs[2]
    middle = Leg(f"ETH/{name}", Side.BUY, name, "ETH")
    legs = (first, middle, last)
    return replace(made, triangle=Triangle(legs), profit=D(profit), start_in=D(start_in))


def candidate(way: int, profit: str = "10", back: str = "0.01") -> Candidate:
    return Candidate(way, plan(f"A{way}", profit), D(back))


def rotation(**settings: Any) -> Rotation:
    made = Rotation(RotationSettings(**settings))
    made.price = lambda asset: D(1) if asset == "USD" else None
    return made


def ways(ranked: list[Weighed]) -> list[int]:
    return [one.candidate.way for one in ranked]


def test_expected_is_what_filling_earns_less_what_failing_costs_as_often_as_each_happens() -> None:
    (one,) = rotation().rank([candidate(0)], NOW)
    # Half are there, nine in ten fill and earn 10; the tenth loses a hundredth of 1000.
    assert one.expected_ref == D("0.5") * (D("0.9") * 10 - D("0.1") * 10)
    assert (one.profit_ref, one.failure_ref) == (D(10), D(10))


def test_the_best_expected_comes_first_and_equals_in_the_order_of_the_scan() -> None:
    ranked = rotation().rank([candidate(0, "7"), candidate(1, "9"), candidate(2, "9")], NOW)
    assert ways(ranked) == [1, 2, 0]


def test_a_smaller_edge_that_fills_goes_before_a_larger_one_that_does_not() -> None:
    chooser, rich, poor = rotation(), candidate(0, "12"), candidate(1, "8")
    assert ways(chooser.rank([rich, poor], NOW)) == [0, 1]
    for _ in range(6):
        chooser.odds.attempted(rich.plan.triangle.path, D("0.01"))
        chooser.odds.attempted(poor.plan.triangle.path, None)
    later = NOW + 3_000 * MS  # nothing stands first any more
    assert ways(chooser.rank([rich, poor], later)) == [1, 0]


def test_a_gap_that_rarely_lasts_is_worth_less() -> None:
    chooser, ghost, real = rotation(), candidate(0, "12"), candidate(1, "8")
    for _ in range(10):
        chooser.odds.looked(ghost.plan.triangle.path, survived=False)
        chooser.odds.looked(real.plan.triangle.path, survived=True)
    assert ways(chooser.rank([ghost, real], NOW)) == [1, 0]


def test_what_stands_first_is_displaced_only_by_one_that_is_better_by_the_margin() -> None:
    chooser = rotation(margin_percent=D(5))
    assert ways(chooser.rank([candidate(0, "10")], NOW)) == [0]
    ranked = chooser.rank([candidate(0, "10"), candidate(1, "10.4")], NOW + 1)
    assert ways(ranked) == [0, 1]
    assert ranked[0].stands
    assert "not by 5 % of what stands" in chooser.note(ranked, NOW).words()[1]
    assert ways(chooser.rank([candidate(0, "10"), candidate(1, "10.6")], NOW + 2)) == [1, 0]
    assert ways(chooser.rank([candidate(0, "10.4"), candidate(1, "10.3")], NOW + 3)) == [1, 0]


def test_what_stood_first_long_ago_is_one_of_many() -> None:
    chooser = rotation(hold_ms=1000)
    chooser.rank([candidate(0, "10")], NOW)
    later = NOW + 1000 * MS
    assert ways(chooser.rank([candidate(0, "10"), candidate(1, "10.4")], later)) == [1, 0]


def test_one_that_rests_comes_last_and_does_not_stand_first() -> None:
    chooser = rotation()
    best, other = candidate(0, "20"), candidate(1, "5")
    chooser.rests = lambda path, _: 700 * MS if path == best.plan.triangle.path else 0
    ranked = chooser.rank([best, other], NOW)
    assert ways(ranked) == [1, 0]
    assert chooser.note(ranked, NOW).words()[1].endswith("(rests for 700 ms more)")
    assert not chooser.rank([best], NOW + 1)[0].stands


def test_one_that_loses_on_its_record_is_left_alone_but_not_before_the_record_is_one() -> None:
    chooser, one = rotation(losing_after=10), candidate(0, "1")
    path = one.plan.triangle.path
    for _ in range(9):
        chooser.odds.attempted(path, D("0.01"))
    (weighed,) = chooser.rank([one], NOW)
    assert weighed.expected_ref is not None
    assert weighed.expected_ref < 0
    assert not weighed.losing
    chooser.odds.attempted(path, D("0.01"))
    (weighed,) = chooser.rank([one], NOW)
    assert weighed.losing
    assert not rotation(losing_after=0).rank([one], NOW)[0].losing
    said = chooser.note([weighed.became(Verdict.LOSING)], NOW).words()[0]
    assert "left alone: loses on its record even at 0.26 fill, 0 of 10 cycles filled" in said


def test_one_that_began_with_bad_luck_is_tried_on_until_its_record_leaves_no_doubt() -> None:
    doubting, certain, one = rotation(), rotation(losing_doubt=D(0)), candidate(0, "8")
    path = one.plan.triangle.path
    for chooser in (doubting, certain):
        for failed in (True, True, False, True, False):
            chooser.odds.attempted(path, D("0.01") if failed else None)
    (weighed,) = doubting.rank([one], NOW)
    assert weighed.expected_ref is not None
    assert weighed.expected_ref < 0, "it comes after all that is expected to earn"
    assert not weighed.losing
    assert certain.rank([one], NOW)[0].losing
    for _ in range(6):
        doubting.odds.attempted(path, D("0.01"))
    assert doubting.rank([one], NOW)[0].losing


def test_bringing_an_asset_back_is_worth_what_it_is_said_to_be() -> None:
    chooser, plain, restoring = rotation(), candidate(0, "10"), candidate(1, "6")
    chooser.restoring = lambda triangle, _: D(6) if "A1" in triangle.path else D(0)
    ranked = chooser.rank([plain, restoring], NOW)
    assert ways(ranked) == [1, 0]
    assert "and 6.0000 for what it restores" in ranked[0].words()


def test_what_nobody_prices_comes_after_what_is_priced_and_is_never_called_losing() -> None:
    chooser, one = rotation(), candidate(0)
    for _ in range(50):
        chooser.odds.attempted(one.plan.triangle.path, D("0.05"))
    chooser.price = lambda _: None
    (weighed,) = chooser.rank([one], NOW)
    assert weighed.expected_ref is None
    assert not weighed.losing
    assert weighed.words().endswith("not priced in the reference currency")


def test_a_choice_says_why_each_was_and_was_not_taken() -> None:
    chooser = rotation()
    ranked = chooser.rank([candidate(0, "10"), candidate(1, "8"), candidate(2, "1")], NOW)
    ranked[0] = ranked[0].became(Verdict.TAKEN)
    ranked[1] = ranked[1].became(Verdict.REFUSED, "concurrency: open 1")
    ranked[2] = ranked[2].became(Verdict.GONE, "no budget of USD")
    choice = chooser.note(ranked, NOW)
    assert [one.path for one in choice.taken] == ["USD>A0>ETH>USD"]
    first, second, third = choice.words()
    assert first == (
        "USD>A0>ETH>USD: 4.0000 expected = 0.50 still there x (0.90 fill x 10.0000 - 0.10 fail x "
        "10.0000); taken (the best)"
    )
    assert second.endswith("refused: concurrency: open 1 (behind by 0.9000)")
    assert third.endswith("not tried: no budget of USD (behind by 4.0500)")


def test_choices_are_kept_up_to_a_bound_and_the_newest_are() -> None:
    chooser = rotation()
    for n in range(KEPT_CHOICES + 5):
        chooser.note([], n)
    assert [choice.at_ns for choice in chooser.choices] == list(range(5, KEPT_CHOICES + 5))


def test_the_same_candidates_and_the_same_past_make_the_same_choice() -> None:
    def played() -> list[list[str]]:
        chooser, said = rotation(), []
        for n in range(40):
            ranked = chooser.rank([candidate(w, str(5 + (n * w) % 7)) for w in range(4)], NOW + n)
            said.append(chooser.note(ranked, NOW + n).words())
            chooser.odds.attempted(ranked[0].path, None if n % 3 else D("0.01"))
        return said

    assert played() == played()


def test_going_back_after_the_first_leg_costs_the_spread_and_two_fees() -> None:
    leg = plan("A").legs[0]
    assert turn_back(leg, BOOKS["BTC/USD"]) == D("0.01")  # 99 for what cost 100
    dear = replace(leg, fee_rate=D("0.01"))
    assert turn_back(dear, BOOKS["BTC/USD"]) == 1 - D("0.99") ** 3
    assert turn_back(leg, view("BTC/USD", [], [("100", "1")])) == 1


@pytest.mark.parametrize(("floor", "thin"), [("0", False), ("1000", False), ("1001", True)])
def test_a_book_below_the_liquidity_floor_is_thin(floor: str, thin: bool) -> None:
    chooser = rotation(liquidity_floor=D(floor))
    chooser.price = {"BTC": D(100)}.get
    leg = replace(plan("A").legs[0], leg=Leg("BTC/USD", Side.BUY, "USD", "BTC"))
    book = view("BTC/USD", [("99", "500")], [("100", "4"), ("100.5", "6"), ("110", "90")])
    said = chooser.thin(leg, book, D(100))
    assert bool(said) is thin
    assert said in {"", "BTC/USD: 1000.0000 to buy, 1001 demanded"}
    assert chooser.thin(leg, book, None) == "", "without a bound all of it counts"


def test_a_floor_that_nobody_can_price_is_not_met() -> None:
    chooser = rotation(liquidity_floor=D(1))
    chooser.price = lambda _: None
    leg = replace(plan("A").legs[0], leg=Leg("A/USD", Side.BUY, "USD", "A"))
    assert chooser.thin(leg, BOOKS["BTC/USD"], None) == "A/USD: A is not priced"
