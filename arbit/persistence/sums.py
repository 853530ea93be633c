"""What a start adds up and looks up of an account's rows, each with one question.

Amounts are added up here, in exact decimals: the database would add floats.
"""

from __future__ import annotations

import sqlite3
from decimal import Decimal

from arbit.domain.cycle import CycleState
from arbit.domain.learned import Learned
from arbit.domain.money import EXACT, ZERO
from arbit.domain.records import Book, Ended
from arbit.domain.route import ConversionKind
from arbit.persistence import rows
from arbit.persistence.types import money_of

MAX_LAST_SENT = 1_000  # newest orders: more than the venue's counters remember
MAX_SUMMED = 200_000  # cycles summed by day at a start; more than a day can hold
MAX_LOOKED = 100_000  # newest cycles that a rebalance is looked for among
MAX_ENDS = 1_000  # newest cycles that are over: their paths may still rest
MAX_LEARNED = 10_000  # triangles


def sums(connection: sqlite3.Connection, account: str) -> dict[tuple[Book, str], Decimal]:
    """The ledger's, by book and asset."""
    found: dict[tuple[Book, str], Decimal] = {}
    sql = "SELECT book, asset, amount FROM ledger WHERE account=?"
    for row in connection.execute(sql, (account,)):
        key = (Book(row["book"]), row["asset"])
        found[key] = EXACT.add(found.get(key, ZERO), money_of(row["amount"]))
    return found


def days(connection: sqlite3.Connection, account: str) -> dict[str, Decimal]:
    """What each UTC day has earned, in the reference currency."""
    sql = (
        "SELECT date(ended_ns/1000000000, 'unixepoch') AS day, profit_ref FROM cycles "
        "WHERE account=? AND profit_ref IS NOT NULL AND ended_ns > 0 "
        "ORDER BY ended_ns DESC LIMIT ?"
    )
    found: dict[str, Decimal] = {}
    for row in connection.execute(sql, (account, MAX_SUMMED)):
        profit = money_of(row["profit_ref"])
        found[row["day"]] = EXACT.add(found.get(row["day"], ZERO), profit)
    return found


def last_sent(connection: sqlite3.Connection, account: str) -> tuple[tuple[str, int], ...]:
    """The newest orders, as (symbol, wall time of sending)."""
    sql = "SELECT symbol, sent_ns FROM orders WHERE account=? ORDER BY sent_ns DESC LIMIT ?"
    found = connection.execute(sql, (account, MAX_LAST_SENT))
    return tuple((row["symbol"], row["sent_ns"]) for row in found)


def last_ends(connection: sqlite3.Connection, account: str) -> tuple[Ended, ...]:
    """The newest cycles of triangles that are over, the newest first."""
    sql = (
        "SELECT path, state, ended_ns FROM cycles WHERE account=? AND ended_ns > 0 "
        "AND kind IS NULL ORDER BY ended_ns DESC LIMIT ?"
    )
    found = connection.execute(sql, (account, MAX_ENDS))
    return tuple(Ended(row["path"], CycleState(row["state"]), row["ended_ns"]) for row in found)


def last_rebalance(connection: sqlite3.Connection, account: str) -> int:
    """When the newest rebalance ended, 0 without any: of the newest cycles, for it is no older."""
    sql = (
        "SELECT max(ended_ns) AS ended_ns FROM (SELECT kind, ended_ns FROM cycles WHERE account=? "
        "AND ended_ns > 0 ORDER BY ended_ns DESC LIMIT ?) WHERE kind=?"
    )
    values = (account, MAX_LOOKED, ConversionKind.REBALANCE.value)
    return int(connection.execute(sql, values).fetchone()["ended_ns"] or 0)


def learned(connection: sqlite3.Connection, account: str) -> tuple[Learned, ...]:
    """What was learned of each triangle."""
    sql = "SELECT * FROM learned WHERE account=? ORDER BY path LIMIT ?"
    found = connection.execute(sql, (account, MAX_LEARNED))
    return tuple(map(rows.learned_of, found))
