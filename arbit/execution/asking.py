"""Asks what became of orders that nobody can speak for, and asks for cancellations."""

from __future__ import annotations

from collections.abc import Callable

from arbit.domain.errors import VenueError
from arbit.domain.events import OrderRefused
from arbit.domain.order import OrderState, Outcome
from arbit.domain.records import OrderRecord
from arbit.execution.cycle import Cycle
from arbit.execution.setup import MS, EngineSetup, Tasks
from arbit.execution.telling import cancelling
from arbit.execution.works import Work
from arbit.risk.breaker import Reason

ASK_S = (0.05, 0.5, 2.0, 5.0)  # waits before each question about an UNKNOWN order
# Once its deadline and the margin have passed, two answers that do not know it make it NEVER.
SURE_S = 0.05  # so long after that moment the first of them is asked for
APART_S = 0.55
SOON_S = 1.0  # a question so close before that moment would be wasted: it waits for it
INSIST_S = 2.0  # for so long after it questions are asked quickly; then the venue does not answer


class Asking:
    """Questions about orders; `ended` is told each answer. Never sends an order."""

    def __init__(self, setup: EngineSetup, tasks: Tasks, ended: Callable[[Outcome], None]) -> None:
        self._setup = setup
        self._tasks = tasks
        self._ended = ended

    def ask_later(self, work: Work, client_id: str) -> None:
        """Ask about an UNKNOWN order after a while, longer each time."""
        order, now_ns = work.cycle.order(client_id), self._setup.clock.monotonic_ns()
        if order is None or order.over:
            return
        if client_id not in work.doubted_ns:
            work.doubted_ns[client_id] = now_ns
            leg = order.record.intent.leg
            self._setup.gate.unresolved(client_id, frozenset({leg.spend, leg.receive}))
            if not work.cycle.recovering:
                self._setup.breaker.note_failure("unknown", now_ns)
        asked = work.asked.get(client_id, 0)
        work.asked[client_id] = asked + 1
        since_ns = now_ns - work.doubted_ns[client_id]
        if since_ns > self._setup.settings.max_resolve_s * 1_000 * MS:
            said = f"{client_id}: unknown for {since_ns // (1_000 * MS)} s"
            self._setup.breaker.trip(Reason.UNRESOLVED, said)
        self._tasks.spawn(self._ask(order.record, self._wait_s(order.record, asked)))

    def _wait_s(self, record: OrderRecord, asked: int) -> float:
        """How long to wait before the next question.

        Ever longer, for questions are counted by the venue, but for the two that can end it: they
        are asked as soon as they count.
        """
        wait_s = ASK_S[min(asked, len(ASK_S) - 1)]
        deadline_ns, venue_ns = record.intent.deadline_ns, self._setup.venue_ns
        if not deadline_ns or venue_ns is None:
            return wait_s
        margin_ns = self._setup.settings.resolve_margin_ms * MS
        counts_in_s = (deadline_ns + margin_ns - venue_ns) / (1_000 * MS)
        if 0 < counts_in_s < wait_s + SOON_S:
            return counts_in_s + SURE_S
        return min(wait_s, APART_S) if -INSIST_S < counts_in_s <= 0 else wait_s

    async def _ask(self, record: OrderRecord, wait_s: float) -> None:
        await self._setup.clock.sleep(wait_s)
        client_id = record.intent.client_id
        try:
            outcome = await self._setup.gateway.resolve(record.intent, record.order_id)
        except VenueError as error:
            outcome = Outcome(client_id, OrderState.UNKNOWN, reason=str(error))
        self._ended(outcome)

    async def cancel(self, cycle: Cycle, client_id: str) -> None:
        """Ask for it; what became of the order is told by its own outcome."""
        order = cycle.order(client_id)
        if order is None:
            return
        record, venue = order.record, self._setup.venue
        self._setup.publish(cancelling(venue, record))
        try:
            await self._setup.gateway.cancel(client_id, record.order_id)
        except VenueError as error:
            said = OrderRefused(venue, "cancel", str(error), record.cycle_id, client_id)
            self._setup.publish(said)
