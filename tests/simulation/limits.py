"""What a plan allows: which orders are of it, and what it earns at the worst."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def worse_than_planned(order: dict[str, Any], index: int, plan: str) -> str:
    """In words, why the order of leg `index` is none of its cycle's plan; empty when it is.

    `plan` is the cycle's row of it. Less may be ordered than was planned, at a better price.
    """
    symbol, side, _, _, qty, limit, _ = json.loads(plan)[index - 1]
    if (symbol, side) != (order["symbol"], order["side"]):
        return f"{order['side']} {order['symbol']}, planned was {side} {symbol}"
    worse = order["price"] - Decimal(limit)
    if (worse if side == "buy" else -worse) > 0:
        return f"{side} {symbol} at {order['price']}, planned was {limit}"
    return f"{order['qty']} {symbol}, planned was {qty}" if order["qty"] > Decimal(qty) else ""


def at_limits(plan: str) -> Decimal:
    """What a cycle's plan earns of its start asset where each order trades at its limit.

    Leg 1 then spends the most that it may, the last one brings the least, its fee taken off.
    """
    (_, buys, _, _, bought, paid, _), *_, last = json.loads(plan)
    spent = Decimal(bought) * (Decimal(paid) if buys == "buy" else 1)
    _, side, _, _, qty, limit, fee = last
    return Decimal(qty) * (1 if side == "buy" else Decimal(limit)) * (1 - Decimal(fee)) - spent
