"""An engine with the real Kraken gateway on a sandbox whose market stands still.

Everything is real but the books the gate looks at, which are read off the exchange itself, and the
plan, which is made to cross the spread: what is under test is what becomes of its orders.
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from arbit.app.private.kraken import KrakenReal, kraken_side
from arbit.app.private.parts import Around
from arbit.app.watch.build import SANDBOX
from arbit.app.watch.feeds import Addresses
from arbit.clock import SystemClock, run_epoch
from arbit.config import RiskSettings, ScanSettings, Settings, VenueSettings
from arbit.domain.account import AccountId, Mode
from arbit.domain.book import BookView, Integrity, Level, Source
from arbit.domain.events import Event
from arbit.domain.fees import Fee, FeeSource
from arbit.domain.market import Market, MarketStatus
from arbit.domain.money import ceil_to, floor_to
from arbit.domain.plan import Plan, PlannedLeg
from arbit.domain.refusal import Refused
from arbit.domain.triangle import Leg, Side, Triangle, triangle_of
from arbit.execution.audit import Auditor
from arbit.execution.engine import Engine
from arbit.execution.fee_table import FeeTable
from arbit.execution.ids import Ids
from arbit.execution.recovery import recover
from arbit.execution.setup import EngineSetup
from arbit.ledger import Ledger
from arbit.persistence.memory import MemoryJournal
from arbit.risk.breaker import FLAG, Breaker
from arbit.risk.budgets import DayBook
from arbit.risk.gate import Gate
from arbit.risk.kill import KillSwitch, Orders
from arbit.risk.setup import GateSetup
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.server import SandboxOptions, SandboxServer

D = Decimal
PATH = ("BTC/USD", "ETH/BTC", "ETH/USD")
FEE = D("0.0001")
SLIP = D("0.002")
FOLDERS = Path(tempfile.mkdtemp(prefix="arbit-shapes-"))  # goes with the process
atexit.register(shutil.rmtree, FOLDERS, ignore_errors=True)


class ExchangeSights:
    """The exchange's own books, as the gate wants to see them."""

    integrity = Integrity.CHECKSUM

    def __init__(self, server: SandboxServer) -> None:
        self._server = server
        self.markets = {symbol: _market(server, symbol) for symbol in server.market.pairs}
        self.kept: dict[str, BookView | None] | None = None  # a bench keeps views, as a cache does

    def view(self, symbol: str, now_ns: int) -> BookView | None:
        if self.kept is None:
            return self._look(symbol, now_ns)
        if symbol not in self.kept:
            self.kept[symbol] = self._look(symbol, now_ns)
        return self.kept[symbol]

    def _look(self, symbol: str, now_ns: int) -> BookView | None:
        pair = self._server.market.pairs.get(symbol)
        if pair is None:
            return None
        listed = pair.instrument

        def side(which: int) -> tuple[Level, ...]:
            return tuple(
                Level(
                    D(price).scaleb(-listed.price_precision), D(qty).scaleb(-listed.qty_precision)
                )
                for price, qty in pair.book.top(which, 25)
            )

        return BookView(symbol, side(BID), side(ASK), 1, Source.WS, now_ns, now_ns)

    def confirmed_ns(self, symbol: str) -> int:
        return 0

    def from_rest(self, symbol: str) -> bool:
        return False

    def market(self, symbol: str) -> Market | None:
        return self.markets.get(symbol)

    def in_reference(self, asset: str, now_ns: int) -> Decimal | None:
        if asset == "USD":
            return D(1)
        view = self.view(f"{asset}/USD", now_ns)
        return None if view is None else view.bids[0].price


