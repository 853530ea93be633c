"""Sends: clear, write, then let the bytes leave, all in one synchronous turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from arbit.domain.order import OrderIntent, OrderState, Outcome
from arbit.domain.records import JournalFailed, OrderRecord, Purpose
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.walk import LegWalk, Seen, walk
from arbit.execution import steps
from arbit.execution.cycle import WorkingOrder
from arbit.execution.keeper import Keeper
from arbit.execution.settling import Settling
from arbit.execution.setup import EngineSetup, Tasks
from arbit.execution.telling import sent
from arbit.execution.works import Work


class Sender:
    """The only caller of a gateway's `send`. `ended` is told what became of each order.

    `index` is told whose order a client id is, before it leaves.
    """

    def __init__(
        self,
        setup: EngineSetup,
        tasks: Tasks,
        keeper: Keeper,
        settling: Settling,
        index: Callable[[str, str], None],
        ended: Callable[[Outcome], None],
    ) -> None:
        self._setup = setup
        self._tasks = tasks
        self._keeper = keeper
        self._settling = settling
        self._index = index
        self._ended = ended
        self.orders = 0

    def send(self, work: Work, purpose: Purpose, drafts: Sequence[steps.SendLeg]) -> Refused | None:
        """Clear, write and send these orders in one synchronous turn; all of them or none."""
        setup, now_ns = self._setup, self._setup.clock.monotonic_ns()
        deadline_ns = setup.gateway.deadline_ns()
        if deadline_ns is None or work.envelope is None:
            return Refused(RefusalCode.CLOCK if deadline_ns is None else RefusalCode.ENVELOPE)
        orders = [self._working(work, purpose, draft, deadline_ns) for draft in drafts]
        for order, draft in zip(orders, drafts, strict=True):
            intent = order.record.intent
            refused = setup.gate.clear(intent, work.envelope, draft.funds, now_ns)
            if refused is not None:
                return refused
        if purpose is Purpose.LEG:
            work.pad.walks += self._seen(orders, now_ns)
        try:
            self._keeper.write(work.pad, [order.record for order in orders])
        except JournalFailed as failure:
            return Refused(RefusalCode.JOURNAL, {"why": str(failure)})
        for order in orders:
            work.cycle = steps.ordered(work.cycle, order)
            self._index(order.client_id, work.cycle.cycle_id)
        for order in orders:
            self._leave(order)
        self._settling.tally.left(now_ns, setup.clock.monotonic_ns())
        self._settling.keep_holds(work.cycle)  # nobody can ask before this turn is over
        return None

    def _seen(self, orders: Sequence[WorkingOrder], now_ns: int) -> Iterator[LegWalk]:
        """What our own books show that these orders will meet, kept in the same commit."""
        for order in orders:
            record, intent = order.record, order.record.intent
            view = self._setup.view(intent.leg.symbol, now_ns)
            if view is not None:
                levels = walk(view.facing(intent.leg.side), intent.qty)
                yield LegWalk(record.cycle_id, record.leg_index, Seen.SENT, levels)

    def _leave(self, order: WorkingOrder) -> None:
        """The order's bytes leave, unless the kill switch has come on while it was written."""
        intent = order.record.intent
        if self._setup.kill.on():
            said = Outcome(intent.client_id, OrderState.REJECTED, reason="not sent: kill switch")
            self._tasks.spawn(self._later(said))
            return
        self.orders += 1
        self._tasks.spawn(self._follow(self._setup.gateway.send(intent)))
        self._setup.publish(sent(self._setup.venue, order.record))

    def _working(
        self, work: Work, purpose: Purpose, draft: steps.SendLeg, deadline_ns: int
    ) -> WorkingOrder:
        unwinding = purpose is Purpose.UNWIND
        attempt = work.cycle.unwinds + 1 if unwinding else 1
        client_id = self._setup.ids.order(work.cycle.cycle_id, draft.index, attempt)
        known = self._setup.fees.rates.get(draft.leg.symbol, draft.fee_rate)
        intent = OrderIntent(
            client_id=client_id,
            leg=draft.leg,
            qty=draft.qty,
            limit_price=draft.limit_price,
            fee_rate=max(draft.fee_rate, known),  # its cycle may be older than a dearer fee
            deadline_ns=deadline_ns,
        )
        record = OrderRecord(
            intent=intent,
            cycle_id=work.cycle.cycle_id,
            purpose=purpose,
            leg_index=draft.index,
            attempt=attempt,
            transport=self._setup.gateway.transport,
            state=OrderState.SENT,
            hold_asset=draft.leg.spend,
            hold_amount=intent.most_spent,
            sent_ns=self._setup.clock.wall_ns(),
        )
        return WorkingOrder(record)

    async def _follow(self, sent: Awaitable[Outcome]) -> None:
        self._ended(await sent)

    async def _later(self, outcome: Outcome) -> None:
        self._ended(outcome)
