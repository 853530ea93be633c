"""Exact sums of what fills did, for the checker. Like it, it imports nothing of `arbit`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from decimal import Context, Decimal, Inexact
from typing import Any

EXACT = Context(prec=500, traps=[Inexact])


def add(left: Decimal, right: Decimal) -> Decimal:
    """An exact sum."""
    return EXACT.add(left, right)


def moves(fill: Mapping[str, Any]) -> list[tuple[str, Decimal]]:
    """What a fill of the log did to each asset; positive came in."""
    base, quote = fill["symbol"].split("/")
    qty, cost = Decimal(fill["qty"]), Decimal(fill["cost"])
    sign = 1 if fill["side"] == "buy" else -1
    moved = [(base, EXACT.multiply(qty, sign)), (quote, EXACT.multiply(cost, -sign))]
    if Decimal(fill["fee"]):
        moved.append((fill["fee_asset"], EXACT.minus(Decimal(fill["fee"]))))
    return moved


def kept(fill: Mapping[str, Any]) -> list[tuple[str, Decimal]]:
    """What a fill of the log did to each balance: its ledger entries, cut off where assets end."""
    rows = [(one, Decimal(moved), Decimal(fee)) for one, moved, fee in fill["moves"]]
    return [(one, EXACT.subtract(moved, fee)) for one, moved, fee in rows]


def moved_by(fill: Mapping[str, Any]) -> dict[str, Decimal]:
    """What a fill of the database did to each asset, its fees included."""
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for asset, amount in moves({"fee": "0", "fee_asset": "", **fill}):
        moved[asset] = add(moved[asset], amount)
    for asset, amount in json.loads(fill["fees"]):
        moved[asset] = add(moved[asset], EXACT.minus(Decimal(amount)))
    return moved


def nonzero(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Without what is zero."""
    return {asset: amount for asset, amount in amounts.items() if amount}
