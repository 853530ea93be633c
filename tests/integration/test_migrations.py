"""From every revision there ever was to the latest: no row lost, no digit changed, no half step.

Each schema change commits a filled dump of the revision before it in tests/data/schema.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event

from arbit.domain.errors import UserError
from arbit.persistence import migrate
from arbit.persistence.lease import Lease
from arbit.persistence.locks import Lock, lock_of
from arbit.persistence.migrate import BACKUPS_KEPT, current, latest, quick_check, upgrade
from tests.unit.persistence.made import ACCOUNT, NOON_NS, opened

REPO = Path(__file__).parents[2]
DUMPS = REPO / "tests" / "data" / "schema"
SCRIPT = ScriptDirectory.from_config(migrate._config())
REVISIONS = [one.revision for one in SCRIPT.walk_revisions()]
OLDER = sorted(set(REVISIONS) - {latest()})
older = pytest.mark.parametrize("revision", OLDER)
Rows = dict[str, list[tuple[Any, ...]]]


def restored(folder: Path, revision: str) -> Path:
    """A file as the program of that revision left it."""
    folder.mkdir(exist_ok=True)
    path = folder / "arbit.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DUMPS / f"{revision}.sql").read_text("utf-8"))
        connection.execute("PRAGMA journal_mode=WAL")
    return path


def columns(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as connection:
        names = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            if row[0] not in {"alembic_version", "sqlite_sequence"}
        ]
        return {
            name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            for name in names
        }


def contents(path: Path, wanted: dict[str, list[str]]) -> Rows:
    """Every row with every value's type and bytes."""
    found: Rows = {}
    with closing(sqlite3.connect(path)) as connection:
        for table, names in wanted.items():
            asked = ", ".join(f"typeof({name}), CAST({name} AS BLOB)" for name in names)
            sql = f"SELECT {asked} FROM {table}"  # noqa: S608  names are ours
            found[table] = sorted(connection.execute(sql).fetchall(), key=repr)
    return found


@contextmanager
def after_each_statement(what: Any) -> Iterator[None]:
    """Call `what()` after every statement that any engine runs."""

    def hook(*_: object) -> None:
        what()

    event.listen(Engine, "after_cursor_execute", hook)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", hook)


def snapshots(path: Path, into: Path) -> list[Path]:
    """The file as a kill would leave it after each statement of its upgrade.

    What has been written is copied, the rollback journal or log with it; what SQLite still holds in
    memory is lost, as it is when a process dies.
    """
    taken: list[Path] = []

    def take() -> None:
        folder = into / f"{len(taken):03d}"
        folder.mkdir(parents=True)
        for end in ("", "-journal", "-wal"):
            if Path(f"{path}{end}").exists():
                shutil.copy(f"{path}{end}", folder / f"arbit.db{end}")
        taken.append(folder / "arbit.db")

    with after_each_statement(take):
        upgrade(path)
    return taken


def test_every_revision_but_the_latest_has_a_filled_dump(tmp_path: Path) -> None:
    assert OLDER
    for revision in OLDER:
        path = restored(tmp_path / revision, revision)
        assert current(path) == revision
        rows = contents(path, columns(path))
        assert [table for table, found in rows.items() if not found] == []


def test_the_revisions_are_one_line_from_an_empty_file() -> None:
    assert SCRIPT.get_heads() == [latest()]
    assert len(SCRIPT.get_bases()) == 1
    assert all(len(one._all_down_revisions) <= 1 for one in SCRIPT.walk_revisions())
    as_alembic = {one.revision: one.down_revision or "" for one in SCRIPT.walk_revisions()}
    assert migrate._steps() == as_alembic


