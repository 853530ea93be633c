"""Opens what must survive: the folder, the file, its schema, and the account's lease."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    contextmanager,
    nullcontext,
    suppress,
)
from pathlib import Path

from arbit.config import SANDBOXES, Settings, VenueSettings
from arbit.domain.account import AccountId, Mode
from arbit.domain.errors import UserError
from arbit.domain.records import JournalFailed, RunEnd
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.lease import Lease
from arbit.persistence.locks import AccountHeld, Lock, lock_of
from arbit.persistence.memory import MemoryJournal
from arbit.persistence.migrate import is_there, refuse_old, upgrade
from arbit.ports import Clock, Journal

DATABASE = "arbit.db"
HISTORY = "history.db"
ASKS = ", for a question that is over soon"  # what the lock of a command says that only asks
PATIENCE_S, STEP_S = 20.0, 0.1


def account_of(venue: VenueSettings, *, real: bool) -> AccountId:
    """Whose money it would be. UserError for a real one without a key."""
    if not real:
        return AccountId(venue.name, Mode.PAPER)
    key, _ = venue.credentials()
    mode = Mode.SANDBOX if venue.name in SANDBOXES else Mode.LIVE
    return AccountId.of_key(venue.name, mode, key)


async def hold_account(
    stack: AsyncExitStack,
    settings: Settings,
    venue: VenueSettings,
    account: AccountId,
    clock: Clock,
) -> None:
    """Hold it for a daemon. A command that only asks lets go of it soon: it is waited for.

    A service that is started again while somebody looks at why it fell must not stay down for that.
    AccountHeld and UserError as below.
    """
    for _ in range(int(PATIENCE_S / STEP_S)):
        try:
            stack.enter_context(held_account(settings, venue, account, clock))
        except AccountHeld as held:
            if ASKS not in str(held):
                raise
            await clock.sleep(STEP_S)
        else:
            return
    stack.enter_context(held_account(settings, venue, account, clock))


def held_account(
    settings: Settings,
    venue: VenueSettings,
    account: AccountId,
    clock: Clock,
    *,
    asks: bool = False,
) -> AbstractContextManager[object]:
    """The account, held against every other daemon of this user, whatever its data folder.

    An account of our own exchange is another on each exchange; one that is not served at an address
    is kept in the data folder, and held with that. Paper is nobody's. `asks` says that it is for
    no more than a question.

    UserError names who has it, or the lock's folder where that cannot be written.
    """
    name = str(account)
    if account.mode is Mode.SANDBOX:
        name += f":{hashlib.sha256((venue.rest_url or '').encode()).hexdigest()[:8]}"
    if account.mode is Mode.PAPER or (account.mode is Mode.SANDBOX and not venue.rest_url):
        return nullcontext()
    try:
        folder = settings.lock_dir.expanduser()
    except RuntimeError:
        raise UserError(f"ARBIT_LOCK_DIR={settings.lock_dir}: there is no home folder") from None
    where = f" in {settings.data_dir.absolute()}{ASKS if asks else ''}"
    what = f"account {account} is traded"
    return Lock(lock_of(folder, name), what, clock.wall_ns(), where)


@contextmanager
def open_journal(
    data_dir: Path, account: AccountId, clock: Clock, command: str = "live"
) -> Iterator[SqliteJournal]:
    """The account's journal, its schema brought up to date, held against every other daemon.

    The run of this command has a row there; the journal's `ending` says how it ends.

    UserError when the file is damaged, newer, read-only, or the account is traded already.
    """
    lock = lock_of(data_dir, str(account))
    with _opened(data_dir, account, clock, command, lambda path: upgrade(path, lock)) as journal:
        yield journal


@contextmanager
def nonces_of(
    settings: Settings,
    venue: VenueSettings,
    account: AccountId,
    clock: Clock,
    command: str,
    *,
    passing: bool = True,
) -> Iterator[Journal]:
    """Where the nonces of the account's key are kept, for a command that only asks questions.

    It takes the account as a daemon does: two at once would refuse each other's nonces. Without a
    journal (nothing was traded from here, or the exchange lives as long as the command) they are
    kept in memory: the clock's are high enough. `passing` says that a sandbox of ours does: one
    that keeps its account remembers nonces, and a journal's may be ahead of the clock.

    AccountHeld names the daemon that has the account. UserError when the journal cannot be used.
    """
    with held_account(settings, venue, account, clock, asks=True):
        there = is_there(settings.data_dir / DATABASE)
        gone = passing and account.mode is Mode.SANDBOX and not venue.rest_url
        if not there or gone:
            yield MemoryJournal()
            return
        with _opened(settings.data_dir, account, clock, command, refuse_old) as journal:
            yield journal
            journal.ending = RunEnd.CLEAN


@contextmanager
def _opened(
    data_dir: Path,
    account: AccountId,
    clock: Clock,
    command: str,
    prepare: Callable[[Path], object],
) -> Iterator[SqliteJournal]:
    path = data_dir / DATABASE

    def prepared() -> None:
        prepare(path)

    with Lease(data_dir, path, str(account), clock.wall_ns(), prepared, command) as lease:
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
