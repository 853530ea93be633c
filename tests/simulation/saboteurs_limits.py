"""Planted bugs of limits that few seeds reach, of the venue's words, of holes and failing reads.

See `saboteurs` for what a planted bug is, `restraint` for who watches.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from arbit.app.private.sides import Ours
from arbit.domain.errors import VenueError
from arbit.domain.order import Remedy
from arbit.domain.records import JournalFailed
from arbit.execution import recovery
from arbit.execution.engine import Engine
from arbit.risk import budgets, checks
from arbit.risk.breaker import Breaker, Reason
from arbit.venues.ccxt.kraken_rest import result_of
from arbit.venues.kraken import outcomes, reads
from arbit.venues.kraken.private.sequence import Arrived, Sequences
from tests.patches import Sets
from tests.simulation.saboteurs import bug

# --- limits --------------------------------------------------------------------------------------


@bug("the day's loss is never reached")
def no_daily_loss(sets: Sets) -> None:
    sets(budgets.DayBook, "loss", lambda _self, _wall_ns: Decimal(0))


@bug("a day's gains and losses are forgotten by every restart")
def daily_loss_forgotten(sets: Sets) -> None:
    real = budgets.DayBook.__init__
    sets(budgets.DayBook, "__init__", lambda self, by_day=None: real(self, None))


@bug("the rate of orders is not limited")
def no_rate(sets: Sets) -> None:
    sets(budgets.OrderRate, "take", lambda _self, _now_ns: True)
    sets(budgets.OrderRate, "left", lambda _self, _now_ns: 1e9)


@bug("an asset's own cap counts for nothing: the common one alone does")
def asset_caps_ignored(sets: Sets) -> None:
    real = checks.cap_of

    def cap_of(asset, sights, risk, now_ns):
        return real(asset, sights, risk.model_copy(update={"asset_caps": {}}), now_ns)

    sets(checks, "cap_of", cap_of)


# --- what stops it -------------------------------------------------------------------------------


@bug("failures are not counted", seeds=[138])
def no_failure_trip(sets: Sets) -> None:
    sets(Breaker, "note_failure", lambda _self, _kind, _now_ns: None)


@bug("a loop of crashes goes on trading", seeds=[11])
def no_crash_trip(sets: Sets) -> None:
    real = Breaker.trip

    def trip(self, reason, detail):
        if reason is not Reason.CRASHES:
            real(self, reason, detail)

    sets(Breaker, "trip", trip)


@bug("starts without a clean end are counted in this run alone", seeds=[11])
def crashes_forgotten(sets: Sets) -> None:
    real = recovery.note_start

    def note_start(setup, memory):
        flags = {name: flag for name, flag in memory.flags.items() if name != recovery.STARTS}
        return real(setup, replace(memory, flags=flags))

    sets(recovery, "note_start", note_start)


def _without(table: Mapping[str, outcomes.Verdict], remedy: Remedy):
    return {
        words: replace(one, remedy=Remedy.NONE) if one.remedy is remedy else one
        for words, one in table.items()
    }


@bug("a word that asks for a pause is a rejection like any other")
def backoff_not_heeded(sets: Sets) -> None:
    for name in ("REJECTED", "UNKNOWN"):
        sets(outcomes, name, _without(getattr(outcomes, name), Remedy.BACK_OFF))


@bug("a lockout lasts as long as any limit's pause", seeds=[18])
def lockout_is_a_pause(sets: Sets) -> None:
    words = "EGeneral:Temporary lockout"
    short = replace(outcomes.REJECTED[words], remedy=Remedy.BACK_OFF, wait_s=outcomes.RATE_WAIT_S)
    sets(outcomes, "REJECTED", {**outcomes.REJECTED, words: short})


@bug("a key that the venue does not take is used again")
def key_at_fault_goes_on(sets: Sets) -> None:
    sets(outcomes, "REJECTED", _without(outcomes.REJECTED, Remedy.HALT))


# --- what is missing, and what cannot be read ----------------------------------------------------


@bug("a number left out of the account's stream is no loss")
def gap_ignored(sets: Sets) -> None:
    real = Sequences.take

    def take(self, channel, number, *, snapshot):
        found = real(self, channel, number, snapshot=snapshot)
        return Arrived.NEXT if found is Arrived.GAP else found

    sets(Sequences, "take", take)


@bug("a journal that cannot say whether it knows a trade of ours does not know it", seeds=[21])
def unread_is_unknown(sets: Sets) -> None:
    real = Engine.late

    def late(self, trade):
        try:
            return real(self, trade)
        except JournalFailed:
            return False

    sets(Engine, "late", late)
    sets(Ours, "__call__", _found)


def _found(mine: Ours, client_id: str) -> bool:
    try:
        return mine.sent(client_id)
    except JournalFailed:
        return False


@bug("assets that the venue did not list in time keep the venue's older names for good", seeds=[84])
def names_half_learnt(sets: Sets) -> None:
    async def learn(self):
        if not self.names.symbols:
            try:
                assets = (await self._public.ask("publicGetAssets")).body
                result_of(assets, "Assets")
            except VenueError:
                assets = {"error": [], "result": {}}
            pairs = (await self._public.ask("publicGetAssetPairs")).body
            self.names.learn(assets, pairs)

    sets(reads.KrakenReads, "learn", learn)
