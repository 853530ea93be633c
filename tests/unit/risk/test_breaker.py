"""The breaker: what trips it, how far, what brings it back, and that a restart changes nothing."""

from __future__ import annotations

import pytest

from arbit.config import RiskSettings
from arbit.domain.events import BreakerChanged, Event
from arbit.domain.records import Flag
from arbit.domain.states import IllegalTransition
from arbit.risk.breaker import (
    BREAKER_TABLE,
    LOCKOUT_S,
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
    desk.pass_s(86_400)  # a journal that could be read at the restart works, as far as we know
    assert (again.state() is BreakerState.PROBING) is (RULES[reason].rest_s != 0)
    assert again.resume()
    assert again.state() is BreakerState.ACTIVE
    assert not again.resume()


def test_a_probe_that_has_to_be_brought_home_rests_for_twice_as_long_too() -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=100)
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(100)
    assert desk.breaker.state() is BreakerState.PROBING
    desk.breaker.note_end(went_wrong=True)
    desk.pass_s(199)
    assert desk.breaker.state() is BreakerState.REDUCING
    desk.pass_s(1)
    assert desk.breaker.state() is BreakerState.PROBING


def test_rests_in_a_row_double_up_to_an_hour_and_a_good_probe_begins_anew() -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=1_000)
    for rest_s in (1_000, 2_000, 3_600, 3_600):
        desk.breaker.note_failure("unknown", desk.clock.now_ns)
        desk.pass_s(rest_s - 1)
        assert desk.breaker.state() is BreakerState.REDUCING
        desk.pass_s(1)
        assert desk.breaker.state() is BreakerState.PROBING
    desk.breaker.note_end(went_wrong=False)
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(1_000)
    assert desk.breaker.state() is BreakerState.PROBING


def test_a_longer_rest_is_not_cut_short_by_a_lesser_reason() -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=10)
    desk.breaker.trip(Reason.LOCKOUT, "locked out")
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(LOCKOUT_S - 1)
    assert desk.breaker.state() is BreakerState.REDUCING
    desk.pass_s(1)
    assert desk.breaker.state() is BreakerState.PROBING


def test_a_journal_that_fails_in_a_lockout_does_not_shorten_it() -> None:
    desk = Desk()
    desk.breaker.trip(Reason.LOCKOUT, "locked out")
    desk.breaker.trip(Reason.JOURNAL, "full")
    desk.breaker.journal_works()
    assert desk.breaker.state() is BreakerState.HALTED
    desk.pass_s(LOCKOUT_S)
    assert desk.breaker.state() is BreakerState.PROBING


def test_a_journal_that_fails_and_works_again_does_not_stand_in_for_the_operator() -> None:
    desk = Desk()
    desk.breaker.trip(Reason.HELD, "left behind")
    desk.breaker.trip(Reason.JOURNAL, "full")
    desk.pass_s(10)
    desk.breaker.journal_works()
    desk.pass_s(86_400)
    assert desk.breaker.state() is BreakerState.REDUCING
    assert (desk.breaker.reason, desk.breaker.detail) == (Reason.HELD, "left behind")


def test_a_venue_found_stopped_at_a_restart_is_told() -> None:
    desk = Desk()
    desk.restarted()
    assert desk.events == []
    desk.breaker.trip(Reason.DRIFT, "off by one")
    desk.restarted()
    told = [(e.state, e.reason, e.detail) for e in desk.events if isinstance(e, BreakerChanged)]
    assert told == [("halted", "drift", "off by one")] * 2


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
    probing = desk.breaker.state()
    assert probing is BreakerState.PROBING
    desk.breaker.trip(Reason.DRIFT, "off")
    desk.breaker.journal_works()
    assert desk.breaker.state() is BreakerState.HALTED


@pytest.mark.parametrize(
    "note",
    [
        "",
        "[]",
        '{"state": "fine"}',
        '{"state": "active", "reason": "", "detail": "", "rested_at_ns": Infinity, "trips": 0}',
    ],
)
def test_a_note_that_cannot_be_read_halts_until_an_operator_looks(note: str) -> None:
    desk = Desk()
    desk.breaker.restore(Flag("breaker", note, 0))
    desk.pass_s(86_400)
    assert desk.breaker.state() is BreakerState.HALTED


def test_a_rest_lasts_no_longer_than_any_may_though_its_clock_was_ahead() -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=100)
    desk.pass_s(86_400)
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(-86_400)
    again = desk.restarted()
    desk.pass_s(3_599)
    assert again.state() is BreakerState.REDUCING
    desk.pass_s(1)
    assert again.state() is BreakerState.PROBING


def test_an_illegal_pair_raises_and_changes_nothing() -> None:
    with pytest.raises(IllegalTransition, match="rested cannot happen in active"):
        BREAKER_TABLE.after(BreakerState.ACTIVE, BreakerHappening.RESTED)


def test_starting_again_in_a_probe_is_the_same_probe_and_begins_no_rest_anew() -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=100)
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    desk.pass_s(100)
    assert desk.breaker.state() is BreakerState.PROBING
    noted = desk.flags[-1].value
    for _ in range(2):
        desk.pass_s(5)
        assert desk.restarted().state() is BreakerState.PROBING
        assert desk.flags[-1].value == noted
    desk.pass_s(-60)  # the clock was set back meanwhile
    assert desk.restarted().state() is BreakerState.PROBING


@pytest.mark.parametrize("went_wrong", [True, False])
def test_a_cycle_that_was_open_before_the_stop_is_no_probe_however_it_ends(
    *, went_wrong: bool
) -> None:
    desk = Desk(breaker_failures=1, breaker_pause_s=100)
    desk.breaker.note_end(went_wrong=went_wrong)
    assert desk.breaker.state() is BreakerState.ACTIVE
    desk.breaker.note_failure("unknown", desk.clock.now_ns)
    noted = list(desk.flags)
    desk.breaker.note_end(went_wrong=went_wrong)
    assert desk.breaker.state() is BreakerState.REDUCING
    assert desk.flags == noted, "neither ended the rest nor made it longer"
    desk.pass_s(100)
    assert desk.breaker.state() is BreakerState.PROBING
