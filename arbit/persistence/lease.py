"""One writer an account: a lock that dies with its process, and a token that fences the old one.

The lock keeps a second daemon on this machine out. The token, one higher with each start, is looked
at inside every write: whoever lost the account cannot write a single row more.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import arbit
from arbit.domain.errors import UserError
from arbit.domain.records import RunEnd
from arbit.persistence.journal import connect
from arbit.persistence.locks import Lock, lock_of
from arbit.persistence.words import in_words


class Lease:
    """Holds an account while entered. UserError names who holds it already.

    `prepare` is called once the lock is held, before the database is touched: whoever is refused
    has not been in the way of the daemon that trades. `command` is for the row of this run.
    """

    def __init__(
        self,
        data_dir: Path,
        database: Path,
        account: str,
        wall_ns: int,
        prepare: Callable[[], object] | None = None,
        command: str = "",
    ) -> None:
        self._lock = Lock(lock_of(data_dir, account), f"account {account} is traded", wall_ns)
        self._held = contextlib.ExitStack()
        self._database = database
        self._account = account
        self._wall_ns = wall_ns
        self._prepare = prepare
        self._command = command
        self.token = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._lock)
            try:
                if self._prepare is not None:
                    self._prepare()
                self.token = self._take()
            except sqlite3.Error as error:
                raise UserError(f"{self._database}: {in_words(error)}") from None
            except OSError as error:
                raise UserError(f"{self._database}: {error.strerror}") from None
            self._held = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

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
                (self._account, token, self._lock.holder, self._wall_ns),
            )
            self._begin_run(connection, token)
            connection.execute("COMMIT")
        return token

    def _begin_run(self, connection: sqlite3.Connection, token: int) -> None:
        """A row for this run. One of an earlier run without an end: it ended without a word."""
        connection.execute(
            "UPDATE runs SET ended_how=? WHERE account=? AND ended_how=''",
            (RunEnd.HARD.value, self._account),
        )
        connection.execute(
            "INSERT INTO runs (account, token, version, command, started_ns, ended_ns, ended_how) "
            "VALUES (?, ?, ?, ?, ?, 0, '')",
            (self._account, token, arbit.__version__, self._command, self._wall_ns),
        )
