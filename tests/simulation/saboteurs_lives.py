"""Planted bugs of how long things take, and of what outlives a process; see `saboteurs`.

How lives end, whether a halt is kept, whether opportunities are taken, how soon doubt is over.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from dataclasses import replace

from arbit.app.live import LiveRun
from arbit.domain.errors import VenueUnreachable
from arbit.domain.records import JournalFailed
from arbit.execution.keeper import Keeper
from arbit.execution.works import Pad
from arbit.risk.breaker import Breaker, BreakerState
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


# --- halts ---------------------------------------------------------------------------------------


@bug("no state of the breaker is kept: a start finds it as if nothing had been")
def breaker_not_kept(sets: Sets) -> None:
    real = Breaker._move

    def move(self, happening):
        kept, self.persist = self.persist, lambda _flag: None
        try:
            real(self, happening)
        finally:
            self.persist = kept

    sets(Breaker, "_move", move)


@bug("a halt is kept as a state that lets the way home go on")
def halt_kept_as_less(sets: Sets) -> None:
    def note(self, flag):
        pad = Pad()
        value = flag.value.replace(BreakerState.HALTED.value, BreakerState.REDUCING.value)
        pad.flags[flag.name] = replace(flag, value=value)
        if self._why:
            self._unwritten.append(pad.batch())
        else:
            self.write(pad)

    sets(Keeper, "note", note)


@bug("found once: what could not be kept is kept after the halt that followed from it")
def cause_after_its_halt(sets: Sets) -> None:
    def write(self, pad, intents=None):
        try:
            self._flush()
            self._journal.write(pad.batch(tuple(intents or ())))
        except JournalFailed as failure:
            self._failed(failure)
            if intents is not None:
                raise
            self._unwritten.append(pad.batch())
        pad.clear()

    sets(Keeper, "write", write)