def test_a_file_of_this_version_is_taken_without_alembic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "arbit.db"
    upgrade(path)
    for name in [name for name in sys.modules if name.split(".")[0] == "alembic"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert upgrade(path) == latest()
    with pytest.raises(ImportError):
        upgrade(tmp_path / "another.db")


@older
def test_an_upgrade_keeps_every_row_byte_for_byte(tmp_path: Path, revision: str) -> None:
    path = restored(tmp_path, revision)
    wanted = columns(path)
    before = contents(path, wanted)
    assert upgrade(path) == latest() == current(path)
    assert contents(path, wanted) == before
    quick_check(path)
    with opened(tmp_path) as journal:
        memory = journal.recall()
    assert memory.sums
    assert memory.flags["breaker"].value == "halted:drift"


@older
def test_killed_after_any_statement_an_upgrade_resumes(tmp_path: Path, revision: str) -> None:
    path = restored(tmp_path / "live", revision)
    wanted = columns(path)
    before = contents(path, wanted)
    killed = snapshots(path, tmp_path / "killed")
    assert len(killed) >= 5
    for one in killed:
        assert current(one) in {revision, latest()}
        assert contents(one, wanted) == before
        assert upgrade(one) == latest()
        assert contents(one, wanted) == before
        assert columns(one) == columns(path)


def test_killed_while_the_first_file_is_made_a_start_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "live" / "arbit.db"
    killed = snapshots(path, tmp_path / "killed")
    assert len(killed) > 15
    for one in killed:
        assert upgrade(one) == latest()
        assert columns(one) == columns(path)
        assert not list(one.parent.glob("*.backup-*"))  # there was nothing to keep


KILLED = """
import os, sys
from pathlib import Path
from sqlalchemy import Engine, event
from arbit.persistence.migrate import upgrade

left = int(sys.argv[2])

def hook(*_):
    global left
    left -= 1
    if not left:
        os._exit(9)

event.listen(Engine, "after_cursor_execute", hook)
upgrade(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("statements", [3, 8])
def test_a_process_that_dies_in_an_upgrade_leaves_a_file_that_resumes(
    tmp_path: Path, statements: int
) -> None:
    path = restored(tmp_path, "0001")
    wanted = columns(path)
    before = contents(path, wanted)
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(statements)],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        timeout=60,
        check=False,
    )
    assert run.returncode == 9
    assert upgrade(path) == latest()
    assert contents(path, wanted) == before


def test_a_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    upgrade(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num='9999'")
    before = path.read_bytes()
    with pytest.raises(UserError, match="'9999' is newer"), opened(tmp_path):
        pass
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.backup-*"))


def test_a_file_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    before = path.read_bytes()
    with pytest.raises(UserError, match="not a database of arbit"):
        upgrade(path)
    assert path.read_bytes() == before


def test_a_backup_holds_the_rows_of_before(tmp_path: Path) -> None:
    path = restored(tmp_path, "0001")
    wanted = columns(path)
    before = contents(path, wanted)
    upgrade(path)
    (copy,) = tmp_path.glob("*.backup-*")
    assert copy.name.endswith("-0001")
    assert copy.stat().st_mode & 0o077 == 0
    assert current(copy) == "0001"
    assert columns(copy) == wanted
    assert contents(copy, wanted) == before


def test_no_more_than_five_backups_are_kept_and_the_latest_are(tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    upgrade(path)
    made = [migrate.backup(path, latest()) for _ in range(BACKUPS_KEPT + 3)]
    assert sorted(tmp_path.glob("*.backup-*")) == sorted(made[-BACKUPS_KEPT:])


def test_an_upgrade_waits_for_no_daemon_and_changes_nothing_under_one(tmp_path: Path) -> None:
    path = restored(tmp_path, "0001")
    before = path.read_bytes()
    with Lock(lock_of(tmp_path, ACCOUNT), "it is traded", NOON_NS):  # by an older version
        with pytest.raises(UserError, match="in use by a daemon"):
            upgrade(path)
        assert current(path) == "0001"
    assert len(before) == path.stat().st_size
    upgrade(path)
    with Lease(tmp_path, path, ACCOUNT, NOON_NS):
        assert upgrade(path) == latest()  # nothing to change: nobody is in the way


@pytest.mark.parametrize("revision", REVISIONS)
def test_no_step_goes_backwards(revision: str) -> None:
    step = SCRIPT.get_revision(revision)
    assert step is not None
    with pytest.raises(NotImplementedError, match="forwards only"):
        step.module.downgrade()
