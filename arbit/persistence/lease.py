"""One writer an account: a lock that dies with its process, and a token that fences the old one.

The lock keeps a second daemon on this machine out. The token, one higher with each start, is looked
at inside every write: whoever lost the account cannot write a single row more.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from arbit.domain.account import Mode
from arbit.domain.errors import UserError
from arbit.persistence.journal import connect, in_words

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Lease:
    """Holds an account while entered. UserError names who holds it already.

    `prepare` is called once the lock is held, before the database is touched: whoever is refused
    has not been in the way of the daemon that trades.
    """

    def __init__(
        self,
        data_dir: Path,
        database: Path,
        account: str,
        wall_ns: int,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        self._lock = lock_of(data_dir, account)
        self._database = database
        self._account = account
        self._wall_ns = wall_ns
        self._prepare = prepare
        self._file: IO[str] | None = None
        self.token = 0

    def __enter__(self) -> Self:
        try:
            self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UserError(f"{self._lock}: {error.strerror}") from None
        self._file = os.fdopen(descriptor, "r+", encoding="utf-8")
        if not _locked(self._file):
            holder = _told(self._file)
            self._file.close()
            self._file = None
            raise UserError(
                f"account {self._account} is traded by {holder} already: only one daemon may"
            )
        try:
            self._sign()
            if self._prepare is not None:
                self._prepare()
            self.token = self._take()
        except sqlite3.Error as error:
            self._release()
            raise UserError(f"{self._database}: {in_words(error)}") from None
        except OSError as error:
            self._release()
            raise UserError(f"{self._lock}: {error.strerror}") from None
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    @property
    def _holder(self) -> str:
        since = EPOCH + timedelta(seconds=self._wall_ns // 1_000_000_000)
        return f"process {os.getpid()} (since {since:%Y-%m-%d %H:%M:%S} UTC)"

    def _sign(self) -> None:
        """Say in the lock's file who holds it."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(self._holder + "\n")
            self._file.flush()

    def _take(self) -> int:
        with contextlib.closing(connect(self._database, busy_ms=1_000)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute(
                "SELECT token FROM leases WHERE account=?", (self._account,)
            ).fetchone()
            token = 1 + (row["token"] if row else 0)
            connection.execute(
                "INSERT INTO leases (account, token, holder, taken_ns) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (account) DO UPDATE SET token=excluded.token, "
                "holder=excluded.holder, taken_ns=excluded.taken_ns",
                (self._account, token, self._holder, self._wall_ns),
            )
            connection.execute("COMMIT")
        return token

    def _release(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # of a full disk: it tries to write once more
                self._file.close()  # the lock goes with the descriptor
            self._file = None


def lock_of(data_dir: Path, account: str) -> Path:
    """The file whose lock stands for the account."""
    return data_dir / f"{_slug(account)}.lock"


def locks_of(data_dir: Path, venue: str = "") -> list[Path]:
    """The locks of the folder's accounts, held or not: all of them, or one venue's."""
    modes = "|".join(mode.value for mode in Mode)
    mine = re.compile(rf"{_slug(venue)}-({modes})(-[A-Za-z0-9]+)?\.lock" if venue else r".*\.lock")
    return sorted(lock for lock in data_dir.glob("*.lock") if mine.fullmatch(lock.name))


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
