"""The Alpaca gateway on real sockets against the sandbox, and the exchange's own truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from pydantic import SecretStr

from arbit.clock import SystemClock
from arbit.config import VenueSettings
from arbit.domain.account import AccountEvent, TradeSeen
from arbit.domain.events import Event
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade
from arbit.domain.triangle import Leg, Side
from arbit.execution.ids import ours
from arbit.sandbox.alpaca.keys import TRADE_KEY, TRADE_SECRET
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.orders import VenueOrder
from arbit.sandbox.server import SandboxOptions, SandboxServer
from arbit.venues.alpaca.account import (
    AccountAround,
    AccountAt,
    AccountSide,
    OrderTimes,
    account_side,
)
from arbit.venues.alpaca.gateway import AlpacaGateway

GUARD_S = 20.0
BTC = "BTC/USD"
UNIT = Decimal("1e-9")


@dataclass
class Rig:
    """A sandbox, a gateway on it, and what it told."""

    sandbox: SandboxServer
    side: AccountSide
    clock: SystemClock
    told: list[AccountEvent]
    events: list[Event]
    sent: int = 0

    @property
    def gateway(self) -> AlpacaGateway:
        return self.side.gateway

    def intent(self, side: Side = Side.BUY, qty: str = "0.01", off: str = "1.01") -> OrderIntent:
        """An order that meets the book (`off` beyond its best price) or, with 0.9, does not."""
        pair = self.sandbox.market.pairs[BTC]
        units, _ = self.sandbox.market.book(BTC).top(ASK if side is Side.BUY else BID, 1)[0]
        best = Decimal(units).scaleb(-pair.instrument.price_precision)
        factor = Decimal(off) if side is Side.BUY else 2 - Decimal(off)
        listed = pair.instrument
        tick = Decimal(listed.price_tick).scaleb(-listed.price_precision)
        spend, receive = ("USD", "BTC") if side is Side.BUY else ("BTC", "USD")
        self.sent += 1
        deadline_ns = self.gateway.deadline_ns()
        assert deadline_ns is not None
        return OrderIntent(
            client_id=f"abrig01{self.sent}-11",
            leg=Leg(BTC, side, spend, receive),
            qty=Decimal(qty),
            limit_price=(best * factor) // tick * tick,
            fee_rate=Decimal("0.0025"),
            deadline_ns=deadline_ns,
        )

    def overdue(self, intent: OrderIntent) -> OrderIntent:
        """The same order once its request can no longer arrive."""
        venue_ns = self.side.reader.offsets.venue_ns()
        assert venue_ns is not None
        return replace(intent, deadline_ns=venue_ns)

    async def order(self, side: Side = Side.BUY, qty: str = "0.01", off: str = "1.01") -> Outcome:
        """Send one, and wait for what is said of it."""
        return await self.sent_off(self.intent(side, qty, off))

    async def sent_off(self, intent: OrderIntent) -> Outcome:
        """Send this one, and wait for what is said of it."""
        async with asyncio.timeout(GUARD_S):
            return await self.gateway.send(intent)

    async def settled(self, intent: OrderIntent, outcome: Outcome) -> Outcome:
        """Ask until it is known what became of the order."""
        async with asyncio.timeout(GUARD_S):
            while not outcome.state.over:
                await asyncio.sleep(0.3)
                outcome = await self.gateway.resolve(intent, outcome.order_id)
        return outcome

    def true_orders(self) -> dict[str, VenueOrder]:
        """The exchange's own orders by client id."""
        account = self.sandbox.exchange.account_of(TRADE_KEY)
        assert account is not None
        orders = [*account.open_orders.values(), *account.closed]
        return {one.client_id: one for one in orders if one.client_id}

    def check(self, outcome: Outcome) -> None:
        """What was said of an order that is over is what the exchange did, to the last digit.

        But for the fee, which is reckoned: it may differ by its slack, and is never too small.
        """
        true = self.true_orders().get(outcome.client_id)
        if true is None:
            assert outcome.state in {OrderState.REJECTED, OrderState.NEVER}, outcome
            return
        assert outcome.state.over, outcome
        assert outcome.order_id == true.order_id
        told = {one.trade_id: (one.qty, one.price, one.cost) for one in outcome.trades}
        assert told == {one.trade_id: (one.qty, one.price, one.cost) for one in true.trades}
        fees = {one.trade_id: one for one in true.trades}
        for trade in outcome.trades:
            ((asset, fee),) = trade.fees
            assert (asset, trade.fee_slack) == (fees[trade.trade_id].fee_asset, UNIT)
            assert 0 <= fee - fees[trade.trade_id].fee <= UNIT

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


@asynccontextmanager
async def gatewayed(
    *, margin_ms: int = 300, ready: bool = True, options: SandboxOptions | None = None
) -> AsyncIterator[Rig]:
    """A rig whose gateway is ready; at the end it stops without an error."""
    limits = options or SandboxOptions(frozen=True)
    clock, told, events = SystemClock(seed=7), list[AccountEvent](), list[Event]()
    async with SandboxServer("calm", 7, options=limits, face="alpaca") as sandbox:
        venue = VenueSettings(
            name="sandbox-alpaca",
            api_key=SecretStr(TRADE_KEY),
            api_secret=SecretStr(TRADE_SECRET),
            watchdog_ms=1_000,
            backoff_cap_s=0.5,
        )
        side = account_side(
            venue,
            AccountAt(sandbox.rest_url, sandbox.rest_url.replace("http", "ws", 1) + "/stream"),
            OrderTimes(2_000, margin_ms),
            AccountAround(clock=clock, sink=told.append, publish=events.append, ours=ours),
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
        assert isinstance(end, asyncio.CancelledError), end
