"""What a run was, in one hash: the venue's log, the database, and how the loop went."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TABLES = ("cycles", "orders", "fills", "ledger", "incidents", "flags")


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
        for row in database.execute(f"SELECT * FROM {table} ORDER BY rowid"):  # noqa: S608
            digest.update(repr(tuple(row)).replace(str(folder), "").encode())
    for fact in facts:
        digest.update(repr(fact).encode())
    return digest.hexdigest()[:16]
