"""Puts the faults of the order path into effect, the same on both faces."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from aiohttp import web

from arbit.sandbox.exchange import Exchange
from arbit.sandbox.faults import ANY, Fault, Faults
from arbit.sandbox.keys import MAIN
from arbit.sandbox.kraken.private import Call, PrivateFace
from arbit.sandbox.kraken.words import compact
from arbit.sandbox.matching import Hooks
from arbit.sandbox.orders import OrderRequest, Refused, VenueOrder
from arbit.sandbox.wallclock import WallClock

MS: Final = 1_000_000
SILENCE_S: Final = 120.0
WEB_PAGE: Final = "<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
Answer = dict[str, object]


class OrderFaults:
    """Which fault hits a call of the order path, if any."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def hit(
        self, name: str, face: str, method: str, symbol: str = "", when: str = ""
    ) -> Fault | None:
        """The first fault of this name that hits the call, counted as used."""
        for fault in list(self.faults.active):
            if fault.kind.name != name or not fault.hits_symbol(symbol or ANY):
                continue
            wanted, part = fault.params["face"], fault.text("method").lower()
            if wanted not in ("any", face) or part not in method.lower():
                continue
            if when and fault.params.get("when") != when:
                continue
            fault.seen += 1
            if fault.seen <= fault.number("skip"):
                continue
            self.faults.use(fault)
            return fault
        return None

    def active(self, name: str) -> Fault | None:
        """The first fault of this name."""
        return self.faults.find(name)


class FaultyHooks(Hooks):
    """Matching, bent."""

    def __init__(self, faults: Faults, steps: Mapping[str, Decimal]) -> None:
        self._faults = faults
        self._steps = steps

    def _use(self, name: str, order: VenueOrder) -> Fault | None:
        fault = self._faults.find(name, order.symbol)
        if fault is None:
            return None
        fault.seen += 1
        if fault.seen <= float(fault.params.get("skip", 0)):
            return None
        self._faults.use(fault)
        return fault

    def accept_delay_ns(self, order: VenueOrder) -> int:
        """How long the order waits for its book."""
        fault = self._use("match_delay", order)
        return 0 if fault is None else int(fault.number("delay_ms") * MS)

    def fill_share(self, order: VenueOrder) -> Decimal:
        """How much of what it could fill it fills."""
        fault = self._use("fill_share", order)
        return Decimal(1) if fault is None else Decimal(str(fault.number("share")))

    def overfill(self, order: VenueOrder) -> Decimal:
        """How much too much it fills."""
        fault = self._use("overfill", order)
        return (
            Decimal(0) if fault is None else self._steps[order.symbol] * int(fault.number("steps"))
        )

    def fee_asset(self, order: VenueOrder) -> str:
        """Which asset pays its fee."""
        fault = self._use("fee_third", order)
        return "" if fault is None else fault.text("asset")


