"""The private side of the WebSocket face: subscriptions with a token, orders, and their reports.

``sequence`` counts the private frames of a connection, executions and balances together. With
``ratecounter`` an executions update says how full the engine's counter of its pair is (the field's
name, ``ratecount``, is assumed: it is the older protocol's). A reply leaves before the reports of
what it caused, unless a fault turns that round. Source of the shapes: the venue's WebSocket v2
reference and recorded frames.
"""

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from arbit.sandbox import rules
from arbit.sandbox.exchange import Exchange
from arbit.sandbox.keys import ApiKey
from arbit.sandbox.kraken import reports
from arbit.sandbox.kraken.order_request import order_request, whole
from arbit.sandbox.kraken.words import ALREADY, NOT_SUBSCRIBED, Reply
from arbit.sandbox.order_faults import OrderFaults, odd_reply
from arbit.sandbox.orders import (
    BalanceChanged,
    Happened,
    OrderHappened,
    Refused,
)
from arbit.sandbox.session import Session
from arbit.sandbox.wallclock import WallClock, rfc3339

MS: Final = 1_000_000
CHANNELS: Final = ("executions", "balances")
METHODS: Final = ("add_order", "cancel_order", "cancel_all", "cancel_all_orders_after")
INVALID_TOKEN: Final = "EAPI:Invalid token"  # noqa: S105  the venue's words
DENIED: Final = "EGeneral:Permission denied"
SNAP_TRADES: Final = 50
RATE: Final = "ratecount"
WARNINGS: Final = ["cancel_reason is deprecated, use reason"]


@dataclass(slots=True)
class Private:
    """One socket's private subscriptions, by channel: the account that is heard."""

    session: Session
    heard: dict[str, str] = field(default_factory=dict)
    sequence: int = 0
    key: ApiKey | None = None  # of the token that opened a subscription: good while it lasts
    held: str = ""  # an executions frame that waits to change places
    rated: bool = False  # it is told how full the engine's counters are


