"""Brings a database file to this version's schema: forwards only, all or nothing, backed up first.

The steps live in `migrations/` beside the package. Each upgrade runs in one transaction, so a kill
at any statement leaves the file as it was. Alembic is imported only where there is a step to take:
it is a sixth of the time that commands take to start, and most files are of this version already.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

import arbit
from arbit.domain.errors import BrokenRule, UserError
from arbit.persistence.locks import is_held
from arbit.persistence.words import DAMAGED, in_words

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(arbit.__file__).resolve().parents[1] / "migrations"
BACKUPS_KEPT = 5
_NAMES = re.compile(r'^(revision|down_revision) = "(\w+)"$', re.MULTILINE)
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def latest() -> str:
    """The revision that this version of the program needs."""
    steps = _steps()
    heads = steps.keys() - steps.values()
    if len(heads) != 1:
        raise BrokenRule(f"{MIGRATIONS}: expected steps to one revision, found {sorted(heads)}")
    return heads.pop()


def is_there(path: Path) -> bool:
    """Whether there is such a file. UserError where we are not let see."""
    try:
        return path.exists()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def current(path: Path) -> str:
    """The file's revision; empty for one that has none yet. UserError when it cannot be read.

    A plain read: a daemon that writes beside it is not disturbed.
    """
    if not is_there(path):
        return ""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            if "alembic_version" not in tables:
                return _nothing_foreign(path, tables)
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        said = f"the schema's revision cannot be read: {in_words(error)}"
        raise UserError(f"{path}: {said}") from None
    return str(row[0]) if row else ""


def quick_check(path: Path) -> None:
    """UserError when there is no file, SQLite finds it damaged, or it cannot be looked at now."""
    if not is_there(path):
        raise UserError(f"{path}: there is no database yet; `arbit db upgrade` makes one")
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:  # locked, full, forbidden
            raise UserError(f"{path}: {in_words(error)}") from None
        found = [str(error)]
    if found != ["ok"]:
        said = " ".join(found[0].split()) if found else "no answer"
        raise UserError(f"{path}: the database is damaged ({said}); {DAMAGED}")


def refuse_old(path: Path) -> None:
    """UserError when the file is missing, damaged, or has not this version's schema."""
    found = current(path)
    quick_check(path)
    if found != latest():
        raise UserError(
            f"{path}: its schema is {found or 'none'}, this program's is {latest()}: "
            "`arbit db upgrade` comes first"
        )


def upgrade(path: Path, ours: Path | None = None) -> str:
    """Bring the file to `latest`, a backup first when it holds anything. Returns the revision.

    `ours` is the lock that we hold ourselves; any other that is held stands in the way.

    UserError for a file that a newer version wrote, and for one that cannot be written.
    """
    _make(path)
    quick_check(path)
    try:
        before = current(path)
        _refuse_newer(path, before)
        if before == latest():
            return before
        if before:
            _refuse_in_use(path, ours)
            backup(path, before)
        with _engine(path) as engine, engine.begin() as connection:
            _run(connection)
    except (sqlite3.Error, DatabaseError) as error:
        cause = getattr(error, "orig", error)
        said = in_words(cause) if isinstance(cause, sqlite3.Error) else cause
        raise UserError(f"{path}: cannot be upgraded: {said}") from None
    return latest()


def backup(path: Path, label: str) -> Path:
    """A consistent copy beside the file, through SQLite itself; the oldest beyond five go.

    UserError when it cannot be written.
    """
    number = 1 + max((_number(old) for old in backups(path)), default=0)
    copy = path.with_name(f"{path.name}.backup-{number:04d}-{label}")
    try:
        copy.touch(mode=0o600)
        with (
            contextlib.closing(sqlite3.connect(path)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):  # half a copy must not be taken for a whole one
            copy.unlink(missing_ok=True)
        said = in_words(error) if isinstance(error, sqlite3.Error) else error.strerror
        raise UserError(f"{copy}: the backup cannot be written: {said}") from None
    for old in backups(path)[:-BACKUPS_KEPT]:
        old.unlink(missing_ok=True)
    return copy


def backups(path: Path) -> list[Path]:
    """The copies beside the file, the newest last."""
    return sorted(path.parent.glob(f"{path.name}.backup-*"))


def _number(path: Path) -> int:
    digits = path.name.rpartition(".backup-")[2][:4]
    return int(digits) if digits.isdigit() else 0


def _make(path: Path) -> None:
    """The folder for its owner alone, and in it the file."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path.parent}: expected a folder that can be made and written: {error.strerror}"
        ) from None
    try:
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _nothing_foreign(path: Path, tables: set[str]) -> str:
    if tables:
        raise UserError(f"{path}: not a database of arbit: it has tables, but no revision")
    return ""


def _refuse_in_use(path: Path, ours: Path | None) -> None:
    """A daemon that runs wrote this schema: it must not be changed under it."""
    others = [lock for lock in sorted(path.parent.glob("*.lock")) if lock != ours]
    used = [lock.name for lock in others if is_held(lock)]
    if used:
        raise UserError(f"{path}: in use by a daemon ({used[0]}): stop it before the upgrade")


def _refuse_newer(path: Path, revision: str) -> None:
    if revision and revision not in _steps():
        raise UserError(
            f"{path}: its schema {revision!r} is newer than this program's {latest()!r}: "
            "run the version that wrote it, or restore a backup"
        )


def is_older(revision: str) -> bool:
    """Whether a file of this revision can be brought to `latest`."""
    return not revision or revision in _steps()


def _steps() -> dict[str, str]:
    """Every revision that we can make, and the one before it: as Alembic would read the files."""
    texts = (path.read_text("utf-8") for path in sorted((MIGRATIONS / "versions").glob("*.py")))
    steps = (dict(_NAMES.findall(text)) for text in texts)
    return {step["revision"]: step.get("down_revision", "") for step in steps}


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _run(connection: Connection) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextlib.contextmanager
def _engine(path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def _by_hand(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver would commit before some statements

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        yield engine
    finally:
        engine.dispose()
