"""The soak's own pieces, and a minute of each kind of it."""

from __future__ import annotations

from typing import Any

import pytest

from arbit.config import RiskSettings
from arbit.domain.events import BreakerChanged
from arbit.risk.breaker import RULES, BreakerState
from tests.simulation.market import USD
from tests.soak import sockets, virtual
from tests.soak.__main__ import table
from tests.soak.breaker import HALTS, RESTS_S, SECOND_NS, BreakerLog
from tests.soak.exchange import messages_per_s, profile_of
from tests.soak.figures import Lates, growth, rate_per_s, slope_per_hour

SAMPLE = {
    "warm": True,
    "rss_mb": 100.0,
    "tasks": 28,
    "descriptors": 26,
    "orders": 9,
    "cycles": {"done": 3},
    "rebalances": {"done": 1},
    "late_p50_ms": 0.1,
    "late_p999_ms": 5.0,
    "late_most_ms": 9.0,
    "own_p999_ms": 4.0,
    "own_most_ms": 8.0,
    "starved_s": 0.0,
    "breaker": [["reducing", "failures"]],
    "troubles": {},
}


def samples(**changed: Any) -> list[dict[str, Any]]:
    """A quarter of an hour of samples; what is a function is told the second."""
    made = []
    for at_s in range(900):
        told = {name: of(at_s) if callable(of) else of for name, of in changed.items()}
        made.append({"at_s": float(at_s), "messages": at_s * 1_000, **SAMPLE, **told})
    return made


def broken(**changed: Any) -> list[str]:
    return sockets._judged(sockets.Told(15, 1_000), samples(**changed)).broken()


# --- over sockets ----------------------------------------------------------------------------


