"""What a page of metrics tells of trading beside how orders and cycles ended: plain running totals.

Nothing here decides anything. Times are of the wall clock where a record keeps them, so that a
clock set back counts as no time at all.
"""

from __future__ import annotations

from decimal import Decimal

from arbit.domain.histogram import Histogram
from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import OrderState, Remedy
from arbit.domain.records import CycleRecord, OrderRecord

MS = 1e6
TO_WIRE_MS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0)
LIVES_MS = (
    *(1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0),
    *(1_000.0, 2_500.0, 5_000.0, 10_000.0, 30_000.0, 60_000.0, 300_000.0),
)


class Tally:
    """Running totals of one account since the start of the process."""

    def __init__(self) -> None:
        self.fills = 0
        self.rejects: dict[str, int] = {}
        self.gained_ref = ZERO
        self.lost_ref = ZERO
        self.to_wire_ms = Histogram(TO_WIRE_MS)
        self.order_ms = Histogram(LIVES_MS)
        self.cycle_ms = Histogram(LIVES_MS)

    def left(self, cleared_ns: int, now_ns: int) -> None:
        """Orders that were looked at from `cleared_ns` on have left: monotonic times."""
        self.to_wire_ms.observe((now_ns - cleared_ns) / MS)

    def ended(self, record: OrderRecord, remedy: Remedy) -> None:
        """It is known what became of an order."""
        self.order_ms.observe(max(0, record.ended_ns - record.sent_ns) / MS)
        if record.state is OrderState.REJECTED:
            self.rejects[remedy.value] = self.rejects.get(remedy.value, 0) + 1

    def closed(self, record: CycleRecord) -> None:
        """A cycle or a conversion is over; one that nobody prices adds to neither sum."""
        if record.kind is not None:
            return
        self.cycle_ms.observe(max(0, record.ended_ns - record.started_ns) / MS)
        made: Decimal = record.profit_ref or ZERO
        if made > 0:
            self.gained_ref = EXACT.add(self.gained_ref, made)
        else:
            self.lost_ref = EXACT.subtract(self.lost_ref, made)
