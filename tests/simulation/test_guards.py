"""No way to the time, the date or chance is open inside a simulation, and nothing stays closed."""

from __future__ import annotations

import datetime as dt
import logging
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from arbit.sandbox import wallclock
from tests.simulation.guards import OutsideWorld, guarded

# Looked up when they are called: bound here, they would be the real ones.
WAYS_TO_THE_TIME: dict[str, Callable[[], object]] = {
    "time": lambda: time.time(),  # noqa: PLW0108  looked up when called
    "clock_gettime": lambda: time.clock_gettime(time.CLOCK_REALTIME),
    "clock_gettime_ns": lambda: time.clock_gettime_ns(time.CLOCK_REALTIME),
    "thread_time": lambda: time.thread_time(),  # noqa: PLW0108  looked up when called
    "localtime": lambda: time.localtime(),  # noqa: PLW0108  looked up when called
    "strftime": lambda: time.strftime("%Y"),
    "ctime": lambda: time.ctime(),  # noqa: PLW0108  looked up when called
    "asctime": lambda: time.asctime(),  # noqa: PLW0108  looked up when called
    "datetime.now": lambda: dt.datetime.now(dt.UTC),
    "datetime.utcnow": lambda: dt.datetime.utcnow(),  # noqa: DTZ003, PLW0108  looked up when called
    "datetime.today": lambda: dt.datetime.today(),  # noqa: DTZ002, PLW0108  looked up when called
    "date.today": lambda: dt.date.today(),  # noqa: DTZ011, PLW0108  looked up when called
    "secrets": lambda: secrets.choice("ab"),
    "token": lambda: secrets.token_hex(4),
    "logging": lambda: logging.getLogger("arbit").error("nobody hears it"),
}


@pytest.mark.parametrize("name", WAYS_TO_THE_TIME)
def test_there_is_no_other_way_to_the_time_or_to_chance(name: str) -> None:
    with guarded(lambda: 0.0), pytest.raises(OutsideWorld):
        WAYS_TO_THE_TIME[name]()
    WAYS_TO_THE_TIME[name]()


BOUND: dict[str, Any] = {
    "time": time.time,
    "monotonic_ns": time.monotonic_ns,
    "date": dt.date,
    "datetime": dt.datetime,
    "randint": random.randint,
    "Random": random.Random,
}


@pytest.mark.parametrize("name", BOUND)
def test_a_name_that_a_module_of_ours_has_bound_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallclock, "mine", BOUND[name], raising=False)
    ways = {"date": "today", "datetime": "now"}

    def ask() -> object:
        mine = getattr(wallclock, "mine")  # noqa: B009  set a moment ago
        return mine(1, 2) if name == "randint" else getattr(mine, ways.get(name, "__call__"))()

    with guarded(lambda: 0.0), pytest.raises(OutsideWorld):
        ask()
    assert ask() is not None
    assert vars(wallclock)["mine"] is BOUND[name]


def test_dates_that_were_told_are_dates_inside() -> None:
    before = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    with guarded(lambda: 0.0):
        inside = dt.datetime.fromisoformat("2026-01-02T00:00:00+00:00")
        assert inside == before
        assert isinstance(before, dt.datetime)
        assert isinstance(inside + dt.timedelta(1), dt.datetime)
        assert isinstance(before.date(), dt.date)
        assert inside.strftime("%d.%m.%Y") == "02.01.2026"
        assert time.strftime("%Y", inside.timetuple()) == "2026"


def test_whatever_is_logged_is_heard_at_any_level() -> None:
    heard, handlers = list[str](), logging.getLogger().handlers[:]
    ours = logging.getLogger("arbit.deep")
    with guarded(lambda: 0.0, heard.append):
        ours.debug("a %s of %d", "token", 3)
        ours.info("%(what)s", {"what": "a secret"})
        logging.debug("by the root")  # noqa: LOG015  that is the way to try
        ours.error("broken", exc_info=ValueError("a key"))
    assert [line.split(": ", 1)[0] for line in heard] == [
        *("arbit.deep 10", "arbit.deep 20", "root 10", "arbit.deep 40")
    ]
    for line, part in zip(heard, ("a token of 3", "a secret", "by the root", "a key"), strict=True):
        assert part in line
    assert logging.getLogger().handlers == handlers
    assert not ours.isEnabledFor(logging.DEBUG)


def test_after_a_run_everything_is_as_it_was() -> None:
    def names() -> tuple[object, ...]:
        bound = vars(wallclock)["datetime"]
        return time.time, time.strftime, random.random, random.Random, dt.datetime, dt.date, bound

    before = names()
    with guarded(lambda: 0.0):
        assert random.Random(3).random() == pytest.approx(0.2379646270918914)
    assert names() == before
    assert random.Random().random() >= 0.0
