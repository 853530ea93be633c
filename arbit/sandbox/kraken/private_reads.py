"""Private REST calls that only read: orders, trades, ledgers, balances, fees.

Shapes from Kraken's API reference. Amounts are texts, times float seconds, lists newest first
and fifty a page; fills of one taker order come as one row unless ``consolidate_taker`` is false.
Assumed: an order id that is not found is ``EOrder:Unknown order``; a fee is in
the asset that paid it (the reference says quote, but a fee in base can be no quote).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Final, TypeVar

from arbit.sandbox import rules
from arbit.sandbox.accounts import Account
from arbit.sandbox.exchange import Exchange
from arbit.sandbox.keys import ApiKey
from arbit.sandbox.kraken.consolidate import consolidated, row_of
from arbit.sandbox.kraken.names import Names
from arbit.sandbox.market import Pair
from arbit.sandbox.orders import LedgerEntry, Refused, Trade, VenueOrder
from arbit.sandbox.rules import FeeStep, money

NS: Final = 1_000_000_000
PAGE: Final = 50
MAX_IDS: Final = 50
TRUE: Final = ("true", "1")
FALSE: Final = ("false", "0")
LEDGER_TYPES: Final = ("all", "trade", "deposit", "withdrawal")
TRADE_TYPES: Final = ("all", "any position", "closed position", "closing position", "no position")

Fields = Mapping[str, str]
Handler = Callable[[ApiKey, Fields, int], object]
Item = TypeVar("Item")


def everything(order: VenueOrder, now_ns: int) -> bool:
    """Every order is visible at once."""
    del order, now_ns
    return True


def every_trade(trade: Trade, now_ns: int) -> bool:
    """Every trade is visible at once."""
    del trade, now_ns
    return True


def every_entry(entry: LedgerEntry, now_ns: int) -> bool:
    """Every ledger entry is visible at once."""
    del entry, now_ns
    return True


class ReadCalls:
    """The calls that change nothing.

    A fault may replace ``visible`` and its like: what they deny does not show yet, and an
    order whose latest trades are denied shows without them only in trade lists.
    """

    def __init__(self, exchange: Exchange, names: Names) -> None:
        self.visible: Callable[[VenueOrder, int], bool] = everything
        self.visible_trade: Callable[[Trade, int], bool] = every_trade
        self.visible_entry: Callable[[LedgerEntry, int], bool] = every_entry
        self._exchange = exchange
        self._names = names

    def calls(self) -> dict[str, Handler]:
        """The handlers by the venue's names."""
        return {
            "QueryOrders": self._query_orders,
            "OpenOrders": self._open_orders,
            "ClosedOrders": self._closed_orders,
            "TradesHistory": self._trades,
            "QueryTrades": self._query_trades,
            "Ledgers": self._ledgers,
            "Balance": self._balance,
            "BalanceEx": self._balance_ex,
            "TradeVolume": self._volume,
        }

    def _account(self, key: ApiKey) -> Account:
        return self._exchange.books.account(key.account)

    def _query_orders(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        account = self._account(key)
        found = {}
        for order_id in _ids(fields):
            order = account.order(order_id)
            if order is None or not self.visible(order, now_ns):
                raise Refused(rules.UNKNOWN_ORDER)
            if _wanted(order, {"userref": fields.get("userref", "")}):
                found[order_id] = self._order(order, fields)
        return found

    def _open_orders(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        asked = {"trades": fields.get("trades", "")}  # all that this call takes of the two
        orders = reversed(list(self._account(key).open_orders.values()))
        return {
            "open": {
                order.order_id: self._order(order, asked)
                for order in orders
                if _wanted(order, fields) and self.visible(order, now_ns)
            }
        }

    def _closed_orders(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        account = self._account(key)
        start_ns, end_ns = _window(fields, lambda text: _closed_at(account, text))
        closetime = fields.get("closetime") or "both"
        if closetime not in ("open", "close", "both"):
            raise rules.invalid("closetime")

        def inside(order: VenueOrder) -> bool:
            times = {"open": order.opened_ns, "close": order.closed_ns}
            chosen = [at for name, at in times.items() if closetime in (name, "both")]
            return any(start_ns < at <= end_ns for at in chosen)

        chosen = [
            order
            for order in account.closed.newest_first()
            if inside(order) and _wanted(order, fields) and self.visible(order, now_ns)
        ]
        page = {one.order_id: self._order(one, fields) for one in _page(chosen, fields)}
        return {"closed": page, "count": len(chosen)}

    def _trades(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        account = self._account(key)
        if (fields.get("type") or "all") not in TRADE_TYPES:
            raise rules.invalid("type")
        start_ns, end_ns = _window(fields, lambda text: _at(row_of(account, text, self._digits)))
        fills = [
            trade
            for trade in account.trades.newest_first()
            if start_ns < trade.at_ns <= end_ns and self.visible_trade(trade, now_ns)
        ]
        chosen = self._rows(fills, fields)
        ledgers = _true(fields, "ledgers")
        page = {one.trade_id: self._trade(one, ledgers=ledgers) for one in _page(chosen, fields)}
        return {"trades": page, "count": len(chosen)}

    def _query_trades(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        account = self._account(key)
        found = {}
        for trade_id in _ids(fields):
            trade = row_of(account, trade_id, self._digits)
            if trade is None or not self.visible_trade(trade, now_ns):
                raise Refused("EQuery:Unknown trade")  # words assumed
            found[trade_id] = self._trade(trade, ledgers=_true(fields, "ledgers"))
        return found

    def _ledgers(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        account = self._account(key)
        kind = fields.get("type") or "all"
        if kind not in LEDGER_TYPES:
            raise rules.invalid("type")
        assets: set[str] | None = None
        if (fields.get("asset") or "all") != "all":
            codes = [self._names.asset(name) for name in fields["asset"].split(",")]
            assets = {code for code in codes if code is not None}
            if len(codes) != len([code for code in codes if code is not None]):
                raise Refused("EQuery:Unknown asset")
        start_ns, end_ns = _window(fields, lambda text: _at(account.ledgers.get(text)))
        chosen = [
            entry
            for entry in account.ledgers.newest_first()
            if start_ns < entry.at_ns <= end_ns
            and kind in ("all", entry.type)
            and (assets is None or entry.asset in assets)
            and self.visible_entry(entry, now_ns)
        ]
        page = {entry.ledger_id: self._ledger(entry) for entry in _page(chosen, fields)}
        return {"ledger": page, "count": len(chosen)}

    def _balance(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        del fields, now_ns
        return {
            self._names.rest_asset(code): self._money(code, amount)
            for code, amount in sorted(self._account(key).balances.items())
        }

    def _balance_ex(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        del fields, now_ns
        account = self._account(key)
        return {
            self._names.rest_asset(code): {
                "balance": self._money(code, amount),
                "hold_trade": self._money(code, account.hold(code)),
            }
            for code, amount in sorted(account.balances.items())
        }

    def _volume(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        volume = self._account(key).volume_usd(now_ns)
        reply: dict[str, object] = {"currency": "ZUSD", "volume": f"{money(volume, 4):f}"}
        if not fields.get("pair"):
            return reply
        pairs = [self._names.pair(name) for name in fields["pair"].split(",")]
        found = [pair for pair in pairs if pair is not None]
        if len(found) != len(pairs):
            raise Refused(rules.UNKNOWN_PAIR)
        for name, maker in (("fees", False), ("fees_maker", True)):
            reply[name] = {
                pair.instrument.rest_id: self._fee(pair, volume, maker=maker) for pair in found
            }
        return reply

    def _fee(self, pair: Pair, volume: Decimal, *, maker: bool) -> dict[str, object]:
        fees = self._exchange.stated_fees or self._exchange.fees
        step: FeeStep = fees.step(pair.instrument, volume, maker=maker)
        return {
            "fee": f"{money(step.fee, 4):f}",
            "minfee": f"{money(step.least, 4):f}",
            "maxfee": f"{money(step.most, 4):f}",
            "nextfee": None if step.next_fee is None else f"{money(step.next_fee, 4):f}",
            "nextvolume": None if step.next_volume is None else f"{step.next_volume}.0000",
            "tiervolume": f"{step.tier_volume}.0000",
        }

    def _money(self, code: str, amount: Decimal) -> str:
        return f"{money(amount, self._names.decimals(code)):f}"

    def _rows(self, fills: list[Trade], fields: Fields) -> list[Trade]:
        """Fills as they are listed: those of one taker order as one, unless told otherwise."""
        if fields.get("consolidate_taker", "").lower() in FALSE:
            return fills
        return consolidated(fills, self._digits)

    def _digits(self, symbol: str) -> int:
        """How many digits a price of this pair has."""
        pair = self._names.pair(symbol)
        return 10 if pair is None else pair.instrument.price_precision

    def _order(self, order: VenueOrder, fields: Fields) -> dict[str, object]:
        alt = self._names.altname(order.symbol)
        shown: dict[str, object] = {
            "refid": None,
            "userref": order.userref,
            "status": order.status,
            "opentm": _seconds(order.opened_ns),
            "starttm": 0,
            "expiretm": 0,
            "descr": {
                "pair": alt,
                "type": order.side,
                "ordertype": "limit",
                "price": f"{order.price:f}",
                "price2": "0",
                "leverage": "none",
                "order": f"{order.side} {order.qty:f} {alt} @ limit {order.price:f}",
                "close": "",
            },
            "vol": f"{order.qty:f}",
            "vol_exec": f"{order.filled:f}",
            "cost": f"{order.cost:f}",
            "fee": f"{order.fee:f}",
            "price": self._average(order),
            "stopprice": "0.00000",
            "limitprice": "0.00000",
            "misc": "",
            "oflags": "fcib" if order.fee_in == "base" else "fciq",
        }
        if order.client_id:
            shown["cl_ord_id"] = order.client_id
        if not order.is_open:
            shown["reason"] = order.reason or None
            shown["closetm"] = _seconds(order.closed_ns)
        if _true(fields, "trades"):
            shown["trades"] = [row.trade_id for row in self._rows(order.trades, fields)]
        return shown

    def _average(self, order: VenueOrder) -> str:
        return f"{money(order.average, self._digits(order.symbol)):f}"

    def _trade(self, trade: Trade, *, ledgers: bool) -> dict[str, object]:
        shown: dict[str, object] = {
            "ordertxid": trade.order_id,
            "postxid": "",
            "pair": self._names.rest_pair(trade.symbol),
            "aclass": "forex",
            "time": _seconds(trade.at_ns),
            "type": trade.side,
            "ordertype": "limit",
            "price": f"{trade.price:f}",
            "cost": f"{trade.cost:f}",
            "fee": f"{trade.fee:f}",
            "vol": f"{trade.qty:f}",
            "margin": "0.00000",
            "leverage": "0",
            "misc": "",
            "trade_id": trade.number,
            "maker": trade.maker,
        }
        if ledgers:
            shown["ledgers"] = list(trade.ledger_ids)
        return shown

    def _ledger(self, entry: LedgerEntry) -> dict[str, object]:
        return {
            "refid": entry.ref_id,
            "time": _seconds(entry.at_ns),
            "type": entry.type,
            "subtype": "tradespot" if entry.type == "trade" else "",
            "aclass": "currency",
            "asset": self._names.rest_asset(entry.asset),
            "amount": self._money(entry.asset, entry.amount),
            "fee": self._money(entry.asset, entry.fee),
            "balance": self._money(entry.asset, entry.balance),
        }


def _seconds(wall_ns: int) -> float:
    """Float seconds, as the venue writes times over REST: whole microseconds, never rounded up.

    Rounded up, a client that asks for what came after this time could miss a trade.
    """
    return wall_ns // 1000 / 1e6


def _true(fields: Fields, name: str) -> bool:
    return fields.get(name, "").lower() in TRUE


def _wanted(order: VenueOrder, fields: Fields) -> bool:
    """Whether an order passes the filters ``userref`` and ``cl_ord_id``."""
    if fields.get("userref") and fields["userref"] != str(order.userref):
        return False
    return not fields.get("cl_ord_id") or fields["cl_ord_id"] == order.client_id


def _ids(fields: Fields) -> list[str]:
    named = [one.strip() for one in fields.get("txid", "").split(",") if one.strip()]
    if not named or len(named) > MAX_IDS:
        raise rules.invalid("txid")
    return named


def _page(items: Iterable[Item], fields: Fields) -> list[Item]:
    """Fifty items from ``ofs`` on."""
    text = fields.get("ofs") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise rules.invalid("ofs")
    return list(islice(items, int(text), int(text) + PAGE))


def _window(fields: Fields, time_of: Callable[[str], int | None]) -> tuple[int, int]:
    """``start`` (exclusive) and ``end`` (inclusive) as wall nanoseconds; each a time or an id."""
    bounds = []
    for name, default in (("start", -1), ("end", 1 << 63)):
        text = fields.get(name, "")
        if not text:
            bounds.append(default)
        elif re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text):
            bounds.append(int(Decimal(text) * NS))
        else:
            at_ns = time_of(text)
            if at_ns is None:
                raise rules.invalid(name)
            bounds.append(at_ns)
    return bounds[0], bounds[1]


def _closed_at(account: Account, order_id: str) -> int | None:
    order = account.closed.get(order_id)
    return None if order is None else order.closed_ns


def _at(item: Trade | LedgerEntry | None) -> int | None:
    return None if item is None else item.at_ns
