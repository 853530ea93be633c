"""Reads what history holds of wallets on chains, beside a daemon that writes it."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from arbit.domain.errors import BrokenRule, UserError
from arbit.domain.wallet import ON_CHAIN
from arbit.persistence.types import money_of
from arbit.persistence.words import in_words

MOST = 10_000  # rows of one answer, the newest
_ROWS = (
    "SELECT account, asset, kind, contract, total, block, at_ns FROM wallet_snapshots "
    "WHERE substr(account, 1, ?) = ? AND at_ns >= ? ORDER BY n DESC LIMIT ?"
)


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


def wallet_snapshots(path: Path, since_ns: int = 0, most: int = MOST) -> tuple[WalletSnapshot, ...]:
    """What was seen on chains from `since_ns` (UTC) on, the oldest first, `most` of the newest.

    Nothing where there is no file. UserError when it cannot be read.
    """
    if not path.exists():
        return ()
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as file:
            asked = (len(ON_CHAIN), ON_CHAIN, since_ns, most)
            found = file.execute(_ROWS, asked).fetchall()
            return tuple(_snapshot(*row) for row in reversed(found))
    except (sqlite3.Error, BrokenRule) as error:
        said = in_words(error) if isinstance(error, sqlite3.Error) else error
        raise UserError(f"{path}: wallets cannot be read: {said}") from None


def newest_of(snapshots: tuple[WalletSnapshot, ...]) -> tuple[WalletSnapshot, ...]:
    """The last of each address and asset, by address, then asset."""
    last = {(one.account, one.asset): one for one in snapshots}
    return tuple(last[key] for key in sorted(last))


def _snapshot(*row: str) -> WalletSnapshot:
    account, asset, kind, contract, total, block, at_ns = row
    return WalletSnapshot(account, asset, kind, contract, money_of(total), int(block), int(at_ns))
