"""Explains each cycle of a run a moment after it has ended, beside the trading turn."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from arbit.attribution import Told, explain
from arbit.domain.attribution import Amounts, Attribution, Cause
from arbit.domain.events import ConversionEnded, CycleEnded, CycleExplained, Event
from arbit.domain.histogram import Histogram
from arbit.domain.money import EXACT, plain
from arbit.domain.records import JournalFailed
from arbit.execution.cycle import Cycle
from arbit.ports import Journal, Listener

BOUNDS_BPS = (-100.0, -30.0, -10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)
MAX_WAITING = 1_000  # cycles that have ended and were not explained yet; beyond, the oldest is left
DIGIT = Decimal("0.0000000001")  # the last one of amounts that are told: a report has them all


class Shortfalls:
    """By cause, how many basis points of its stake each cycle brought less than expected.

    As it is known at the cycle's end: what is told of it later is in `arbit report`. A `Listener`;
    until one hears of a cycle's end, `note` only keeps it.
    """

    def __init__(self, venue: str, journal: Journal, publish: Listener) -> None:
        self._venue = venue
        self._journal = journal
        self._publish = publish
        self._waiting: deque[Cycle] = deque(maxlen=MAX_WAITING)
        self.bps = {cause.value: Histogram(BOUNDS_BPS) for cause in Cause}

    def note(self, cycle: Cycle) -> None:
        """A cycle is over, in this very turn."""
        self._waiting.append(cycle)

    def __call__(self, event: Event, /) -> None:
        """In a later turn: explain what has ended since."""
        if isinstance(event, CycleEnded | ConversionEnded) and event.venue == self._venue:
            while self._waiting:
                self._explain(self._waiting.popleft())

    def _explain(self, cycle: Cycle) -> None:
        try:
            walks = self._journal.walks_of(cycle.cycle_id)
        except JournalFailed:  # the keeper finds the same with what matters more
            return
        orders = [one.record for one in cycle.orders]
        trades = [trade for one in cycle.orders for trade in one.trades]
        found = explain(Told(cycle.record, orders, trades, walks))
        if found is None:  # of a run before this was kept
            return
        for cause in Cause:
            self.bps[cause.value].observe(float(found.bps(cause)))
        self._publish(_told(self._venue, cycle, found))


def _told(venue: str, cycle: Cycle, found: Attribution) -> CycleExplained:
    def short(amounts: Amounts) -> str:
        return plain(EXACT.quantize(found.value(amounts), DIGIT))

    def said(cause: Cause) -> str:
        return short(found.shortfall(cause))

    return CycleExplained(
        venue=venue,
        cycle_id=cycle.cycle_id,
        path=cycle.record.path,
        asset=found.start,
        expected=short(found.expected),
        brought=short(found.moved),
        spread_move=said(Cause.SPREAD_MOVE),
        latency=said(Cause.LATENCY),
        depth=said(Cause.DEPTH),
        partial=said(Cause.PARTIAL),
        fee=said(Cause.FEE),
        rounding=said(Cause.ROUNDING),
    )
