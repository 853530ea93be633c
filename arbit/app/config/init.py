"""Writes the first `.env`: for its owner alone, never over one that is there."""

from __future__ import annotations

import os
from pathlib import Path

from arbit.domain.errors import UserError

MODE = 0o600  # keys will stand in it
MOST_BACKUPS = 20


def write_env(path: Path, text: str, *, force: bool) -> Path | None:
    """Write the file; the backup of the one that was there, if any.

    UserError when one is there and `force` does not say otherwise, or it cannot be written.
    """
    try:
        return _written(path, text.encode(), force=force)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _written(path: Path, text: bytes, *, force: bool) -> Path | None:
    try:
        _new(path, text)
    except FileExistsError:
        if not force:
            said = "expected none; --force writes a new one and keeps the old as a backup"
            raise UserError(f"{path}: {said}") from None
    else:
        return None
    if path.is_symlink() or not path.is_file():
        raise UserError(f"{path}: expected a file; what is there is none")
    kept = _backup(path)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    _new(fresh, text)
    fresh.replace(path)
    return kept


def _new(path: Path, text: bytes) -> None:
    """A file that was not there. FileExistsError where one is; half of one is taken away again."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _backup(path: Path) -> Path:
    """The old one, copied to a name that is free. UserError when there are none left."""
    old = path.read_bytes()
    for number in range(1, MOST_BACKUPS + 1):
        kept = path.with_name(f"{path.name}.backup-{number}")
        try:
            _new(kept, old)
        except FileExistsError:
            continue
        return kept
    said = f"expected fewer than {MOST_BACKUPS} backups beside it: remove some"
    raise UserError(f"{path}: {said}")
