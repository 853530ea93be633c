"""All that a journal keeps of one account, as of one moment: what is reported and exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arbit.domain.order import Trade
from arbit.domain.records import CycleRecord, Incident, LateFee, OrderRecord, Posting
from arbit.domain.walk import LegWalk


@dataclass(frozen=True, slots=True)
class Recorded:
    """Rows of one account alone. `transfers` are the words of flows by ref.

    Postings are those of every book, in the order in which they were booked.
    """

    account: str
    cycles: tuple[CycleRecord, ...] = ()
    orders: tuple[OrderRecord, ...] = ()
    trades: tuple[Trade, ...] = ()
    walks: tuple[LegWalk, ...] = ()
    postings: tuple[Posting, ...] = ()
    late_fees: tuple[LateFee, ...] = ()
    incidents: tuple[Incident, ...] = ()
    transfers: Mapping[str, str] = field(default_factory=dict)

    @property
    def venue(self) -> str:
        """Whose account it is: the first part of its name."""
        return self.account.partition(":")[0]
