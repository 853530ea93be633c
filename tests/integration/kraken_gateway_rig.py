"""The Kraken gateway on real sockets against the sandbox, and the exchange's own truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import SecretStr

from arbit.app.watch.feeds import Addresses, rest_side
from arbit.clock import SystemClock
from arbit.config import OrderTransport, RateTier, VenueSettings
from arbit.domain.account import AccountEvent, TradeSeen
from arbit.domain.events import Event
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade
from arbit.domain.triangle import Leg, Side
from arbit.execution.ids import ours
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.keys import TRADE_KEY, TRADE_SECRET
from arbit.sandbox.orders import VenueOrder
from arbit.sandbox.server import SandboxOptions, SandboxServer
from arbit.venues.kraken.gateway import KrakenGateway
from arbit.venues.kraken.private.parts import (
    OrderTimes,
    PrivateAround,
    PrivateAt,
    PrivateSide,
    private_side,
)

GUARD_S = 20.0
BTC = "BTC/USD"


@dataclass
class Nonces:
    """A nonce store in memory."""

    last: int = 0

    def load(self) -> int:
        return self.last

    def save(self, nonce: int) -> bool:
        self.last = nonce
        return True


@dataclass
class Rig:
    """A sandbox, a gateway on it, and what it told."""

    sandbox: SandboxServer
    side: PrivateSide
    clock: SystemClock
    told: list[AccountEvent]
    events: list[Event]
    sent: int = 0
    at_once: list[str] = field(default_factory=list)

    @property
    def gateway(self) -> KrakenGateway:
        return self.side.gateway

    def intent(self, side: Side = Side.BUY, qty: str = "0.01", off: str = "1.01") -> OrderIntent:
        """An order that meets the book (`off` beyond its best price) or, with 0.9, does not."""
        pair = self.sandbox.market.pairs[BTC]
        units, _ = self.sandbox.market.book(BTC).top(ASK if side is Side.BUY else BID, 1)[0]
        best = Decimal(units).scaleb(-pair.instrument.price_precision)
        factor = Decimal(off) if side is Side.BUY else 2 - Decimal(off)
        tick = Decimal(1).scaleb(-pair.instrument.price_precision)
        spend, receive = ("USD", "BTC") if side is Side.BUY else ("BTC", "USD")
        self.sent += 1
        deadline_ns = self.gateway.deadline_ns()
        assert deadline_ns is not None
        return OrderIntent(
            client_id=f"abrig01{self.sent}-11",
            leg=Leg(BTC, side, spend, receive),
            qty=Decimal(qty),
            limit_price=(best * factor).quantize(tick),
            fee_rate=Decimal("0.004"),
            deadline_ns=deadline_ns,
        )

    async def order(self, side: Side = Side.BUY, qty: str = "0.01", off: str = "1.01") -> Outcome:
        """Send one, and wait for what is said of it."""
        return await self.sent_off(self.intent(side, qty, off))

    async def sent_off(self, intent: OrderIntent) -> Outcome:
        """Send this one, and wait for what is said of it."""
        async with asyncio.timeout(GUARD_S):
            return await self.gateway.send(intent)

    async def settled(self, intent: OrderIntent, outcome: Outcome, most_s: float = 2.0) -> Outcome:
        """Ask, ever less often, until it is known what became of the order."""
        wait_s = 0.1
        async with asyncio.timeout(GUARD_S):
            while not outcome.state.over:
                await asyncio.sleep(wait_s)
                wait_s = min(most_s, 2 * wait_s)
                outcome = await self.gateway.resolve(intent, outcome.order_id)
        return outcome

    def true_orders(self) -> dict[str, VenueOrder]:
        """The exchange's own orders by client id."""
        account = self.sandbox.exchange.account_of(TRADE_KEY)
        assert account is not None
        orders = [*account.open_orders.values(), *account.closed]
        return {one.client_id: one for one in orders if one.client_id}

    def check(self, outcome: Outcome) -> None:
        """What was said of an order that is over is what the exchange did, to the last digit."""
        true = self.true_orders().get(outcome.client_id)
        if true is None:
            assert outcome.state in {OrderState.REJECTED, OrderState.NEVER}, outcome
            return
        assert outcome.state.over, outcome
        assert outcome.order_id == true.order_id
        told = {one.trade_id: (one.qty, one.price, one.cost, one.fees) for one in outcome.trades}
        assert told == {
            one.trade_id: (
                *(one.qty, one.price, one.cost),
                ((one.fee_asset, one.fee),) if one.fee else (),
            )
            for one in true.trades
        }

    @property
    def trades(self) -> list[Trade]:
        return [one.trade for one in self.told if isinstance(one, TradeSeen)]

    async def until(self, true: Callable[[], bool], why: str) -> None:
        async with asyncio.timeout(GUARD_S):
            while not true():
                await asyncio.sleep(0.01)
        assert true(), why

    async def ready(self) -> None:
        try:
            await self.until(lambda: self.gateway.unready() == "", "ready")
        except TimeoutError:
            raise AssertionError(f"never ready: {self.gateway.unready()}") from None


@dataclass(frozen=True, slots=True)
class Options:
    """What a rig is made of. Times in ms."""

    transport: OrderTransport = OrderTransport.WS
    deadline_ms: int = 2_000
    margin_ms: int = 300
    watchdog_ms: int = 1_000
    frozen: bool = True
    tier: str = "pro"
    key: str = TRADE_KEY
    secret: str = TRADE_SECRET


@asynccontextmanager
async def gatewayed(options: Options | None = None, *, ready: bool = True) -> AsyncIterator[Rig]:
    """A rig whose gateway is ready; at the end it stops without an error."""
    made = options or Options()
    limits = SandboxOptions(frozen=made.frozen, tier=made.tier)
    clock, told, events = SystemClock(seed=7), list[AccountEvent](), list[Event]()
    async with SandboxServer("calm", 7, options=limits) as sandbox:
        venue = VenueSettings(
            name="sandbox",
            api_key=SecretStr(made.key),
            api_secret=SecretStr(made.secret),
            order_transport=made.transport,
            rate_tier=RateTier(made.tier),
            watchdog_ms=made.watchdog_ms,
            rest_calls_per_s=20,
        )
        public = rest_side(venue, Addresses(sandbox.rest_url, sandbox.ws_url), clock)
        side = private_side(
            venue,
            PrivateAt(sandbox.rest_url, sandbox.ws_url),
            OrderTimes(made.deadline_ms, made.margin_ms),
            PrivateAround(
                clock=clock,
                nonces=Nonces(),
                public=public.client,
                sink=told.append,
                publish=events.append,
                ours=ours,
            ),
        )
        rig = Rig(sandbox, side, clock, told, events)
        running = asyncio.create_task(side.gateway.run())
        try:
            if ready:
                await rig.ready()
            yield rig
        finally:
            running.cancel()
            (end,) = await asyncio.gather(running, return_exceptions=True)
            await side.close()
            await public.client.close()
        assert isinstance(end, asyncio.CancelledError), end
