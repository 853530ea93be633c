"""`arbit live` on a database that is locked, full, read-only, damaged or gone.

Trading refuses or halts with one clear line, and nothing is lost that was accepted: after each
fault the independent checker compares the exchange's own log with the database, to the last digit.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.checker import accounts_of, check_written_first, compare, read_database, read_log
from tests.integration.disks import PAGE, FailingDisk, fill, read_only, small_disk
from tests.integration.live_desk import (
    Daemon,
    Exchange,
    arbit,
    one_clear_line,
    rows,
    until,
)

MISTAKE, REFUSED = 2, 3


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    with Exchange(tmp_path / "exchange") as running:
        yield running


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that an account has traded in, its daemon stopped in order."""
    folder = tmp_path_factory.mktemp("traded")
    with Daemon(folder, "sandbox", "--profile", "volatile", "--cycles", "2") as daemon:
        assert daemon.ended() == 0, daemon.said
    return folder / "var"


@contextmanager
def trading(exchange: Exchange, folder: Path, **settings: str) -> Iterator[Daemon]:
    """A daemon that has traded."""
    with Daemon(folder, "sandbox", **exchange.addresses("sandbox"), **settings) as daemon:
        daemon.wait_until_it_trades()
        yield daemon


def recovered(exchange: Exchange, folder: Path) -> int:
    """Has another start find out what became of everything; how many cycles it took up."""
    addresses = exchange.addresses("sandbox")
    with Daemon(folder, "sandbox", "--recover-only", **addresses) as daemon:
        assert daemon.ended() == 0, daemon.said
        return int(daemon.report["recovered"])


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another program in the middle of a transaction."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def halted_in_one_line(exchange: Exchange, daemon: Daemon, said: str) -> int:
    """Waits for it; the wall time from which on nothing may come in."""
    told = daemon.wait_for("breaker_changed", state="halted", reason="journal")
    halted_ns = exchange.all_arrived()
    one_clear_line(told["detail"], str(daemon.database), said)
    assert len(daemon.events("breaker_changed")) == 1
    return halted_ns


def state_of(daemon: Daemon, order: str) -> str:
    """What the database says of an order."""
    ((state,),) = rows(daemon.database, "SELECT state FROM orders WHERE client_id=?", order)
    return str(state)


def nothing_left(exchange: Exchange, halted_ns: int, freed_ns: int) -> None:
    """No order came in between."""
    assert [one for one in exchange.orders(halted_ns) if one["at"] < freed_ns] == []


def settled(exchange: Exchange, folder: Path) -> None:
    """The checker agrees, and so does the database with itself.

    What a stop had to leave open (an order that nobody could say of in its grace) the next start
    finds out first, as it does for a user.
    """
    if rows(folder / "var" / "arbit.db", "SELECT 1 FROM cycles WHERE ended_ns=0"):
        recovered(exchange, folder)
    assert compare(exchange.log, folder / "var" / "arbit.db") == []
    checked = arbit(folder, "db", "check")
    assert checked.returncode == 0, checked.stdout
    assert "\n0 findings" in checked.stdout


def came_back_by_a_probe(exchange: Exchange, daemon: Daemon, freed_ns: int) -> None:
    """As the breaker's table says: a rest, a probe, and orders again."""
    daemon.wait_for("breaker_changed", state="probing", reason="journal")
    until(lambda: exchange.orders(freed_ns), "an order after the fault")
    assert [one["state"] for one in daemon.events("breaker_changed")][:2] == ["halted", "probing"]


def test_while_the_database_is_locked_no_order_leaves_and_nothing_is_lost(
    exchange: Exchange, tmp_path: Path
) -> None:
    with trading(exchange, tmp_path) as daemon:
        order = exchange.hold_an_order()
        with locked(daemon.database):
            locked_ns = time.time_ns()
            halted_ns = halted_in_one_line(exchange, daemon, "another program holds the database")
            exchange.let_go(order)
            freed_ns = time.time_ns()
        sent = dict(rows(daemon.database, "SELECT client_id, sent_ns FROM orders"))
        came_back_by_a_probe(exchange, daemon, freed_ns)
        assert daemon.stop() == 0, daemon.said

    nothing_left(exchange, halted_ns, freed_ns)
    # What came in before the halt had been written, and had left, before the lock.
    early = [one for one in exchange.orders(locked_ns) if one["at"] < halted_ns]
    assert [one for one in early if sent[one["cl_ord_id"]] > locked_ns] == []
    assert "Traceback" not in daemon.said
    settled(exchange, tmp_path)


