"""The venue's clock against ours: what is claimed holds, and doubt is never hidden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.account import ClockOffset
from arbit.venues.clockoffset import OffsetTracker, off_clock
from tests.unit.venues.virtual import VirtualClock

MS = 1_000_000
SECOND = 1_000 * MS


class TwoClocks(VirtualClock):
    """A monotonic clock, and a wall clock that somebody may set."""

    def __init__(self) -> None:
        super().__init__()
        self.wall_minus_ns = 1_764_000_000 * SECOND

    def wall_ns(self) -> int:
        return self.now_ns + self.wall_minus_ns


def exchange(
    clock: TwoClocks, tracker: OffsetTracker, offset_ns: int, there_ns: int, back_ns: int
) -> None:
    """One question and its answer, by a venue that is `offset_ns` ahead of us."""
    sent_ns = clock.wall_ns()
    clock.now_ns += there_ns
    in_ns = clock.wall_ns() + offset_ns
    clock.now_ns += 2 * MS
    out_ns = clock.wall_ns() + offset_ns
    clock.now_ns += back_ns
    tracker.sample(sent_ns, in_ns, out_ns, clock.wall_ns())


@given(
    st.integers(-3_600 * SECOND, 3_600 * SECOND),
    st.lists(st.tuples(st.integers(0, SECOND), st.integers(0, SECOND)), min_size=1, max_size=40),
)
def test_the_true_offset_lies_within_what_is_claimed(
    offset_ns: int, trips: list[tuple[int, int]]
) -> None:
    clock = TwoClocks()
    tracker = OffsetTracker(clock)
    for there_ns, back_ns in trips:
        exchange(clock, tracker, offset_ns, there_ns, back_ns)
        found = tracker.now()
        assert found is not None
        assert abs(found.offset_ns - offset_ns) <= found.uncertainty_ns


def test_the_quickest_answer_is_believed_most() -> None:
    clock = TwoClocks()
    tracker = OffsetTracker(clock)
    exchange(clock, tracker, 7 * SECOND, 400 * MS, 100 * MS)
    exchange(clock, tracker, 7 * SECOND, 10 * MS, 10 * MS)
    exchange(clock, tracker, 7 * SECOND, 100 * MS, 400 * MS)
    found = tracker.now()
    assert found is not None
    assert found.uncertainty_ns < 11 * MS
    venue_ns = tracker.venue_ns()
    assert venue_ns is not None
    assert abs(venue_ns - clock.wall_ns() - 7 * SECOND) < 11 * MS


def test_a_venue_that_sets_its_clock_is_believed_anew() -> None:
    clock = TwoClocks()
    tracker = OffsetTracker(clock)
    exchange(clock, tracker, 0, 5 * MS, 5 * MS)
    exchange(clock, tracker, 500 * MS, 20 * MS, 20 * MS)
    found = tracker.now()
    assert found is not None
    assert abs(found.offset_ns - 500 * MS) <= found.uncertainty_ns


def test_once_our_own_clock_is_set_nothing_is_known_until_the_next_answer() -> None:
    clock = TwoClocks()
    tracker = OffsetTracker(clock)
    exchange(clock, tracker, 0, 5 * MS, 5 * MS)
    clock.wall_minus_ns -= 2 * SECOND  # less than any answer would show before it is too late
    assert tracker.now() is None
    assert tracker.venue_ns() is None
    exchange(clock, tracker, 2 * SECOND, 5 * MS, 5 * MS)
    found = tracker.now()
    assert found is not None
    assert abs(found.offset_ns - 2 * SECOND) <= found.uncertainty_ns


def test_it_grows_uncertain_with_age_and_is_forgotten_after_ten_minutes() -> None:
    clock = TwoClocks()
    tracker = OffsetTracker(clock)
    exchange(clock, tracker, 0, 5 * MS, 5 * MS)
    first = tracker.now()
    clock.now_ns += 300 * SECOND
    later = tracker.now()
    assert first is not None
    assert later is not None
    assert later.uncertainty_ns == first.uncertainty_ns + 30 * MS
    clock.now_ns += 301 * SECOND
    assert tracker.now() is None


def test_more_than_a_second_of_doubt_is_no_answer() -> None:
    clock = TwoClocks()
    tracker = OffsetTracker(clock)
    exchange(clock, tracker, 0, 2 * SECOND, 2 * SECOND)
    assert tracker.now() is None
    tracker.take(ClockOffset(0, 700 * MS, clock.monotonic_ns()))
    assert tracker.now() is not None


def test_an_answer_before_its_question_is_left_out() -> None:
    clock = TwoClocks()
    tracker = OffsetTracker(clock)
    wall_ns = clock.wall_ns()
    tracker.sample(wall_ns, wall_ns + 2, wall_ns + 1, wall_ns + 3)
    tracker.sample(wall_ns, wall_ns, wall_ns, wall_ns - 1)
    assert tracker.now() is None


@pytest.mark.parametrize(
    ("off_s", "give_s", "says"),
    [
        (0, 0.5, ""),
        (4.9, 0, ""),
        (-4.9, 0, ""),
        (5.4, 0.5, ""),  # it may be within five seconds
        (5.6, 0.5, "5.6 s behind the venue's (give or take 0.5 s)"),
        (-7_200, 0.5, "7200.0 s ahead of the venue's"),
    ],
)
def test_a_clock_more_than_five_seconds_off_beyond_doubt_is_told(
    off_s: float, give_s: float, says: str
) -> None:
    told = off_clock(ClockOffset(int(off_s * SECOND), int(give_s * SECOND), 1))
    assert (says in told) if says else told == ""