class PrivateStream:
    """All sockets' private requests. ``say`` queues a text on a session."""

    def __init__(
        self,
        exchange: Exchange,
        faults: OrderFaults,
        clock: WallClock,
        say: Callable[[Session, str], None],
    ) -> None:
        self._exchange = exchange
        self._faults = faults
        self._clock = clock
        self._say = say
        self._clients: dict[int, Private] = {}
        self._news: deque[Happened] = deque()
        self._late: list[tuple[int, int, Private, dict[str, Any], bool]] = []
        self._count = 0
        exchange.listeners.append(self._news.append)

    def wants(self, message: object) -> bool:
        """Whether a request is for the private side."""
        if not isinstance(message, dict):
            return False
        params = message.get("params")
        channel = params.get("channel") if isinstance(params, dict) else None
        subscribes = message.get("method") in ("subscribe", "unsubscribe")
        return message.get("method") in METHODS or (subscribes and channel in CHANNELS)

    def join(self, session: Session) -> None:
        """A new socket."""
        self._clients[session.number] = Private(session)

    def leave(self, session: Session) -> None:
        """A socket is gone."""
        self._clients.pop(session.number, None)

    def receive(self, session: Session, message: dict[str, Any]) -> None:
        """Answer one private request, then tell what it caused."""
        client = self._clients[session.number]
        method = message["method"]
        if method in METHODS:
            self._order_path(client, message)
        else:
            self._subscription(client, message)
        self.flush()

    def tick(self) -> None:
        """Late requests whose time has come, and what the market did to resting orders."""
        now_ns = self._clock.elapsed_ns()
        while self._late and self._late[0][0] <= now_ns:
            _, _, client, message, replies = heapq.heappop(self._late)
            reply = self._act(client, message)
            if replies and not client.session.closing:
                self._say(client.session, reports.text_of(reply))
        self.flush()
        for client in self._clients.values():  # nothing came to change places with
            held, client.held = client.held, ""
            if held:
                self._say(client.session, held)

    def flush(self) -> None:
        """Tell every subscribed socket what has happened since the last time."""
        news = list(self._news)
        self._news.clear()
        entries = [self._entry(one) for one in news]
        together: dict[str, list[reports.Entry]] = {}
        for one, entry in zip(news, entries, strict=True):
            if entry is not None:
                together.setdefault(one.account, []).append(entry)
        # Where no two belong together there is nothing to turn round, nor to put into one frame.
        several = any(len(found) > 1 and self._heard(name) for name, found in together.items())
        swapped = several and self._faults.active("exec_swap") is not None
        batched = swapped or (several and self._faults.active("exec_batch") is not None)
        for one, entry in zip(news, entries, strict=True):
            if isinstance(one, BalanceChanged):
                self._tell(one.account, "balances", "update", [reports.balance(one)])
            elif entry is not None and not batched:
                self._executions(one.account, [entry])
        for account, found in together.items() if batched else ():
            for told in [[one] for one in found[::-1]] if swapped else [found]:
                self._executions(account, told)

    def _entry(self, one: Happened) -> reports.Entry | None:
        """What an executions frame says of it, if anything."""
        if isinstance(one, BalanceChanged):
            return None
        entry = reports.execution(one)
        if entry is not None:
            entry[RATE] = self._level(one)
        return entry

    def _heard(self, account: str) -> bool:
        """Whether anybody hears the account's executions."""
        return any(one.heard.get("executions") == account for one in self._clients.values())

    def _level(self, one: OrderHappened) -> reports.Number:
        """How full the engine's counter of the order's account and pair is."""
        account, now_ns = self._exchange.books.account(one.account), self._clock.wall_ns()
        level = self._exchange.engine_level(account, one.order.symbol, now_ns)
        return reports.Number(Decimal(f"{level:.2f}"))

    def _order_path(self, client: Private, message: dict[str, Any]) -> None:
        method, hit = message["method"], self._faults.hit
        params = message.get("params")
        symbol = str(params.get("symbol", "")) if isinstance(params, dict) else ""
        self._received(client, message)
        late = hit("order_late", "ws", method, symbol)
        if late is not None:
            self._count += 1
            due_ns = self._clock.elapsed_ns() + int(late.number("delay_ms") * MS)
            replies = bool(late.params["reply"])
            heapq.heappush(self._late, (due_ns, self._count, client, message, replies))
            return
        if hit("order_silent", "ws", method, symbol, "before") is not None:
            return
        if hit("order_reset", "ws", method, symbol, "before") is not None:
            client.session.abort()
            return
        error = hit("order_error", "ws", method, symbol)
        if error is not None:
            if error.params["accepted"]:
                self._act(client, message)
            self._refuse(client, message, error.text("error"))
            return
        self._reply(client, method, symbol, self._act(client, message))

    def _reply(self, client: Private, method: str, symbol: str, reply: reports.Entry) -> None:
        hit = self._faults.hit
        if self._news and self._faults.active("exec_early") is not None:
            self.flush()
        if hit("order_silent", "ws", method, symbol, "after") is not None:
            return
        if hit("order_reset", "ws", method, symbol, "after") is not None:
            self.flush()
            client.session.abort()
            return
        text = reports.text_of(reply)
        if hit("order_truncated", "ws", method, symbol) is not None:
            text = text[: len(text) // 2]
        odd = hit("order_odd", "ws", method, symbol)
        if odd is not None:
            text = reports.text_of(odd_reply(odd.text("shape"), reply))
        self._say(client.session, text)

    def _act(self, client: Private, message: dict[str, Any]) -> reports.Entry:
        """Do what is asked; the reply, as an object."""
        in_ns = self._clock.wall_ns()
        head: reports.Entry = {"method": message["method"]}
        try:
            result = self._result(client, message, in_ns)
            head |= {"result": result, "success": True}
        except Refused as refused:
            params = message.get("params")
            client_id = str(params.get("cl_ord_id", "")) if isinstance(params, dict) else ""
            self._exchange.turn_down(self._account_name(client, message), client_id, refused, in_ns)
            head |= {"error": refused.words, "success": False}
        return head | self._tail(message, in_ns)

    def _tail(self, message: Mapping[str, Any], in_ns: int) -> reports.Entry:
        tail: reports.Entry = {}
        if isinstance(message.get("req_id"), int):
            tail["req_id"] = message["req_id"]
        tail["time_in"] = rfc3339(in_ns)
        tail["time_out"] = rfc3339(max(self._clock.wall_ns(), in_ns))
        return tail

    def _result(self, client: Private, message: dict[str, Any], now_ns: int) -> reports.Entry:
        params = message.get("params")
        if not isinstance(params, dict):
            raise Refused("Params field must be a object")
        key = self._key(client, params, now_ns)
        if not (key.may("modify-trades") or key.may("close-trades")):
            raise Refused(DENIED)
        account = self._exchange.books.account(key.account)
        method = message["method"]
        if method == "add_order":
            order = self._exchange.add_order(account, order_request(params, now_ns), now_ns)
            found: reports.Entry = {"order_id": order.order_id}
            return found | ({"cl_ord_id": order.client_id} if order.client_id else {})
        if method == "cancel_order":
            order_ids, client_ids = params.get("order_id"), params.get("cl_ord_id")
            name = "order_id" if order_ids else "cl_ord_id"
            ids = order_ids or client_ids
            if not isinstance(ids, list) or len(ids) != 1 or not isinstance(ids[0], str):
                raise rules.invalid(name)
            self._exchange.cancel(
                account,
                order_id=ids[0] if order_ids else None,
                client_id=None if order_ids else ids[0],
                now_ns=now_ns,
            )
            return {name: ids[0]}
        if method == "cancel_all":
            return {"count": self._exchange.cancel_all(account, now_ns)}
        timeout = params.get("timeout")
        if not isinstance(timeout, int):
            raise rules.invalid("timeout")
        at_ns, fires_ns = self._exchange.cancel_all_after(account, timeout, now_ns)
        fires = "0" if fires_ns is None else rfc3339(fires_ns)[:19] + "Z"
        return {"currentTime": rfc3339(at_ns)[:19] + "Z", "triggerTime": fires}

    def _key(self, client: Private, params: Mapping[str, Any], now_ns: int) -> ApiKey:
        """Whose request this is. A socket with a private subscription outlives its token."""
        text = params.get("token")
        token = self._exchange.tokens.find(text, now_ns) if isinstance(text, str) else None
        if token is not None:
            return token.key
        if client.key is not None and client.heard and not client.key.revoked:
            return client.key
        raise Refused(INVALID_TOKEN)

    def _account_name(self, client: Private, message: Mapping[str, Any]) -> str:
        params = message.get("params")
        try:
            given = params if isinstance(params, dict) else {}
            return self._key(client, given, self._clock.wall_ns()).account
        except Refused:
            return ""

    def _received(self, client: Private, message: Mapping[str, Any]) -> None:
        params = message.get("params")
        given = params if isinstance(params, dict) else {}

        def text(name: str) -> str:
            value = given.get(name, "")
            value = value[0] if isinstance(value, list) and value else value
            return format(value, "f") if isinstance(value, Decimal) else str(value)

        told = {
            "method": str(message["method"]),
            "order_id": text("order_id"),
            "cl_ord_id": text("cl_ord_id"),
            "pair": text("symbol"),
            "side": text("side"),
            "qty": text("order_qty"),
            "price": text("limit_price"),
            "tif": text("time_in_force"),
            "deadline": text("deadline"),
            "validate": str(given.get("validate", "")).lower(),
        }
        name = self._account_name(client, message)
        self._exchange.received(name, "ws", told, self._clock.wall_ns())

    def _subscription(self, client: Private, message: dict[str, Any]) -> None:
        params, method = message["params"], message["method"]
        channel, in_ns = str(params["channel"]), self._clock.wall_ns()
        subscribes = method == "subscribe"
        try:
            key = self._key(client, params, in_ns)
        except Refused as refused:
            self._refuse(client, message, refused.words)
            return
        if not key.may("query-funds" if channel == "balances" else "query-open-trades"):
            self._refuse(client, message, DENIED)
            return
        if subscribes == (channel in client.heard):
            self._refuse(client, message, ALREADY if subscribes else NOT_SUBSCRIBED)
            return
        result: dict[str, object] = {"channel": channel}
        if not subscribes:
            del client.heard[channel]
        else:
            client.heard[channel], client.key = key.account, key
            snapshot = params.get("snapshot", params.get("snap_orders", True))
            result |= {"snapshot": bool(snapshot)}
            if channel == "executions":
                client.rated = params.get("ratecounter") is True
                most = int(self._exchange.tier.engine_max)
                result |= {"maxratecount": most, "warnings": WARNINGS}
        reply = Reply(method, whole(message.get("req_id")), in_ns)
        self._say(client.session, reply.done(result, self._clock.wall_ns()))
        if subscribes:
            self._snapshot(client, channel, params)

    def _snapshot(self, client: Private, channel: str, params: Mapping[str, Any]) -> None:
        account = self._exchange.books.account(client.heard[channel])
        if channel == "balances":
            if params.get("snapshot", True):
                self._send(client, channel, "snapshot", reports.balances_of(account))
            return
        entries: list[reports.Entry] = []
        if params.get("snap_orders", True):
            entries += [reports.open_order(order) for order in account.open_orders.values()]
        if params.get("snap_trades", False):
            for trade in reversed(list(islice(account.trades.newest_first(), SNAP_TRADES))):
                order = account.order(trade.order_id)
                if order is not None:
                    entries.append(reports.traded(order, trade, order.filled, order.cost))
        if params.get("snap_orders", True) or entries:
            self._send(client, channel, "snapshot", entries)

    def _refuse(self, client: Private, message: Mapping[str, Any], words: str) -> None:
        reply: reports.Entry = {"method": message["method"], "error": words, "success": False}
        in_ns = self._clock.wall_ns()
        self._say(client.session, reports.text_of(reply | self._tail(message, in_ns)))

    def _executions(self, account: str, entries: list[reports.Entry]) -> None:
        self._tell(account, "executions", "update", entries)

    def _tell(self, account: str, channel: str, kind: str, entries: list[reports.Entry]) -> None:
        for client in list(self._clients.values()):
            if client.heard.get(channel) == account:
                self._send(client, channel, kind, entries)

    def _send(self, client: Private, channel: str, kind: str, entries: list[reports.Entry]) -> None:
        faults = self._faults
        if not client.rated:
            entries = [{k: v for k, v in entry.items() if k != RATE} for entry in entries]
        copies = 0
        if channel == "executions" and kind == "update":
            twice = faults.active("exec_duplicate")
            copies = 0 if twice is None else int(twice.number("copies"))
        for _ in range(copies + 1):
            client.sequence += 1
            frame = {"channel": channel, "type": kind, "data": entries}
            text = reports.text_of(frame | {"sequence": client.sequence})
            if faults.active("exec_mute") is not None:
                continue
            if channel == "executions" and kind == "update":
                if self._lost():
                    continue
                if faults.active("exec_reorder") is not None and not client.held:
                    client.held = text
                    continue
            self._say(client.session, text)
            held, client.held = client.held, ""
            if held:
                self._say(client.session, held)

    def _lost(self) -> bool:
        gap = self._faults.active("exec_gap")
        if gap is None:
            return False
        gap.seen += 1
        if gap.seen <= gap.number("skip"):
            return False
        self._faults.faults.use(gap)
        return True