def _market(server: SandboxServer, symbol: str) -> Market:
    listed = server.market.pairs[symbol].instrument
    return Market(
        symbol=symbol,
        base=listed.base.code,
        quote=listed.quote.code,
        price_increment=D(listed.price_tick).scaleb(-listed.price_precision),
        qty_increment=D(listed.qty_step).scaleb(-listed.qty_precision),
        qty_min=D(listed.qty_min).scaleb(-listed.qty_precision),
        cost_min=D(listed.cost_min),
        taker_fee=FEE,
        status=MarketStatus.ONLINE,
        base_digits=listed.base.decimals,
        quote_digits=listed.quote.decimals,
    )


@dataclass(slots=True)
class Rig:
    """One exchange, and one engine after another on it."""

    server: SandboxServer
    settings: Settings
    journal: Any = field(default_factory=MemoryJournal)  # a bench puts one on disk in its place
    events: list[Event] = field(default_factory=list)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(dir=FOLDERS)))

    @property
    def venue(self) -> VenueSettings:
        return self.settings.venue(SANDBOX)

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        """An engine that has recovered and may trade; cancelled, not drained, at the end."""
        async with AsyncExitStack() as stack:
            clock = SystemClock()
            at = Addresses(self.server.rest_url, self.server.ws_url)
            around = Around(clock, self.journal, self.events.append)
            side = await kraken_side(self.settings, self.venue, at, around, stack)
            await side.admitted(PATH)
            daemon = Daemon(self, side, clock)
            tasks = [
                asyncio.get_running_loop().create_task(side.run()),
                asyncio.get_running_loop().create_task(daemon.engine.run()),
            ]
            try:
                await daemon.start()
                yield daemon
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


