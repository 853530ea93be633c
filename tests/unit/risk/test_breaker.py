"""The breaker: what trips it, how far, what brings it back, and that a restart changes nothing."""

from __future__ import annotations

import pytest

from arbit.config import RiskSettings
from arbit.domain.events import BreakerChanged, Event
from arbit.domain.records import Flag
from arbit.domain.states import IllegalTransition
from arbit.risk.breaker import (
    BREAKER_TABLE,
    RULES,
    Breaker,
    BreakerHappening,
    BreakerState,
    Reason,
)
from tests.unit.venues.virtual import SECOND, VirtualClock


class Desk:
    def __init__(self, **risk: int) -> None:
        self.clock = VirtualClock()
        self.events: list[Event] = []
        self.flags: list[Flag] = []
        self.settings = RiskSettings.model_validate(risk)
        self.breaker = self.another()

    def another(self) -> Breaker:
        return Breaker("kraken", self.settings, self.clock, self.events.append, self.flags.append)

    def restarted(self) -> Breaker:
        breaker = self.another()
        breaker.restore(self.flags[-1] if self.flags else None)
        return breaker

    def pass_s(self, seconds: float) -> None:
        self.clock.now_ns += int(seconds * SECOND)


def test_a_burst_of_failures_pauses_and_a_few_do_not() -> None:
    desk = Desk(breaker_failures=3, breaker_window_s=60)
    for _ in range(2):
        desk.breaker.note_failure("rejected", desk.clock.now_ns)
    assert desk.breaker.state() is BreakerState.ACTIVE
    desk.breaker.note_failure("rejected", desk.clock.now_ns)

    assert desk.breaker.state() is BreakerState.REDUCING
    (event,) = desk.events
    assert isinstance(event, BreakerChanged)
    assert (event.venue, event.state, event.reason) == ("kraken", "reducing", "failures")


def test_failures_far_apart_are_weather() -> None:
    desk = Desk(breaker_failures=3, breaker_window_s=60)
    for _ in range(10):
        desk.breaker.note_failure("rejected", desk.clock.now_ns)
        desk.pass_s(31)
    assert desk.breaker.state() is BreakerState.ACTIVE


def test_it_rests_then_probes_and_a_good_cycle_brings_it_back() -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=100)
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(99)
    assert desk.breaker.state() is BreakerState.REDUCING
    desk.pass_s(1)
    assert desk.breaker.state() is BreakerState.PROBING
    desk.breaker.note_end(went_wrong=False)
    assert desk.breaker.state() is BreakerState.ACTIVE


def test_a_probe_that_fails_rests_for_twice_as_long() -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=100)
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(100)
    assert desk.breaker.state() is BreakerState.PROBING
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(199)
    assert desk.breaker.state() is BreakerState.REDUCING
    desk.pass_s(1)
    assert desk.breaker.state() is BreakerState.PROBING


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_stops_as_its_rule_says_and_is_the_same_after_a_restart(
    reason: Reason,
) -> None:
    desk = Desk()
    desk.breaker.trip(reason, "because")
    expected = {BreakerHappening.REDUCE: "reducing", BreakerHappening.HALT: "halted"}
    assert desk.breaker.state().value == expected[RULES[reason].happening]

    again = desk.restarted()
    assert (again.state(), again.reason, again.detail) == (
        desk.breaker.state(),
        reason,
        "because",
    )
    desk.pass_s(86_400)
    waits = RULES[reason].rest_s == 0 or reason is Reason.JOURNAL
    assert (again.state() is BreakerState.PROBING) is not waits
    assert again.resume()
    assert again.state() is BreakerState.ACTIVE
    assert not again.resume()


def test_what_waits_for_an_operator_is_not_undone_by_a_lesser_reason() -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=10)
    desk.breaker.trip(Reason.HELD, "left behind")
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(1_000)
    assert desk.breaker.state() is BreakerState.REDUCING
    assert desk.breaker.reason is Reason.HELD
    desk.breaker.trip(Reason.DRIFT, "worse")
    assert desk.breaker.state() is BreakerState.HALTED


def test_the_journal_brings_back_what_it_alone_had_stopped() -> None:
    desk = Desk()
    desk.breaker.trip(Reason.JOURNAL, "full")
    desk.pass_s(1_000)
    assert desk.breaker.state() is BreakerState.HALTED
    desk.breaker.journal_works()
    assert desk.breaker.state() is BreakerState.PROBING
    desk.breaker.trip(Reason.DRIFT, "off")
    desk.breaker.journal_works()
    assert desk.breaker.state() is BreakerState.HALTED


def test_a_note_that_cannot_be_read_halts() -> None:
    desk = Desk()
    desk.breaker.restore(Flag("breaker", '{"state": "fine"}', 0))
    assert desk.breaker.state() is BreakerState.HALTED


def test_an_illegal_pair_raises_and_changes_nothing() -> None:
    with pytest.raises(IllegalTransition, match="rested cannot happen in active"):
        BREAKER_TABLE.after(BreakerState.ACTIVE, BreakerHappening.RESTED)