class FaultyGate:
    """The REST face's gate: faults before and after the exchange acts."""

    def __init__(self, face: PrivateFace, faults: OrderFaults, clock: WallClock) -> None:
        self._face = face
        self._faults = faults
        self._clock = clock

    async def before(self, call: Call, request: web.Request) -> web.StreamResponse | None:
        """What keeps the call from the exchange, or makes it late."""
        hit, symbol = self._faults.hit, self._symbol(call)
        late = hit("order_late", "rest", call.name, symbol)
        if late is not None:
            await asyncio.sleep(late.number("delay_ms") / 1000.0)
            if not late.params["reply"]:
                self._face.answer(call, self._clock.wall_ns())
                return await silence(request)
            return None
        if hit("order_silent", "rest", call.name, symbol, "before") is not None:
            return await silence(request)
        if hit("order_reset", "rest", call.name, symbol, "before") is not None:
            return cut(request)
        status = hit("order_status", "rest", call.name, symbol, "before")
        if status is not None:
            return web.Response(status=int(status.number("status")), text="no")
        if hit("order_html", "rest", call.name, symbol, "before") is not None:
            return web.Response(text=WEB_PAGE, content_type="text/html")
        error = hit("order_error", "rest", call.name, symbol)
        if error is not None:
            if error.params["accepted"]:
                self._face.answer(call, self._clock.wall_ns())
            return _json({"error": [error.text("error")]})
        return None

    async def after(
        self, call: Call, answer: Answer, request: web.Request
    ) -> web.StreamResponse | None:
        """What becomes of the reply."""
        hit, symbol = self._faults.hit, self._symbol(call)
        if hit("order_silent", "rest", call.name, symbol, "after") is not None:
            return await silence(request)
        if hit("order_reset", "rest", call.name, symbol, "after") is not None:
            return cut(request)
        status = hit("order_status", "rest", call.name, symbol, "after")
        if status is not None:
            return web.Response(status=int(status.number("status")), text="no")
        if hit("order_html", "rest", call.name, symbol, "after") is not None:
            return web.Response(text=WEB_PAGE, content_type="text/html")
        if hit("order_truncated", "rest", call.name, symbol) is not None:
            text = compact(answer)
            return web.Response(text=text[: len(text) // 2], content_type="application/json")
        odd = hit("order_odd", "rest", call.name, symbol)
        return None if odd is None else _json(odd_answer(odd.text("shape"), answer))

    def _symbol(self, call: Call) -> str:
        pair = self._face.orders.pair_of(call.fields)
        return "" if pair is None else pair


def odd_answer(shape: str, answer: Answer) -> Answer:
    """A REST reply to AddOrder, bent."""
    result = dict(answer["result"]) if isinstance(answer.get("result"), dict) else {}  # type: ignore[call-overload]  # it is one
    descr = result.get("descr", {"order": ""})
    ids = result.get("txid", ["O00000-00000-000000"])
    bodies: dict[str, Answer] = {
        "no_id": {"error": [], "result": {"descr": descr}},
        "empty_id": {"error": [], "result": {"descr": descr, "txid": []}},
        "two_ids": {"error": [], "result": {"descr": descr, "txid": [*ids, "OTHER0-00000-000000"]}},
        "null_result": {"error": [], "result": None},
        "list_result": {"error": [], "result": [ids]},
        "empty_object": {},
        "other_order": {"error": [], "result": {"descr": descr, "txid": 7}},
        "descr_text": {"error": [], "result": {"descr": "bought", "txid": ids}},
        "warning": {"error": ["WDatabase:No change"], "result": None},
        "several_errors": {"error": ["EOrder:Insufficient funds", "EService:Busy"]},
        "error_and_result": {"error": ["EOrder:Insufficient funds"], "result": result},
        "number_error": {"error": [42], "result": result},
    }
    return bodies[shape]


def odd_reply(shape: str, reply: Answer) -> Answer:
    """A WebSocket reply to add_order, bent the same ways."""
    result = dict(reply["result"]) if isinstance(reply.get("result"), dict) else {}  # type: ignore[call-overload]  # it is one
    bare = {name: value for name, value in reply.items() if name != "result"}
    bent: dict[str, Answer] = {
        "no_id": bare | {"result": {}},
        "empty_id": bare | {"result": result | {"order_id": ""}},
        "two_ids": bare | {"result": result | {"order_id": ["O1", "O2"]}},
        "null_result": bare | {"result": None},
        "list_result": bare | {"result": [result]},
        "empty_object": {"req_id": reply.get("req_id", 0)},
        "other_order": bare | {"result": result | {"cl_ord_id": "somebody-elses"}},
        "descr_text": bare | {"result": "accepted"},
        "warning": bare | {"result": {"warning": ["something"]}},
        "several_errors": bare
        | {"success": False, "error": ["EOrder:Invalid order", "EService:Busy"]},
        "error_and_result": reply | {"success": False, "error": "EOrder:Insufficient funds"},
        "number_error": bare | {"success": False, "error": 42},
    }
    return bent[shape]


class AtOnce:
    """Faults that happen the moment they are set, or change what a face shows over REST."""

    def __init__(self, exchange: Exchange, faults: Faults, clock: WallClock, key: str) -> None:
        self._exchange = exchange
        self._key = key  # the trading key, which can be revoked
        self._faults = faults
        self._clock = clock

    def apply(self) -> None:
        """Do what has been set and not yet done."""
        exchange = self._exchange
        key = exchange.keys[self._key]
        key.revoked = self._faults.find("key_revoked") is not None
        key.given, key.taken = self._rights("more"), self._rights("less")
        account, now_ns = exchange.books.account(MAIN), self._clock.wall_ns()
        for fault in list(self._faults.active):
            name = fault.kind.name
            if fault.seen or name not in ("token_expired", "drift", "foreign_order"):
                continue
            fault.seen = 1
            if name == "token_expired":
                exchange.tokens.expire_all()
            elif name == "drift":
                amount = Decimal(fault.text("amount"))
                exchange.drift(account, fault.text("asset"), amount, now_ns)
            else:
                self._foreign(fault, now_ns)
            self._faults.use(fault)

    def _rights(self, which: str) -> frozenset[str]:
        told = (one for one in self._faults.active if one.kind.name == "key_rights")
        return frozenset(right for one in told if (right := one.text(which)))

    def _foreign(self, fault: Fault, now_ns: int) -> None:
        symbol = fault.symbol if fault.symbol != ANY else "BTC/USD"
        pair = self._exchange.market.pairs[symbol]
        side = fault.text("side")
        levels = pair.book.top(1 if side == "buy" else 0, 1)
        if not levels:
            return
        price = Decimal(levels[0][0]).scaleb(-pair.instrument.price_precision)
        request = OrderRequest(symbol, side, Decimal(fault.text("qty")), price, "ioc")
        try:
            self._exchange.add_order(self._exchange.books.account(MAIN), request, now_ns)
        except Refused:  # it could not: then nobody did
            return

    def visible(self, order: VenueOrder, now_ns: int) -> bool:
        """Whether REST shows the order already."""
        return now_ns - max(order.opened_ns, order.closed_ns) >= self._lag_ns()

    def visible_trade(self, trade: object, now_ns: int) -> bool:
        """Whether REST shows the trade, or the ledger entry, already."""
        lag_ns, at_ns = self._lag_ns(), getattr(trade, "at_ns", 0)
        return not lag_ns or now_ns - at_ns >= lag_ns

    def _lag_ns(self) -> int:
        fault = self._faults.find("read_lag")
        return 0 if fault is None else int(fault.number("lag_ms") * MS)


async def silence(request: web.Request) -> web.StreamResponse:
    """Never answer; the client goes away first."""
    for _ in range(int(SILENCE_S * 20)):
        await asyncio.sleep(0.05)
        if request.transport is None or request.transport.is_closing():
            break
    return cut(request)


def cut(request: web.Request) -> web.StreamResponse:
    """Cut TCP instead of answering."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def _json(value: Answer) -> web.Response:
    return web.Response(text=compact(value), content_type="application/json")
