"""The keeper: what waits to be written, and when a journal's failure is told to the breaker."""

from __future__ import annotations

import json

import pytest

from arbit.config import RiskSettings
from arbit.domain.records import Batch, Flag, JournalBusy, JournalFailed
from arbit.execution.keeper import PATIENCE_NS, Keeper
from arbit.execution.works import Pad
from arbit.persistence.memory import MemoryJournal
from arbit.risk.breaker import Breaker, BreakerState, Reason
from tests.unit.venues.virtual import VirtualClock

LOCKED = JournalBusy("another program holds the database")
FULL = JournalFailed("the disk is full")


class Fallible(MemoryJournal):
    """A journal that fails as it is told to."""

    failure: JournalFailed | None = None

    def write(self, batch: Batch) -> None:
        if self.failure is not None:
            raise self.failure
        super().write(batch)


class Desk:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.journal = Fallible()
        self.breaker = Breaker("kraken", RiskSettings(), self.clock, lambda _: None)
        self.keeper = Keeper(self.journal, self.breaker, self.clock)
        self.breaker.persist = self.keeper.note

    def note(self, name: str) -> None:
        pad = Pad()
        pad.flags[name] = Flag(name, "kept", self.clock.wall_ns())
        self.keeper.write(pad)

    def look_for(self, span_ns: int) -> None:
        """The engine's watch, every 20 ms."""
        for _ in range(span_ns // 20_000_000):
            self.clock.now_ns += 20_000_000
            self.keeper.retry()


def test_another_daemons_commit_is_waited_for_and_stops_nobody() -> None:
    desk = Desk()
    desk.journal.failure = LOCKED
    desk.note("a fill")
    assert desk.keeper.ok() == str(LOCKED)  # nothing leaves meanwhile
    desk.look_for(PATIENCE_NS - 20_000_000)
    desk.journal.failure = None
    desk.look_for(20_000_000)

    assert desk.keeper.ok() == ""
    assert desk.breaker.state() is BreakerState.ACTIVE
    assert desk.journal.flags["a fill"].value == "kept"


def test_a_lock_that_lasts_stops_the_venue_and_what_was_unwritten_comes_first() -> None:
    desk = Desk()
    desk.journal.failure = LOCKED
    desk.note("a fill")
    desk.look_for(PATIENCE_NS + 20_000_000)
    assert (desk.breaker.state(), desk.breaker.reason) == (BreakerState.HALTED, Reason.JOURNAL)
    assert desk.keeper.unwritten == 2  # the fill, and the breaker's own state
    desk.journal.failure = None
    desk.look_for(2_000_000_000)

    assert desk.keeper.unwritten == 0
    assert desk.breaker.state() is BreakerState.PROBING
    assert next(iter(desk.journal.flags)) == "a fill"


@pytest.mark.parametrize("first", [None, LOCKED])
def test_any_other_failure_stops_the_venue_at_once(first: JournalFailed | None) -> None:
    desk = Desk()
    if first is not None:
        desk.journal.failure = first
        desk.note("a fill")
    desk.journal.failure = FULL
    desk.note("another")
    assert (desk.breaker.state(), desk.breaker.detail) == (BreakerState.HALTED, str(FULL))


def test_patience_begins_anew_with_each_lock() -> None:
    desk = Desk()
    for number in range(5):
        desk.journal.failure = LOCKED
        desk.note(f"fill {number}")
        desk.look_for(PATIENCE_NS - 20_000_000)
        desk.journal.failure = None
        desk.look_for(20_000_000)
    assert desk.breaker.state() is BreakerState.ACTIVE
    assert len(desk.journal.flags) == 6  # the last one proves that writing works


def test_a_flag_that_cannot_be_kept_comes_before_the_halt_that_follows_from_it() -> None:
    """The breaker's own word fails to be written, which halts it: the halt is what it is last."""
    desk = Desk()
    desk.journal.failure = FULL
    desk.breaker.trip(Reason.FAILURES, "one too many")
    assert desk.breaker.state() is BreakerState.HALTED
    desk.journal.failure = None
    desk.look_for(300_000_000)

    assert desk.keeper.unwritten == 0
    assert json.loads(desk.journal.flags["breaker"].value)["state"] == BreakerState.HALTED
