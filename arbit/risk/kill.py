"""The kill switch and the pauses: files in the data folder, looked at before every send.

A file says more than a signal: it survives a restart, anybody can make one, and a folder that
cannot be read counts as a kill.
"""

from __future__ import annotations

import contextlib
import enum
import os
from pathlib import Path

from arbit.domain.errors import UserError

KILL_FILE = "KILL"


class KillSwitch:
    """On when told so at the start, or while one of its files exists.

    That of its folder stops every venue; one of a venue's own (`venue`) that venue alone.
    """

    def __init__(
        self, data_dir: Path, *, on: bool = False, file: Path | None = None, venue: str = ""
    ) -> None:
        self._told = on
        self._folder = data_dir
        self._files = [data_dir / KILL_FILE, *([] if file is None else [file])]
        self._own_name = ""
        if venue:
            self._files.append(kill_file(data_dir, venue))
            self._own_name = str(self._files[-1])
        # Looked at before every order, and again before its bytes: `access` costs half of `stat`.
        self._kill_name = str(data_dir / KILL_FILE)
        self._within = os.path.join(data_dir, ".")  # noqa: PTH118  a Path drops the dot
        self._named = "" if file is None else str(file)

    def on(self) -> bool:
        """Looks at the files now. What cannot be looked at is on."""
        if self._told or os.access(self._kill_name, os.F_OK):
            return True
        if not os.access(self._within, os.F_OK):  # gone, no folder, or not to be searched
            return True
        if self._own_name and os.access(self._own_name, os.F_OK):
            return True
        return bool(self._named) and _may_be_there(self._named)

    def why(self) -> str:
        """Where it was switched on, in words; empty while it is off."""
        if self._told:
            return "ARBIT_RISK__KILL_SWITCH"
        for file in self._files:
            with contextlib.suppress(OSError):
                if file.exists():
                    return str(file)
        return f"{self._folder} cannot be read" if self.on() else ""


class Resume(enum.StrEnum):
    """What an operator asks for with `arbit resume`: the word in its file."""

    GO_ON = "go on"
    ACCEPT_BALANCES = "accept balances"  # what the venue has beyond our books is booked as it is


class Orders:
    """What an operator asked of one venue by file: pause, and resume (which is used up)."""

    def __init__(self, data_dir: Path, venue: str) -> None:
        self._pause = data_dir / f"pause.{venue}"
        self._pause_name = str(self._pause)
        self._resume = data_dir / f"resume.{venue}"

    def paused(self) -> bool:
        """Whether no new cycle may begin."""
        return os.access(self._pause_name, os.F_OK)

    def take_resume(self) -> Resume | None:
        """How an operator has asked to resume since the last call; None where nobody can say."""
        try:
            with self._resume.open(encoding="utf-8") as file:
                said = file.read(100).strip()
            self._resume.unlink()
        except (OSError, UnicodeError):
            return None
        return Resume.ACCEPT_BALANCES if said == Resume.ACCEPT_BALANCES else Resume.GO_ON

    def resume_waits(self) -> bool:
        """Whether a resume was asked for that nobody has taken yet."""
        return os.access(self._resume, os.F_OK)

    def pause(self) -> None:
        """Ask for a pause."""
        _touch(self._pause)

    def resume(self, how: Resume = Resume.GO_ON) -> None:
        """End the pause, and ask that the breaker be closed."""
        _take_away(self._pause)
        _touch(self._resume, how)


def kill_file(data_dir: Path, venue: str = "") -> Path:
    """The file that stops one venue; without a name, every one of the folder."""
    return data_dir / (f"{KILL_FILE}.{venue}" if venue else KILL_FILE)


def kill(data_dir: Path, venue: str = "") -> None:
    """Switch it on. UserError when the folder is none, or not to be written."""
    _touch(kill_file(data_dir, venue))


def unkill(data_dir: Path, venue: str = "") -> bool:
    """Switch it off; False when it was off. UserError when its file cannot be taken away."""
    return _take_away(kill_file(data_dir, venue))


def _take_away(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(f"{path}: cannot be taken away: {error.strerror}") from None
    return True


def _may_be_there(name: str) -> bool:
    try:
        os.stat(name)  # noqa: PTH116  looked at before every order: a Path costs more than the look
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _touch(path: Path, word: str = "") -> None:
    """Make the file, with its word or not at all: it may be looked at in between."""
    try:
        if word:
            _write(path, word)
        else:
            path.touch(mode=0o600)
    except OSError as error:
        if word or not os.access(path, os.F_OK):  # one that is there already does as well
            raise UserError(f"{path}: {error.strerror}") from None


def _write(path: Path, word: str) -> None:
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        made.write_text(word, encoding="utf-8")
        made.chmod(0o600)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
