"""What dry runs leave as evidence, in the journal's file: written by them, read by the gate.

Bounded: an hour is one row of its setup, a dry run forgets what is older than a month, and of an
account no more than `MAX_SETUPS` setups are kept.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arbit.domain.errors import BrokenRule
from arbit.domain.shadow import Evidence, ShadowBatch, ShadowHour, ShadowSetup
from arbit.persistence.migrate import is_there, refuse_old
from arbit.persistence.reading import opened
from arbit.persistence.types import money_of, money_text

MAX_SETUPS = 64  # of an account; those written longest ago go first
MAX_HOURS = MAX_SETUPS * 24 * 40  # more than any dry run keeps
LAST_RUNS = 2  # of each account: what they saw of the clock
MAX_ORDERS, LEAST_ORDERS = 100, 10  # of an account's newest orders that their latency is taken from

_SETUP = "INSERT INTO shadow_setups VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
_HOUR = "INSERT OR REPLACE INTO shadow_hours VALUES (?,?,?,?,?,?,?,?)"
_OLD = "DELETE FROM shadow_hours WHERE account=? AND (hour_ns<? OR hour_ns>?)"
_MANY = (
    "DELETE FROM shadow_hours WHERE account=? AND setup NOT IN (SELECT setup FROM shadow_hours "
    "WHERE account=? GROUP BY setup ORDER BY max(hour_ns) DESC, setup=? DESC LIMIT ?)"
)
_BARE = (
    "DELETE FROM shadow_setups WHERE account=? AND setup NOT IN "
    "(SELECT setup FROM shadow_hours WHERE account=?)"
)


def write(connection: sqlite3.Connection, account: str, batch: ShadowBatch | None) -> None:
    """Within the journal's transaction. None is nothing."""
    if batch is None:
        return
    setup = batch.setup
    fees = {symbol: money_text(fee) for symbol, fee in sorted(setup.fees.items())}
    told = (setup.key, setup.version, setup.terms, setup.latency_ms, money_text(setup.notional))
    connection.execute(_SETUP, (account, setup.name, *told, json.dumps(fees)))
    for one in batch.hours:
        amounts = (money_text(one.net), money_text(one.worst), money_text(one.stake))
        counts = (one.hour_ns, one.watched_ns, one.episodes)
        connection.execute(_HOUR, (account, one.setup, *counts, *amounts))
    if batch.since_ns:
        connection.execute(_OLD, (account, batch.since_ns, batch.until_ns))
        connection.execute(_MANY, (account, account, setup.name, MAX_SETUPS))
        connection.execute(_BARE, (account, account))


def read(path: Path, account: str, beside: Sequence[str] = ()) -> Evidence:
    """What dry runs of this account have left, and what the clock showed them.

    `beside` are other accounts whose last runs have seen the clock. What cannot be read makes a
    `problem` of it. UserError for a file that cannot be read at all.
    """
    if not is_there(path):
        return Evidence()
    refuse_old(path)
    with opened(path) as asked:
        asked.execute("BEGIN")
        setups = asked.execute("SELECT * FROM shadow_setups WHERE account=?", (account,))
        sql = "SELECT * FROM shadow_hours WHERE account=? ORDER BY hour_ns DESC, setup LIMIT ?"
        hours = asked.execute(sql, (account, MAX_HOURS))
        latest_ns = max(_latest(asked, one) for one in (account, *beside))
        try:
            known = {one.name: one for one in map(_setup_of, setups)}
            return Evidence(known, tuple(map(_hour_of, hours)), latest_ns)
        except (BrokenRule, ValueError, TypeError) as error:
            return Evidence(problem=" ".join(str(error).split())[:200])


def order_latency_ms(path: Path, account: str, since_ns: int) -> int:
    """The median time from sending to the end of an account's newest orders; 0 of too few."""
    sql = (
        "SELECT ended_ns - sent_ns AS took_ns FROM orders WHERE account=? AND sent_ns>=? AND "
        "ended_ns>sent_ns AND state IN ('filled', 'partial', 'empty') ORDER BY sent_ns DESC LIMIT ?"
    )
    with opened(path) as asked:
        found = asked.execute(sql, (account, since_ns, MAX_ORDERS)).fetchall()
    took_ns = sorted(int(row["took_ns"]) for row in found)
    if len(took_ns) < LEAST_ORDERS:
        return 0
    return -(-took_ns[len(took_ns) // 2] // 1_000_000)


def accounts(path: Path) -> list[str]:
    """Every account that a dry run has left evidence of. UserError for an unreadable file."""
    if not is_there(path):
        return []
    refuse_old(path)
    with opened(path) as asked:
        found = asked.execute("SELECT DISTINCT account FROM shadow_hours ORDER BY account")
        return [str(row["account"]) for row in found]


def _latest(asked: sqlite3.Connection, account: str) -> int:
    """The latest wall time of an account's last runs."""
    sql = "SELECT started_ns, ended_ns FROM runs WHERE account=? ORDER BY token DESC LIMIT ?"
    times = [time for row in asked.execute(sql, (account, LAST_RUNS)) for time in row]
    return max((time for time in times if isinstance(time, int)), default=0)


def _setup_of(row: Mapping[str, Any] | sqlite3.Row) -> ShadowSetup:
    fees = json.loads(row["fees"])
    if not isinstance(fees, dict):
        raise BrokenRule("the fees of a setup are no list of them")
    return ShadowSetup(
        name=_text(row["setup"]),
        key=_text(row["key"]),
        version=_text(row["version"]),
        terms=_text(row["terms"]),
        latency_ms=_whole(row["latency_ms"]),
        notional=_amount(row["notional"]),
        fees={_text(symbol): _amount(fee) for symbol, fee in fees.items()},
    )


def _hour_of(row: Mapping[str, Any] | sqlite3.Row) -> ShadowHour:
    return ShadowHour(
        setup=_text(row["setup"]),
        hour_ns=_whole(row["hour_ns"]),
        watched_ns=_whole(row["watched_ns"]),
        episodes=_whole(row["episodes"]),
        net=_amount(row["net"]),
        worst=_amount(row["worst"]),
        stake=_amount(row["stake"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BrokenRule(f"{value!r:.40} is no text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise BrokenRule(f"{value!r:.40} is no count")
    return value


def _amount(value: object) -> Any:
    return money_of(_text(value))
