"""Kraken's private REST side on real sockets against the sandbox, without any stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.clock import SystemClock
from arbit.config import RateTier
from arbit.domain.order import OrderIntent, Outcome
from arbit.domain.triangle import Leg, Side
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.keys import TRADE_KEY, TRADE_SECRET
from arbit.sandbox.orders import VenueOrder
from arbit.sandbox.server import SandboxOptions, SandboxServer
from arbit.venues.ccxt.client import RestClient
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken.budgets import EngineBudget, Level, RequestBudget
from arbit.venues.kraken.nonce import Nonces
from arbit.venues.kraken.outcomes import Verdict
from arbit.venues.kraken.reads import KrakenReads
from arbit.venues.kraken.resolve import Resolver
from arbit.venues.kraken.rest import Credentials, PrivateRest
from arbit.venues.kraken.rest_orders import RestOrders

GUARD_S = 30.0
MS = 1_000_000
MARGIN_MS = 100
BTC = "BTC/USD"


@dataclass
class Kept:
    """A nonce store in memory."""

    nonce: int = 0

    def load(self) -> int:
        return self.nonce

    def save(self, nonce: int) -> bool:
        self.nonce = nonce
        return True


@dataclass
class Shelf:
    """A level store in memory."""

    level: Level | None = None

    def load(self) -> Level | None:
        return self.level

    def save(self, level: Level) -> None:
        self.level = level


class SetClock(SystemClock):
    """Real time, with a wall clock that a test may set."""

    def __init__(self) -> None:
        super().__init__(seed=7)
        self.set_ns = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.set_ns


@dataclass
class RestRig:
    """A key's REST side on a sandbox, and what was heard of it."""

    sandbox: SandboxServer
    clock: SetClock
    public: RestClient
    rest: PrivateRest
    reads: KrakenReads
    offsets: OffsetTracker
    resolver: Resolver
    engine: EngineBudget
    orders: RestOrders
    heard: list[tuple[str, Verdict]]
    sent: int = 0
    sides: dict[Side, Leg] = field(
        default_factory=lambda: {
            Side.BUY: Leg(BTC, Side.BUY, "USD", "BTC"),
            Side.SELL: Leg(BTC, Side.SELL, "BTC", "USD"),
        }
    )

    def intent(
        self, side: Side = Side.BUY, qty: str = "0.001", *, far: bool = False, ms: int = 2_600
    ) -> OrderIntent:
        """An order that meets the book, or with `far` does not."""
        pair = self.sandbox.market.pairs[BTC]
        units, _ = self.sandbox.market.book(BTC).top(ASK if side is Side.BUY else BID, 1)[0]
        best = Decimal(units).scaleb(-pair.instrument.price_precision)
        off = Decimal("0.02") * (-1 if far else 1) * (1 if side is Side.BUY else -1)
        tick = Decimal(1).scaleb(-pair.instrument.price_precision)
        self.sent += 1
        return OrderIntent(
            client_id=f"abrig01{self.sent}-11",
            leg=self.sides[side],
            qty=Decimal(qty),
            limit_price=(best * (1 + off)).quantize(tick),
            fee_rate=Decimal("0.004"),
            deadline_ns=self.clock.wall_ns() + ms * MS,
        )

    async def send(self, intent: OrderIntent) -> Outcome:
        async with asyncio.timeout(GUARD_S):
            return await self.orders.send(intent)

    async def resolved(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        """Ask until it is known what became of the order."""
        async with asyncio.timeout(GUARD_S):
            while True:
                outcome = await self.resolver.ask(intent, order_id)
                if outcome.state.over:
                    return outcome
                await asyncio.sleep(0.6)

    def true_order(self, client_id: str) -> VenueOrder | None:
        """The exchange's own order of this client id."""
        account = self.sandbox.exchange.account_of(TRADE_KEY)
        assert account is not None
        found = [
            one
            for one in (*account.open_orders.values(), *account.closed)
            if one.client_id == client_id
        ]
        assert len(found) < 2, "an order was accepted twice"
        return found[0] if found else None

    def check(self, outcome: Outcome) -> None:
        """What was said of an order is what the exchange did, to the last digit."""
        true = self.true_order(outcome.client_id)
        assert true is not None
        assert outcome.order_id == true.order_id
        assert outcome.filled_qty == true.filled
        assert [
            (one.trade_id, one.qty, one.price, one.cost, one.fees) for one in outcome.trades
        ] == [
            (one.trade_id, one.qty, one.price, one.cost, ((one.fee_asset, one.fee),))
            for one in true.trades
        ]

    async def knows_time(self) -> None:
        """Better than the venue's whole seconds: the sandbox keeps our own time."""
        sent_ns = self.clock.wall_ns()
        true_ns = sent_ns - self.clock.set_ns
        self.offsets.sample(sent_ns, true_ns, true_ns, sent_ns)


@asynccontextmanager
async def rest_rig(
    key: str = TRADE_KEY,
    secret: str = TRADE_SECRET,
    *,
    tier: RateTier = RateTier.PRO,
    kept: Kept | None = None,
    shelf: Shelf | None = None,
    on: SandboxServer | None = None,
) -> AsyncIterator[RestRig]:
    """A rig on a frozen market, or on a sandbox that runs already."""
    if on is None:
        options = SandboxOptions(frozen=True, tier=tier.value)
        async with (
            SandboxServer("calm", 7, options=options) as sandbox,
            rest_rig(key, secret, tier=tier, kept=kept, shelf=shelf, on=sandbox) as rig,
        ):
            yield rig
        return
    clock = SetClock()
    told = CcxtSettings(
        "sandbox", rest_url=on.rest_url, rest_timeout_ms=600, rest_calls_per_s=100.0, rest_tries=2
    )
    public, offsets, heard = (
        RestClient(told, clock),
        OffsetTracker(clock),
        list[tuple[str, Verdict]](),
    )
    nonces = Nonces(kept or Kept(), clock.wall_ns)
    budget = RequestBudget(tier)
    budget.keep_in(shelf or Shelf(), clock.wall_ns, clock.monotonic_ns())
    rest = PrivateRest(told, Credentials(key, secret), nonces, budget, clock)
    rest.judged = lambda words, verdict: heard.append((words, verdict))
    reads = KrakenReads(rest, public, offsets)
    resolver, engine = Resolver(reads, offsets, clock, MARGIN_MS), EngineBudget(tier)
    orders = RestOrders(reads, resolver, engine, clock)
    rig = RestRig(on, clock, public, rest, reads, offsets, resolver, engine, orders, heard)
    await rig.knows_time()
    try:
        yield rig
    finally:
        await rest.close()
        await public.close()


def refusals(sandbox: SandboxServer) -> Sequence[str]:
    """What the exchange had to refuse so far."""
    return sorted(sandbox.exchange.refusals)
