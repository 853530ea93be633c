"""Performs what `steps` command: journal first, then the order, then what became of it.

An order is durable before its bytes leave, and leaves at most once. What a cycle moved is in the
ledger at once and in the journal with the next commit; when the journal fails, nothing new leaves,
and what is unwritten is kept and written first when it works again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.errors import BrokenRule
from arbit.domain.events import OrderEnded
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.order import OrderIntent, OrderState, Outcome, Remedy, Trade
from arbit.domain.plan import Plan
from arbit.domain.records import Purpose
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import Conversion, ConversionKind
from arbit.domain.states import IllegalTransition
from arbit.execution import steps
from arbit.execution.asking import Asking
from arbit.execution.converting import begun, opened, told_of
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.homing import Homing
from arbit.execution.keeper import Keeper
from arbit.execution.late import Late
from arbit.execution.refusals import Refusals
from arbit.execution.roster import Roster
from arbit.execution.sending import Sender
from arbit.execution.settling import Settling, SettlingSetup
from arbit.execution.setup import EngineSetup, Tasks
from arbit.execution.works import Told, Work
from arbit.risk.breaker import Reason
from arbit.risk.kill_watch import KillWatch

WATCH_S = 0.02  # how often the kill switch and the unwritten are looked at


class Engine:
    """All cycles of one account. `run` owns every task; everything else is synchronous."""

    def __init__(self, setup: EngineSetup) -> None:
        self.setup = setup
        self._tasks = Tasks()
        self._roster = Roster(setup.journal)
        self.kills = KillWatch(setup.venue, setup.kill, setup.breaker, setup.publish)
        self._refused = Refusals(setup, self.kills)
        self.keeper = Keeper(setup.journal, setup.breaker, setup.clock)
        self._stirred = asyncio.Event()  # there is something to watch
        self.keeper.on_failing = self._stirred.set
        self.settling = Settling(
            SettlingSetup(
                venue=setup.venue,
                ledger=setup.ledger,
                markets=setup.markets,
                fees=setup.fees,
                in_reference=setup.in_reference,
                wall_ns=setup.clock.wall_ns,
                publish=setup.publish,
            )
        )
        self._sender = Sender(
            setup, self._tasks, self.keeper, self.settling, self._roster.index, self.ended
        )
        self._asking = Asking(setup, self._tasks, self.ended)
        self._homing = Homing(setup, self._tasks, self._sender, self._refused, self._apply)
        self._late = Late(setup, self._roster, self.settling, self.keeper, self._apply)
        self.works, self.past = self._roster.works, self._roster.past
        self.ends: dict[str, int] = {}
        self.conversions: dict[str, int] = {}  # how those have ended, apart from cycles
        self.order_ends: dict[str, int] = {}
        self.refusals = self._refused.counts
        self.profit: dict[str, Decimal] = {}
        self.closed = False
        self.on_end: Told = lambda _: None  # of cycles alone
        self.on_conversion: Told = lambda _: None  # of the others, before who began one hears of it
        self.on_resync: Callable[[], None] = lambda: None  # the venue knows better what we own

    # --- from outside ----------------------------------------------------------------------------

    @property
    def open_cycles(self) -> int:
        """Cycles with an order out, or with something to bring home."""
        return len(self.works)

    @property
    def cycles(self) -> int:
        """Cycles that have ended in this run."""
        return sum(self.ends.values())

    def close(self) -> None:
        """Begin no new cycle; those that are open go on."""
        self.closed = True

    @property
    def orders(self) -> int:
        """Orders that have left in this run."""
        return self._sender.orders

    async def run(self) -> None:
        """Own the tasks of every cycle, watch the kill switch, write what is unwritten."""
        await self._tasks.own(self._watch_on())

    async def _watch_on(self) -> None:
        while True:
            self.watch()
            if self.works or self.keeper.ok():
                await self.setup.clock.sleep(WATCH_S)
            else:
                self._stirred.clear()
                await self._stirred.wait()

    def watch(self) -> None:
        """One look: at what is unwritten, and at the kill switch."""
        self.keeper.retry()
        if self.works and self.kills.look():
            for work in list(self.works.values()):
                if not work.cycle.state.over:
                    self._apply(work, steps.killed(work.cycle, "kill switch"))

    def take(self, plan: Plan, now_ns: int) -> Refused | None:
        """Review a plan and, if it is approved, send its first order(s) in this very call."""
        if self._draining:
            return self._refused(Refused(RefusalCode.DRAINING))
        setup, cycle_id = self.setup, self.setup.ids.cycle()
        approved = setup.gate.review(plan, cycle_id, now_ns)
        if isinstance(approved, Refused):
            return self._refused(approved)
        record = begun(cycle_id, plan.legs, setup.policy, setup.clock.wall_ns())
        self._begin(opened(record, plan.legs, approved))
        return None

    def convert(
        self,
        conversion: Conversion,
        kind: ConversionKind,
        loss_budget: Decimal,
        now_ns: int,
        told: Told | None = None,
    ) -> Refused | None:
        """Review a conversion and, if it is approved, send its first order in this very call.

        `loss_budget` is the most that it may cost in all against the middle prices, fees included,
        in the asset that it spends: at its limits, or by other ways when a leg falls short. `told`
        hears of its end; `converting.delivered` says what it came to, `app.conversion` waits.
        """
        if self._draining:
            return self._refused(Refused(RefusalCode.DRAINING))
        setup, cycle_id = self.setup, self.setup.ids.cycle()
        approved = setup.gate.review_conversion(conversion, kind, cycle_id, loss_budget, now_ns)
        if isinstance(approved, Refused):
            return self._refused(approved)
        legs, policy, wall_ns = conversion.legs, Policy.SEQUENTIAL, setup.clock.wall_ns()
        record = begun(cycle_id, legs, policy, wall_ns, kind, loss_budget)
        self._begin(opened(record, legs, approved, told))
        return None

    @property
    def _draining(self) -> bool:
        return self.closed or not self._tasks.owned

    def _begin(self, work: Work) -> None:
        self.works[work.cycle.cycle_id] = work
        self._apply(work, steps.begin(work.cycle))
        self._stirred.set()

    def adopt(self, cycle: Cycle, budget: Decimal) -> None:
        """A cycle found at a restart: learn what became of it, and end it or bring it home."""
        cycle = self.past.pop(cycle.cycle_id, cycle)  # with a late fill not yet in the journal
        work = Work(cycle, None, budget)
        self.works[cycle.cycle_id] = work
        self._roster.index_all(cycle)
        self.setup.gate.adopt(cycle.record, cycle.moved())
        self._apply(work, steps.restarted(cycle, self.setup.markets))
        self._stirred.set()

    def forbids(self, intent: OrderIntent) -> str:
        """Why an order that waited for its turn may not leave any more; empty when it may."""
        cycle = self.cycle_with(intent.client_id)
        order = cycle.order(intent.client_id) if cycle is not None else None
        if cycle is None or order is None:
            return self.setup.gate.stops(Purpose.LEG, intent.leg.symbol)
        # Parallel legs begin together, when they are written: none of them is held back alone.
        begins = order.record.leg_index == 1 and not cycle.parallel
        if begins and self.closed:
            return str(Refused(RefusalCode.DRAINING))
        work, purpose = self.works.get(cycle.cycle_id), order.record.purpose
        if work is not None and purpose is Purpose.LEG:
            purpose = work.legs_as  # of one that only takes back it may leave while REDUCING
        return self.setup.gate.stops(purpose, intent.leg.symbol, begins=begins)

    def knows(self, client_id: str) -> bool:
        """Whether an order of this id was sent from here, in this run or in an earlier one.

        JournalFailed when nobody can say.
        """
        return bool(self.cycle_with(client_id) or self.setup.journal.find(client_id))

    def cycle_with(self, client_id: str) -> Cycle | None:
        """The cycle, at work or over and remembered, that sent this order."""
        return self._roster.cycle_with(client_id)

    def late(self, trade: Trade) -> bool:
        """A trade from the account's stream or a backfill. False when no order of ours made it."""
        return self._late.came(trade)

    # --- performing ------------------------------------------------------------------------------

    def _apply(self, work: Work, step: steps.Step) -> None:
        """Take a step: write what it settled, perform what it commands, until nothing follows."""
        waiting = deque([step])
        while waiting:
            step = waiting.popleft()
            work.cycle = step.cycle
            work.pad.cycle(work.cycle.record)
            sends = [one for one in step.commands if isinstance(one, steps.SendLeg)]
            if not sends:
                self.settling.keep_holds(work.cycle)
            elif (failed := self._send_legs(work, sends)) is not None:
                waiting.append(failed)
            for command in step.commands:
                following = self._perform(work, command)
                if following is not None:
                    waiting.append(following)
        if not work.pad.empty:
            self.keeper.write(work.pad)

    def _perform(self, work: Work, command: steps.Command) -> steps.Step | None:
        match command:
            case steps.Resolve(client_ids):
                for client_id in client_ids:
                    self._asking.ask_later(work, client_id)
            case steps.Cancel(client_ids):
                for client_id in sorted({*client_ids} - work.cancelled):  # a cancel is dear
                    work.cancelled.add(client_id)
                    self._tasks.spawn(self._asking.cancel(work.cycle, client_id))
            case steps.PlanUnwind():
                return self._homing.plan(work)
            case steps.Close():
                self._end(work)
        return None  # SendLeg: they were sent together, before

    def _send_legs(self, work: Work, sends: Sequence[steps.SendLeg]) -> steps.Step | None:
        refused = self._sender.send(work, Purpose.LEG, sends)
        if refused is None:
            return None
        self._refused(refused)
        if refused.code is RefusalCode.KILL_SWITCH and work.cycle.traded:
            return steps.killed(work.cycle, "kill switch")
        work.cycle = work.cycle.with_record(detail=str(refused)[:500])
        return steps.not_sent(work.cycle, sends[0].index, self.setup.markets)

    # --- what became of orders -------------------------------------------------------------------

    def ended(self, outcome: Outcome) -> None:
        """Take in what is known of an order: book its trades, then go on with its cycle."""
        work = self._roster.work_with(outcome.client_id)
        before = work.cycle.order(outcome.client_id) if work is not None else None
        if work is None or before is None or before.over:
            return
        self._heed(outcome)
        try:
            step = steps.outcome_of(work.cycle, outcome, self.setup.markets)
        except IllegalTransition as illegal:  # the venue contradicts itself: believe nothing yet
            self.settling.incident(work.pad, "contradiction", str(illegal), before.record)
            step = steps.Step(work.cycle, (steps.Resolve((outcome.client_id,)),))
        self._apply(work, self._settle(work, before, step, outcome))

    def _settle(
        self, work: Work, before: WorkingOrder, step: steps.Step, outcome: Outcome
    ) -> steps.Step:
        order = step.cycle.order(outcome.client_id)
        if order is None:
            raise BrokenRule(f"engine: {outcome.client_id} left its cycle")
        known = {trade.trade_id for trade in before.trades}
        for trade in order.trades:
            if trade.trade_id not in known:
                self.settling.book(work.pad, work.cycle.cycle_id, order, trade)
        if order.over:
            ended_ns = self.setup.clock.wall_ns()
            order = replace(order, record=replace(order.record, ended_ns=ended_ns))
            step = replace(step, cycle=step.cycle.with_order(order))
            work.doubted_ns.pop(outcome.client_id, None)
            self.setup.gate.resolved(outcome.client_id)
            self._note_end(work, order, outcome)
        work.pad.order(order.record)
        return step

    def _heed(self, outcome: Outcome) -> None:
        """What the venue's words ask for, whatever is known of the order itself."""
        if outcome.remedy in {Remedy.HALT, Remedy.LOCKOUT}:
            self.setup.breaker.trip(Reason(outcome.remedy.value), outcome.reason)
        elif outcome.remedy is Remedy.RESYNC:
            self.on_resync()

    def _note_end(self, work: Work, order: WorkingOrder, outcome: Outcome) -> None:
        """Tell the breaker and the listeners how the order ended."""
        now_ns, state, record = self.setup.now_ns, order.record.state, order.record
        venue = self.setup.venue
        self.order_ends[state.value] = self.order_ends.get(state.value, 0) + 1
        self.settling.tally.ended(record, outcome.remedy)
        ids = (record.cycle_id, record.intent.client_id)
        symbol = record.intent.leg.symbol
        self.setup.publish(OrderEnded(venue, symbol, state.value, outcome.reason, *ids))
        if state in {OrderState.REJECTED, OrderState.NEVER}:
            self.setup.breaker.note_failure(state.value, now_ns)
        if order.filled_qty > record.intent.qty:
            said = f"{plain(order.filled_qty)} filled of {plain(record.intent.qty)} ordered"
            self.settling.incident(work.pad, "overfill", said, record)
            self.setup.breaker.trip(Reason.OVERFILL, said)

    # --- the end ---------------------------------------------------------------

    def _end(self, work: Work) -> None:
        """The cycle is over: close its books, remember it for late fills, tell everybody."""
        cycle = work.cycle = self.settling.close(work)
        record, state = cycle.record, cycle.state
        if unpriced := self.settling.unpriced_loss(cycle):
            self.settling.incident(work.pad, "unpriced", f"{cycle.cycle_id}: {unpriced}")
            self.setup.breaker.trip(Reason.UNPRICED, f"{cycle.cycle_id}: {unpriced}")
        if state is CycleState.HELD and cycle.traded:
            self.setup.breaker.trip(Reason.HELD, f"{cycle.cycle_id}: {record.detail}")
        self.works.pop(cycle.cycle_id, None)
        self._roster.remember(cycle)
        ends = self.ends if record.kind is None else self.conversions
        ends[state.value] = ends.get(state.value, 0) + 1
        start = cycle.start
        if record.kind is None:
            self.profit[start] = EXACT.add(self.profit.get(start, ZERO), record.profit)
        wrong = state in {CycleState.UNWOUND, CycleState.HELD}
        self.setup.gate.finished(record, went_wrong=wrong, now_ns=self.setup.now_ns)
        self.setup.publish(told_of(self.setup.venue, cycle))
        work.pad.learned += self.setup.taught(cycle)
        (self.on_end if record.kind is None else self.on_conversion)(cycle)
        if work.told is not None:
            work.told(cycle)
