"""What a run was, in one hash: the venue's log, the database, and how the loop went."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TABLES = ("cycles", "orders", "fills", "ledger", "incidents", "flags", "fee_pending", "fee_posted")
LATER = ("fee_slack", "kind", "loss_budget")


def trace_hash(
    records: Iterable[Mapping[str, Any]],
    database: sqlite3.Connection,
    folder: Path,
    facts: Iterable[object],
) -> str:
    """The same run has the same hash wherever and whenever it is made; `folder` is left out."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(json.dumps(record, sort_keys=True).encode())
    for table in TABLES:
        sql = f"SELECT * FROM {table} ORDER BY rowid"  # noqa: S608  names are ours
        for row in database.execute(sql):
            digest.update(repr(_told(row)).replace(str(folder), "").encode())
    for fact in facts:
        digest.update(repr(fact).encode())
    return digest.hexdigest()[:16]


def _told(row: sqlite3.Row) -> tuple[Any, ...]:
    """What a row says. A column that came later says nothing where it is empty: a run keeps its
    hash."""
    names = row.keys()
    return tuple(row[one] for one in names if one not in LATER or row[one] is not None)
