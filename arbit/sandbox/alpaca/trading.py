"""Trading over REST: account, assets, orders, positions, activities.

Pure but for the exchange it drives: a call in, an answer out. A placed order is answered as
``pending_new`` with nothing filled; what becomes of it comes by the stream, or by asking. Limit
orders only: a market order is refused, which the venue would not do.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from arbit.sandbox.accounts import Account
from arbit.sandbox.alpaca import keys, views
from arbit.sandbox.alpaca.activities import Activities
from arbit.sandbox.alpaca.answers import (
    Answer,
    Denied,
    bad_parameter,
    not_found,
    too_many,
    unauthorized,
    unprocessable,
)
from arbit.sandbox.alpaca.assets import asset_named, assets, clock
from arbit.sandbox.alpaca.house import House
from arbit.sandbox.alpaca.limits import MinuteLimit
from arbit.sandbox.alpaca.listing import CASH
from arbit.sandbox.alpaca.matching import HouseHooks
from arbit.sandbox.alpaca.orders_list import listed_orders
from arbit.sandbox.orders import OrderRequest, VenueOrder

NUMBER: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
MAX_BODY_FIELDS: Final = 100


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in; ``path`` is what follows ``/v2/``."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    fields: Mapping[str, object]

    @property
    def name(self) -> str:
        """What faults name it by, such as ``POST /v2/orders``."""
        return f"{self.method} /v2/{self.path}"

    @property
    def is_order(self) -> bool:
        """Whether it places or cancels."""
        return self.method in ("POST", "DELETE") and self.path.split("/")[0] == "orders"

    def said(self, field: str) -> str:
        """A field of the body as text, "" where there is none."""
        value = self.fields.get(field)
        return "" if value is None else str(value)


Handler = Callable[[Account, Call, int, tuple[str, ...]], Answer]


class Trading:
    """Answers trading calls. ``visible`` is where a fault makes orders show late."""

    def __init__(self, house: House, per_minute: int) -> None:
        self.house = house
        self.limit = MinuteLimit(per_minute)
        self.activities = Activities(house)
        self.visible: Callable[[VenueOrder, int], bool] = lambda _, __: True
        self._routes: tuple[tuple[str, re.Pattern[str], Handler], ...] = tuple(
            (method, re.compile(path), handler)
            for method, path, handler in (
                ("GET", "account", self._account),
                ("GET", "account/activities", self._activities),
                ("GET", "account/activities/([A-Za-z,]+)", self._activities),
                ("GET", "assets", self._assets),
                ("GET", "assets/(.+)", self._asset),
                ("GET", "clock", self._clock),
                ("GET", "positions", self._positions),
                ("POST", "orders", self._place),
                ("GET", "orders", self._orders),
                ("DELETE", "orders", self._cancel_all),
                ("GET", "orders:by_client_order_id", self._by_client_id),
                ("GET", "orders/([^/]+)", self._order),
                ("DELETE", "orders/([^/]+)", self._cancel),
            )
        )

    def receive(self, call: Call, now_ns: int) -> None:
        """Log a call that places or cancels, before any check."""
        if not call.is_order:
            return
        told = {
            "method": call.name,
            "order_id": call.path.partition("/")[2],
            "cl_ord_id": call.said("client_order_id"),
            "pair": call.said("symbol"),
            "side": call.said("side"),
            "qty": call.said("qty"),
            "price": call.said("limit_price"),
            "tif": call.said("time_in_force"),
        }
        self.house.received(self._name(call), "rest", told, now_ns)

    def answer(self, call: Call, now_ns: int) -> Answer:
        """The whole answer; every refusal of an order is in the log."""
        key = keys.from_headers(self.house.keys, call.headers)
        if key is None:
            return self._denied(call, unauthorized(), now_ns)
        told = self.limit.take(key.account, now_ns)
        if not told.allowed:
            return Answer(429, too_many().body, told.headers())
        try:
            answer = self._routed(self.house.books.account(key.account), call, now_ns)
        except Denied as denied:
            answer = self._denied(call, denied, now_ns)
        return Answer(answer.status, answer.body, told.headers())

    def _routed(self, account: Account, call: Call, now_ns: int) -> Answer:
        for method, path, handler in self._routes:
            found = path.fullmatch(call.path)
            if found is not None and method == call.method:
                return handler(account, call, now_ns, found.groups())
        return Answer(404, {"message": "endpoint not found."})

    def _denied(self, call: Call, denied: Denied, now_ns: int) -> Answer:
        if call.is_order:
            client_id = call.said("client_order_id")
            self.house.turn_down(self._name(call), client_id, denied, now_ns)
        else:
            self.house.refusals[denied.words] += 1
        return denied.answer()

    def _name(self, call: Call) -> str:
        known = self.house.keys.get(call.headers.get(keys.KEY_HEADER, ""))
        return "" if known is None else known.account

    def _account(self, account: Account, _: Call, __: int, ___: tuple[str, ...]) -> Answer:
        pending = self.house.house_books.desk(account.name).pending.values()
        usd = sum((fee.amount for fee in pending if fee.asset == "USD"), Decimal(0))
        hooks, cash = self.house.hooks, account.available(CASH)
        bent = hooks if isinstance(hooks, HouseHooks) else None
        shown = cash if bent is None else bent.stated(cash)
        body = views.account_json(self.house.market, account, usd, shown)
        return Answer(200, body | {"trading_blocked": bent is not None and bent.blocked()})

    def _activities(
        self, account: Account, call: Call, now_ns: int, parts: tuple[str, ...]
    ) -> Answer:
        kinds = parts[0] if parts else call.query.get("activity_types", "")
        return Answer(200, self.activities.page(account, kinds, call.query, now_ns))

    def _assets(self, _: Account, call: Call, __: int, ___: tuple[str, ...]) -> Answer:
        return Answer(200, assets(self.house.market, call.query))

    def _asset(self, _: Account, __: Call, ___: int, parts: tuple[str, ...]) -> Answer:
        return Answer(200, asset_named(self.house.market, parts[0]))

    def _clock(self, _: Account, __: Call, now_ns: int, ___: tuple[str, ...]) -> Answer:
        return Answer(200, clock(now_ns))

    def _positions(self, account: Account, _: Call, __: int, ___: tuple[str, ...]) -> Answer:
        return Answer(200, views.positions(self.house.market, account))

    def _place(self, account: Account, call: Call, now_ns: int, _: tuple[str, ...]) -> Answer:
        order = self.house.add_order(account, order_request(call), now_ns)
        return Answer(200, views.order_json(order))

    def _orders(self, account: Account, call: Call, now_ns: int, _: tuple[str, ...]) -> Answer:
        found = listed_orders(account, call.query, lambda order: self.visible(order, now_ns))
        return Answer(200, [views.order_json(order) for order in found])

    def _order(self, account: Account, _: Call, now_ns: int, parts: tuple[str, ...]) -> Answer:
        return Answer(200, views.order_json(self._found(account, parts[0], parts[0], now_ns)))

    def _by_client_id(
        self, account: Account, call: Call, now_ns: int, _: tuple[str, ...]
    ) -> Answer:
        client_id = call.query.get("client_order_id", "")
        known = self.house.house_books.desk(account.name).client_ids
        order_id = known.get(client_id, "")
        return Answer(200, views.order_json(self._found(account, order_id, client_id, now_ns)))

    def _found(self, account: Account, order_id: str, asked: str, now_ns: int) -> VenueOrder:
        order = account.order(order_id)
        if order is None or not self.visible(order, now_ns):
            raise not_found(f"order not found for {asked}")
        return order

    def _cancel(self, account: Account, _: Call, now_ns: int, parts: tuple[str, ...]) -> Answer:
        order = account.order(parts[0])
        if order is None:
            raise not_found(f"order not found for {parts[0]}")
        if not order.is_open:
            raise unprocessable(f'order is already in "{views.status_of(order)}" state')
        self.house.cancel(account, order_id=order.order_id, client_id=None, now_ns=now_ns)
        return Answer(204)

    def _cancel_all(self, account: Account, _: Call, now_ns: int, __: tuple[str, ...]) -> Answer:
        order_ids = list(account.open_orders)
        self.house.cancel_all(account, now_ns)
        return Answer(207, [{"id": one, "status": 200, "body": None} for one in order_ids])


def order_request(call: Call) -> OrderRequest:
    """The order that a body asks for; raises ``Denied`` in words that are partly assumed."""
    if not call.fields:
        raise Denied(400, 40010000, "request body format is invalid")
    kind = call.said("type")
    if kind != "limit":
        raise unprocessable(f'invalid order type "{kind}": only limit orders here')
    if call.fields.get("notional") is not None:
        raise unprocessable("notional is not allowed for limit orders")
    if call.said("order_class") not in ("", "simple"):
        raise unprocessable("crypto orders not allowed for advanced order_class")
    for name in ("symbol", "side", "time_in_force"):
        if not call.said(name):
            raise bad_parameter(f"{name} is required")
    return OrderRequest(
        symbol=call.said("symbol"),
        side=call.said("side"),
        qty=_amount(call, "qty"),
        price=_amount(call, "limit_price"),
        tif=call.said("time_in_force"),
        client_id=call.said("client_order_id"),
    )


def _amount(call: Call, name: str) -> Decimal:
    text = call.said(name)
    if not text:
        raise bad_parameter(f"{name} is required")
    if not NUMBER.fullmatch(text):
        raise bad_parameter(f"{name} is not a number: {text[:40]}")
    return Decimal(text)


def parse(body: bytes) -> dict[str, object]:
    """A JSON object with its numbers as they were written; empty when it is none."""
    try:
        value = json.loads(body.decode(), parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return {}
    return dict(list(value.items())[:MAX_BODY_FIELDS]) if isinstance(value, dict) else {}
