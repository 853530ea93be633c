"""Planted bugs of how long things take, and of what outlives a process; see `saboteurs`.

How lives end, whether a halt is kept, whether opportunities are taken, how soon doubt is over.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

from arbit.app.live.lane import LiveLane
from arbit.domain.errors import VenueUnreachable
from arbit.domain.records import JournalFailed
from arbit.domain.refusal import RefusalCode, Refused
from arbit.execution import asking
from arbit.execution.keeper import Keeper
from arbit.execution.works import Pad
from arbit.risk.breaker import Breaker, BreakerState, Reason
from arbit.risk.gate import Gate
from arbit.venues import account_stream as keeper
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

    sets(LiveLane, "_show", show)


# --- halts ---------------------------------------------------------------------------------------


@bug("no state of the breaker is kept: a start finds it as if nothing had been", seeds=[10])
def breaker_not_kept(sets: Sets) -> None:
    real = Breaker._move

    def move(self, happening):
        kept, self.persist = self.persist, lambda _flag: None
        try:
            real(self, happening)
        finally:
            self.persist = kept

    sets(Breaker, "_move", move)


@bug("a halt is kept as a state that lets the way home go on", seeds=[10])
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


@bug("a kill is over with the unkill: it halts nothing", seeds=[247])
def kill_halts_nothing(sets: Sets) -> None:
    real = Breaker.trip

    def trip(self, reason, detail):
        if reason is not Reason.KILL:
            real(self, reason, detail)

    sets(Breaker, "trip", trip)


@bug("found once: what could not be kept is kept after the halt that followed from it", seeds=[27])
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


# --- opportunities -------------------------------------------------------------------------------


@bug("for a second in six nothing may begin")
def sixth_of_time_idle(sets: Sets) -> None:
    real = Gate._may_begin

    def may_begin(self, plan, now_ns):
        if now_ns // 10**9 % 6 == 0:
            return Refused(RefusalCode.COOLDOWN, {"left_ms": "1"})
        return real(self, plan, now_ns)

    sets(Gate, "_may_begin", may_begin)


@bug("nothing may begin for half a second after the first chance: one of a seed passes by")
def first_one_missed(sets: Sets) -> None:
    real, since_ns = Gate._may_begin, WeakKeyDictionary[Gate, int]()

    def may_begin(self, plan, now_ns):
        if now_ns - since_ns.setdefault(self, now_ns) < 500_000_000:
            return Refused(RefusalCode.COOLDOWN, {"left_ms": "1"})
        return real(self, plan, now_ns)

    sets(Gate, "_may_begin", may_begin)


@bug("a stream that was lost is caught up with no sooner than forty seconds later")
def slow_catch_up(sets: Sets) -> None:
    sets(keeper, "SETTLE_S", 40.0)


# --- doubts --------------------------------------------------------------------------------------


@bug("every question about an unknown order waits for twenty seconds")
def slow_resolve(sets: Sets) -> None:
    sets(asking.Asking, "_wait_s", lambda self, record, asked: 20.0)


@bug("the questions that can end a doubt are asked no sooner than any other")
def last_questions_not_hurried(sets: Sets) -> None:
    sets(asking.Asking, "_wait_s", lambda self, record, asked: 5.0)
