"""The planted venue: it speaks Kraken's wire in memory, and matches orders with its own books.

Frames are written and read here by hand; nothing of the daemon's parsers, fees or sums is used.
Source: docs.kraken.com, spot WebSocket v2: channels status, instrument, book, executions, balances,
methods subscribe, ping, add_order.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbit.app.doctor_known import answers
from arbit.app.doctor_known.answers import FALSE_BID, FALSE_SYMBOL, MARKETS, Order
from arbit.app.doctor_known.books import PlantedBook
from arbit.app.doctor_known.virtual import VirtualClock
from arbit.domain.errors import UserError
from arbit.domain.order import Trade
from arbit.domain.triangle import Side
from arbit.venues.dial import Connection, FrameHandler
from arbit.venues.kraken.stamps import rfc3339

PUBLIC, PRIVATE = "planted:public", "planted:private"
WAY_S = 0.002  # one way
BEAT_S = 1.0
HEARTBEAT = '{"channel":"heartbeat"}'


@dataclass(frozen=True, slots=True)
class Sent:
    """An order as its frame asked for it."""

    client_id: str
    order: Order
    terms: tuple[str, ...]  # what else must be in it: type, time in force, fee, deadline


class PlantedVenue:
    """Books, one account, and the sockets to both. `orders` are all that ever arrived."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.books = {one.symbol: PlantedBook(one) for one in MARKETS}
        self.balances = {"USD": answers.START_USD, "BTC": Decimal(0), "ETH": Decimal(0)}
        self.orders: list[Sent] = []
        self.trades: list[Trade] = []
        self.false_books = 0  # times that the false book was told
        self.on_leave: Callable[[str], None] = lambda _client_id: None  # before its bytes do
        self._lines: list[_Line] = []
        self._sequence: dict[str, int] = {}

    async def dial(self, url: str, handler: FrameHandler) -> Connection:
        """A `Dialer`."""
        await self.clock.sleep(WAY_S)
        line = _Line(self, handler, private=url == PRIVATE)
        self._lines.append(line)
        if not line.private:
            row = {"version": "2.0.10", "system": "online", "api_version": "v2"}
            line.say(_text({"channel": "status", "type": "update", "data": [row]}))
        return line

    async def run(self) -> None:
        """Beat, until cancelled."""
        while True:
            await self.clock.sleep(BEAT_S)
            self._tell(HEARTBEAT, private=False)
            self._tell(HEARTBEAT, private=True)

    def open_gap(self) -> None:
        """The planted bids come."""
        self._tell(self.books["ETH/USD"].opens().decode(), private=False)

    def _tell(self, text: str, *, private: bool) -> None:
        for line in self._lines:
            if line.private is private:
                line.say(text)

    # --- what is asked ---------------------------------------------------------------------------

    def asked(self, line: _Line, request: dict[str, Any]) -> None:
        """A request has arrived."""
        method, params = request["method"], request.get("params", {})
        now = rfc3339(self.clock.wall_ns())
        if method == "ping":
            line.say(_reply("pong", request, time_in=now, time_out=now))
        elif method == "add_order":
            self._add_order(line, request, params)
        elif method == "subscribe" and line.private:
            self._subscribe_private(line, request, params["channel"])
        elif method == "subscribe":
            self._subscribe(line, request, params)
        else:
            line.say(_reply(method, request, success=True))

    def _subscribe(self, line: _Line, request: dict[str, Any], params: dict[str, Any]) -> None:
        if params["channel"] == "instrument":
            line.say(_reply("subscribe", request, success=True, result={"channel": "instrument"}))
            line.say(_instruments())
            return
        for symbol in params["symbol"]:
            told = {"channel": "book", "symbol": symbol, "depth": params["depth"]}
            line.say(_reply("subscribe", request, success=True, result=told))
            false_bid = None
            if symbol == FALSE_SYMBOL and not self.false_books:
                self.false_books, false_bid = 1, FALSE_BID
            line.say(self.books[symbol].snapshot(false_bid).decode())

    def _subscribe_private(self, line: _Line, request: dict[str, Any], channel: str) -> None:
        line.say(_reply("subscribe", request, success=True, result={"channel": channel}))
        self._sequence[channel] = 0
        rows = []
        if channel == "balances":
            rows = [
                f'{{"asset":"{asset}","balance":{_plain(much)}}}'
                for asset, much in self.balances.items()
            ]
        line.say(self._numbered(channel, "snapshot", rows))

    def _numbered(self, channel: str, kind: str, rows: list[str]) -> str:
        self._sequence[channel] = number = self._sequence.get(channel, 0) + 1
        data = ",".join(rows)
        return f'{{"channel":"{channel}","type":"{kind}","data":[{data}],"sequence":{number}}}'

    # --- an order --------------------------------------------------------------------------------

    def _add_order(self, line: _Line, request: dict[str, Any], params: dict[str, Any]) -> None:
        order = Order(
            params["symbol"],
            params["side"],
            Decimal(params["order_qty"]),
            Decimal(params["limit_price"]),
        )
        words = ("order_type", "time_in_force", "fee_preference")
        terms = tuple(str(params.get(word)) for word in words)
        self.orders.append(Sent(params["cl_ord_id"], order, terms))
        number = f"PLANT-{len(self.orders)}"
        told = {"order_id": number, "cl_ord_id": params["cl_ord_id"]}
        line.say(_reply("add_order", request, success=True, result=told))
        self._execute(number, params["cl_ord_id"], order)

    def _execute(self, number: str, client_id: str, order: Order) -> None:
        """Fill what its limit reaches, level by level, and tell all of it."""
        self._executions(_pending(number, client_id, order))
        self._executions(f'{{"order_id":"{number}","exec_type":"new","order_status":"new"}}')
        left, book = order.qty, self.books[order.symbol]
        for price, there in book.facing(order.side):
            beyond = price > order.limit if order.side == "buy" else price < order.limit
            if beyond or not left:
                break
            qty = min(left, there)
            left -= qty
            self._trade(number, client_id, order, qty, price)
            self._tell(book.takes(order.side, price, qty).decode(), private=False)
        kind = "canceled" if left else "filled"
        done = _plain(order.qty - left)
        self._executions(f'{{"order_id":"{number}","exec_type":"{kind}","cum_qty":{done}}}')

    def _trade(
        self, number: str, client_id: str, order: Order, qty: Decimal, price: Decimal
    ) -> None:
        base, _, quote = order.symbol.partition("/")
        cost, now_ns = qty * price, self.clock.wall_ns()
        buys = order.side == "buy"
        spent, received = ((quote, cost), (base, qty)) if buys else ((base, qty), (quote, cost))
        fee = received[1] * answers.FEE
        trade = Trade(
            trade_id=f"PLANT-T{len(self.trades) + 1}",
            order_id=number,
            client_id=client_id,
            symbol=order.symbol,
            side=Side(order.side),
            qty=qty,
            price=price,
            cost=cost,
            fees=((received[0], fee),),
            at_ns=now_ns,
        )
        self.trades.append(trade)
        self.balances[spent[0]] -= spent[1]
        self.balances[received[0]] += received[1] - fee
        self._executions(_traded(trade, rfc3339(now_ns)))
        moves = ((spent[0], -spent[1], Decimal(0)), (received[0], received[1], fee))
        rows = [self._moved(trade, move, now_ns) for move in moves]
        self._tell(self._numbered("balances", "update", rows), private=True)

    def _moved(self, trade: Trade, move: tuple[str, Decimal, Decimal], now_ns: int) -> str:
        asset, amount, fee = move
        return (
            f'{{"ledger_id":"L-{trade.trade_id}-{asset}","ref_id":"{trade.trade_id}",'
            f'"timestamp":"{rfc3339(now_ns)}","type":"trade","asset":"{asset}",'
            f'"amount":{_plain(amount)},"fee":{_plain(fee)},'
            f'"balance":{_plain(self.balances[asset])}}}'
        )

    def _executions(self, row: str) -> None:
        self._tell(self._numbered("executions", "update", [row]), private=True)


