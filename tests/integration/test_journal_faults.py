"""The journal's file, full, locked, read-only, damaged or gone: refused, and nothing lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from arbit.domain.errors import UserError
from arbit.domain.records import JournalBusy, JournalFailed, Memory, RunEnd
from arbit.persistence import journal as journal_module
from arbit.persistence.check import check
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.lease import Lease
from arbit.persistence.migrate import backup, quick_check, upgrade
from tests.unit.persistence.made import ACCOUNT, NOON_NS, a_cycle, opened

PAGE = 4096


def kept(folder: Path, cycles: int) -> Memory:
    """A closed file with so many cycles, and what a start remembers of it."""
    with opened(folder) as journal:
        for number in range(cycles):
            journal.write(a_cycle(number))
        return journal.recall()


def one_line(failure: pytest.ExceptionInfo[JournalFailed]) -> str:
    text = str(failure.value)
    assert "\n" not in text
    assert "arbit.db" in text
    return text


def fill(journal: SqliteJournal) -> tuple[int, str]:
    """Write cycles from number 1 on until one fails: its number, and what was said."""
    for number in range(1, 1_000):
        try:
            journal.write(a_cycle(number))
        except JournalFailed as failure:
            return number, str(failure)
    raise AssertionError("nothing ever failed")


def test_a_full_disk_refuses_the_batch_and_loses_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(a_cycle(0))
        pages = journal._connection.execute("PRAGMA page_count").fetchone()["page_count"]
        journal._connection.execute(f"PRAGMA max_page_count={pages + 2}")
        written, said = fill(journal)
        assert "the disk is full" in said
        assert written > 1
        assert len(journal.recall().cycles) == written
        journal._connection.execute("PRAGMA max_page_count=100000")
        journal.write(a_cycle(written))  # the very batch that failed
    quick_check(tmp_path / "arbit.db")
    with opened(tmp_path) as journal:
        assert len(journal.recall().cycles) == written + 1
        assert journal.known_trades([f"t{n:04d}" for n in range(2_000)]) == {
            f"t{n:04d}" for n in range(written + 1)
        }
    assert check(tmp_path / "arbit.db").findings == []


def test_a_locked_database_refuses_and_works_again_once_free(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(a_cycle(0))
        before = journal.recall()
        with closing(sqlite3.connect(tmp_path / "arbit.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalBusy) as failure:
                journal.write(a_cycle(1))
            assert "another program holds the database" in one_line(failure)
            assert journal.recall() == before  # readers are not in its way
            other.execute("ROLLBACK")
        journal.write(a_cycle(1))
        assert len(journal.recall().cycles) == 2


@contextmanager
def held_for_a_moment(path: Path, mode: str) -> Iterator[None]:
    """Another program writes; EXCLUSIVE: it has all of the file, as the last to close it does."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(f"PRAGMA locking_mode={mode}")
    other.execute("BEGIN IMMEDIATE")
    ends = threading.Timer(0.1, other.close)
    ends.start()
    yield
    ends.join()


def test_a_start_and_an_end_wait_for_another_program_and_a_write_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "UNHURRIED_MS", 60_000)  # however late the other one is
    path = tmp_path / "arbit.db"
    upgrade(path)
    with Lease(tmp_path, path, ACCOUNT, NOON_NS) as lease:
        with held_for_a_moment(path, "EXCLUSIVE"):
            journal = SqliteJournal(path, ACCOUNT, lease.token)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalBusy):
                journal.write(a_cycle(0))
        journal.ending = RunEnd.CLEAN
        with held_for_a_moment(path, "NORMAL"):
            journal.end_run(NOON_NS + 1)
        journal.close()
    assert "clean" in check(path).runs[ACCOUNT]


