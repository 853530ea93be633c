"""Whose an order is: of a cycle at work, or of one that is over and may hear of a late fill."""

from __future__ import annotations

from collections import OrderedDict

from arbit.domain.order import Trade
from arbit.execution.cycle import Cycle, cycles_of
from arbit.execution.works import Work
from arbit.ports import Journal

MAX_PAST = 2_000  # cycles that are over and remembered for late fills


class Roster:
    """Every cycle of an account that is known by heart; what is older the journal knows."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._cycle_of: dict[str, str] = {}
        self.works: dict[str, Work] = {}
        self.past: OrderedDict[str, Cycle] = OrderedDict()

    def index(self, client_id: str, cycle_id: str) -> None:
        """This order is of that cycle."""
        self._cycle_of[client_id] = cycle_id

    def index_all(self, cycle: Cycle) -> None:
        """All that the cycle has ordered is its own."""
        for order in cycle.orders:
            self.index(order.client_id, cycle.cycle_id)

    def work_with(self, client_id: str) -> Work | None:
        """The cycle at work that sent this order."""
        return self.works.get(self._cycle_of.get(client_id, ""))

    def cycle_with(self, client_id: str) -> Cycle | None:
        """The cycle, at work or over and remembered, that sent this order."""
        cycle_id = self._cycle_of.get(client_id, "")
        work = self.works.get(cycle_id)
        return work.cycle if work is not None else self.past.get(cycle_id)

    def cycle_of_trade(self, trade: Trade) -> Cycle | None:
        """The cycle whose order made this trade, from the journal where it is long over.

        JournalFailed when nobody can say.
        """
        cycle = self.cycle_with(trade.client_id)
        if cycle is not None:
            return cycle
        found = self._journal.find(trade.client_id or trade.order_id)
        return cycles_of(found)[0] if found is not None and found.cycles else None

    def remember(self, cycle: Cycle) -> None:
        """A cycle that is over, for the fills that may come late."""
        self.past[cycle.cycle_id] = cycle
        self.index_all(cycle)
        while len(self.past) > MAX_PAST:
            _, gone = self.past.popitem(last=False)
            for order in gone.orders:
                self._cycle_of.pop(order.client_id, None)
