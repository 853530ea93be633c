"""Nobody reads what `arbit live` says, or its terminal goes away: its promises stand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checker import compare
from tests.integration.live_desk import (
    GUARD_S,
    UNHINDERED,
    Exchange,
    environment,
    folders,
    rows,
    until,
)

PIPE_HOLDS = 1 << 16  # what a pipe of this system takes before it waits for its reader


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    with Exchange(tmp_path / "exchange") as running:
        yield running


def started(
    exchange: Exchange, folder: Path, *options: str, out: int, err: int
) -> subprocess.Popen[bytes]:
    """`arbit live` without --json, its words going where the test wants them."""
    settings = folders(folder) | UNHINDERED | exchange.addresses("sandbox")
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "arbit", "live", "--venue", "sandbox", "--fee-bps", "1"),
            *options,
        ],
        cwd=folder,
        env=environment(**settings),
        stdout=out,
        stderr=err,
    )


@contextmanager
def hang_ups(heed: signal.Handlers) -> Iterator[None]:
    """What is started inside does this when its terminal goes away: it is inherited."""
    before = signal.signal(signal.SIGHUP, heed)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def cycles_over(folder: Path) -> int:
    """Cycles that the journal says are over."""
    database = folder / "var" / "arbit.db"
    if not (database.exists() and database.stat().st_size):
        return 0
    try:
        ((count,),) = rows(database, "SELECT count(*) FROM cycles WHERE ended_ns>0")
    except Exception:  # noqa: BLE001  it is being made
        return 0
    return int(count)


def all_is_settled(exchange: Exchange, folder: Path) -> None:
    database = folder / "var" / "arbit.db"
    assert rows(database, "SELECT count(*) FROM cycles WHERE ended_ns=0") == [(0,)]
    assert rows(database, "SELECT ended_how FROM runs") == [("clean",)]
    assert compare(exchange.log, database) == []


def test_a_reader_who_leaves_after_one_line_stops_no_cycle_and_makes_no_traceback(
    exchange: Exchange, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    log = tmp_path / "stderr"
    with log.open("wb") as said:
        daemon = started(exchange, tmp_path, "--cycles", "5", out=writing, err=said.fileno())
    os.close(writing)
    assert os.read(reading, 8).startswith(b"sandbox")
    os.close(reading)  # head -1 has what it wanted
    assert daemon.wait(GUARD_S) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert "Broken" not in log.read_text()
    assert cycles_over(tmp_path) >= 5
    all_is_settled(exchange, tmp_path)


def test_a_reader_who_reads_nothing_holds_up_no_order(exchange: Exchange, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    full = 0
    os.set_blocking(writing, False)
    while True:
        try:
            full += os.write(writing, b"." * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writing, True)
    daemon = started(exchange, tmp_path, out=writing, err=writing)
    os.close(writing)
    until(lambda: cycles_over(tmp_path) >= 5, "cycles, though nobody reads a word")
    daemon.send_signal(signal.SIGTERM)
    until(lambda: not _open_journal(tmp_path), "the end of its run")
    while os.read(reading, PIPE_HOLDS):  # the report waits for a reader, when all is over
        pass
    os.close(reading)
    assert daemon.wait(GUARD_S) == 0
    all_is_settled(exchange, tmp_path)


def _open_journal(folder: Path) -> bool:
    return rows(folder / "var" / "arbit.db", "SELECT ended_how FROM runs") == [("",)]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminals that hang up there")
def test_a_terminal_that_goes_away_ends_it_in_order_however_often_it_says_so(
    exchange: Exchange, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    with hang_ups(signal.SIG_DFL):  # wherever these tests were begun
        daemon = started(exchange, tmp_path, out=writing, err=writing)
    os.close(writing)
    until(lambda: cycles_over(tmp_path) >= 1, "a cycle")
    os.close(reading)
    for _ in range(3):  # a shell passes on what the system has said already
        daemon.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    assert daemon.wait(GUARD_S) == 0
    all_is_settled(exchange, tmp_path)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminals that hang up there")
def test_who_was_started_not_to_heed_a_hang_up_goes_on(exchange: Exchange, tmp_path: Path) -> None:
    log = tmp_path / "said"
    with hang_ups(signal.SIG_IGN), log.open("wb") as said:  # as nohup does
        daemon = started(exchange, tmp_path, out=said.fileno(), err=said.fileno())
    until(lambda: cycles_over(tmp_path) >= 1, "a cycle")
    daemon.send_signal(signal.SIGHUP)
    seen = cycles_over(tmp_path)
    until(lambda: cycles_over(tmp_path) >= seen + 3, "cycles after the hang-up")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(GUARD_S) == 0, log.read_text()
    all_is_settled(exchange, tmp_path)
