"""Files that a user asks for: whole or not at all, and never over anything but their like."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from arbit.domain.errors import UserError


def write_whole(option: str, path: Path, text: str, mark: str) -> None:
    """Write `text` for its owner alone. UserError names the option, the file and what is wrong.

    A file that is there is replaced only when it begins with `mark`, as ours do.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not _ours(path, mark.encode()):
            said = "expected a new file: what is there was not written by this command"
            raise UserError(f"{option} {path}: {said}")
        with contextlib.ExitStack() as undo:
            undo.callback(fresh.unlink, missing_ok=True)
            handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
    except OSError as error:
        raise UserError(f"{option} {path}: cannot be written: {error.strerror}") from None


def _ours(path: Path, mark: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(mark)) == mark