def test_a_reader_is_never_in_the_way_of_a_write(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(a_cycle(0))
        with closing(sqlite3.connect(tmp_path / "arbit.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM cycles").fetchone() == (1,)
            journal.write(a_cycle(1))
            assert check(tmp_path / "arbit.db").counts["cycles"] == 2


def test_a_connection_that_may_only_read_refuses(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(a_cycle(0))
        journal._connection.execute("PRAGMA query_only=ON")
        with pytest.raises(JournalFailed) as failure:
            journal.write(a_cycle(1))
        assert "the file is read-only" in one_line(failure)
        journal._connection.execute("PRAGMA query_only=OFF")
        journal.write(a_cycle(1))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write what is read-only"
)
def test_a_read_only_file_and_folder_are_refused_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    before = kept(folder, 3)
    for path in (*folder.iterdir(), folder):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        with pytest.raises(UserError, match=r"arbit\.db|lock"), opened(folder):
            pass
    finally:
        folder.chmod(0o700)
        for path in folder.iterdir():
            path.chmod(0o600)
    with opened(folder) as journal:
        assert journal.recall() == before


@pytest.mark.parametrize("gone", ["arbit.db", "arbit.db-wal"])
def test_a_file_that_was_moved_away_refuses_instead_of_writing_into_nothing(
    tmp_path: Path, gone: str
) -> None:
    with opened(tmp_path) as journal:
        journal.write(a_cycle(0))
        (tmp_path / gone).rename(tmp_path / "away")
        with pytest.raises(JournalFailed) as failure:
            journal.write(a_cycle(1))
        assert "moved or deleted" in one_line(failure)
        (tmp_path / gone).touch()  # another file of that name is no better
        with pytest.raises(JournalFailed, match="moved or deleted"):
            journal.write(a_cycle(1))
        (tmp_path / "away").replace(tmp_path / gone)
        journal.write(a_cycle(2))
        assert {one.cycle_id for one in journal.recall().cycles} == {"c0000", "c0002"}


def test_a_file_that_was_cut_short_refuses_for_good(tmp_path: Path) -> None:
    """Somebody cut it, or copied a smaller one over it: the log alone does not make it whole."""
    path = tmp_path / "arbit.db"
    with opened(tmp_path) as journal:
        journal.write(a_cycle(0))
        whole = path.read_bytes()
        os.truncate(path, PAGE)
        with pytest.raises(JournalFailed) as failure:
            journal.write(a_cycle(1))
        assert "cut short" in one_line(failure)
        path.write_bytes(whole + b"\0" * PAGE)
        with pytest.raises(JournalFailed, match="cut short"):
            journal.write(a_cycle(1))


def test_a_row_that_nobody_can_read_is_refused_in_one_line(tmp_path: Path) -> None:
    """Above all an order in a state of no table: who passed over it would forget it."""
    with opened(tmp_path) as journal:
        journal.write(a_cycle(0))
    for change in ("orders SET state='sens'", "ledger SET amount='1\n2'"):
        with closing(sqlite3.connect(tmp_path / "arbit.db", isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute(f"UPDATE {change}")
            other.execute("COMMIT")
        with opened(tmp_path) as journal:
            with pytest.raises(JournalFailed) as failure:
                journal.recall()
            assert "a row cannot be read" in one_line(failure)
            assert "docs/persistence.md" in one_line(failure)


def test_half_a_backup_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path, 3)
    limited = sqlite3.connect

    def small(path: Path) -> sqlite3.Connection:
        connection = limited(path)
        if "backup" in str(path):
            connection.execute("PRAGMA max_page_count=2")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(UserError, match="backup-0001"):
        backup(tmp_path / "arbit.db", "0002")
    assert not list(tmp_path.glob("*.backup-*"))


def test_whatever_page_is_damaged_a_start_refuses_or_remembers_everything(tmp_path: Path) -> None:
    """The fault is found by SQLite's check, or by a row that cannot be read, or does no harm."""
    source = tmp_path / "sound"
    before = kept(source, 40)
    whole = (source / "arbit.db").read_bytes()
    assert not (source / "arbit.db-wal").exists()
    refused = harmless = 0
    for page in range(len(whole) // PAGE):
        folder = tmp_path / str(page)
        folder.mkdir()
        damaged = whole[: page * PAGE] + b"\xa5" * PAGE + whole[(page + 1) * PAGE :]
        (folder / "arbit.db").write_bytes(damaged)
        said = ""
        try:
            with opened(folder) as journal:
                assert journal.recall() == before
                harmless += 1
        except (UserError, JournalFailed) as failure:
            said = str(failure)
            refused += 1
        assert "\n" not in said
        assert not list(folder.glob("*.backup-*"))
        shutil.rmtree(folder)
    assert refused > 10
    assert harmless == 0


def test_a_start_on_a_damaged_file_says_where_to_read_on(tmp_path: Path) -> None:
    kept(tmp_path, 3)
    path = tmp_path / "arbit.db"
    raw = bytearray(path.read_bytes())
    raw[PAGE : PAGE + 200] = b"\x5a" * 200
    path.write_bytes(raw)
    with pytest.raises(UserError, match=r"damaged .*docs/persistence\.md"), opened(tmp_path):
        pass
    path.write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(UserError, match="damaged"):
        upgrade(path)
