from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit import odds as room
from arbit.config import RotationSettings
from arbit.domain.learned import Learned
from arbit.odds import MOST_LOST, Odds

D = Decimal
PATH, OTHER = "USD>BTC>ETH>USD", "USD>BTC>LTC>USD"
BACK = D("0.01")


def odds(**settings: object) -> Odds:
    return Odds(RotationSettings.model_validate(settings))


def test_a_triangle_that_nobody_knows_has_the_stated_prior() -> None:
    chances = odds().of(PATH, BACK)
    assert (chances.survive, chances.fill, chances.lost) == (D("0.5"), D("0.9"), BACK)
    assert chances.cycles == 0


def test_its_own_past_counts_beside_the_mean_of_all_by_the_weight_stated() -> None:
    learned = odds(prior_weight=4)
    for _ in range(3):
        learned.attempted(PATH, None)
    learned.attempted(PATH, D("0.02"))
    # All: (9 + 3) of (10 + 4); its own: 3 of 4. The gaps of all four survived: (2 + 4) of (4 + 4).
    chances = learned.of(PATH, BACK)
    assert chances.fill == ((D(4) * 12 / 14 + 3) / 8).quantize(D("0.000001"))
    assert chances.survive == D(4 * 6 + 8 * 4) / 64
    assert chances.lost == ((4 * BACK + D("0.02")) / 5).quantize(D("0.000001"))
    assert (chances.cycles, chances.filled) == (D(4), D(3))


def test_another_triangle_learns_from_it_but_less() -> None:
    learned = odds()
    for _ in range(20):
        learned.attempted(PATH, D("0.02"))
    assert learned.of(PATH, BACK).fill < learned.of(OTHER, BACK).fill < D("0.9")


def test_in_doubt_the_next_cycles_are_taken_to_fill_and_a_long_record_leaves_little_doubt() -> None:
    learned = odds(prior_weight=2, losing_doubt=3)
    for _ in range(5):
        learned.attempted(PATH, D("0.02"))
    chances = learned.of(PATH, BACK)
    assert chances.fill == (D(2) * 9 / 15 / 7).quantize(D("0.000001"))
    assert chances.fill_at_best == ((D(2) * 9 / 15 + 3) / 10).quantize(D("0.000001"))
    for _ in range(200):
        learned.attempted(PATH, D("0.02"))
    assert learned.of(PATH, BACK).fill_at_best < D("0.02")


def test_without_a_doubt_the_record_alone_counts() -> None:
    assert odds(losing_doubt=0).of(PATH, BACK).fill_at_best == D("0.9")


def test_a_loss_is_a_share_between_nothing_and_the_most_that_counts() -> None:
    learned = odds(prior_weight=1)
    learned.attempted(PATH, D("0.9"))  # most of it is held, not lost
    assert learned.of(PATH, D(0)).lost == MOST_LOST / 2
    learned.attempted(OTHER, D("-0.1"))  # it fell short, and earned all the same
    assert learned.of(OTHER, D(0)).lost == 0


def test_what_is_older_than_the_memory_counts_for_half() -> None:
    learned = odds(memory=20)
    for _ in range(20):
        learned.looked(PATH, survived=False)
    assert learned.take_changed(1)[0].gone == 20
    learned.looked(PATH, survived=True)
    assert learned.take_changed(1) == (Learned(PATH, D("0.5"), D(10)),)


def test_one_left_alone_for_its_record_gets_another_chance_in_time_whoever_restarts() -> None:
    learned = odds(memory=20)
    for _ in range(12):
        learned.attempted(PATH, D("0.02"))
    for gap in range(9):
        assert learned.of(PATH, BACK).cycles == 12, gap
        kept = learned.take_changed(9)
        learned = odds(memory=20)  # a run a gap
        learned.load(kept)
        learned.passed_by(PATH)
        learned.looked(PATH, survived=True)
    assert learned.of(PATH, BACK).cycles == 6
    for _ in range(20):  # nothing was left alone since
        learned.looked(PATH, survived=True)
    assert learned.of(PATH, BACK).cycles == 6


def test_what_was_kept_is_loaded_and_goes_on_as_if_it_had_never_stopped() -> None:
    first, second = odds(), odds()
    for one in (first, second):
        one.looked(PATH, survived=True)
        one.attempted(OTHER, D("0.02"))
    again = odds()
    again.load(first.take_changed(100))
    assert again.take_changed(100) == (), "it is kept already"
    for one in (again, second):
        one.attempted(PATH, None)
    for path in (PATH, OTHER):
        assert again.of(path, BACK) == second.of(path, BACK)


def test_what_has_changed_is_told_once_in_small_batches_and_again_when_it_was_not_kept() -> None:
    learned = odds()
    for path in "abc":
        learned.looked(path, survived=True)
    taken = learned.take_changed(2)
    assert [one.path for one in taken] == ["a", "b"]
    learned.give_back(taken)
    assert [one.path for one in learned.take_changed(9)] == ["c", "a", "b"]
    assert learned.take_changed(9) == ()


def test_no_more_triangles_are_learned_of_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_PATHS", 2)
    learned = odds()
    for path in "abc":
        learned.attempted(path, None)
    learned.load([Learned("d", filled=D(1))])
    assert [one.path for one in learned.take_changed(9)] == ["a", "b"]


EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["gone", "there", "filled", "failed", "by"])),
    max_size=120,
)


def happen(learned: Odds, path: str, what: str) -> None:
    match what:
        case "gone" | "there":
            learned.looked(path, survived=what == "there")
        case "by":
            learned.passed_by(path)
        case _:
            learned.attempted(path, None if what == "filled" else D("0.01"))


@given(EVENTS)
def test_chances_are_chances_whatever_happens_and_survive_a_restart(
    events: list[tuple[str, str]],
) -> None:
    learned = odds(memory=20)
    kept: dict[str, Learned] = {}
    for path, what in events:
        happen(learned, path, what)
        kept |= {one.path: one for one in learned.take_changed(9)}
    again = odds(memory=20)
    again.load(kept.values())
    for path in "abc":
        chances = learned.of(path, BACK)
        assert 0 < chances.survive < 1
        assert 0 < chances.fill < 1
        assert chances.fill <= chances.fill_at_best <= 1
        assert 0 <= chances.lost <= MOST_LOST
        assert again.of(path, BACK) == chances
