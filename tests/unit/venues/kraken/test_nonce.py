"""Nonces rise, whatever the clock and the process do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arbit.venues.kraken.nonce import BLOCK_US, Nonces

HOUR_NS = 3_600 * 1_000_000_000
NOW_NS = 1_764_000_000 * 1_000_000_000


class Kept:
    """What survives a restart, and how often it was written."""

    def __init__(self) -> None:
        self.nonce = 0
        self.saves = 0
        self.fails = False

    def load(self) -> int:
        return self.nonce

    def save(self, nonce: int) -> bool:
        if self.fails:
            return False
        self.nonce = nonce
        self.saves += 1
        return True


class Wall:
    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def test_what_leaves_was_kept_before_it_left() -> None:
    kept = Kept()
    nonces = Nonces(kept, Wall(NOW_NS))
    for _ in range(100):
        assert nonces.next() <= kept.nonce


def test_not_every_request_is_written_down() -> None:
    kept, wall = Kept(), Wall(NOW_NS)
    nonces = Nonces(kept, wall)
    for _ in range(1_000):
        wall.now_ns += 10_000_000
        nonces.next()
    assert kept.saves == 1
    wall.now_ns += BLOCK_US * 1_000
    nonces.next()
    assert kept.saves == 2


def test_a_restart_with_the_clock_set_back_an_hour_goes_on_rising() -> None:
    kept, wall = Kept(), Wall(NOW_NS)
    first = Nonces(kept, wall)
    last = max(first.next() for _ in range(50))
    wall.now_ns -= HOUR_NS
    second = Nonces(kept, wall)
    assert second.next() > last


def test_what_could_not_be_kept_is_kept_with_the_next_request() -> None:
    kept, wall = Kept(), Wall(NOW_NS)
    nonces = Nonces(kept, wall)
    kept.fails = True
    nonces.next()
    kept.fails = False
    last = nonces.next()
    wall.now_ns -= HOUR_NS
    assert Nonces(kept, wall).next() > last


def test_a_nonce_ahead_of_the_clock_is_used_only_when_it_is_kept() -> None:
    """Else a start, killed before its journal works, leaves nonces that the next one repeats."""
    kept, wall = Kept(), Wall(NOW_NS)
    Nonces(kept, wall).next()
    kept.fails = True
    second = Nonces(kept, wall)
    assert "ahead of the clock" in second.hold()
    kept.fails = False
    assert second.hold() == ""
    last = second.next()
    assert Nonces(kept, wall).next() > last


def test_the_clock_alone_is_enough_where_it_is_ahead_of_all_that_was_used() -> None:
    kept, wall = Kept(), Wall(NOW_NS)
    first = Nonces(kept, wall)
    kept.fails = True
    assert first.hold() == ""
    last = max(first.next() for _ in range(100))
    assert first.hold() == ""
    wall.now_ns += 10_000_000
    assert Nonces(kept, wall).next() > last


def test_a_running_process_whose_clock_is_set_back_goes_on_within_its_block() -> None:
    kept, wall = Kept(), Wall(NOW_NS)
    nonces = Nonces(kept, wall)
    nonces.next()
    kept.fails = True
    wall.now_ns -= HOUR_NS
    assert nonces.hold() == ""


def test_a_key_used_before_in_milliseconds_may_be_used_on() -> None:
    assert Nonces(Kept(), Wall(NOW_NS)).next() > NOW_NS // 1_000_000


@given(st.lists(st.tuples(st.integers(-HOUR_NS, HOUR_NS), st.booleans()), max_size=60))
def test_they_rise_strictly_over_any_jumps_and_restarts(steps: list[tuple[int, bool]]) -> None:
    kept, wall = Kept(), Wall(NOW_NS)
    nonces, last = Nonces(kept, wall), 0
    for jump_ns, restart in steps:
        wall.now_ns += jump_ns
        if restart:
            nonces = Nonces(kept, wall)
        found = nonces.next()
        assert found > last
        assert found < 1 << 64
        last = found
