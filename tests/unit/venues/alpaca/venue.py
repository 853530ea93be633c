"""An Alpaca account in memory, in virtual time: a socket that answers, requests that are answered.

Written from docs.alpaca.markets alone, apart from the sandbox. Its matching is what a test says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from arbit.config import VenueSettings
from arbit.domain.account import AccountEvent
from arbit.domain.errors import VenueUnreachable
from arbit.domain.events import Event
from arbit.domain.order import OrderIntent, Outcome
from arbit.domain.triangle import Leg, Side
from arbit.execution.ids import ours
from arbit.venues.alpaca.account import AccountAround, AccountAt, OrderTimes, account_side
from arbit.venues.alpaca.http import Answer, Http, Keys
from arbit.venues.alpaca.rate import Budget
from arbit.venues.alpaca.stamps import rfc3339
from arbit.venues.dial import FrameHandler
from tests.unit.venues.kraken.private.desk import TimerClock
from tests.unit.venues.virtual import settle

WALL_NS = 1_764_000_000_000_000_000
SECOND = 1_000_000_000
KEY, SECRET = "PKMADEUPKEY0001", "made-up-secret-nobody-may-see"
ASSETS = ("BTC/USD", "ETH/USD", "ETH/BTC", "USDT/USD", "BTC/USDT")
MINE = "abq1w2e1-11"
Body = dict[str, Any]
Reply = Answer | VenueUnreachable


class WallTimerClock(TimerClock):
    """Virtual time with a wall clock of its own."""

    def wall_ns(self) -> int:
        return WALL_NS + self.now_ns


def answer(status: int, body: Any = None, **more: Any) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, raw, 0, 0, **more)


def not_found(what: str) -> Answer:
    return answer(404, {"code": 40410000, "message": f"order not found for {what}"})


class Line:
    """One socket, as the venue sees it."""

    def __init__(self, venue: Venue, handler: FrameHandler) -> None:
        self.venue = venue
        self.handler = handler
        self.open = True

    def send(self, payload: bytes) -> None:
        request = json.loads(payload)
        self.venue.requests.append(request)
        if not self.open or self.venue.mute:
            return
        if request["action"] == "auth":
            said = "authorized" if self.venue.key_good else "unauthorized"
            data = {"status": said, "action": "authenticate"}
            self.say({"stream": "authorization", "data": data})
        elif request["action"] == "listen":
            self.say({"stream": "listening", "data": request["data"]})

    def close(self) -> None:
        self.open = False

    abort = close

    def say(self, body: Body | bytes) -> None:
        if self.open:
            self.handler.on_frame(body if isinstance(body, bytes) else json.dumps(body).encode())

    def cut(self) -> None:
        self.open = False
        self.handler.on_lost("connection lost")


class Venue(Http):
    """Requests are answered by `on_post` (orders) and from what lies open here."""

    def __init__(self, clock: WallTimerClock) -> None:
        super().__init__("http://venue", Keys(KEY, SECRET), Budget(), clock)
        self.wall = clock
        self.lines: list[Line] = []
        self.requests: list[Body] = []  # of the sockets
        self.calls: list[tuple[str, str, Mapping[str, str]]] = []
        self.posted: list[Body] = []
        self.orders: dict[str, Body] = {}  # by client id
        self.fills: list[Body] = []
        self.others: list[Body] = []
        self.positions: list[Body] = []
        self.account: Body = account()
        self.mute = False
        self.down = False
        self.key_good = True
        self.ahead_ns = 0
        self.delay_s = 0.0
        self.answers: dict[str, Reply] = {}  # by the begin of a path: said instead of the truth
        self.on_post: Callable[[Body], Reply] = self.accept
        self.truth = self._truth

    @property
    def line(self) -> Line:
        return self.lines[-1]

    async def dial(self, url: str, handler: FrameHandler) -> Line:
        if self.down:
            raise VenueUnreachable(f"{url}: refused")
        self.lines.append(Line(self, handler))
        return self.line

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        reserved: bool = False,
        within_s: float | None = None,
    ) -> Answer:
        del reserved, within_s
        self.calls.append((method, path, dict(params or {})))
        self.budget.spend(self.clock.monotonic_ns())
        if method == "POST":
            self.posted.append(dict(body or {}))
            said = self.on_post(dict(body or {}))
            if self.delay_s:
                await self.clock.sleep(self.delay_s)
        else:
            said = next(
                (one for begin, one in self.answers.items() if path.startswith(begin)), None
            ) or self.truth(method, path, params or {})
        if isinstance(said, VenueUnreachable):
            raise said
        return said

    def times(self, begin: str) -> int:
        return sum(path.startswith(begin) for _, path, _ in self.calls)

    def _truth(self, method: str, path: str, params: Mapping[str, str]) -> Answer:
        now = self.wall.wall_ns() + self.ahead_ns
        if path == "/v2/orders:by_client_order_id":
            found = self.orders.get(params["client_order_id"])
            return answer(200, found) if found else not_found(params["client_order_id"])
        if method == "DELETE":
            return Answer(204, b"", 0, 0)
        if path.startswith("/v2/orders/"):
            (one,) = [o for o in self.orders.values() if o["id"] == path.rpartition("/")[2]]
            return answer(200, one)
        shown: dict[str, Any] = {
            "/v2/assets": [{"symbol": one, "class": "crypto"} for one in ASSETS],
            "/v2/clock": {"timestamp": rfc3339(now), "is_open": True},
            "/v2/account": self.account,
            "/v2/positions": self.positions,
            "/v2/orders": [o for o in self.orders.values() if o["status"] == "new"],
            "/v2/account/activities/FILL": self.fills,
            "/v2/account/activities": self.others,
        }
        rows = shown[path]
        if isinstance(rows, list) and path.startswith("/v2/account/activities"):
            ids = [one["id"] for one in rows]
            start = ids.index(params["page_token"]) + 1 if "page_token" in params else 0
            rows = rows[start : start + int(params["page_size"])]
        return answer(200, rows)

    # --- what a test makes happen ----------------------------------------------------------------

    def accept(self, body: Body) -> Answer:
        """Take the order, and say no more of it."""
        self.orders[body["client_order_id"]] = order(body)
        return answer(200, self.orders[body["client_order_id"]])

    def change(self, client_id: str, status: str, filled: str = "0") -> Body:
        self.orders[client_id] |= {"status": status, "filled_qty": filled}
        return dict(self.orders[client_id])

    def fill_row(self, client_id: str, exec_id: str, qty: str, price: str = "100") -> None:
        one = self.orders[client_id]
        self.fills.append(
            {
                "id": f"20251124120000000::{exec_id}",
                "activity_type": "FILL",
                "transaction_time": rfc3339(self.wall.wall_ns()),
                "type": "fill",
                "price": price,
                "qty": qty,
                "side": one["side"],
                "symbol": one["symbol"].replace("/", ""),
                "order_id": one["id"],
            }
        )

    def fills_at_once(self, body: Body) -> Answer:
        """Accept, fill whole, and tell it on the stream before the answer is read."""
        said = self.accept(body)
        self.tell(body["client_order_id"], "fill", ("E1", body["qty"], body["limit_price"]))
        return said

    def tell(
        self,
        client_id: str,
        event: str,
        fill: tuple[str, str, str] | None = None,
        *,
        filled: str | None = None,
        slash: bool = False,
    ) -> None:
        """A message of trade_updates; the order changes as it says."""
        status = {"fill": "filled", "partial_fill": "partially_filled"}.get(event, event)
        total = filled if filled is not None else fill[1] if fill else "0"
        one = self.change(client_id, status, total)
        self.line.say(update(event, one, fill, slash=slash))


def update(
    event: str, one: Body, fill: tuple[str, str, str] | None = None, *, slash: bool = False
) -> Body:
    """A message as the stream writes it: its symbol without the slash, its zone not UTC."""
    shown = one if slash else one | {"symbol": one["symbol"].replace("/", "")}
    data: Body = {
        "event": event,
        "order": shown,
        "timestamp": "2025-11-24T07:00:10.123456789-05:00",
    }
    if fill is not None:
        exec_id, qty, price = fill
        data |= {"execution_id": exec_id, "qty": qty, "price": price, "position_qty": qty}
    return {"stream": "trade_updates", "data": data}


def order(body: Body, status: str = "pending_new", order_id: str = "") -> Body:
    """An order as POST and GET show it; many fields are null."""
    client_id = body["client_order_id"]
    return {
        "id": order_id or f"id-{client_id}",
        "client_order_id": client_id,
        "created_at": "2025-11-24T12:00:10.1Z",
        "submitted_at": "2025-11-24T12:00:10.123456789Z",
        "filled_at": None,
        "symbol": body["symbol"],
        "qty": body["qty"],
        "filled_qty": "0",
        "filled_avg_price": None,
        "notional": None,
        "type": "limit",
        "side": body["side"],
        "time_in_force": "ioc",
        "limit_price": body["limit_price"],
        "status": status,
    }


def account() -> Body:
    return {
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "cash": "5.92",
        "trading_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
    }


async def outcome_of(scene: Scene, waiting: Any, most_s: float = 60) -> Outcome:
    """What is said of it, within so much virtual time."""
    task = asyncio.ensure_future(waiting)
    for _ in range(int(most_s * 10)):
        if task.done():
            break
        await scene.clock.advance(0.1)
    assert task.done()
    found = await task
    assert isinstance(found, Outcome)
    return found


@dataclass
class Scene:
    """A gateway on that venue, and everything it told."""

    deadline_ms: int = 2_000
    margin_ms: int = 6_000
    told: list[AccountEvent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = WallTimerClock()
        self.venue = Venue(self.clock)
        settings = VenueSettings(
            name="alpaca", api_key=SecretStr(KEY), api_secret=SecretStr(SECRET)
        )
        self.side = account_side(
            settings,
            AccountAt("http://venue", "ws://venue/stream"),
            OrderTimes(self.deadline_ms, self.margin_ms),
            AccountAround(
                clock=self.clock,
                sink=self.told.append,
                publish=self.events.append,
                ours=ours,
                dial=self.venue.dial,
                http=self.venue,
            ),
        )
        self.gateway, self.reader = self.side.gateway, self.side.reader

    def intent(
        self, client_id: str = MINE, side: Side = Side.BUY, symbol: str = "BTC/USD"
    ) -> OrderIntent:
        base, _, quote = symbol.partition("/")
        spend, receive = (quote, base) if side is Side.BUY else (base, quote)
        deadline_ns = self.gateway.deadline_ns()
        assert deadline_ns is not None
        leg = Leg(symbol, side, spend, receive)
        return OrderIntent(
            client_id, leg, Decimal("0.5"), Decimal(100), Decimal("0.0025"), deadline_ns
        )

    def told_of(self, kind: type[AccountEvent]) -> list[Any]:
        return [one for one in self.told if isinstance(one, kind)]

    @asynccontextmanager
    async def running(self, *, until_ready: bool = True) -> AsyncIterator[Scene]:
        task = asyncio.get_running_loop().create_task(self.gateway.run())
        try:
            await settle()
            if until_ready:
                await self.clock.advance(1)
                assert self.gateway.unready() == ""
            yield self
        finally:
            task.cancel()
            (end,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(end, asyncio.CancelledError), end
