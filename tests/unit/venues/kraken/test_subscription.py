from __future__ import annotations

import itertools

import pytest

from arbit.domain.errors import BrokenRule
from arbit.venues.backoff import RETRY_CAP_NS
from arbit.venues.kraken.subscription import (
    SNAPSHOT_WAIT_NS,
    TRANSITIONS,
    State,
    Subscription,
    Trigger,
)

EVERY_PAIR = list(itertools.product(State, Trigger))
ILLEGAL = [pair for pair in EVERY_PAIR if pair not in TRANSITIONS]

# Written out a second time on purpose: a slip in the table must not agree with itself.
ALLOWED = """
idle      asked -> awaiting, lost -> idle
awaiting  verified -> live, failed -> broken, denied -> refused, lost -> idle
live      verified -> live, failed -> broken, lost -> idle
broken    asked -> awaiting, failed -> broken, lost -> idle
refused   asked -> awaiting, denied -> refused, lost -> idle
"""


def test_the_table_is_what_the_reader_was_told() -> None:
    told = {}
    for line in ALLOWED.strip().splitlines():
        state, _, moves = line.partition(" ")
        for move in moves.split(","):
            trigger, _, after = move.strip().partition(" -> ")
            told[State(state), Trigger(trigger)] = State(after)
    assert told == TRANSITIONS


@pytest.mark.parametrize(("before", "trigger"), list(TRANSITIONS))
def test_a_legal_move_arrives_and_dates_a_change(before: State, trigger: Trigger) -> None:
    sub = Subscription("BTC/USD", state=before, since_ns=5)
    sub.move(trigger, 9)
    assert sub.state is TRANSITIONS[before, trigger]
    assert sub.since_ns == (5 if sub.state is before else 9)


@pytest.mark.parametrize(("before", "trigger"), ILLEGAL)
def test_an_illegal_move_raises_and_changes_nothing(before: State, trigger: Trigger) -> None:
    sub = Subscription("BTC/USD", state=before, since_ns=5, failures=2, retry_ns=7, doubted_ns=3)
    fields = [getattr(sub, name) for name in Subscription.__slots__]
    with pytest.raises(BrokenRule, match=f"BTC/USD: {trigger.value} in state {before.value}"):
        sub.move(trigger, 9)
    assert [getattr(sub, name) for name in Subscription.__slots__] == fields


def test_two_failures_are_free_and_then_the_pause_doubles_to_its_cap() -> None:
    pauses_ms = [Subscription("X", failures=n).pause_ns // 1_000_000 for n in range(12)]
    assert pauses_ms == [0, 0, 0, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000, 15000]


def test_patience_grows_with_failures_but_not_when_updates_show_the_snapshot_is_missing() -> None:
    waits = [Subscription("X", failures=n).patience_ns for n in range(12)]
    assert waits == sorted(waits)
    assert waits[0] == SNAPSHOT_WAIT_NS
    assert waits[-1] == RETRY_CAP_NS
    assert Subscription("X", failures=11, told=1).patience_ns == SNAPSHOT_WAIT_NS