def test_a_run_that_keeps_to_its_bounds_is_told_as_it_was() -> None:
    told = sockets._judged(sockets.Told(15, 1_000), samples())
    assert (told.broken(), told.judged) == ([], True)
    assert (told.messages_per_s, told.breaker) == (1_000.0, {"reducing failures": 900})
    assert "messages per s         1000.0" in table(told.as_json())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rss_mb": lambda at_s: 100 + at_s / 3_000}, "memory grows by 1.20 MB/h, below 1.0"),
        ({"tasks": lambda at_s: 28 + at_s // 100}, "tasks grow by 6, at most 3 allowed"),
        ({"descriptors": lambda at_s: 20 + at_s // 100}, "files grow by 6, at most 3 allowed"),
        ({"own_p999_ms": 20.0}, "the loop is 20.0 ms late at p99.9, below 20"),
        ({"orders": 0}, "nothing was traded"),
        ({"breaker": []}, "the breaker never tripped: nothing was soaked"),
        ({"rebalances": {}}, "nothing was rebalanced: little was soaked"),
    ],
)
def test_a_bound_that_is_broken_is_said(changed: dict[str, Any], said: str) -> None:
    assert broken(**changed) == [said]


def test_garbage_that_comes_and_goes_is_no_growth() -> None:
    assert broken(rss_mb=lambda at_s: 100 + at_s % 10) == []


def test_a_slope_is_of_the_floor_and_per_hour() -> None:
    at_s = [float(second) for second in range(600)]
    assert slope_per_hour(at_s, [second / 3_600 for second in at_s]) == pytest.approx(1.0)
    assert slope_per_hour(at_s[:15], [0.0] * 15) == 0.0


def test_lateness_is_counted_to_five_percent() -> None:
    lates = Lates()
    for number in range(1, 10_001):
        lates.add(number / 100)
    assert lates.count == 10_000
    assert 99.9 <= lates.quantile_ms(0.999) <= 99.9 * 1.05
    assert (lates.quantile_ms(1.0), lates.most_ms) == (100.0, 100.0)
    lates.add(1e9)
    assert lates.quantile_ms(1.0) == 1e9


def test_growth_and_rate_are_of_ends_and_of_what_rose() -> None:
    assert growth([1, 1, 9, 9, 0, 5, 5, 5]) == 4
    assert rate_per_s([0, 1, 2, 3], [0, 10, 0, 10]) == 10.0


def test_the_exchange_finds_makers_for_the_rate_that_is_asked_for() -> None:
    for rate in (700.0, 1_500.0):
        found = messages_per_s(profile_of(rate, 1), 1)
        assert 0.9 * rate < found < 2 * rate


def test_moments_over_sockets_trade_and_are_measured() -> None:
    told = sockets.run(0.06, 500)  # half of it warms up, and a rate is of two looks
    assert told.messages_per_s > 0
    assert told.descriptors > 5
    assert not told.judged


# --- in virtual time -------------------------------------------------------------------------


def test_minutes_in_virtual_time_trade_and_hold_all_that_is_watched() -> None:
    before = dict(USD)
    told = virtual.run(3, 0.04)
    assert told.violations == []
    assert told.orders > 20
    assert told.most_exposed_usd > 0
    assert before == USD


def test_what_the_checker_finds_breaks_a_soak() -> None:
    assert virtual.Told(1.0, 1, violations=["[2] money"]).broken() == ["[2] money"]


# --- the breaker -----------------------------------------------------------------------------


class Clock:
    now_ns = 0


def log_of(*said: tuple[float, str, str]) -> list[str]:
    """What is found where the breaker says (second, state, reason); `resume` is an operator's."""
    clock = Clock()
    log = BreakerLog(RiskSettings(breaker_pause_s=30), lambda: clock.now_ns)
    for at_s, state, reason in said:
        clock.now_ns = int(at_s * SECOND_NS)
        if state == "resume":
            log.resumed()
        elif state == "start":
            log.begun()
        else:
            log.heard(BreakerChanged("sandbox", state, reason, ""))
    return log.violations


def test_trips_that_recover_as_their_table_says_are_well() -> None:
    assert (
        log_of((1, "reducing", "failures"), (31, "probing", "failures"), (32, "active", "")) == []
    )
    assert log_of((1, "reducing", "held"), (9, "resume", ""), (9.1, "active", "")) == []
    assert log_of((1, "halted", "journal"), (2, "probing", "journal"), (3, "active", "")) == []
    # An operator's word that a daemon finds at its start, after telling how it was.
    killed = ((1, "reducing", "failures"), (5, "resume", ""), (5.5, "start", ""))
    assert log_of(*killed, (6, "reducing", "failures"), (6.1, "active", "")) == []
    # A rest goes on over a restart.
    rests = ((1, "reducing", "failures"), (20, "start", ""), (20.5, "reducing", "failures"))
    assert log_of(*rests, (31, "probing", "failures"), (32, "active", "")) == []


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (((1, "reducing", "failures"), (30.9, "probing", "")), "29.900 s after failures"),
        (
            ((1, "reducing", "failures"), (20, "reducing", "failures"), (31, "probing", "")),
            "11.000 s after failures",
        ),
        (((1, "reducing", "held"), (99, "probing", "")), "waits for an operator"),
        (((1, "reducing", "held"), (99, "active", "")), "nobody asked for it"),
        (((1, "reducing", "drift"),), "drift only brought it to reducing"),
        (((1, "reducing", "mood"),), "which is no reason"),
    ],
)
def test_a_breaker_that_does_otherwise_is_found(
    said: tuple[tuple[float, str, str], ...], found: str
) -> None:
    assert [found in one for one in log_of(*said)] == [True]


def test_the_second_reading_of_the_rules_knows_every_reason() -> None:
    assert {reason.value: rule.rest_s for reason, rule in RULES.items()} == RESTS_S
    halts = {reason.value for reason, rule in RULES.items() if rule.happening.value == "halt"}
    assert halts == HALTS
    assert {"reducing", "halted", "probing", "active"} == {state.value for state in BreakerState}
