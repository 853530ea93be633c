"""Fills of one taker order as one row, the way the venue lists them unless told otherwise.

Source: Kraken's API reference, ``consolidate_taker`` of QueryOrders, ClosedOrders and
TradesHistory: "whether or not to consolidate trades by individual taker trades", true by default;
OpenOrders does not take it. Assumed: the row that stands for several fills has an id of its own,
the sums of their amounts, their average price and the time of the last of them; a single fill
stays itself; makers' fills always do.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from arbit.sandbox.accounts import Account
from arbit.sandbox.orders import ZERO, Trade
from arbit.sandbox.rules import money

OWN_ID: Final = "C"  # in the place of a fill's "T"
FILL_ID: Final = "T"
Digits = Callable[[str], int]  # of a price, by symbol


def consolidated(trades: Iterable[Trade], digits: Digits) -> list[Trade]:
    """The rows of these fills, in the order in which the first of each comes."""
    rows: dict[str, list[Trade]] = {}
    for trade in trades:
        rows.setdefault(trade.trade_id if trade.maker else trade.order_id, []).append(trade)
    return [fills[0] if len(fills) == 1 else _one(fills, digits) for fills in rows.values()]


def row_of(account: Account, trade_id: str, digits: Digits) -> Trade | None:
    """The fill or the row of this id; None when there is none."""
    fill = account.trades.get(trade_id)
    if fill is not None or not trade_id.startswith(OWN_ID):
        return fill
    first = account.trades.get(FILL_ID + trade_id.removeprefix(OWN_ID))
    order = None if first is None else account.order(first.order_id)
    rows = [] if order is None else consolidated(order.trades, digits)
    return next((row for row in rows if row.trade_id == trade_id), None)


def _one(fills: list[Trade], digits: Digits) -> Trade:
    first = min(fills, key=lambda fill: fill.number)
    last = max(fills, key=lambda fill: fill.number)

    def total(amounts: Iterable[Decimal]) -> Decimal:
        return sum(amounts, ZERO)

    qty, cost = total(fill.qty for fill in fills), total(fill.cost for fill in fills)
    return replace(
        last,
        trade_id=OWN_ID + first.trade_id.removeprefix(FILL_ID),
        qty=qty,
        cost=cost,
        fee=total(fill.fee for fill in fills),
        price=money(cost / qty, digits(first.symbol)),
        ledger_ids=tuple(one for fill in fills for one in fill.ledger_ids),
    )