class _Line:
    """One socket, in memory."""

    def __init__(self, venue: PlantedVenue, handler: FrameHandler, *, private: bool) -> None:
        self.private = private
        self._venue = venue
        self._handler = handler
        self._open = True
        self._way: deque[Callable[[], None]] = deque()

    def send(self, payload: bytes) -> None:
        """A frame leaves the daemon."""
        request = json.loads(payload, parse_float=Decimal)
        if request["method"] == "add_order":
            self._venue.on_leave(request["params"]["cl_ord_id"])
        self._later(lambda: self._venue.asked(self, request))

    def say(self, text: str) -> None:
        """A frame leaves the venue."""
        self._later(lambda: self._hear(text.encode()))

    def close(self) -> None:
        """Nothing is heard any more."""
        self._open = False

    def abort(self) -> None:
        """The same."""
        self._open = False

    def _hear(self, payload: bytes) -> None:
        self._handler.on_frame(payload)
        self._handler.on_drained()

    def _later(self, act: Callable[[], None]) -> None:
        """In order, as on a wire: timers of one moment are not."""
        self._way.append(act)
        asyncio.get_running_loop().call_later(WAY_S, self._arrive)

    def _arrive(self) -> None:
        act = self._way.popleft()
        if self._open:
            act()


def market_of(symbol: str) -> answers.Planted:
    """The planted market of this name. UserError when none is planted."""
    for one in MARKETS:
        if one.symbol == symbol:
            return one
    raise UserError(f"{symbol}: no such market is planted")


def _instruments() -> str:
    pairs = ",".join(
        f'{{"symbol":"{one.symbol}","base":"{one.symbol.partition("/")[0]}",'
        f'"quote":"{one.symbol.partition("/")[2]}","status":"online",'
        f'"price_precision":{one.price_digits},"qty_precision":{one.qty_digits},'
        f'"price_increment":{one.tick},"qty_increment":{one.lot},'
        f'"qty_min":{one.lot},"cost_min":0.0001}}'
        for one in MARKETS
    )
    data = f'{{"assets":[],"pairs":[{pairs}]}}'
    return f'{{"channel":"instrument","type":"snapshot","data":{data}}}'


def _pending(number: str, client_id: str, order: Order) -> str:
    return (
        f'{{"order_id":"{number}","exec_type":"pending_new","cl_ord_id":"{client_id}",'
        f'"symbol":"{order.symbol}","side":"{order.side}","order_qty":{_plain(order.qty)},'
        f'"limit_price":{_plain(order.limit)}}}'
    )


def _traded(trade: Trade, stamp: str) -> str:
    asset, fee = trade.fees[0]
    return (
        f'{{"order_id":"{trade.order_id}","exec_id":"{trade.trade_id}","exec_type":"trade",'
        f'"cl_ord_id":"{trade.client_id}","symbol":"{trade.symbol}","side":"{trade.side.value}",'
        f'"last_qty":{_plain(trade.qty)},"last_price":{_plain(trade.price)},'
        f'"cost":{_plain(trade.cost)},"fees":[{{"asset":"{asset}","qty":{_plain(fee)}}}],'
        f'"timestamp":"{stamp}"}}'
    )


def _reply(method: str, request: dict[str, Any], **more: object) -> str:
    return _text({"method": method, "req_id": request.get("req_id"), **more})


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _plain(value: Decimal) -> str:
    return format(value, "f")