@pytest.mark.parametrize("in_flight", [True, False])
def test_a_stop_while_the_database_is_locked_waits_and_saves_everything(
    exchange: Exchange, tmp_path: Path, *, in_flight: bool
) -> None:
    with trading(exchange, tmp_path) as daemon:
        order = exchange.hold_an_order() if in_flight else ""
        with locked(daemon.database):
            halted_in_one_line(exchange, daemon, "another program holds the database")
            if in_flight:
                exchange.let_go(order)
            daemon.signal(signal.SIGTERM)
            time.sleep(0.3)
            assert daemon.running
        assert daemon.ended() in {0, REFUSED}, daemon.said  # its breaker may rest still
        assert daemon.report["ended"] == "stopped"
    ((breaker,),) = rows(daemon.database, "SELECT value FROM flags WHERE name='breaker'")
    assert json.loads(breaker)["reason"] == "journal"  # for the next start
    settled(exchange, tmp_path)


def test_a_kill_while_the_database_is_locked_loses_no_fill(
    exchange: Exchange, tmp_path: Path
) -> None:
    with trading(exchange, tmp_path) as daemon:
        order = exchange.hold_an_order()
        with locked(daemon.database):
            halted_in_one_line(exchange, daemon, "another program holds the database")
            exchange.let_go(order)
            daemon.kill()
        assert state_of(daemon, order) in {"sent", "acked"}
    assert recovered(exchange, tmp_path) >= 1
    assert state_of(daemon, order) in {"filled", "partial", "empty"}
    settled(exchange, tmp_path)


def test_a_full_disk_halts_and_with_room_again_everything_is_written(
    exchange: Exchange, tmp_path: Path
) -> None:
    with (
        small_disk(tmp_path / "var") as ballast,
        trading(exchange, tmp_path) as daemon,
    ):
        order = exchange.hold_an_order()
        fill(ballast)
        halted_ns = halted_in_one_line(exchange, daemon, "full")
        exchange.let_go(order)
        copied = arbit(tmp_path, "db", "backup")
        assert copied.returncode == MISTAKE
        one_clear_line(copied.stderr, "the backup cannot be written")
        assert not list(ballast.parent.glob("*.backup-*"))
        freed_ns = time.time_ns()
        ballast.unlink()
        came_back_by_a_probe(exchange, daemon, freed_ns)
        assert daemon.stop() == 0, daemon.said
        nothing_left(exchange, halted_ns, freed_ns)
        assert "Traceback" not in daemon.said
        settled(exchange, tmp_path)


@pytest.mark.parametrize("has_traded", [True, False])
def test_a_start_on_a_full_disk_is_refused_in_one_line(
    traded: Path, tmp_path: Path, *, has_traded: bool
) -> None:
    with small_disk(tmp_path / "var") as ballast:
        if has_traded:
            shutil.copytree(traded, tmp_path / "var", dirs_exist_ok=True)
        fill(ballast)
        with Daemon(tmp_path, "sandbox", "--secs", "1") as daemon:
            assert daemon.ended() == MISTAKE, daemon.said
        one_clear_line(daemon.only_line(), str(tmp_path / "var"))
        assert "damaged" not in daemon.only_line()
        ballast.unlink()
        with Daemon(tmp_path, "sandbox", "--secs", "0.1") as second:
            assert second.ended() == 0, second.said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process's files")
def test_a_disk_that_takes_no_byte_more_halts_until_it_does(
    exchange: Exchange, tmp_path: Path
) -> None:
    import resource  # noqa: PLC0415  not on Windows

    def limit(process: int, most: int) -> None:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    with trading(exchange, tmp_path) as daemon:
        order = exchange.hold_an_order()
        limit(daemon.pid, 1)
        halted_ns = halted_in_one_line(exchange, daemon, "the disk failed or is full")
        exchange.let_go(order)
        freed_ns = time.time_ns()
        limit(daemon.pid, resource.RLIM_INFINITY)
        came_back_by_a_probe(exchange, daemon, freed_ns)
        assert daemon.stop() == 0, daemon.said
    nothing_left(exchange, halted_ns, freed_ns)
    settled(exchange, tmp_path)


def test_a_disk_that_turns_read_only_halts_and_the_next_start_loses_nothing(
    exchange: Exchange, tmp_path: Path
) -> None:
    """Nothing but the held order is on its way when the disk fails.

    In the milliseconds in which this file system dies it says of a write that it is on the disk,
    and loses it: no program on it can help that (the next start would halt: a trade of ours that
    it does not know).
    """
    disk = FailingDisk(tmp_path / "image", tmp_path / "var")
    with disk.mounted(), trading(exchange, tmp_path, ARBIT_RISK__GRACE_S="1") as daemon:
        order = exchange.hold_an_order()
        (tmp_path / "var" / "pause.sandbox").touch()  # what `arbit pause sandbox` does
        still_open = "SELECT count(*) FROM cycles WHERE ended_ns=0"
        until(lambda: rows(daemon.database, still_open) == [(1,)], "all others at their end")
        disk.fail()
        halted_ns = halted_in_one_line(exchange, daemon, "the disk failed")
        exchange.let_go(order)
        assert daemon.stop() == REFUSED, daemon.said
        one_clear_line(daemon.report["ended"], "the next start")
        nothing_left(exchange, halted_ns, time.time_ns())
        assert "Traceback" not in daemon.said
    with disk.mounted():
        recovered(exchange, tmp_path)
        settled(exchange, tmp_path)


