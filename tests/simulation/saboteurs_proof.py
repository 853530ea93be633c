"""Planted bugs that the proof itself once let pass, by an excuse or by not looking.

See `saboteurs`.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

import datetime as dt
import logging

from arbit.execution import asking
from arbit.execution.keeper import Keeper
from arbit.risk.breaker import BreakerState
from arbit.venues.kraken.private import ws_orders
from tests.patches import Sets
from tests.simulation.saboteurs import bug

LOOK_S = 0.5


@bug("while halted nothing is found out about orders that are unknown")
def halt_ends_questions(sets: Sets) -> None:
    real = asking.Asking._ask

    async def ask(self, record, wait_s):
        while self._setup.breaker.state() is BreakerState.HALTED:
            await self._setup.clock.sleep(LOOK_S)
        await real(self, record, wait_s)

    sets(asking.Asking, "_ask", ask)


@bug("the token is logged, at a level that nobody looks at")
def token_in_a_debug_line(sets: Sets) -> None:
    real = ws_orders.add_order_frame

    def frame(intent, token, request_id):
        logging.getLogger("arbit.orders").debug("%s with %s", request_id, token)
        return real(intent, token, request_id)

    sets(ws_orders, "add_order_frame", frame)


@bug("what is written bears the date of the host's own calendar")
def date_of_the_calendar(sets: Sets) -> None:
    real = Keeper.write

    def write(self, pad):
        dt.datetime.now(dt.UTC)
        return real(self, pad)

    sets(Keeper, "write", write)
