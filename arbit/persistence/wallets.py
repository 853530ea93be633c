"""Reads what history holds of wallets on chains, beside a daemon that writes it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqlalchemy import func, select, union

from arbit.domain.errors import BrokenRule, UserError
from arbit.domain.wallet import ON_CHAIN, WORDS
from arbit.persistence.migrate import is_there
from arbit.persistence.sinks import history_schema, reading_server
from arbit.persistence.tables import metadata
from arbit.persistence.types import money_of
from arbit.persistence.words import in_words

_ROWS = """
SELECT account, asset, kind, contract, total, block, at_ns FROM wallet_snapshots
WHERE substr(account, 1, ?) = ? AND at_ns >= ? ORDER BY n DESC LIMIT 10000
"""
_ENDS = """
WITH ends AS (
  SELECT MIN(n) AS first, MAX(n) AS last FROM wallet_snapshots
  WHERE substr(account, 1, ?) = ? AND at_ns >= ? GROUP BY account, asset
)
SELECT account, asset, kind, contract, total, block, at_ns FROM wallet_snapshots
WHERE n IN (SELECT first FROM ends) OR n IN (SELECT last FROM ends) ORDER BY n
"""


@dataclass(frozen=True, slots=True)
class WalletSnapshot:
    """How much of an asset an address (`account`) owned at `at_ns` (UTC), as of a block."""

    account: str
    asset: str
    kind: str
    contract: str
    total: Decimal
    block: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class WalletChange:
    """What an address owned of an asset when it was first seen in a while, and when last."""

    first: WalletSnapshot
    last: WalletSnapshot

    @property
    def change(self) -> Decimal:
        """What came or, negative, went; of an aToken what it earned is in it."""
        return WORDS.subtract(self.last.total, self.first.total)


def wallet_snapshots(path: Path, since_ns: int = 0) -> tuple[WalletSnapshot, ...]:
    """What was seen on chains from `since_ns` (UTC) on, the oldest first: the newest 10,000.

    Nothing where there is no file, or one of before wallets. UserError when it cannot be read.
    """
    return tuple(reversed(_asked(path, _ROWS, since_ns)))


def wallet_changes(path: Path, since_ns: int = 0) -> tuple[WalletChange, ...]:
    """What each address owned of each asset since then, first and last, in their order.

    As `wallet_snapshots`, and however many rows there are in between.
    """
    return _changes(_asked(path, _ENDS, since_ns))


async def served_wallet_changes(history_url: str, since_ns: int = 0) -> tuple[WalletChange, ...]:
    """As `wallet_changes`, from a PostgreSQL server that history is kept on.

    UserError when it cannot be asked, or is another version's.
    """
    if not await history_schema(history_url):
        return ()
    table = metadata.tables["wallet_snapshots"]
    kept = table.c
    mine = (kept.account.startswith(ON_CHAIN, autoescape=True), kept.at_ns >= since_ns)
    ends = [
        select(end(kept.n)).where(*mine).group_by(kept.account, kept.asset)
        for end in (func.min, func.max)
    ]
    names = (kept.account, kept.asset, kept.kind, kept.contract, kept.total, kept.block, kept.at_ns)
    asked = select(*names).where(kept.n.in_(union(*ends))).order_by(kept.n)
    async with reading_server(history_url) as connection:
        rows = (await connection.execute(asked)).all()
    return _changes(WalletSnapshot(*row) for row in rows)


def _changes(seen: Iterable[WalletSnapshot]) -> tuple[WalletChange, ...]:
    found: dict[tuple[str, str], WalletChange] = {}
    for one in seen:
        key = one.account, one.asset
        found[key] = WalletChange(found[key].first if key in found else one, one)
    return tuple(found[key] for key in sorted(found))


def _asked(path: Path, sql: str, since_ns: int) -> list[WalletSnapshot]:
    if not is_there(path):
        return []
    try:
        where = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(where, uri=True)) as file:
            columns = {row[1] for row in file.execute("PRAGMA table_info(wallet_snapshots)")}
            if "kind" not in columns:
                return []
            found = file.execute(sql, (len(ON_CHAIN), ON_CHAIN, since_ns)).fetchall()
            return [_snapshot(*row) for row in found]
    except (sqlite3.Error, BrokenRule, TypeError, ValueError) as error:
        said = in_words(error) if isinstance(error, sqlite3.Error) else f"a row: {error}"
        raise UserError(f"{path}: wallets cannot be read: {said}") from None


def _snapshot(*row: str) -> WalletSnapshot:
    account, asset, kind, contract, total, block, at_ns = row
    return WalletSnapshot(account, asset, kind, contract, money_of(total), int(block), int(at_ns))
