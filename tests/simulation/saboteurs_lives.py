"""Planted bugs of how long things take, and of what outlives a process; see `saboteurs`.

How lives end, whether a halt is kept, whether opportunities are taken, how soon doubt is over.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from arbit.app.live import LiveRun
from arbit.domain.errors import VenueUnreachable
from arbit.venues.kraken.private import keeper
from tests.patches import Sets
from tests.simulation.saboteurs import bug

# --- lives ---------------------------------------------------------------------------------------


@bug("any private socket that is lost ends the daemon")
def dies_of_lost_socket(sets: Sets) -> None:
    async def once(self):
        await self._gate.enter(0)
        await self._one_life()
        raise VenueUnreachable("the private socket was lost")

    sets(keeper.Keeper, "keep_open", once)


@bug("a journal that fails stops the daemon, as if somebody had asked it to stop")
def stops_unasked(sets: Sets) -> None:
    async def show(self, run, trader):
        while True:
            await self._clock.sleep(0.05)
            if trader.engine.keeper.ok():
                self._stop.set()

    sets(LiveRun, "_show", show)
