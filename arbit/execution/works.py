"""What the engine keeps beside each cycle, and the notes that become one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.domain.account import Flow
from arbit.domain.learned import Learned
from arbit.domain.money import ZERO
from arbit.domain.order import Trade
from arbit.domain.records import (
    Batch,
    CycleRecord,
    Flag,
    Incident,
    LateFee,
    OrderRecord,
    PostedFee,
    Posting,
    Purpose,
    Transfer,
)
from arbit.domain.walk import LegWalk
from arbit.execution.cycle import Cycle
from arbit.risk.envelope import Approved

Told = Callable[[Cycle], None]  # hears of a cycle's end


@dataclass(slots=True)
class Pad:
    """Notes for the journal, gathered until they are written as one batch."""

    cycles: dict[str, CycleRecord] = field(default_factory=dict)
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    flags: dict[str, Flag] = field(default_factory=dict)
    late_fees: dict[str, LateFee] = field(default_factory=dict)
    posted_fees: dict[str, PostedFee] = field(default_factory=dict)
    learned: list[Learned] = field(default_factory=list)
    walks: list[LegWalk] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            self.cycles
            or self.orders
            or self.trades
            or self.postings
            or self.incidents
            or self.flags
            or self.late_fees
            or self.posted_fees
            or self.learned
            or self.walks
            or self.transfers
        )

    def order(self, record: OrderRecord) -> None:
        """This order, as it is now."""
        self.orders[record.intent.client_id] = record

    def cycle(self, record: CycleRecord) -> None:
        """This cycle, as it is now."""
        self.cycles[record.cycle_id] = record

    def book(self, trade: Trade, postings: Iterable[Posting]) -> None:
        """A trade, and what it posts."""
        self.trades.append(trade)
        self.postings += postings

    def flow(self, moved: Flow, postings: Iterable[Posting]) -> None:
        """Money that came or went without an order, and what it posts."""
        self.transfers.append(Transfer(moved.ref, moved.kind))
        self.postings += postings

    def batch(self, extra: Iterable[OrderRecord] = ()) -> Batch:
        """Everything noted, and `extra` orders beside it."""
        orders = {**self.orders, **{record.intent.client_id: record for record in extra}}
        return Batch(
            cycles=tuple(self.cycles.values()),
            orders=tuple(orders.values()),
            trades=tuple(self.trades),
            postings=tuple(self.postings),
            incidents=tuple(self.incidents),
            flags=tuple(self.flags.values()),
            late_fees=tuple(self.late_fees.values()),
            posted_fees=tuple(self.posted_fees.values()),
            learned=tuple(self.learned),
            walks=tuple(self.walks),
            transfers=tuple(self.transfers),
        )

    def clear(self) -> None:
        """All of it is written."""
        for notes in (self.cycles, self.orders, self.flags, self.late_fees, self.posted_fees):
            notes.clear()
        for lines in (self.trades, self.postings, self.incidents, self.learned):
            lines.clear()
        self.walks.clear()
        self.transfers.clear()


@dataclass(slots=True)
class Work:
    """A cycle at work. Times are monotonic; 0 means not yet.

    `budget` is what bringing it home may lose, in the start asset. `asked` counts the questions
    about each UNKNOWN order, `doubted_ns` says since when it is one. `cancelled` are the orders
    that were asked to be, once each.
    """

    cycle: Cycle
    envelope: Approved | None
    budget: Decimal = ZERO
    pad: Pad = field(default_factory=Pad)
    homeless_ns: int = 0  # since when no way home could be taken
    asked: dict[str, int] = field(default_factory=dict)
    doubted_ns: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    replanning: bool = False
    paused_after: str = ""  # the order home in vain that was waited after last
    legs_as: Purpose = Purpose.LEG  # under which permission its legs leave
    told: Told | None = None  # who hears of its end, and once
