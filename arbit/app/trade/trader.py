"""Everything that trades on one account, put together: gate, engine, breaker, ledger, audits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from arbit.app.reports.shortfalls import Shortfalls
from arbit.app.trade.holdings import Holdings
from arbit.app.trade.key_watch import KeyQuestion, KeyWatch
from arbit.app.trade.last_look import last_look
from arbit.app.trade.learning import Learning
from arbit.app.trade.rebalancer import Rebalancer, RebalancerSetup
from arbit.app.trade.sights import DeskSights
from arbit.app.watch.venue import Desk
from arbit.config import Settings
from arbit.domain.account import AccountEvent, AccountId, Mode
from arbit.domain.book import Integrity
from arbit.domain.cycle import CycleState
from arbit.domain.fees import demanded
from arbit.domain.learned import Learned
from arbit.domain.money import BPS
from arbit.domain.plan import Plan
from arbit.domain.records import Batch, Book, Flag, JournalBusy, JournalFailed
from arbit.domain.refusal import Refused
from arbit.execution.audit import Auditor
from arbit.execution.counting import HEARD
from arbit.execution.cycle import Cycle
from arbit.execution.engine import Engine
from arbit.execution.fee_table import FeeTable
from arbit.execution.fee_watch import FeeWatch
from arbit.execution.ids import Ids
from arbit.execution.opening import OPENED
from arbit.execution.recovery import note_clean_end, recover
from arbit.execution.setup import EngineSetup
from arbit.inventory import Inventory
from arbit.ledger import Ledger
from arbit.ports import AccountReader, Clock, Journal, Listener, OrderGateway
from arbit.risk.breaker import FLAG, Breaker, BreakerState, Reason
from arbit.risk.budgets import DayBook
from arbit.risk.gate import Gate
from arbit.risk.kill import KillSwitch, Orders, Resume
from arbit.risk.room import Room
from arbit.risk.setup import GateSetup
from arbit.risk.slots import Slots

OPERATOR_S = 0.25  # how often an operator's files are looked at
STEP_S = 0.05
FEES_NS = 600_000_000_000  # how often a venue that states fees later is asked for them
SANDBOX_FEES_NS = 5_000_000_000  # ours states them within seconds
BUILDING_NS = 5_000_000_000  # the fees of a start were told no longer ago than that


@dataclass(frozen=True, slots=True)
class TraderSetup:
    """What one account is traded with. `venue_clock` is the venue's wall time; None for ours.

    `key_again` asks whether its key may still be traded with; None where there is no key.

    The fees of its desk are the account's own, or what paper takes, and were learnt just now.
    """

    settings: Settings
    account: AccountId
    desk: Desk
    integrity: Integrity
    journal: Journal
    gateway: OrderGateway
    reader: AccountReader
    clock: Clock
    publish: Listener
    epoch: str
    data_dir: Path
    venue_clock: Callable[[], int | None] | None = None
    key_again: KeyQuestion | None = None


class Trader:
    """One account at work. `start` recovers what was in flight; until then nothing is taken."""

    def __init__(self, setup: TraderSetup) -> None:
        self.setup = setup
        settings, venue = setup.settings, setup.desk.setup.venue
        self.memory = setup.journal.recall()
        self.ledger = Ledger(self.memory.sums, self.memory.late_fees, self.memory.rough)
        self.sights = DeskSights(setup.desk, setup.integrity)
        self.kill = KillSwitch(
            setup.data_dir,
            on=settings.risk.kill_switch,
            file=settings.risk.kill_switch_file,
            venue=venue.name,
        )
        self.orders = Orders(setup.data_dir, venue.name)
        self.breaker = Breaker(venue.name, settings.risk, setup.clock, setup.publish)
        self.inventory = Inventory(settings.inventory, self.ledger, self.sights.last_price)
        self.gate = Gate(
            GateSetup(
                venue=venue,
                scan=settings.scan,
                risk=settings.risk,
                policy=settings.risk.policy,
                ledger=self.ledger,
                sights=self.sights,
                breaker=self.breaker,
                kill=self.kill,
                orders=self.orders,
                day=DayBook(self.memory.profit_ref_by_day),
                clock=setup.clock,
                gateway_unready=setup.gateway.unready,
                journal_fails=self._journal_fails,
                inventory=self.inventory,
                start_budgets=settings.rotation.start_budgets,
            )
        )
        desk = setup.desk.setup
        self.holdings = Holdings(self.inventory, self.ledger, desk.watch.symbols, desk.markets)
        self.learning = self._learning()
        self.shortfalls = Shortfalls(venue.name, setup.journal, setup.publish)
        engine_setup = self._engine_setup()
        self.engine = Engine(engine_setup)
        self.engine.closed = True  # until everything in flight is found out
        self.auditor = Auditor(engine_setup, self.engine, setup.reader, self._opened_ns())
        self.gate.unaudited = self.auditor.overdue
        self.fee_watch = FeeWatch(
            engine_setup,
            self.engine,
            setup.reader,
            setup.desk.setup.watch.symbols,
            settings.scan.min_edge_bps,
        )
        self.gate.fees_doubted = engine_setup.fees.doubt
        self.key_watch = self._key_watch(engine_setup)
        self.breaker.persist = self.engine.keeper.note
        self.breaker.restore(self.memory.flags.get(FLAG))  # before anything can trip or resume it
        self.started = self.recover_only = self._stopping = False
        self.recovered = 0
        self.golive: Callable[[], str] = str  # what is known of shadow runs, in words
        self.rebalancer = self._rebalancer()
        self.rebalances = settings.inventory.rebalance
        setup.desk.lane.rotation.restoring = self.rebalancer.restoring

    def _rebalancer(self) -> Rebalancer:
        return Rebalancer(
            RebalancerSetup(
                settings=self.setup.settings,
                desk=self.setup.desk,
                engine=self.engine,
                ledger=self.ledger,
                view=self.sights.view,
                memory=self.memory,
                ready=lambda: self.started,
            )
        )

    def _key_watch(self, engine_setup: EngineSetup) -> KeyWatch | None:
        ask = self.setup.key_again
        if ask is None:
            return None
        watch = KeyWatch(engine_setup, self.engine, self.auditor, ask)
        self.gate.key_doubted = watch.doubt
        return watch

    def _learning(self) -> Learning:
        """The lane chooses by what earlier runs have learned, and heeds the rests they began.

        And what it chooses from is sized within the bounds of what may be owned.
        """
        rotation, paths, clock = self.setup.desk.lane.rotation, self.gate.paths, self.setup.clock
        now_ns = clock.monotonic_ns()
        paths.recall(self.memory.last_ends, clock.wall_ns(), now_ns)
        rotation.rests = paths.rests_ns
        risk = self.setup.settings.risk
        room = Room(self.ledger, self.sights, risk, risk.policy, self.inventory)
        self.setup.desk.lane.room = room.share
        watched = {one.path for one in self.setup.desk.lane.scanner.directed}
        return Learning(rotation.odds, self.memory.learned, self.setup.journal, now_ns, watched)

    def _engine_setup(self) -> EngineSetup:
        setup, sandbox = self.setup, self.setup.account.mode is Mode.SANDBOX
        return EngineSetup(
            account=setup.account,
            settings=setup.settings.risk,
            policy=setup.settings.risk.policy,
            gate=self.gate,
            breaker=self.breaker,
            kill=self.kill,
            ledger=self.ledger,
            journal=setup.journal,
            gateway=setup.gateway,
            markets=setup.desk.setup.markets,
            fees=self._fees(),
            view=self.sights.view,
            in_reference=self.sights.last_price,
            clock=setup.clock,
            ids=Ids(setup.epoch),
            publish=setup.publish,
            venue_clock=setup.venue_clock,
            taught=self._over,
            fees_posted_every_ns=SANDBOX_FEES_NS if sandbox else FEES_NS,
        )

    def _over(self, cycle: Cycle) -> tuple[Learned, ...]:
        """A cycle is over: what it teaches is kept with it, why it brought that is told later."""
        self.shortfalls.note(cycle)
        return self.learning.ended(cycle)

    def _fees(self) -> FeeTable:
        """The fees of the desk as they are now; the desk follows what becomes of them."""
        desk, clock = self.setup.desk, self.setup.venue_clock
        venue = desk.setup.venue

        def stated(symbol: str) -> Decimal | None:
            bps = venue.fee_override_bps(symbol)
            return None if bps is None else bps / BPS

        now_ns = self.setup.clock.wall_ns() if clock is None else clock()
        known_ns = 0 if now_ns is None else now_ns - BUILDING_NS
        fees = FeeTable(desk.setup.watch.fees, stated=stated, known_ns=known_ns)
        fees.changed = desk.reckon
        return fees

    def _opened_ns(self) -> int:
        flag = self.memory.flags.get(OPENED)
        return int(flag.value) if flag is not None and flag.value.isdigit() else 0

    def _journal_fails(self) -> str:
        return self.engine.keeper.ok()

    def account_event(self, event: AccountEvent, /) -> None:
        """`ports.AccountSink`: what the account's stream tells."""
        if self.key_watch is None or not self.key_watch.has_told(event):
            self.auditor(event)

    def history_failing(self, why: str) -> None:
        """What happens is no longer written down: begin nothing, until the rest and a probe."""
        if self.breaker.state() in {BreakerState.ACTIVE, BreakerState.PROBING}:
            self.breaker.trip(Reason.RECORDER, why)

    def share(self, slots: Slots) -> None:
        """Begin cycles only in places that this account shares with the other lanes."""
        self.gate.share(slots)

    def take(self, plan: Plan, now_ns: int) -> Refused | None:
        """The lane's way in."""
        return self.engine.take(plan, now_ns)

    async def run(self) -> None:
        """Own the engine and its audits, for as long as the account is traded."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run(), name="engine")
            group.create_task(self._go_on(), name="recovery")
            group.create_task(self._heed_operator(), name="operator")
            group.create_task(self.fee_watch.run(), name="fees")
            if self.key_watch is not None:
                group.create_task(self.key_watch.run(), name="key")
            if self.rebalances:
                group.create_task(self.rebalancer.run(), name="rebalancer")

    async def _go_on(self) -> None:
        """Recover, then trade; from then on audit."""
        await self._books_believed()
        setup = self.engine.setup
        found = await recover(
            setup, self.engine, self.auditor, self.setup.reader, untold=self.auditor.untold
        )
        self.recovered = len(found)
        self.engine.closed = self.recover_only or self._stopping
        self.started = True
        await self.auditor.run()

    async def _books_believed(self) -> None:
        """Wait until books of the way home, and of what it is worth, are believed; not for ever."""
        legs = [one.leg for cycle in self.memory.cycles if not cycle.ended_ns for one in cycle.plan]
        if not legs:
            return
        symbols = {leg.symbol for leg in legs}
        assets = {asset for leg in legs for asset in (leg.spend, leg.receive)}
        for _ in range(int(10 / STEP_S)):
            now_ns = self.setup.clock.monotonic_ns()
            seen = all(self.sights.view(symbol, now_ns) is not None for symbol in symbols)
            if seen and all(self.sights.last_price(asset) is not None for asset in assets):
                return
            await self.setup.clock.sleep(STEP_S)

    async def _heed_operator(self) -> None:
        """`arbit resume` closes the breaker; its file is used up. What else is due now and then.

        While the kill switch is on nobody can say that it may go on.
        """
        while True:
            killed = self.engine.kills.look()
            asked = self.orders.take_resume()
            if asked is not None:
                self.auditor.accept_balances = asked is Resume.ACCEPT_BALANCES
                if not killed:
                    self.breaker.resume()
            if not self.engine.open_cycles and not self.engine.keeper.ok():
                clock = self.setup.clock
                self.learning.keep_now_and_then(clock.monotonic_ns(), clock.wall_ns())
            await self.setup.clock.sleep(OPERATOR_S)

    async def drain(self, grace_s: float) -> str:
        """Begin nothing new; wait until open cycles have ended and all of it is written.

        The books end as the venue's are. Returns what is left when the grace is over, in words;
        empty when nothing is. What recovery has not found out yet is the next start's: it is not
        waited for, and the end is not clean.
        """
        self._stopping = True
        self.engine.close()
        keeper = self.engine.keeper
        looked = False
        for step in range(int(grace_s / STEP_S) + 1):
            if not self.engine.open_cycles and not keeper.unwritten:
                if not self.started:
                    return "recovery was not over: the next start begins it anew"
                if not looked:
                    looked, left_s = True, grace_s - step * STEP_S
                    await last_look(self.auditor, self.ledger, self.setup.clock, left_s)
                if self._clean_end():
                    return ""
            await self.setup.clock.sleep(STEP_S)
        if self.engine.open_cycles:
            return f"cycles were open after {grace_s:g} s: the next start takes them up"
        return f"not all of it was written within {grace_s:g} s: the next start asks the venue"

    def _clean_end(self) -> bool:
        """Write it down. False while something else waits to be, or another program commits."""
        if self.engine.keeper.unwritten:
            return False
        wall_ns, venue_ns = self.setup.clock.wall_ns(), self.engine.setup.venue_ns
        flags = [note_clean_end(wall_ns)]
        if venue_ns is not None and self.auditor.settled:
            flags.append(Flag(HEARD, str(venue_ns), wall_ns))
        try:
            self.setup.journal.write(Batch(flags=tuple(flags), learned=self.learning.rest()))
        except JournalBusy:
            return False
        except JournalFailed:  # the next start counts this one as a crash, which is the safe side
            return True
        return True

    @property
    def open_cycles(self) -> int:
        """Cycles that are not over; before recovery is, those that the journal remembers too."""
        at_work = self.engine.open_cycles
        if self.started:
            return at_work
        try:
            kept = self.setup.journal.recall().cycles
        except JournalFailed:
            kept = self.memory.cycles
        return max(at_work, sum(not cycle.ended_ns for cycle in kept))

    def held(self) -> list[str]:
        """The cycles that this run has left for a person to look at, each in a line."""
        engine = self.engine
        cycles = [*engine.past.values(), *(work.cycle for work in engine.works.values())]
        found = []
        for cycle in cycles:
            if cycle.state is CycleState.HELD:
                out = ", ".join(order.client_id for order in cycle.open_orders)
                found.append(
                    f"{cycle.cycle_id} {cycle.record.path}: {cycle.left_behind() or 'nothing'} "
                    f"left behind ({cycle.record.detail})"
                    + (f"; not known yet what became of {out}" if out else "")
                )
        return found

    @property
    def halted(self) -> bool:
        """Whether nothing at all may be sent until an operator says so."""
        return self.breaker.state() is BreakerState.HALTED

    @property
    def fee_words(self) -> str:
        """What the fees ask of a gap now, or why they are doubtful."""
        scan, watch = self.setup.settings.scan, self.setup.desk.setup.watch
        doubt = self.engine.setup.fees.doubt()
        return doubt or demanded(watch.rates.values(), scan.min_edge_bps)

    def balances(self) -> dict[str, Decimal]:
        """What the ledger says is owned, by asset."""
        return {
            asset: amount
            for asset in self.ledger.assets
            if (amount := self.ledger.sum_of(Book.WALLET, asset))
        }
