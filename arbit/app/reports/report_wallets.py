"""Wallets on chains in a report: beside the account that is told, and no part of its sums."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arbit.domain.money import plain
from arbit.persistence.wallets import WalletChange

TITLE = "what addresses own on chains"
HEAD = ("address", "asset", "kind", "first seen", "now", "change", "as of block")


def wallet_rows(wallets: Iterable[WalletChange]) -> list[tuple[str, ...]]:
    """A line for each address and asset, for a table."""
    return [
        (
            one.last.account,
            one.last.asset,
            one.last.kind,
            *map(plain, (one.first.total, one.last.total, one.change)),
            str(one.last.block),
        )
        for one in wallets
    ]


def wallet_json(one: WalletChange) -> dict[str, Any]:
    """The same as JSON has it."""
    return {
        "account": one.last.account,
        "asset": one.last.asset,
        "kind": one.last.kind,
        "contract": one.last.contract,
        "first": plain(one.first.total),
        "first_ns": one.first.at_ns,
        "last": plain(one.last.total),
        "last_ns": one.last.at_ns,
        "change": plain(one.change),
        "block": one.last.block,
    }
