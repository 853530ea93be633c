"""Planted bugs that the proof itself once let pass, by an excuse or by not looking.

See `saboteurs`.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from arbit.execution import asking
from arbit.risk.breaker import BreakerState
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
