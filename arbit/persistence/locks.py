"""Locks: files that die with whoever holds them, and say who that is."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from arbit.domain.account import Mode
from arbit.domain.errors import UserError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AccountHeld(UserError):
    """Another process has it; the text names that process."""


class Lock:
    """A file that one process holds while this is entered, whatever its end. It says who does.

    AccountHeld names the holder (`what` is done by it) when there is one; UserError names the file
    when it cannot be made.
    """

    def __init__(self, path: Path, what: str, wall_ns: int, where: str = "") -> None:
        """`where` is told of the holder beside its process and since when."""
        self._path = path
        self._what = what
        self._wall_ns = wall_ns
        self._where = where
        self._file: IO[str] | None = None

    @property
    def holder(self) -> str:
        """Who holds it while it is entered."""
        since = EPOCH + timedelta(seconds=self._wall_ns // 1_000_000_000)
        return f"process {os.getpid()} (since {since:%Y-%m-%d %H:%M:%S} UTC){self._where}"

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{self._path.parent}: expected a folder that can be made and written: "
                f"{error.strerror}"
            ) from None
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UserError(f"{self._path}: cannot be written: {error.strerror}") from None
        file = os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
        if not _locked(file):
            holder = _told(file)
            file.close()
            raise AccountHeld(f"{self._what} by {holder} already: only one daemon may")
        self._file = file
        try:
            file.truncate(0)
            file.write(self.holder + "\n")
            file.flush()
        except OSError as error:  # a disk that is full, or a file that is no file
            self._let_go()
            raise UserError(f"{self._path}: {error.strerror}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._let_go()

    def _let_go(self) -> None:
        """The lock goes with the descriptor."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what could not be written before cannot be now
                file.close()


def lock_of(data_dir: Path, account: str) -> Path:
    """The file whose lock stands for the account."""
    return data_dir / f"{_slug(account)}.lock"


def locks_of(data_dir: Path, venue: str = "") -> list[Path]:
    """The locks of the folder's accounts, held or not: all of them, or one venue's."""
    modes = "|".join(mode.value for mode in Mode)
    mine = re.compile(rf"{_slug(venue)}-({modes})(-[A-Za-z0-9]+)?\.lock" if venue else r".*\.lock")
    return sorted(lock for lock in data_dir.glob("*.lock") if mine.fullmatch(lock.name))


def venues_of(data_dir: Path) -> set[str]:
    """The venues of the folder's accounts, as their locks spell them."""
    modes = "|".join(mode.value for mode in Mode)
    account = re.compile(rf"(.+?)-({modes})(-[A-Za-z0-9]+)?\.lock")
    found = (account.fullmatch(lock.name) for lock in data_dir.glob("*.lock"))
    return {match[1] for match in found if match is not None}


def holders(locks: Iterable[Path]) -> list[str]:
    """Who holds any of these locks now, in their own words. The locks are left as they were."""
    found = []
    for lock in locks:
        if is_held(lock):
            with contextlib.suppress(OSError), lock.open(encoding="utf-8") as file:
                found.append(_told(file))
                continue
            found.append("another process")
    return found


def is_held(lock: Path) -> bool:
    """Whether a process holds this lock file now. It is left as it was."""
    try:
        with lock.open("r+", encoding="utf-8") as file:
            return not _locked(file)
    except OSError:
        return True  # not ours to open: nobody can say that it is free


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


def _told(file: IO[str]) -> str:
    """Who holds the lock, in its own words."""
    try:
        return file.read(500).strip() or "another process"
    except OSError:  # Windows lets nobody read what is locked
        return "another process"


def _locked(file: IO[str]) -> bool:
    """Take the whole file's lock without waiting; False when somebody else has it."""
    if os.name == "nt":
        import msvcrt  # noqa: PLC0415  only there

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows alone has it
        except OSError:
            return False
        return True
    import fcntl  # noqa: PLC0415  not on Windows, where fitness runs too

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
