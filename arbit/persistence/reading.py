"""Reads a journal for reports: read-only, as of one moment, beside a daemon that writes."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from arbit.domain.errors import BrokenRule, UserError
from arbit.domain.recorded import Recorded
from arbit.domain.records import Book, Incident, Posting
from arbit.persistence import rows
from arbit.persistence.migrate import refuse_old
from arbit.persistence.types import money_of
from arbit.persistence.words import DAMAGED, in_words

BUSY_MS = 5_000
MAX_ROWS = 5_000_000  # of one table: a report of more would need a machine of its own

Made = TypeVar("Made")


def accounts(path: Path) -> list[str]:
    """Every account that the file knows. UserError when it is missing, old or damaged."""
    refuse_old(path)
    with opened(path) as connection:
        sql = "SELECT account FROM ledger UNION SELECT account FROM runs"
        found = connection.execute(sql)
        return sorted(row["account"] for row in found)


def read_account(path: Path, account: str) -> Recorded:
    """All that the file keeps of this account. UserError as above."""
    refuse_old(path)
    with opened(path) as connection:

        def each(table: str, order: str, make: Callable[[Any], Made]) -> tuple[Made, ...]:
            sql = f"SELECT * FROM {table} WHERE account=? ORDER BY {order} LIMIT ?"  # noqa: S608  names are ours
            found = connection.execute(sql, (account, MAX_ROWS + 1))
            made = tuple(map(make, found))
            if len(made) > MAX_ROWS:
                raise UserError(f"{path}: {table} has more than {MAX_ROWS} rows of {account}")
            return made

        connection.execute("BEGIN")
        told = connection.execute("SELECT ref, kind FROM transfers WHERE account=?", (account,))
        return Recorded(
            account=account,
            transfers={row["ref"]: row["kind"] for row in told},
            cycles=each("cycles", "started_ns, cycle_id", rows.cycle_of),
            orders=each("orders", "sent_ns, client_id", rows.order_of),
            trades=each("fills", "at_ns, trade_id", rows.trade_of),
            walks=each("walks", "cycle_id, leg_index, seen", rows.walk_of),
            postings=each("ledger", "n", _posting_of),
            late_fees=each("fee_pending", "at_ns, trade_id", rows.late_fee_of),
            incidents=each("incidents", "n", _incident_of),
        )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, read-only, while entered. UserError for what cannot be read of it."""
    name = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with contextlib.closing(
            sqlite3.connect(name, uri=True, timeout=BUSY_MS / 1_000, isolation_level=None)
        ) as connection:
            connection.row_factory = sqlite3.Row
            yield connection
    except sqlite3.Error as error:
        raise UserError(f"{path}: {in_words(error)}") from None
    except (BrokenRule, ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: a row cannot be read: {said}; {DAMAGED}") from None


def _posting_of(row: Any) -> Posting:
    what = (row["ref"], row["kind"], Book(row["book"]), row["asset"])
    return Posting(*what, money_of(row["amount"]), row["at_ns"])


def _incident_of(row: Any) -> Incident:
    return Incident(row["kind"], row["detail"], row["at_ns"], row["cycle_id"], row["client_id"])
