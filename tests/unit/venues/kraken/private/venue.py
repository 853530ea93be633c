"""A venue in memory, in virtual time: a socket that answers, and questions that are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from arbit.config import OrderTransport, RateTier
from arbit.domain.account import (
    AccountEvent,
    Balance,
    ClockOffset,
    Counts,
    Flow,
    KeyFacts,
    VenueOrder,
)
from arbit.domain.errors import VenueError, VenueUnreachable
from arbit.domain.events import Event
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade
from arbit.ports import Known, nothing_known
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.dial import FrameHandler
from arbit.venues.kraken.budgets import EngineBudget, RequestBudget
from arbit.venues.kraken.gateway import KrakenGateway, KrakenGatewaySetup, RestParts
from arbit.venues.kraken.private.token import Token
from arbit.venues.kraken.stamps import rfc3339
from tests.unit.venues.kraken.private import words
from tests.unit.venues.kraken.private.desk import TimerClock
from tests.unit.venues.virtual import settle

WALL_NS = 1_764_000_000_000_000_000


class WallTimerClock(TimerClock):
    """Virtual time with a wall clock of its own."""

    def wall_ns(self) -> int:
        return WALL_NS + self.now_ns


class Line:
    """One socket, as the venue sees it."""

    def __init__(self, venue: Venue, handler: FrameHandler) -> None:
        self.venue = venue
        self.handler = handler
        self.asked: list[dict[str, Any]] = []
        self.open = True
        self.sequence = {"executions": 0, "balances": 0}

    def send(self, payload: bytes) -> None:
        request = json.loads(payload)
        self.asked.append(request)
        self.venue.requests.append(request)
        if self.open and not self.venue.mute:
            self.venue.answer(self, request)

    def close(self) -> None:
        self.open = False

    abort = close

    def say(self, payload: bytes) -> None:
        if self.open:
            self.handler.on_frame(payload)

    def executions(self, *entries: str, kind: str = "update") -> None:
        self.sequence["executions"] += 1
        self.say(words.executions(*entries, sequence=self.sequence["executions"], kind=kind))

    def cut(self) -> None:
        self.open = False
        self.handler.on_lost("connection lost")


class Venue:
    """Answers subscriptions and pings; orders as the test says."""

    def __init__(self, clock: WallTimerClock) -> None:
        self.clock = clock
        self.lines: list[Line] = []
        self.requests: list[dict[str, Any]] = []
        self.mute = False
        self.down = False
        self.refuse = ""
        self.tokens = 0
        self.ahead_ns = 0  # its clock is so far ahead of ours
        self.no_token: VenueError | None = None
        self.on_order: Callable[[Line, dict[str, Any]], None] = lambda _line, _order: None

    @property
    def line(self) -> Line:
        return self.lines[-1]

    @property
    def orders(self) -> list[dict[str, Any]]:
        return [one for one in self.requests if one["method"] == "add_order"]

    async def dial(self, url: str, handler: FrameHandler) -> Line:
        if self.down:
            raise VenueUnreachable(f"{url}: refused")
        self.lines.append(Line(self, handler))
        return self.line

    async def token(self) -> Token:
        if self.no_token is not None:
            raise self.no_token
        self.tokens += 1
        return Token(f"token-{self.tokens}", 900)

    def answer(self, line: Line, request: dict[str, Any]) -> None:
        now, req_id = rfc3339(self.clock.wall_ns() + self.ahead_ns), request["req_id"]
        if request["method"] == "ping":
            said = {"method": "pong", "req_id": req_id, "time_in": now, "time_out": now}
            line.say(json.dumps(said).encode())
        elif request["method"] == "subscribe":
            self._subscribe(line, request["params"]["channel"], req_id)
        elif request["method"] == "add_order":
            self.on_order(line, request)

    def _subscribe(self, line: Line, channel: str, req_id: int) -> None:
        said: dict[str, Any] = {"method": "subscribe", "req_id": req_id, "success": True}
        if self.refuse:
            said |= {"success": False, "error": self.refuse}
            line.say(json.dumps(said).encode())
            return
        line.say(json.dumps(said | {"result": {"channel": channel}}).encode())
        if channel == "executions":
            line.executions(kind="snapshot")
        else:
            line.say(words.balance("USD", "5", kind="snapshot"))


class Questions:
    """A reader, a resolver and a REST sender that say what the test told them to."""

    def __init__(self, clock: WallTimerClock) -> None:
        self.clock = clock
        self.since: list[int] = []
        self.missed: list[Trade] = []
        self.open: list[VenueOrder] = []
        self.error: VenueError | None = None
        self.delay_s = 0.0
        self.sent: list[str] = []
        self.cancelled: list[tuple[str, str]] = []
        self.outcome = Outcome("", OrderState.UNKNOWN)
        self.times_asked = 0

    async def _wait(self) -> None:
        if self.delay_s:
            await self.clock.sleep(self.delay_s)
        if self.error is not None:
            raise self.error

    async def balances(self) -> Mapping[str, Balance]:
        return {}

    async def fees(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        return {}

    async def open_orders(self) -> Sequence[VenueOrder]:
        await self._wait()
        return self.open

    async def trades_since(self, since_ns: int, known: Known = nothing_known) -> Sequence[Trade]:
        del known
        self.since.append(since_ns)
        await self._wait()
        return self.missed

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        return []

    async def counts(self, after_ns: int, until_ns: int) -> Counts:
        return Counts(0, 0)

    async def key(self) -> KeyFacts:
        raise VenueUnreachable("not asked here")

    async def clock_offset(self) -> ClockOffset:
        self.times_asked += 1
        await self._wait()
        return ClockOffset(0, 1_000, self.clock.monotonic_ns())

    async def ask(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        return Outcome(intent.client_id, OrderState.NEVER, order_id=order_id)

    async def send(self, intent: OrderIntent) -> Outcome:
        self.sent.append(intent.client_id)
        if self.delay_s:
            await self.clock.sleep(self.delay_s)
        return self.outcome

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        self.cancelled.append((client_id, order_id))


class Scene:
    """A gateway on that venue, and everything it told."""

    def __init__(self, transport: OrderTransport = OrderTransport.WS) -> None:
        self.clock = WallTimerClock()
        self.venue = Venue(self.clock)
        self.rest = Questions(self.clock)
        self.told: list[AccountEvent] = []
        self.events: list[Event] = []
        self.requests = RequestBudget(RateTier.STARTER)
        self.engine = EngineBudget(RateTier.STARTER)
        self.offsets = OffsetTracker(self.clock)
        self.gateway = KrakenGateway(
            KrakenGatewaySetup("kraken", transport, "ws://venue", words.ours, dial=self.venue.dial),
            self.clock,
            RestParts(
                reader=self.rest,
                resolver=self.rest,
                orders=self.rest,
                token=self.venue.token,
                requests=self.requests,
                engine=self.engine,
                offsets=self.offsets,
            ),
            self.told.append,
            self.events.append,
        )

    def intent(self, client_id: str = "abq1w2e1-11") -> OrderIntent:
        plain, deadline_ns = words.intent(client_id), self.gateway.deadline_ns()
        assert deadline_ns is not None
        return OrderIntent(
            client_id, plain.leg, plain.qty, plain.limit_price, plain.fee_rate, deadline_ns
        )

    def told_of(self, kind: type[AccountEvent]) -> list[AccountEvent]:
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
            await asyncio.gather(task, return_exceptions=True)
