"""Orders, positions and the account as Alpaca shows them (shapes of its reference, and recorded).

Amounts are texts, as recorded. REST writes symbols with a slash and every stamp with ``Z``; on the
stream of trade updates an order's symbol has none, and some stamps are New York's.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from arbit.sandbox.accounts import Account
from arbit.sandbox.alpaca.assets import NAMESPACE, asset_id
from arbit.sandbox.alpaca.listing import CASH, DECIMALS
from arbit.sandbox.alpaca.words import Body, stamp, stamp_new_york, text_of
from arbit.sandbox.market import Market
from arbit.sandbox.orders import ZERO, VenueOrder

UNIT: Final = Decimal(1).scaleb(-DECIMALS)
CREATED: Final = "2022-06-13T14:59:18.318096Z"
ENDED: Final = {"closed": "filled"}


def status_of(order: VenueOrder) -> str:
    """The venue's word for where an order stands."""
    if order.status == "pending":
        return "pending_new"
    if order.status == "open":
        return "partially_filled" if order.filled else "new"
    return ENDED.get(order.status, order.status)


def order_json(order: VenueOrder, *, updates: bool = False) -> Body:
    """One order. ``updates`` is how the stream of trade updates writes it."""
    local: Callable[[int], str] = stamp_new_york if updates else stamp
    status = status_of(order)
    last_ns = max([order.opened_ns, order.closed_ns, *(trade.at_ns for trade in order.trades[-1:])])
    ended = {status: local(order.closed_ns)} if order.closed_ns else {}
    average = text_of(order.average.quantize(UNIT)) if order.filled else None
    symbol = order.symbol.replace("/", "") if updates else order.symbol
    return {
        "id": order.order_id,
        "client_order_id": order.client_id,
        "created_at": stamp(order.opened_ns),
        "updated_at": local(last_ns),
        "submitted_at": stamp(order.opened_ns),
        "filled_at": ended.get("filled"),
        "expired_at": ended.get("expired"),
        "canceled_at": ended.get("canceled"),
        "failed_at": ended.get("rejected"),
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": asset_id(order.symbol),
        "symbol": symbol,
        "asset_class": "crypto",
        "notional": None,
        "qty": text_of(order.qty),
        "filled_qty": text_of(order.filled),
        "filled_avg_price": average,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": order.side,
        "position_intent": f"{order.side}_to_{'open' if order.side == 'buy' else 'close'}",
        "time_in_force": order.tif,
        "limit_price": text_of(order.price),
        "stop_price": None,
        "status": status,
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
    }


def usd_price(market: Market, code: str) -> Decimal:
    """What a coin last traded at for USD; what it is listed at where it has no such pair."""
    pair = market.pairs.get(f"{code}/{CASH}")
    if pair is None:
        known = {one.code: one for one in market.assets}
        return Decimal(str(known[code].usd)) if code in known else ZERO
    return Decimal(pair.tape.last).scaleb(-pair.instrument.price_precision)


def positions(market: Market, account: Account) -> list[Body]:
    """What the account has of every coin, dollars aside. Entry prices are not kept: the last ones.

    ``qty_available`` leaves out what open sells hold.
    """
    shown = []
    for code, qty in account.balances.items():
        if code == CASH or not qty:
            continue
        price = usd_price(market, code)
        value = text_of((qty * price).quantize(UNIT))
        shown.append(
            {
                "asset_id": asset_id(f"{code}/{CASH}"),
                "symbol": code + CASH,
                "exchange": "CRYPTO",
                "asset_class": "crypto",
                "asset_marginable": False,
                "qty": text_of(qty),
                "avg_entry_price": text_of(price),
                "side": "long" if qty > 0 else "short",
                "market_value": value,
                "cost_basis": value,
                "unrealized_pl": "0",
                "unrealized_plpc": "0",
                "unrealized_intraday_pl": "0",
                "unrealized_intraday_plpc": "0",
                "current_price": text_of(price),
                "lastday_price": text_of(price),
                "change_today": "0",
                "qty_available": text_of(account.available(code)),
            }
        )
    return shown


def account_json(market: Market, account: Account, pending_usd: Decimal, cash: Decimal) -> Body:
    """The account. ``cash`` is net of what open buys hold; fees taken have left it already."""
    value = sum(
        (
            qty * usd_price(market, code)
            for code, qty in account.balances.items()
            if code not in (CASH, "")
        ),
        ZERO,
    ).quantize(UNIT)
    money, worth = text_of(cash), text_of(account.balance(CASH) + value)
    spendable = ("buying_power", "regt_buying_power", "effective_buying_power")
    return {
        "id": asset_id(f"account {account.name}"),
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": f"{int(NAMESPACE.int % 10**9):09d}",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": CASH,
        **dict.fromkeys(spendable, money),
        "daytrading_buying_power": "0",
        "non_marginable_buying_power": money,
        "bod_dtbp": "0",
        "cash": money,
        "accrued_fees": text_of(pending_usd),
        "portfolio_value": worth,
        "pattern_day_trader": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "created_at": CREATED,
        "trade_suspended_by_user": False,
        "multiplier": "1",
        "shorting_enabled": False,
        "equity": worth,
        "last_equity": worth,
        "long_market_value": text_of(value),
        "short_market_value": "0",
        "position_market_value": text_of(value),
        "initial_margin": "0",
        "maintenance_margin": "0",
        "last_maintenance_margin": "0",
        "sma": "0",
        "daytrade_count": 0,
        "crypto_tier": 1,
        "intraday_adjustments": "0",
        "pending_reg_taf_fees": "0",
    }
