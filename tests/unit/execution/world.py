"""A venue whose every answer a test scripts, and an engine that trades on it in virtual time."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from arbit.config import RiskSettings, ScanSettings, Settings
from arbit.domain.account import (
    AccountId,
    Balance,
    ClockOffset,
    Counts,
    Flow,
    KeyFacts,
    Mode,
    VenueOrder,
)
from arbit.domain.cycle import Policy
from arbit.domain.events import Event
from arbit.domain.fees import Fee, FeeSource
from arbit.domain.money import ONE, ZERO
from arbit.domain.order import OrderIntent, OrderState, Outcome, Remedy, Trade, end_of
from arbit.domain.plan import Plan, SizeLimits
from arbit.domain.records import Batch
from arbit.domain.triangle import Side
from arbit.execution.audit import Auditor
from arbit.execution.engine import Engine
from arbit.execution.fee_table import FeeTable
from arbit.execution.ids import Ids
from arbit.execution.recovery import recover
from arbit.execution.setup import EngineSetup
from arbit.inventory import Inventory
from arbit.ledger import Ledger, opening
from arbit.persistence.memory import MemoryJournal
from arbit.ports import Known, nothing_known
from arbit.risk.breaker import FLAG, Breaker
from arbit.risk.budgets import DayBook
from arbit.risk.gate import Gate
from arbit.risk.kill import KillSwitch, Orders
from arbit.risk.setup import GateSetup
from arbit.sizing import size
from tests.unit.execution.sights import ONLINE, FixedSights
from tests.unit.sizing_world import MARKETS, TRIANGLE
from tests.unit.venues.virtual import VirtualClock, settle

D = Decimal
FEE, SMALL = D("0.001"), D("0.0001")  # the latter of an asset that is not the order's own
FEES = dict.fromkeys(MARKETS, FEE)
# Each world has a folder in it; they go when the tests are over, for some outlive their world.
FOLDERS = Path(tempfile.mkdtemp(prefix="arbit-worlds-"))
atexit.register(shutil.rmtree, FOLDERS, ignore_errors=True)
START = {"USD": D(10_000), "BTC": D(2), "ETH": D(30)}


@dataclass(frozen=True, slots=True)
class Script:
    """How the venue treats one order.

    `fraction` of the quantity fills, in `pieces` trades. `shape`: ok, reject, lost_before (never
    accepted, no reply), lost_after (accepted, no reply). `asks` is how many questions are answered
    UNKNOWN before the truth is told. `fee_asset` with its `fee`, and `over`, bend the fill.
    """

    fraction: Decimal = ONE
    shape: str = "ok"
    pieces: int = 1
    asks: int = 0
    fee_asset: str = ""
    fee: Decimal = SMALL
    over: Decimal = ZERO
    reason: str = "EOrder:Insufficient funds"
    remedy: Remedy = Remedy.NONE


@dataclass(slots=True)
class Accepted:
    """One acceptance, with what the venue held then."""

    intent: OrderIntent
    balances: dict[str, Decimal]


@dataclass(slots=True)
class ScriptedVenue:
    """`ports.OrderGateway` and `ports.AccountReader` of a venue that follows a script."""

    clock: VirtualClock
    journal: MemoryJournal
    scripts: list[Script] = field(default_factory=list)
    balances_: dict[str, Decimal] = field(default_factory=lambda: dict(START))
    held_: dict[str, Decimal] = field(default_factory=dict)  # for orders that are not ours
    digits_: dict[str, int] = field(default_factory=dict)  # decimals that it keeps, where it says
    transport: str = "scripted"
    latency_s: float = 0.01
    why_unready: str = ""
    sent: list[OrderIntent] = field(default_factory=list)
    accepted: dict[str, Accepted] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    questions: dict[str, int] = field(default_factory=dict)
    asked_ns: list[int] = field(default_factory=list)  # wall times of questions about orders
    cancelled: list[str] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    written_first: bool = True
    still_open: list[VenueOrder] = field(default_factory=list)
    answers: bool = True
    listings: int = 0  # how often all trades and flows were asked for
    countings: int = 0  # how often only how many they are

    def unready(self) -> str:
        return self.why_unready

    def deadline_ns(self) -> int | None:
        return self.clock.wall_ns() + 2_000_000_000

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        row = self.journal.orders.get(intent.client_id)
        if row is None or row.intent != intent or row.state is not OrderState.SENT:
            self.written_first = False
        script = self.scripts.pop(0) if self.scripts else Script()
        assert intent.client_id not in {one.client_id for one in self.sent}, "sent twice"
        self.sent.append(intent)
        self._execute(intent, script)
        return self._reply(intent, script)

    async def _reply(self, intent: OrderIntent, script: Script) -> Outcome:
        await self.clock.sleep(self.latency_s)
        if script.shape.startswith("lost"):
            await self.clock.sleep(3.0)
            return Outcome(intent.client_id, OrderState.UNKNOWN, reason="no reply")
        return self.outcomes[intent.client_id]

    def _execute(self, intent: OrderIntent, script: Script) -> None:
        self.questions[intent.client_id] = script.asks
        if script.shape == "reject":
            self.outcomes[intent.client_id] = Outcome(
                intent.client_id, OrderState.REJECTED, reason=script.reason, remedy=script.remedy
            )
            return
        if script.shape == "lost_before":
            self.outcomes[intent.client_id] = Outcome(intent.client_id, OrderState.NEVER)
            return
        self.accepted[intent.client_id] = Accepted(intent, dict(self.balances_))
        trades = self._fills(intent, script)
        self.trades += trades
        self.outcomes[intent.client_id] = Outcome(
            client_id=intent.client_id,
            state=end_of(intent.qty, trades),
            trades=tuple(trades),
            order_id=f"O-{intent.client_id}",
        )

    def _fills(self, intent: OrderIntent, script: Script) -> list[Trade]:
        lot = ONLINE[intent.leg.symbol].qty_increment or D(1)
        qty = (intent.qty * script.fraction // lot) * lot + script.over
        left, trades = qty, []
        for piece in range(script.pieces):
            part = left if piece == script.pieces - 1 else (qty / script.pieces // lot) * lot
            left -= part
            if part > 0:
                trades.append(self._trade(intent, part, f"T-{intent.client_id}-{piece}", script))
        return trades

    def _trade(self, intent: OrderIntent, qty: Decimal, trade_id: str, script: Script) -> Trade:
        leg = intent.leg
        base, quote = leg.symbol.split("/")
        cost = qty * intent.limit_price
        gross = qty if leg.side is Side.BUY else cost
        fee = gross * FEE
        fee_asset = leg.receive
        if script.fee_asset:
            fee_asset, fee = script.fee_asset, script.fee
        trade = Trade(
            trade_id=trade_id,
            order_id=f"O-{intent.client_id}",
            client_id=intent.client_id,
            symbol=leg.symbol,
            side=leg.side,
            qty=qty,
            price=intent.limit_price,
            cost=cost,
            fees=((fee_asset, fee),),
            at_ns=self.clock.wall_ns(),
        )
        for asset, amount in trade.moves(base, quote):
            self.balances_[asset] = self.balances_.get(asset, D(0)) + amount
        return trade

    async def resolve(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        self.asked_ns.append(self.clock.wall_ns())
        await self.clock.sleep(self.latency_s)
        left = self.questions.get(intent.client_id, 0)
        if left or not self.answers:
            self.questions[intent.client_id] = left - 1
            return Outcome(intent.client_id, OrderState.UNKNOWN)
        return self.outcomes.get(
            intent.client_id, Outcome(intent.client_id, OrderState.NEVER, order_id=order_id)
        )

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        self.cancelled.append(client_id)
        self.still_open = [one for one in self.still_open if one.client_id != client_id]

    async def balances(self) -> Mapping[str, Balance]:
        held, said = self.held_, self.digits_
        return {
            asset: Balance(amount, held.get(asset, ZERO), said.get(asset))
            for asset, amount in self.balances_.items()
        }

    async def fees(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        return FEES

    async def open_orders(self) -> Sequence[VenueOrder]:
        return list(self.still_open)

    async def trades_since(self, since_ns: int, known: Known = nothing_known) -> Sequence[Trade]:
        told = known([trade.trade_id for trade in self.trades])
        return [t for t in self.trades if t.at_ns >= since_ns and t.trade_id not in told]

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        self.listings += 1
        return [flow for flow in self.flows if flow.at_ns >= since_ns]

    async def counts(self, after_ns: int, until_ns: int) -> Counts:
        self.countings += 1
        return Counts(
            sum(after_ns < trade.at_ns <= until_ns for trade in self.trades),
            sum(after_ns < one.at_ns <= until_ns and not one.trade_id for one in self.flows),
        )

    async def key(self) -> KeyFacts:
        raise NotImplementedError

    async def clock_offset(self) -> ClockOffset:
        raise NotImplementedError


def usual_settings(**risk: Any) -> Settings:
    usual: dict[str, Any] = {
        "cooldown_ms": 0,
        "collar_bps": D(300),
        "unwind_budget_bps": D(1000),
        "order_rate_per_s": 100.0,
        "max_exposure": D(5_000),
        "breaker_failures": 1000,
    }
    return Settings(
        scan=ScanSettings(max_slippage_bps=D(1000), max_notional_per_cycle=D(1000)),
        risk=RiskSettings(**(usual | risk)),
    )


class World:
    """One account, one engine, one scripted venue."""

    venue_of = ScriptedVenue
    fees: Mapping[str, Decimal] = FEES

    def __init__(
        self,
        *scripts: Script,
        settings: Settings | None = None,
        policy: Policy = Policy.SEQUENTIAL,
        before: World | None = None,
        epoch: str = "00000",
    ) -> None:
        """`before` is an earlier run of the same account: its venue, journal and time go on."""
        self.settings = settings or usual_settings(policy=policy)
        self.clock: VirtualClock = before.clock if before else VirtualClock()
        self.journal: MemoryJournal = before.journal if before else MemoryJournal()
        venue = self.venue_of(self.clock, self.journal, list(scripts))
        self.venue: ScriptedVenue = before.venue if before else venue
        self.sights = FixedSights(self.clock)
        self.events: list[Event] = []
        self.data_dir = Path(tempfile.mkdtemp(dir=FOLDERS))
        self.kill = KillSwitch(self.data_dir)
        self.memory = self.journal.recall()
        self.ledger = Ledger(self.memory.sums, self.memory.late_fees, self.memory.rough)
        if not self.memory.sums:  # as the first audit of an account does
            for asset, amount in START.items():
                postings = opening(asset, amount, 0)
                self.ledger.apply(postings)
                self.journal.write(Batch(postings=postings))
        risk = self.settings.risk
        self.breaker = Breaker("test", risk, self.clock, self.events.append)
        self.breaker.restore(self.memory.flags.get(FLAG))
        self.day = DayBook(self.memory.profit_ref_by_day)
        self.gate = self._gate()
        self.setup = EngineSetup(
            account=AccountId("test", Mode.SANDBOX, "k"),
            settings=risk,
            policy=risk.policy,
            gate=self.gate,
            breaker=self.breaker,
            kill=self.kill,
            ledger=self.ledger,
            journal=self.journal,
            gateway=self.venue,
            markets=self.sights.markets,
            fees=FeeTable({s: Fee(rate, FeeSource.ACCOUNT) for s, rate in self.fees.items()}),
            view=self.sights.view,
            in_reference=lambda asset: self.sights.in_reference(asset, 0),
            clock=self.clock,
            ids=Ids(epoch),
            publish=self.events.append,
        )
        self.engine = Engine(self.setup)
        self.auditor = Auditor(self.setup, self.engine, self.venue)
        self.gate.unaudited = self.auditor.overdue
        self.gate.fees_doubted = self.setup.fees.doubt

    def _gate(self) -> Gate:
        return Gate(
            GateSetup(
                venue=self.settings.venue("sandbox"),
                scan=self.settings.scan,
                risk=self.settings.risk,
                policy=self.settings.risk.policy,
                ledger=self.ledger,
                sights=self.sights,
                breaker=self.breaker,
                kill=self.kill,
                orders=Orders(self.data_dir, "sandbox"),
                day=self.day,
                clock=self.clock,
                gateway_unready=self.venue.unready,
                journal_fails=lambda: self.engine.keeper.ok(),  # noqa: PLW0108  it is made later
                start_budgets=self.settings.rotation.start_budgets,
                inventory=Inventory(self.settings.inventory, self.ledger, self.sights.prices.get),
            )
        )

    @asynccontextmanager
    async def running(self) -> Any:
        """The engine owns its tasks while this is open."""
        task = asyncio.get_running_loop().create_task(self.engine.run())
        await settle()
        try:
            yield self
        finally:
            await asyncio.sleep(0)  # what was begun just now begins
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def plan(self, most: str = "150") -> Plan:
        """What sizing makes of the standing books."""
        limits = SizeLimits(D(most))
        found = size(TRIANGLE, self.sights.books, self.sights.markets, self.fees, limits)
        assert isinstance(found, Plan), found
        return found

    async def trade(self, *, seconds: float = 60.0, most: str = "150") -> None:
        """Take one plan and let time pass until its cycle is over."""
        assert self.engine.take(self.plan(most), self.clock.now_ns) is None
        for _ in range(int(seconds * 10)):
            if not self.engine.open_cycles:
                return
            await self.clock.advance(0.1)

    async def recover(self, *, untold: bool = False) -> None:
        """What a start does, in virtual time."""
        starting = recover(self.setup, self.engine, self.auditor, self.venue, untold=untold)
        going = asyncio.get_running_loop().create_task(starting)
        while not going.done():
            await self.clock.advance(0.1)
        await going

    @property
    def end(self) -> str:
        """How the only cycle ended."""
        (only,) = self.engine.ends
        return only

    def agrees(self) -> None:
        """The ledger, the journal and the venue say the same of every asset."""
        self.ledger.check()
        for asset, amount in self.venue.balances_.items():
            assert self.ledger.wallet(asset) == amount, asset
        assert set(self.journal.trades) == {trade.trade_id for trade in self.venue.trades}
        for client_id, row in self.journal.orders.items():
            made = [t.qty for t in self.journal.trades.values() if t.client_id == client_id]
            filled = sum(made, D(0))
            if row.state.over and not filled:
                assert row.state in {OrderState.EMPTY, OrderState.REJECTED, OrderState.NEVER}
            elif row.state.over:
                assert row.state is end_of(row.intent.qty, self.trades_of(client_id))
        assert self.venue.written_first

    def trades_of(self, client_id: str) -> list[Trade]:
        return [trade for trade in self.venue.trades if trade.client_id == client_id]
