"""The journal: what must survive, in SQLite, one small durable transaction at a time.

The statements are compiled once from the Core tables and run on the driver's own cursor: between a
decision and its order there is little more than the commit itself. Every write looks, inside its
transaction, whether this process still holds the account's lease.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from arbit.domain.account import Counts
from arbit.domain.cycle import CycleState
from arbit.domain.errors import BrokenRule
from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import OrderState, Trade
from arbit.domain.records import (
    OF_TRADES,
    Batch,
    Book,
    Flag,
    JournalBusy,
    JournalFailed,
    LateFee,
    Memory,
    PostedFee,
    RunEnd,
    rough_costs,
)
from arbit.domain.walk import LegWalk
from arbit.persistence import rows, shadow, sums, tables
from arbit.persistence.costs import not_compared
from arbit.persistence.types import money_of
from arbit.persistence.words import DAMAGED, in_words

BUSY_MS = 5
UNHURRIED_MS = 1_000  # where nothing waits: to begin and to end
MAX_HELD = 1_000  # held cycles that a start is told of
MAX_STATED = 500  # fees that were stated last: what is posted now may fit them better
LATE_NS = 600 * 10**9  # what is kept so long after it happened may not be counted
_OVER = tuple(state.value for state in OrderState if state.over)

Answer = TypeVar("Answer")
_NAME = itemgetter(0)  # of a column, in what a cursor says of it
FORGET = "DELETE FROM learned WHERE account=? AND path=?"


class _Statement(NamedTuple):
    """A compiled statement and the order of its parameters."""

    sql: str
    names: tuple[str, ...]

    def values(self, row: Mapping[str, object]) -> tuple[object, ...]:
        return tuple(row[name] for name in self.names)


def connect(path: Path, *, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
    """A connection that begins and ends transactions only when told, durably."""
    connection = sqlite3.connect(path, timeout=busy_ms / 1_000, isolation_level=None)
    connection.row_factory = _as_dict
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


class SqliteJournal:
    """`ports.Journal` of one account in one file. `token` is the lease that it writes under."""

    def __init__(self, path: Path, account: str, token: int) -> None:
        self._account = account
        self._token = token
        self._path = path
        try:
            self._connection = connect(path, busy_ms=UNHURRIED_MS)
            self._waits(BUSY_MS)
        except sqlite3.Error as error:
            raise JournalFailed(_said(path, error)) from None
        self._cycle = _upsert(tables.cycles)
        self._order = _upsert(tables.orders)
        self._flag = _upsert(tables.flags)
        self._late_fee = _upsert(tables.fee_pending)
        self._posted_fee = _upsert(tables.fee_posted)
        self._learned = _upsert(tables.learned)
        self._walk, self._transfer = _upsert(tables.walks), _upsert(tables.transfers)
        self._trade = _insert(tables.fills)
        self._posting = _insert(tables.ledger, skip=("n",))
        self._incident = _insert(tables.incidents, skip=("n",))
        self._names = (str(path), f"{path}-wal")
        self._files: tuple[tuple[int, ...], ...] = ()
        self._size = 0
        self._cut = False
        self._asks_lease = self._connection.cursor()
        self._asks_lease.row_factory = None
        self.ending = RunEnd.BROKEN  # how the run ends unless it says otherwise

    def end_run(self, at_ns: int) -> None:
        """This run is over, as `ending` says. JournalFailed when that cannot be written."""
        connection = self._connection
        try:
            self._waits(UNHURRIED_MS)
            connection.execute("BEGIN IMMEDIATE")
            self._check_lease()
            self._check_files()
            connection.execute(
                "UPDATE runs SET ended_ns=?, ended_how=? WHERE account=? AND token=?",
                (at_ns, self.ending.value, self._account, self._token),
            )
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise JournalFailed(_said(self._path, error)) from None
        except BaseException:
            self._undo()
            raise

    def _waits(self, busy_ms: int) -> None:
        """How long another program's commit is waited for."""
        self._connection.execute(f"PRAGMA busy_timeout={busy_ms}")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def write(self, batch: Batch) -> None:
        """Keep the batch for good, or raise JournalFailed and keep nothing of it."""
        account, connection = self._account, self._connection
        lines = (
            (self._cycle, (rows.cycle_row(account, one) for one in batch.cycles)),
            (self._order, (rows.order_row(account, one) for one in batch.orders)),
            (self._trade, (rows.trade_row(account, one) for one in batch.trades)),
            (self._posting, (rows.posting_row(account, one) for one in batch.postings)),
            (self._incident, (rows.incident_row(account, one) for one in batch.incidents)),
            (self._flag, (rows.flag_row(account, one) for one in batch.flags)),
            (self._late_fee, (rows.late_fee_row(account, one) for one in batch.late_fees)),
            (self._posted_fee, (rows.posted_fee_row(account, one) for one in batch.posted_fees)),
            (self._learned, (rows.learned_row(account, one) for one in batch.learned)),
            (self._walk, (rows.walk_row(account, one) for one in batch.walks)),
            (self._transfer, (rows.transfer_row(account, one) for one in batch.transfers)),
        )
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._check_lease()
            self._check_files()
            for path in batch.forgotten:
                connection.execute(FORGET, (account, path))
            for statement, entries in lines:
                for entry in entries:
                    connection.execute(statement.sql, statement.values(entry))
            shadow.write(connection, account, batch.shadow)
            connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            self._undo()
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            raise (JournalBusy if busy else JournalFailed)(_said(self._path, error)) from None
        except BaseException:
            self._undo()
            raise

    def recall(self) -> Memory:
        """What a start needs to know."""
        return self._read(self._recall)

    def known_trades(self, trade_ids: Sequence[str]) -> frozenset[str]:
        """Which of these trades are kept already."""
        return self._known("SELECT 1 FROM fills WHERE account=? AND trade_id=?", trade_ids)

    def known_flows(self, refs: Sequence[str]) -> frozenset[str]:
        """Which of these flows, posted fees among them, are kept already."""
        sql = "SELECT 1 FROM ledger WHERE account=? AND ref=? AND kind='flow'"
        posted = "SELECT 1 FROM fee_posted WHERE account=? AND ref=?"
        return self._known(sql, refs) | self._known(posted, refs)

    def stated_fees(self) -> tuple[Sequence[LateFee], Sequence[PostedFee]]:
        """The newest late fees that were stated, and what was posted for them or fits nothing."""

        def ask() -> tuple[Sequence[LateFee], Sequence[PostedFee]]:
            closed = self._rows("fee_pending", "ref<>'' ORDER BY at_ns DESC LIMIT ?", MAX_STATED)
            posted = self._rows("fee_posted", "state<>'fits'")
            for ref in dict.fromkeys(row["ref"] for row in closed):
                posted += self._rows("fee_posted", "state='fits' AND ref=?", ref)
            return tuple(map(rows.late_fee_of, closed)), tuple(map(rows.posted_fee_of, posted))

        return self._read(ask)

    def _known(self, sql: str, names: Sequence[str]) -> frozenset[str]:
        def ask() -> frozenset[str]:
            connection, account = self._connection, self._account
            found = (connection.execute(sql, (account, rows.clean(n))).fetchone() for n in names)
            return frozenset(name for name, row in zip(names, found, strict=True) if row)

        return self._read(ask)

    def counts(self, after_ns: int, until_ns: int) -> Counts:
        """How many trades and flows of this while are kept; read back from the last one kept."""
        sql = (
            "SELECT ref, kind, at_ns FROM ledger WHERE account=? AND kind IN ('trade', 'flow') "
            "AND ref NOT LIKE 'accepted:%' ORDER BY n DESC"
        )

        def ask() -> Counts:
            refs: dict[str, set[str]] = {"trade": set(), "flow": set()}
            for row in self._connection.execute(sql, (self._account,)):
                if row["at_ns"] < after_ns - LATE_NS:
                    break
                if after_ns < row["at_ns"] <= until_ns:
                    refs[row["kind"]].add(row["ref"])
            return Counts(len(refs["trade"]), len(refs["flow"]))

        return self._read(ask)

    def wallet_moves(self, trade_ids: Sequence[str]) -> Mapping[str, Mapping[str, Decimal]]:
        """What is posted to the wallet for these trades, by trade and asset, rounding included."""
        sql = "SELECT asset, amount, kind FROM ledger WHERE account=? AND ref=? AND book=?"

        def ask() -> Mapping[str, Mapping[str, Decimal]]:
            found: dict[str, dict[str, Decimal]] = {}
            for trade_id in trade_ids:
                where = (self._account, trade_id, Book.WALLET.value)
                for row in self._connection.execute(sql, where):
                    if row["kind"] in OF_TRADES:
                        moved, amount = found.setdefault(trade_id, {}), money_of(row["amount"])
                        moved[row["asset"]] = EXACT.add(moved.get(row["asset"], ZERO), amount)
            return found

        return self._read(ask)

    def walks_of(self, cycle_id: str) -> Sequence[LegWalk]:
        """What the legs of this cycle were to trade with."""
        return self._read(lambda: [*map(rows.walk_of, self._rows("walks", "cycle_id=?", cycle_id))])

    def find(self, order: str) -> Memory | None:
        """The cycle that sent this order (its client id or the venue's), with all that is its."""

        def ask() -> Memory | None:
            if not order:  # an order that the venue never named is not found by that
                return None
            sql = "SELECT cycle_id FROM orders WHERE account=? AND (client_id=? OR order_id=?)"
            name = rows.clean(order)
            row = self._connection.execute(sql, (self._account, name, name)).fetchone()
            if row is None:
                return None
            found = self._rows("cycles", "cycle_id=?", row["cycle_id"])
            orders = self._rows("orders", "cycle_id=?", row["cycle_id"])
            return Memory(
                cycles=tuple(map(rows.cycle_of, found)),
                orders=tuple(map(rows.order_of, orders)),
                trades=self._trades(orders),
            )

        return self._read(ask)

    def _recall(self) -> Memory:
        open_cycles = self._rows("cycles", "ended_ns=0")
        held = self._rows("cycles", "ended_ns>0 AND state=?", CycleState.HELD.value)[-MAX_HELD:]
        marks = ",".join("?" * len(_OVER))  # a state that nobody knows is read, and refused
        found = {
            row["client_id"]: row for row in self._rows("orders", f"state NOT IN ({marks})", *_OVER)
        }
        for cycle in open_cycles:
            for row in self._rows("orders", "cycle_id=?", cycle["cycle_id"]):
                found[row["client_id"]] = row
        kept = self._rows("flags", "1=1")
        flags = {row["name"]: Flag(row["name"], row["value"], row["at_ns"]) for row in kept}
        mine = self._connection, self._account
        where, values = not_compared(flags)
        costs = map(rows.trade_of, self._rows("fills", where, *values))
        return Memory(
            cycles=tuple(rows.cycle_of(row) for row in (*open_cycles, *held)),
            orders=tuple(map(rows.order_of, found.values())),
            trades=self._trades(list(found.values())),
            sums=sums.sums(*mine),
            flags=flags,
            profit_ref_by_day=sums.days(*mine),
            last_trade_ns=self._latest("fills", "1=1"),
            # What came before the opening is in it: asked for again, it would be booked twice.
            last_flow_ns=self._latest("ledger", "kind IN ('flow', 'opening')"),
            last_sent=sums.last_sent(*mine),
            late_fees=tuple(map(rows.late_fee_of, self._rows("fee_pending", "ref=''"))),
            rough=rough_costs(flags, costs),
            last_ends=sums.last_ends(*mine),
            learned=sums.learned(*mine),
            last_rebalance_ns=sums.last_rebalance(*mine),
        )

    def _latest(self, table: str, where: str) -> int:
        sql = f"SELECT max(at_ns) AS at_ns FROM {table} WHERE account=? AND {where}"  # noqa: S608  names are ours
        latest = self._connection.execute(sql, (self._account,)).fetchone()["at_ns"]
        return int(latest or 0)

    def _rows(self, table: str, where: str, *values: object) -> list[dict[str, Any]]:
        sql = f"SELECT * FROM {table} WHERE account=? AND {where}"  # noqa: S608  names are ours
        found: list[dict[str, Any]] = self._connection.execute(
            sql, (self._account, *values)
        ).fetchall()
        return found

    def _trades(self, orders: Iterable[Mapping[str, Any]]) -> tuple[Trade, ...]:
        return tuple(
            rows.trade_of(row)
            for order in orders
            for row in self._rows(
                "fills", "client_id=? ORDER BY at_ns, trade_id", order["client_id"]
            )
        )

    def _check_lease(self) -> None:
        sql = "SELECT token FROM leases WHERE account=?"
        if self._asks_lease.execute(sql, (self._account,)).fetchone() != (self._token,):
            raise JournalFailed(f"{self._path}: another daemon took over account {self._account}")

    def _check_files(self) -> None:
        """Whoever moved or deleted the file, or its log, would have us write where nobody reads.

        Nor does it ever get shorter by itself: somebody has cut it, or copied another over it.
        """
        try:
            file, log = map(_identity, self._names)
        except OSError:
            raise self._moved() from None
        files, size = (log[:2], file[:2]), file[2]
        self._files = self._files or files
        if files != self._files:
            raise self._moved()
        self._cut = self._cut or size < self._size
        if self._cut:  # for good: the log may make it as long as it was, but not whole
            raise JournalFailed(f"{self._path}: the file was cut short or overwritten; {DAMAGED}")
        self._size = size

    def _moved(self) -> JournalFailed:
        return JournalFailed(f"{self._path}: the file, or its -wal, was moved or deleted")

    def _undo(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:  # the driver has rolled back already, or the file is gone
                return

    def _read(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except sqlite3.Error as error:
            raise JournalFailed(_said(self._path, error)) from None
        except (BrokenRule, ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
            said = " ".join(str(error).split())[:200]
            raise JournalFailed(f"{self._path}: a row cannot be read: {said}; {DAMAGED}") from None


def _identity(path: str) -> tuple[int, int, int]:
    """Which file it is, and how long."""
    found = os.stat(path)  # noqa: PTH116  twice a write: a Path costs more than the question
    return found.st_dev, found.st_ino, found.st_size


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(map(_NAME, cursor.description), row, strict=True))


def _columns(table: Table, skip: Sequence[str]) -> list[str]:
    return [column.name for column in table.columns if column.name not in skip]


@cache
def _insert(table: Table, skip: tuple[str, ...] = ()) -> _Statement:
    names = _columns(table, skip)
    return _compiled(insert(table).values(dict.fromkeys(names)))


@cache
def _upsert(table: Table) -> _Statement:
    names = _columns(table, ())
    keys = [column.name for column in table.primary_key]
    statement = insert(table).values(dict.fromkeys(names))
    changes = {name: statement.excluded[name] for name in names if name not in keys}
    return _compiled(statement.on_conflict_do_update(index_elements=keys, set_=changes))


def _compiled(statement: Any) -> _Statement:
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    return _Statement(str(compiled), tuple(compiled.positiontup or ()))


def _said(path: Path, error: Exception) -> str:
    return f"{path}: {in_words(error)}"
