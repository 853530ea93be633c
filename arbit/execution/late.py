"""Trades that come beside their order's outcome: one of an order that is over always wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from arbit.domain.money import plain
from arbit.domain.order import Trade
from arbit.execution import steps
from arbit.execution.keeper import Keeper
from arbit.execution.roster import Roster
from arbit.execution.settling import Settling
from arbit.execution.setup import EngineSetup
from arbit.execution.works import Work
from arbit.risk.breaker import Reason


class Late:
    """Books late trades. `apply` takes a step of a cycle that is still at work."""

    def __init__(
        self,
        setup: EngineSetup,
        roster: Roster,
        settling: Settling,
        keeper: Keeper,
        apply: Callable[[Work, steps.Step], None],
    ) -> None:
        self._setup = setup
        self._roster = roster
        self._settling = settling
        self._keeper = keeper
        self._apply = apply

    def came(self, trade: Trade) -> bool:
        """A trade from the account's stream or a backfill. False when no order of ours made it.

        The trades of an order that is not over come with its outcome. One of an order that is over
        always wins: it is booked, told, and what it left behind is held.
        """
        cycle = self._roster.cycle_of_trade(trade)
        order = cycle.order_of(trade) if cycle is not None else None
        if cycle is None or order is None:
            return False
        trade = replace(trade, client_id=order.client_id)
        if not order.over or any(one.trade_id == trade.trade_id for one in order.trades):
            return True
        if self._setup.journal.known_trades([trade.trade_id]):
            return True
        step = steps.late_fill(cycle, trade)
        work = self._roster.works.get(cycle.cycle_id) or Work(cycle, None)
        changed = step.cycle.order(trade.client_id) or order
        self._settling.book(work.pad, cycle.cycle_id, changed, trade)
        work.pad.order(changed.record)
        said = f"{trade.trade_id}: {plain(trade.qty)} of {trade.client_id}, which was over"
        self._settling.incident(work.pad, "late_fill", said, changed.record)
        if cycle.cycle_id in self._roster.works:
            self._apply(work, step)
            return True
        work.pad.cycle(step.cycle.record)
        self._roster.remember(step.cycle)  # told again before it is written, it is known
        self._keeper.write(work.pad)
        self._setup.breaker.trip(Reason.HELD, said)
        return True
