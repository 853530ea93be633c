"""In what state a venue is: the table of rules, their order, and what is told of the last hour."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.health import Health, Nearest
from arbit.domain.refusal import RefusalCode
from arbit.health import (
    GUARDS,
    RULES,
    SECOND_NS,
    Facts,
    Minutes,
    Peak,
    Peaks,
    Standing,
    counted,
    judged,
)

WELL = Facts(books=4, blind_s=0.0, edge="best edge 4.1 bps")
CLOSED = dict.fromkeys("ABCD", Disbelief.VENUE_STATUS)
# Each is worse than those below it: added to the one before, the state that is told is the upper.
LADDER: list[tuple[dict[str, object], Health, str]] = [
    ({}, Health.HEALTHY, "no_edge"),
    ({"begun_s": 59.0}, Health.TRADING, ""),
    ({"open": 2}, Health.TRADING, ""),
    ({"probing": True}, Health.DEGRADED, "breaker"),
    (
        {"reasons": dict.fromkeys("ABC", Disbelief.DISCONNECTED)},
        Health.DEGRADED,
        "books",
    ),
    ({"polled": ["A"]}, Health.DEGRADED, "rest"),
    ({"stops": (RefusalCode.FEES, "why asked")}, Health.BLOCKED, "fees"),
    ({"stops": (RefusalCode.VENUE_PAUSED, "venue kraken")}, Health.BLOCKED, "venue_paused"),
    ({"stops": (RefusalCode.BREAKER, "state reducing")}, Health.BLOCKED, "breaker"),
    ({"leaves": "it leaves"}, Health.BLOCKED, "draining"),
    ({"starts": "it starts"}, Health.BLOCKED, "start"),
    ({"reasons": {"A": Disbelief.CHECKSUM}}, Health.DIVERGED, "books"),
    ({"blind_s": 5.0}, Health.MUTE, "books"),
    ({"reasons": CLOSED}, Health.BLOCKED, "market_status"),
    ({"stops": (RefusalCode.BREAKER, "state halted"), "halted": True}, Health.HALTED, "breaker"),
    (
        {"stops": (RefusalCode.KILL_SWITCH, "by KILL"), "halted": True},
        Health.HALTED,
        "kill_switch",
    ),
    ({"broken": "OSError: gone"}, Health.HALTED, "broken"),
]


def test_the_worse_is_told_whatever_else_holds() -> None:
    facts, seen = WELL, []
    for more, health, guard in LADDER:
        facts = replace(facts, **more)  # type: ignore[arg-type]  # rows of one table
        told = judged(facts)[1]
        assert (told.health, told.guard) == (health, guard), more
        seen.append(told.health)
    assert set(seen) == set(Health)


def test_every_code_of_the_gate_has_its_row_so_that_no_guard_blocks_unnamed() -> None:
    for code in GUARDS:
        told = judged(replace(WELL, stops=(code, "figures")))[1]
        assert (told.health, told.guard, told.detail) == (Health.BLOCKED, code.value, "figures")
    other = judged(replace(WELL, stops=(RefusalCode.CLOCK, "figures")))[1]
    assert (other.health, other.guard, other.detail) == (Health.BLOCKED, "gate", "clock: figures")


def test_the_table_is_in_the_order_of_the_states() -> None:
    order = list(Health)
    places = [order.index(rule.health) for rule in RULES if rule.guard != "market_status"]
    assert places == sorted(places)


def test_a_market_that_is_closed_is_not_taken_for_a_silent_one_nor_one_closed_book_for_all() -> (
    None
):
    one = replace(WELL, reasons={"A": Disbelief.MARKET_STATUS})
    assert judged(one)[1].health is Health.HEALTHY
    assert "none of the watched markets" in judged(replace(WELL, reasons=CLOSED))[1].detail


def test_words_name_what_is_meant_and_no_more_than_three_books() -> None:
    told = judged(replace(WELL, polled=["A", "B", "C", "D"]))[1]
    assert told.words() == "degraded (rest): 100 % of the books come over REST: A, B, C and 1 more"
    told = judged(replace(WELL, reasons={"A": Disbelief.CHECKSUM, "B": Disbelief.DIVERGED}))[1]
    assert told.detail == "not the venue's own books: A, B (checksum 1, diverged 1)"


def second(number: float) -> int:
    return int(number * SECOND_NS)


def test_a_state_is_told_once_it_has_held_and_does_not_flap() -> None:
    standing, wrong = Standing(), replace(WELL, reasons={"A": Disbelief.DIVERGED})
    first = standing.judge(WELL, second(0))
    assert first is not None
    assert first.health is Health.HEALTHY
    assert standing.judge(wrong, second(1)) is None
    assert standing.judge(WELL, second(2)) is None  # it was over before it was told
    told = [standing.judge(wrong, second(at)) for at in (3, 4, 5, 6)]
    assert told[:3] == [None, None, None]
    assert told[3] is not None
    assert told[3].health is Health.DIVERGED
    assert standing.judge(wrong, second(7)) is None  # the same is no news


def test_a_kill_is_told_at_once_and_so_is_a_pause() -> None:
    standing = Standing()
    standing.judge(WELL, second(0))
    for code, halted in ((RefusalCode.VENUE_PAUSED, False), (RefusalCode.KILL_SWITCH, True)):
        told = standing.judge(replace(WELL, stops=(code, "why"), halted=halted), second(1))
        assert told is not None
        assert told.guard == code.value


def test_what_comes_and_goes_without_end_is_told_at_last() -> None:
    standing = Standing()
    standing.judge(WELL, second(0))
    turns = [
        replace(WELL, reasons={"A": Disbelief.DIVERGED}),
        replace(WELL, polled=["A"]),
    ]
    told = [standing.judge(turns[at % 2], second(at)) for at in range(1, 12)]
    assert [at for at, one in enumerate(told, start=1) if one is not None] == [10]


@pytest.mark.parametrize(
    ("edge", "hurdle", "demanded", "words"),
    [
        (
            4.1,
            121.0,
            8.8,
            "best edge 4.1 bps (A>B>C>A), hurdle 121.0 bps, fees are 96 % of the gap",
        ),
        (
            4.1,
            121.0,
            0.0,
            "best edge 4.1 bps (A>B>C>A), hurdle 121.0 bps, fees are 100 % of the gap",
        ),
        (
            -6.0,
            54.0,
            0.0,
            "best edge -6.0 bps (A>B>C>A), hurdle 54.0 bps, fees are 90 % of the gap",
        ),
        (7.0, 3.0, 0.0, "best edge 7.0 bps (A>B>C>A), hurdle 3.0 bps: it was reached"),
    ],
)
def test_how_near_it_came_and_what_stood_in_between(
    edge: float, hurdle: float, demanded: float, words: str
) -> None:
    assert Nearest("A>B>C>A", edge, hurdle, demanded).words() == words


def test_the_last_hour_is_counted_by_the_minute_and_no_more_is_kept() -> None:
    minutes = Minutes()
    minutes.note({"edge": 3}, second(0))
    minutes.note({"edge": 3, "cooldown": 9}, second(59))
    minutes.note({"edge": 4, "cooldown": 9}, second(61))
    assert minutes.within(second(61)) == {"cooldown": 9, "edge": 4}
    assert minutes.within(second(61), 1) == {"edge": 1}
    assert minutes.within(second(3_600)) == {"edge": 1}  # the first minute is out of it
    assert minutes.within(second(9_000)) == {}
    for minute in range(1_000):
        minutes.note({"edge": 5 + minute}, second(60 * minute + 120))
    assert len(minutes._minutes) == 60
    assert minutes.within(second(60 * 999 + 120)) == {"edge": 60}


def test_the_highest_of_each_minute_is_kept() -> None:
    peaks = Peaks()
    peaks.note(None, second(0))
    assert peaks.within(second(0), 10) is None
    peaks.note(Peak(-0.002, 0.001, 4), second(1))
    peaks.note(Peak(-0.003, 0.009, 5), second(2))  # dearer: further from its own hurdle
    peaks.note(Peak(-0.005, 0.001, 6), second(70))
    assert peaks.within(second(80), 10) == Peak(-0.002, 0.001, 4)
    assert peaks.within(second(80), 1) == Peak(-0.005, 0.001, 6)


def test_counts_in_words_are_bounded() -> None:
    assert counted({}) == ""
    assert (
        counted({f"c{n}": n for n in range(8)}) == "c0 0, c1 1, c2 2, c3 3, c4 4, c5 5 and 2 more"
    )