class Daemon:
    """One run of an engine."""

    def __init__(self, rig: Rig, side: KrakenReal, clock: SystemClock) -> None:
        self.rig = rig
        self.side = side
        self.clock = clock
        self.memory = rig.journal.recall()
        self.sights = ExchangeSights(rig.server)
        self.ledger = Ledger(self.memory.sums, self.memory.late_fees, self.memory.rough)
        risk = rig.settings.risk
        self.kill = KillSwitch(rig.folder)
        self.breaker = Breaker(SANDBOX, risk, clock, rig.events.append)
        self.breaker.restore(self.memory.flags.get(FLAG))
        gate = Gate(
            GateSetup(
                venue=rig.venue,
                scan=rig.settings.scan,
                risk=risk,
                policy=risk.policy,
                ledger=self.ledger,
                sights=self.sights,
                breaker=self.breaker,
                kill=self.kill,
                orders=Orders(rig.folder, SANDBOX),
                day=DayBook(),
                clock=clock,
                gateway_unready=side.gateway.unready,
                journal_fails=str,
            )
        )
        self.setup = EngineSetup(
            account=AccountId(SANDBOX, Mode.SANDBOX, "k"),
            settings=risk,
            policy=risk.policy,
            gate=gate,
            breaker=self.breaker,
            kill=self.kill,
            ledger=self.ledger,
            journal=rig.journal,
            gateway=side.gateway,
            markets=self.sights.markets,
            fees=FeeTable(dict.fromkeys(self.sights.markets, Fee(FEE, FeeSource.ACCOUNT))),
            view=self.sights.view,
            in_reference=lambda asset: self.sights.in_reference(asset, 0),
            clock=clock,
            ids=Ids(run_epoch()),
            publish=rig.events.append,
            venue_clock=side.venue_clock,
        )
        self.engine = Engine(self.setup)
        self.auditor = Auditor(self.setup, self.engine, side.reader)
        gate.unaudited = self.auditor.overdue
        side.sink.to = self.auditor
        if isinstance(side, KrakenReal):
            side.gateway.forbid = self.engine.forbids

    async def start(self) -> None:
        """Recover, and wait until orders can be sent."""
        async with asyncio.timeout(60):
            await recover(self.setup, self.engine, self.auditor, self.side.reader)
            while self.side.gateway.unready():
                await asyncio.sleep(0.01)

    def plan(self) -> Plan:
        """Three legs that cross the spread with room to spare, about 100 USD."""
        triangle = triangle_of(PATH, self.sights.markets)
        legs, amount = [], D(100)
        for leg in triangle.legs:
            planned = self._leg(leg, amount)
            legs.append(planned)
            amount = planned.expected_receive * D("0.995")
        return _plan(triangle, legs)

    def _leg(self, leg: Leg, amount: Decimal) -> PlannedLeg:
        view, market = self.sights.view(leg.symbol, 0), self.sights.markets[leg.symbol]
        assert view is not None
        assert market.price_increment is not None
        assert market.qty_increment is not None
        top = view.facing(leg.side)[0].price
        buys = leg.side is Side.BUY
        slip = 1 + SLIP if buys else 1 - SLIP
        limit = (floor_to if buys else ceil_to)(top * slip, market.price_increment)
        qty = floor_to(amount / limit if buys else amount, market.qty_increment)
        gross = qty if buys else qty * limit
        spend = qty * limit if buys else qty
        got = gross * (1 - FEE)
        return PlannedLeg(leg, qty, limit, FEE, spend, got, gross * FEE, leg.receive, spend, got)

    async def trade(self, within_s: float = 45.0) -> None:
        """One cycle, until it is over and everything is known."""
        refused = self.engine.take(self.plan(), self.clock.monotonic_ns())
        assert not isinstance(refused, Refused), str(refused)
        await self.settle(within_s)

    async def settle(self, within_s: float = 45.0) -> None:
        """Until nothing is open."""
        async with asyncio.timeout(within_s):
            while self.engine.open_cycles:
                await asyncio.sleep(0.01)

    async def findings(self) -> list[str]:
        """Where the exchange and we disagree, once the account has been looked at."""
        await self.auditor.reconcile()
        exchange = self.rig.server.exchange
        account, journal = exchange.books.account("main"), self.rig.journal
        found = []
        for asset in sorted({*account.balances, *self.ledger.assets}):
            theirs, ours = account.balance(asset), self.ledger.wallet(asset)
            if theirs != ours:
                found.append(f"{asset}: {theirs} there, {ours} here")
        accepted = [r["cl_ord_id"] for r in exchange.log.records if r["kind"] == "accept"]
        found += [f"{one} accepted twice" for one in set(accepted) if accepted.count(one) > 1]
        found += [
            f"{client_id}: {row.state.value}"
            for client_id, row in journal.orders.items()
            if not row.state.over
            or ((row.state.value in {"rejected", "never"}) == (client_id in accepted))
        ]
        theirs_ids = {r["trade_id"] for r in exchange.log.records if r["kind"] == "fill"}
        found += [f"trade {one}" for one in theirs_ids ^ set(journal.trades)]
        self.ledger.check()
        return found


def _plan(triangle: Triangle, legs: list[PlannedLeg]) -> Plan:
    first, second, third = legs
    # The gap is made up: on a market that stands still nothing pays.
    return Plan(triangle, (first, second, third), first.worst_spend, D(101), D(1), D("0.5"))


@asynccontextmanager
async def rig(transport: str, **risk: Any) -> AsyncIterator[Rig]:
    """A sandbox that stands still, and settings that let an awkward cycle through."""
    options = SandboxOptions(frozen=True, taker_fee_bps=D(1), tier="pro")
    usual: dict[str, Any] = {
        "deadline_ms": 800 if transport == "ws" else 2_500,
        "resolve_margin_ms": 200,
        "cooldown_ms": 0,
        "unwind_budget_bps": D(500),
        "breaker_failures": 1_000,
        "order_rate_per_s": 100.0,
    }
    async with SandboxServer(profile="calm", seed=11, options=options) as server:
        settings = Settings.model_validate(
            {
                "scan": ScanSettings(max_slippage_bps=D(100)),
                "risk": RiskSettings(**(usual | risk)),
                "venues": {SANDBOX: {"order_transport": transport, "rate_tier": "pro"}},
            }
        )
        yield Rig(server, settings)
