"""The kill switch and the pauses: files in the data folder, looked at before every send.

A file says more than a signal: it survives a restart, anybody can make one, and a folder that
cannot be read counts as a kill.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from arbit.domain.errors import UserError

KILL_FILE = "KILL"


class KillSwitch:
    """On when told so at the start, or while one of its files exists."""

    def __init__(self, data_dir: Path, *, on: bool = False, file: Path | None = None) -> None:
        self._told = on
        self._folder = data_dir
        self._files = [data_dir / KILL_FILE] + ([] if file is None else [file])
        self._names = [str(file) for file in self._files]
        self._folder_name = str(data_dir)

    def on(self) -> bool:
        """Looks at the files now. What cannot be looked at is on."""
        if self._told:
            return True
        try:
            if any(map(_is_there, self._names)):
                return True
            return not stat.S_ISDIR(os.stat(self._folder_name).st_mode)  # noqa: PTH116  as below
        except OSError:
            return True

    def why(self) -> str:
        """Where it was switched on, in words; empty while it is off."""
        if self._told:
            return "ARBIT_RISK__KILL_SWITCH"
        for file in self._files:
            with contextlib.suppress(OSError):
                if file.exists():
                    return str(file)
        return f"{self._folder} cannot be read" if self.on() else ""


class Orders:
    """What an operator asked of one venue by file: pause, and resume (which is used up)."""

    def __init__(self, data_dir: Path, venue: str) -> None:
        self._pause = data_dir / f"pause.{venue}"
        self._resume = data_dir / f"resume.{venue}"

    def paused(self) -> bool:
        """Whether no new cycle may begin."""
        return self._pause.exists()

    def take_resume(self) -> bool:
        """Whether an operator has asked to resume since the last call."""
        try:
            self._resume.unlink()
        except FileNotFoundError:
            return False
        return True

    def pause(self) -> None:
        """Ask for a pause."""
        _touch(self._pause)

    def resume(self) -> None:
        """End the pause, and ask that the breaker be closed."""
        with contextlib.suppress(FileNotFoundError):
            self._pause.unlink()
        _touch(self._resume)


def kill(data_dir: Path) -> None:
    """Switch it on."""
    _touch(data_dir / KILL_FILE)


def unkill(data_dir: Path) -> bool:
    """Switch it off; False when it was off."""
    try:
        (data_dir / KILL_FILE).unlink()
    except FileNotFoundError:
        return False
    return True


def _is_there(name: str) -> bool:
    try:
        os.stat(name)  # noqa: PTH116  looked at before every order: a Path costs more than the look
    except FileNotFoundError:
        return False
    return True


def _touch(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
