"""Told to stop at any moment of its life, `arbit live` ends soon, and says truly what it leaves."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checker import compare
from tests.integration.live_desk import Daemon, Exchange, rows, until

STOPPED_HARD = 130
LONG_MS = 600_000


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    with Exchange(tmp_path / "exchange") as running:
        yield running


def daemon(exchange: Exchange, folder: Path, *options: str, **settings: str) -> Daemon:
    return Daemon(folder, "sandbox", *options, **exchange.addresses("sandbox"), **settings)


@contextmanager
def order_out(exchange: Exchange, folder: Path, **settings: str) -> Iterator[tuple[Daemon, str]]:
    """A daemon in the middle of a cycle: an order of it is accepted, and nobody says more."""
    with daemon(exchange, folder, **settings) as running:
        running.wait_for("cycle_ended")
        yield running, exchange.hold_an_order()


def run_of(folder: Path) -> tuple[str, bool]:
    """How the last run ended, by its row, and whether it says when."""
    sql = "SELECT ended_how, ended_ns > 0 FROM runs ORDER BY token DESC LIMIT 1"
    ((how, timed),) = rows(folder / "var" / "arbit.db", sql)
    return str(how), bool(timed)


def has_runs(database: Path, count: int) -> bool:
    """Whether the database is made, and so many runs have begun."""
    try:
        return len(rows(database, "SELECT * FROM runs")) == count
    except sqlite3.Error:
        return False


def starts_of(folder: Path) -> int:
    """The starts without a clean end that the journal remembers."""
    found = rows(folder / "var" / "arbit.db", "SELECT value FROM flags WHERE name='starts'")
    return sum(len(str(value).split(",")) for (value,) in found if value)


def open_in(folder: Path) -> int:
    ((count,),) = rows(folder / "var" / "arbit.db", "SELECT count(*) FROM cycles WHERE ended_ns=0")
    return int(count)


def settled(exchange: Exchange, folder: Path, *, taken_up: int) -> None:
    """The next start finds everything out, and the exchange's own log agrees."""
    with daemon(exchange, folder, "--recover-only") as following:
        assert following.ended() == 0, following.said
        assert following.report["recovered"] == taken_up
        assert following.report["open_cycles"] == 0
    assert run_of(folder) == ("clean", True)
    assert starts_of(folder) == 0
    assert compare(exchange.log, folder / "var" / "arbit.db") == []


def test_a_stop_before_the_venue_has_said_a_word_ends_at_once(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.fault("rest_slow", delay_ms=LONG_MS)
    with daemon(exchange, tmp_path) as running:
        until(lambda: has_runs(running.database, 1), "its run")
        assert running.stop() == 0, running.said
        assert running.report["ended"] == "stopped before it had started"
        assert (running.report["orders"], running.report["open_cycles"]) == (0, 0)
    assert run_of(tmp_path) == ("stopped", True)
    assert starts_of(tmp_path) == 0, "it was none"


@pytest.mark.parametrize("mute", ["all", "private"])
def test_a_stop_before_or_while_it_recovers_leaves_it_to_the_next_start_and_says_so(
    exchange: Exchange, tmp_path: Path, mute: str
) -> None:
    with order_out(exchange, tmp_path) as (first, order):
        first.kill()
    exchange.let_go(order)
    assert open_in(tmp_path) >= 1
    left, starts = open_in(tmp_path), starts_of(tmp_path)
    if mute == "all":
        exchange.fault("rest_slow", delay_ms=LONG_MS)
    else:  # it starts, and its first question of recovery is never answered
        exchange.fault("order_silent", face="rest", method="OpenOrders", when="before", times=99)
    with daemon(exchange, tmp_path) as second:
        if mute == "all":
            until(lambda: has_runs(second.database, 2), "its run")
        else:
            until(lambda: starts_of(tmp_path) > starts, "its recovery has begun")
        assert second.stop() == 0, second.said
        assert second.report["ended"].startswith("stopped")
        assert second.report["open_cycles"] == left, "not those at work: those that are open"
        assert second.report["orders"] == 0
    assert run_of(tmp_path) == ("stopped", True)
    assert starts_of(tmp_path) == starts + (mute == "private"), "no clean end is claimed"
    exchange.heal()
    settled(exchange, tmp_path, taken_up=left)


def test_a_stop_with_an_order_that_nobody_speaks_for_waits_the_grace_and_names_what_is_left(
    exchange: Exchange, tmp_path: Path
) -> None:
    with order_out(exchange, tmp_path, ARBIT_RISK__GRACE_S="1") as (running, order):
        assert running.stop() == 0, running.said
        assert "cycles were open after 1 s: the next start takes them up" in running.report["ended"]
        left = running.report["open_cycles"]
        assert left == open_in(tmp_path) >= 1
    assert run_of(tmp_path) == ("stopped", True)
    assert starts_of(tmp_path) == 1
    exchange.let_go(order)
    settled(exchange, tmp_path, taken_up=left)


def test_the_second_signal_ends_it_at_once_and_the_next_start_loses_nothing(
    exchange: Exchange, tmp_path: Path
) -> None:
    with order_out(exchange, tmp_path, ARBIT_RISK__GRACE_S="600") as (running, order):
        running.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert running.running, "it waits for its order"
        running.signal(signal.SIGINT)
        assert running.ended() == STOPPED_HARD
        left = open_in(tmp_path)
        assert left >= 1
    assert run_of(tmp_path) == ("hard", True)
    exchange.let_go(order)
    settled(exchange, tmp_path, taken_up=left)
