"""What `arbit db` asks for: the same file as `open_journal`, looked after by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arbit.app.store import DATABASE
from arbit.domain.errors import UserError
from arbit.persistence import check, migrate


@dataclass(frozen=True, slots=True)
class Revisions:
    """The schema that the file had (or has), and the one that this program knows."""

    path: Path
    found: str
    latest: str


def current_database(data_dir: Path) -> Revisions:
    """Which schema the file has. UserError when there is none, or it cannot be read."""
    path = _there(data_dir)
    return Revisions(path, migrate.current(path), migrate.latest())


def upgrade_database(data_dir: Path) -> Revisions:
    """Make the file, or bring it to the latest schema after a backup.

    UserError when it is damaged, newer, in use by a daemon, or cannot be written.
    """
    path = data_dir / DATABASE
    found = migrate.current(path)
    return Revisions(path, found, migrate.upgrade(path))


def check_database(data_dir: Path) -> check.Checked:
    """Whether the file agrees with itself. UserError when it is missing, damaged or not current."""
    path = data_dir / DATABASE
    migrate.refuse_old(path)
    return check.check(path)


def backup_database(data_dir: Path) -> Path:
    """A copy beside the file, consistent even while a daemon writes. UserError as above."""
    path = _there(data_dir)
    migrate.quick_check(path)
    return migrate.backup(path, migrate.current(path) or "empty")


def _there(data_dir: Path) -> Path:
    path = data_dir / DATABASE
    if not migrate.is_there(path):
        raise UserError(f"{path}: there is no database yet; `arbit db upgrade` makes one")
    return path
