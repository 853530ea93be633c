"""The real journal on the real schema, in a folder of its own, killed and failed on demand.

What was committed survives a kill: the file stays, the dead process's connection and lock are
closed as its kernel would close them. Whoever is dead cannot write.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path

from arbit.app.store import DATABASE
from arbit.domain.account import AccountId, Counts
from arbit.domain.records import (
    Batch,
    JournalBusy,
    JournalFailed,
    LateFee,
    Memory,
    PostedFee,
)
from arbit.domain.walk import LegWalk
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.lease import Lease
from arbit.persistence.migrate import upgrade
from arbit.risk.breaker import FLAG
from tests.simulation.loop import Process, SimCrash

IN_MEMORY = Path("/dev/shm")  # noqa: S108  files in memory, where the system has them


class Disk:
    """A worker's folder; `fresh` makes one seed's data folder with an empty database in it."""

    def __init__(self) -> None:
        base = IN_MEMORY if IN_MEMORY.is_dir() else None
        self._root = Path(tempfile.mkdtemp(prefix="arbit-simulation-", dir=base))
        path = self._root / "template.db"
        upgrade(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        self._template = path.read_bytes()

    def fresh(self) -> Path:
        """A data folder as a new user has it."""
        folder = self._root / "data"
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        (folder / DATABASE).write_bytes(self._template)
        return folder

    def close(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._root, ignore_errors=True)


class Failing:
    """How writes fail now: by another program's lock on the file, by a full disk, or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._other: sqlite3.Connection | None = None
        self.full = False
        self.at_word: Callable[[], None] | None = (
            None  # asked for when the breaker's next one comes
        )
        self.fail_at = 0  # the write of this number fails, and no other
        self.kind = "full"  # in this way: full, or locked
        self.writes = 0
        self.failures = 0
        self.read_fails: Callable[[], bool] = bool  # whether this read does

    def lock(self) -> bool:
        """Another program begins to write, and does not end. Whether it could begin."""
        if self._other is not None:
            return False
        self._other = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        try:
            self._other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            self.unlock()
        return self._other is not None

    def unlock(self) -> None:
        """It ends."""
        if self._other is not None:
            self._other.close()
            self._other = None

    @property
    def failing(self) -> bool:
        """Whether a write would fail now."""
        return self.full or self._other is not None

    def why(self) -> str:
        """Why this write fails; empty when it does not."""
        self.writes += 1
        if self.full or self.writes == self.fail_at:
            self.failures += 1
            locked = self.kind == "locked" and not self.full
            return f"the {'database is locked' if locked else 'disk is full'} (simulated)"
        return ""


class SimJournal:
    """`ports.Journal` of one process: the real one behind seams. `wrote` sees each commit."""

    def __init__(
        self,
        process: Process,
        real: SqliteJournal,
        failing: Failing,
        wrote: Callable[[Batch], None],
    ) -> None:
        self._process = process
        self.real = real
        self._failing = failing
        self._wrote = wrote

    def write(self, batch: Batch) -> None:
        self._process.point("commit-before")
        if self._failing.at_word and any(flag.name == FLAG for flag in batch.flags):
            self._failing.at_word()
        if why := self._failing.why():
            raise JournalBusy(why) if "locked" in why else JournalFailed(why)
        self.real.write(batch)
        self._wrote(batch)
        self._process.point("commit-after")

    def recall(self) -> Memory:
        self._reads()
        return self.real.recall()

    def known_trades(self, trade_ids: Sequence[str]) -> frozenset[str]:
        self._reads()
        return self.real.known_trades(trade_ids)

    def known_flows(self, refs: Sequence[str]) -> frozenset[str]:
        self._reads()
        return self.real.known_flows(refs)

    def stated_fees(self) -> tuple[Sequence[LateFee], Sequence[PostedFee]]:
        self._reads()
        return self.real.stated_fees()

    def counts(self, after_ns: int, until_ns: int) -> Counts:
        self._reads()
        return self.real.counts(after_ns, until_ns)

    def wallet_moves(self, trade_ids: Sequence[str]) -> Mapping[str, Mapping[str, Decimal]]:
        self._reads()
        return self.real.wallet_moves(trade_ids)

    def walks_of(self, cycle_id: str) -> Sequence[LegWalk]:
        return self.real.walks_of(cycle_id)  # told of alone: no disk of the plan's fails for it

    def find(self, order: str) -> Memory | None:
        self._reads()
        return self.real.find(order)

    def _reads(self) -> None:
        if not self._process.alive:
            raise SimCrash("a zombie reads")
        if self._failing.read_fails():
            raise JournalFailed("a page cannot be read (simulated)")


@contextmanager
def opened(
    folder: Path,
    account: AccountId,
    process: Process,
    wall_ns: int,
    parts: tuple[Failing, Callable[[Batch], None]],
) -> Iterator[SimJournal]:
    """As `app.store.open_journal`: the lease first, then the journal under its token."""
    path = folder / DATABASE
    with Lease(folder, path, str(account), wall_ns, command="live") as lease:
        process.on_death.append(lease._held.close)
        real = SqliteJournal(path, str(account), lease.token)
        real._connection.execute("PRAGMA synchronous=OFF")  # its host does not fail here
        real._connection.execute("PRAGMA busy_timeout=0")  # nobody waits in virtual time
        process.on_death.append(real.close)
        try:
            yield SimJournal(process, real, *parts)
        finally:
            if process.alive:
                with suppress(JournalFailed):
                    real.end_run(wall_ns)
            real.close()
