"""Executions and balances entries, as sparse as the venue's.

Shapes follow recorded frames: ``new`` and ``canceled`` carry neither symbol nor side nor quantity
nor a client id; ``pending_new`` and ``trade`` carry all. Numbers are JSON numbers with every digit.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from json.encoder import encode_basestring_ascii as quoted

from arbit.sandbox.accounts import Account
from arbit.sandbox.orders import (
    Accepted,
    BalanceChanged,
    Canceled,
    Filled,
    Happened,
    Opened,
    Trade,
    Traded,
    VenueOrder,
)
from arbit.sandbox.wallclock import rfc3339


@dataclass(frozen=True, slots=True)
class Number:
    """A Decimal on its way into JSON: a number with all of its digits."""

    value: Decimal

    @property
    def digits(self) -> str:
        """As it is written."""
        return format(self.value, "f")


def text_of(value: object) -> str:
    """JSON without blanks, numbers digit by digit."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Number):
        return value.digits
    if isinstance(value, Mapping):
        inner = ",".join([f"{quoted(str(k))}:{text_of(v)}" for k, v in value.items()])
        return "{" + inner + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([text_of(one) for one in value]) + "]"
    return json.dumps(value)


Entry = dict[str, object]


def execution(happened: Happened) -> Entry | None:
    """What the executions channel says of it; None for what it does not tell."""
    match happened:
        case Accepted(order=order, at_ns=at_ns):
            return _pending(order, at_ns)
        case Opened(order=order, at_ns=at_ns):
            return {
                "timestamp": rfc3339(at_ns),
                "order_status": "new",
                "exec_type": "new",
                "order_userref": order.userref,
                "order_id": order.order_id,
            }
        case Traded(order=order, trade=trade, cum_qty=done, cum_cost=cost):
            return traded(order, trade, done, cost)
        case Filled():
            return _end(happened, "filled", "filled", "")
        case Canceled(status=status, reason=reason):
            return _end(happened, status, status, reason)
    return None


def _pending(order: VenueOrder, at_ns: int) -> Entry:
    entry: Entry = {
        "order_id": order.order_id,
        "symbol": order.symbol,
        "order_qty": Number(order.qty),
        "cum_cost": Number(Decimal(0)),
        "time_in_force": order.tif.upper(),
        "exec_type": "pending_new",
        "side": order.side,
        "order_type": "limit",
        "order_userref": order.userref,
        "limit_price_type": "static",
        "limit_price": Number(order.price),
        "order_status": "pending_new",
        "fee_ccy_pref": "fcib" if order.fee_in == "base" else "fciq",
        "timestamp": rfc3339(at_ns),
    }
    if order.client_id:
        entry["cl_ord_id"] = order.client_id
    return entry


def traded(order: VenueOrder, trade: Trade, done: Decimal, cost: Decimal) -> Entry:
    """One trade. ``order_status`` may still say partially_filled for the one that fills it."""
    entry: Entry = {
        "order_id": order.order_id,
        "order_userref": order.userref,
        "exec_id": trade.trade_id,
        "exec_type": "trade",
        "trade_id": trade.number,
        "symbol": trade.symbol,
        "side": trade.side,
        "last_qty": Number(trade.qty),
        "last_price": Number(trade.price),
        "liquidity_ind": "m" if trade.maker else "t",
        "cost": Number(trade.cost),
        "order_status": "partially_filled",
        "order_type": "limit",
        "cum_qty": Number(done),
        "cum_cost": Number(cost),
        "timestamp": rfc3339(trade.at_ns),
        "fees": [{"asset": trade.fee_asset, "qty": Number(trade.fee)}] if trade.fee else [],
    }
    if order.client_id:
        entry["cl_ord_id"] = order.client_id
    return entry


def _end(ended: Filled | Canceled, kind: str, status: str, reason: str) -> Entry:
    done, cost = ended.cum_qty, ended.cum_cost
    average = (cost / done).quantize(Decimal("0.00000001")) if done else Decimal(0)
    entry: Entry = {
        "timestamp": rfc3339(ended.at_ns),
        "order_status": status,
        "exec_type": kind,
        "cum_qty": Number(done),
        "cum_cost": Number(cost),
        "avg_price": Number(average),
        "order_userref": ended.order.userref,
        "order_id": ended.order.order_id,
    }
    if reason:
        entry |= {"cancel_reason": reason, "reason": reason}
    return entry


def balance(changed: BalanceChanged) -> Entry:
    """One movement of one asset."""
    entry = changed
    return {
        "ledger_id": entry.ledger_id,
        "ref_id": entry.ref_id,
        "timestamp": rfc3339(entry.at_ns),
        "type": entry.type,
        "asset": entry.asset,
        "asset_class": "currency",
        "category": entry.type,
        "wallet_type": "spot",
        "wallet_id": "main",
        "amount": Number(entry.amount),
        "fee": Number(entry.fee),
        "balance": Number(entry.balance),
    }


def balances_of(account: Account) -> list[Entry]:
    """The snapshot: every asset with a balance."""
    return [
        {
            "asset": asset,
            "asset_class": "currency",
            "balance": Number(amount),
            "wallets": [{"type": "spot", "id": "main", "balance": Number(amount)}],
        }
        for asset, amount in sorted(account.balances.items())
        if amount
    ]


def open_order(order: VenueOrder) -> Entry:
    """An open order of the snapshot."""
    return _pending(order, order.opened_ns) | {
        "exec_type": "new",
        "order_status": "partially_filled" if order.filled else "new",
        "cum_qty": Number(order.filled),
        "cum_cost": Number(order.cost),
    }