@pytest.mark.parametrize("what", ["arbit.db", "."])
def test_a_start_on_what_is_read_only_is_refused_in_one_line(
    traded: Path, tmp_path: Path, what: str
) -> None:
    shutil.copytree(traded, tmp_path / "var")
    before = (tmp_path / "var" / "arbit.db").read_bytes()
    with (
        read_only(tmp_path / "var" / what),
        Daemon(tmp_path, "sandbox", "--secs", "1") as daemon,
    ):
        assert daemon.ended() == MISTAKE, daemon.said
    one_clear_line(daemon.only_line(), str(tmp_path / "var"), "ead-only")
    assert (tmp_path / "var" / "arbit.db").read_bytes() == before


def test_a_start_on_a_locked_database_is_refused_in_one_line(traded: Path, tmp_path: Path) -> None:
    shutil.copytree(traded, tmp_path / "var")
    with locked(tmp_path / "var" / "arbit.db"), Daemon(tmp_path, "sandbox") as daemon:
        assert daemon.ended() == MISTAKE, daemon.said
    one_clear_line(daemon.only_line(), "arbit.db", "another program holds the database")


def test_a_start_on_a_damaged_page_is_refused_and_leaves_the_file_as_it_was(
    traded: Path, tmp_path: Path
) -> None:
    shutil.copytree(traded, tmp_path / "var")
    database = tmp_path / "var" / "arbit.db"
    damaged = bytearray(database.read_bytes())
    start = len(damaged) // PAGE // 2 * PAGE
    damaged[start : start + PAGE] = bytes(byte ^ 0xFF for byte in damaged[start : start + PAGE])
    database.write_bytes(damaged)
    with Daemon(tmp_path, "sandbox", "--secs", "1") as daemon:
        assert daemon.ended() == MISTAKE, daemon.said
    one_clear_line(daemon.only_line(), str(database), "damaged", "docs/persistence.md")
    assert database.read_bytes() == damaged
    assert not list(database.parent.glob("*.backup-*"))


def test_a_start_on_a_row_that_nobody_can_read_is_refused_in_one_line(
    traded: Path, tmp_path: Path
) -> None:
    """Sound pages, and an order in a state of no table: passed over, it would be forgotten."""
    shutil.copytree(traded, tmp_path / "var")
    database = tmp_path / "var" / "arbit.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE orders SET state='sens'")
    before = rows(database, "SELECT * FROM orders ORDER BY client_id")
    with Daemon(tmp_path, "sandbox", "--profile", "volatile", "--secs", "1") as daemon:
        assert daemon.ended() == MISTAKE, daemon.said
    one_clear_line(daemon.only_line(), str(database), "'sens'", "docs/persistence.md")
    assert rows(database, "SELECT * FROM orders ORDER BY client_id") == before


def salvaged(database: Path, folder: Path) -> Path:
    """What is written from now on goes into this copy's log as well: it is the same file."""
    folder.mkdir()
    shutil.copy(database, folder)
    (folder / "arbit.db-wal").hardlink_to(f"{database}-wal")
    return folder / database.name


def salvaged_in_order(exchange: Exchange, database: Path) -> None:
    """Each order that the exchange was asked for had been written before, to the very last one."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint")
    (account,) = accounts_of(database)
    (traded,) = (one for one in read_log(exchange.log).values() if one.requested)
    assert check_written_first(traded, read_database(database, account)) == []


def bytes_of(database: Path) -> bytes | None:
    return database.read_bytes() if database.exists() else None


def deleted(database: Path) -> None:
    database.unlink()


def replaced(database: Path) -> None:
    """What a restored backup does, were it restored under a daemon that runs."""
    copy = database.with_name("copy")
    shutil.copy(database, copy)
    copy.replace(database)


def cut_short(database: Path) -> None:
    os.truncate(database, PAGE)


@pytest.mark.parametrize("lose", [deleted, replaced, cut_short])
def test_a_database_that_is_lost_while_it_trades_ends_trading(
    exchange: Exchange, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    with trading(exchange, tmp_path, ARBIT_RISK__GRACE_S="1") as daemon:
        order = exchange.hold_an_order()
        salvage = salvaged(daemon.database, tmp_path / "salvage")
        lose(daemon.database)
        left = bytes_of(daemon.database)
        halted_ns = halted_in_one_line(exchange, daemon, "the file")
        exchange.let_go(order)
        daemon.wait_for("order_refused", code="breaker")
        assert daemon.stop() == REFUSED, daemon.said
    nothing_left(exchange, halted_ns, time.time_ns())
    assert "Traceback" not in daemon.said
    salvaged_in_order(exchange, salvage)
    if lose is not cut_short:  # whatever stands there now is somebody else's
        assert bytes_of(daemon.database) == left
