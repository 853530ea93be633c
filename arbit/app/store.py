"""Opens what must survive: the folder, the file, its schema, and the account's lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arbit.domain.account import AccountId
from arbit.domain.errors import UserError
from arbit.domain.records import JournalFailed
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.lease import Lease
from arbit.persistence.locks import lock_of
from arbit.persistence.migrate import upgrade
from arbit.ports import Clock

DATABASE = "arbit.db"


@contextmanager
def open_journal(
    data_dir: Path, account: AccountId, clock: Clock, command: str = "live"
) -> Iterator[SqliteJournal]:
    """The account's journal, its schema brought up to date, held against every other daemon.

    The run of this command has a row there; the journal's `ending` says how it ends.

    UserError when the file is damaged, newer, read-only, or the account is traded already.
    """
    path, lock = data_dir / DATABASE, lock_of(data_dir, str(account))

    def prepare() -> None:
        upgrade(path, lock)

    with Lease(data_dir, path, str(account), clock.wall_ns(), prepare, command) as lease:
        try:
            journal = SqliteJournal(path, str(account), lease.token)
        except JournalFailed as failure:
            raise UserError(str(failure)) from None
        try:
            yield journal
        finally:
            with suppress(JournalFailed):  # then the next start says that it ended without a word
                journal.end_run(clock.wall_ns())
            journal.close()
