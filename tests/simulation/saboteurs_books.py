"""Planted bugs of money, limits, recovery and the end; see `saboteurs`."""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202, PLC0415  # a patch has the shape of what it replaces
from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, cast

from arbit import ledger as ledgers
from arbit.app.live import lane as live_lane
from arbit.app.private.kraken import KrakenReal
from arbit.app.trade import trader
from arbit.app.trade.sights import DeskSights
from arbit.app.watch.budget import Budget
from arbit.app.watch.standstill import Standstill
from arbit.books import BookCache
from arbit.domain.order import Trade
from arbit.domain.records import Flag, Purpose
from arbit.execution import audit, recovery, settling, steps, strangers
from arbit.execution import cycle as cycles
from arbit.execution import engine as engines
from arbit.execution.engine import Engine
from arbit.execution.homing import Homing
from arbit.execution.keeper import Keeper
from arbit.execution.minima import Dust
from arbit.execution.setup import EngineSetup
from arbit.execution.works import Work
from arbit.ledger import Ledger
from arbit.persistence import rows
from arbit.persistence.journal import SqliteJournal
from arbit.risk import checks
from arbit.risk.envelope import Allowance, Approved
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken import budgets, reads
from arbit.venues.kraken.gateway import KrakenGateway
from tests.patches import Sets
from tests.simulation.saboteurs import bug


@bug("fees are not booked")
def fees_ignored(sets: Sets) -> None:
    sets(Trade, "moves", _moves_without_fees(Trade.moves))


def _moves_without_fees(real: Any) -> Any:
    return lambda self, base, quote: real(self, base, quote)[:2]


@bug("over REST the fee is taken for the other asset's")
def fee_in_the_other_asset(sets: Sets) -> None:
    real = reads.KrakenReads.trade_of

    def trade_of(self, trade_id, row, order):
        trade = real(self, trade_id, row, order)
        base, _, quote = trade.symbol.partition("/")
        other = {base: quote, quote: base}
        return replace(trade, fees=tuple((other[a], amount) for a, amount in trade.fees))

    sets(reads.KrakenReads, "trade_of", trade_of)


@bug("books are kept to nine digits")
def books_rounded(sets: Sets) -> None:
    sets(ledgers, "_BOOKS", Context(prec=9, rounding=ROUND_HALF_EVEN))


@bug("money is kept as a float of six decimals")
def float_money(sets: Sets) -> None:
    sets(rows, "money_text", lambda amount: f"{float(amount):.6f}")


@bug("what an amount pays for is rounded up")
def rounds_up(sets: Sets) -> None:
    real = cycles.affordable

    def more(leg, funds, limit, market, most=None):
        qty = real(leg, funds, limit, market)
        return None if qty is None else qty + market.qty_increment

    sets(steps, "affordable", more)
    sets(checks, "inside", lambda intent, envelope, funds, now_ns: None)


@bug("what one cycle may start with is not bounded")
def notional_ignored(sets: Sets) -> None:
    sets(Budget, "__call__", lambda self, asset: self._available(asset) or None)
    sets(checks, "notional", lambda plan, sights, scan, now_ns: None)


@bug("what a cycle holds is not held", seeds=[13])
def holds_ignored(sets: Sets) -> None:
    sets(Ledger, "hold", lambda self, ref, asset, amount: None)


@bug("what open cycles may still move does not count")
def claims_ignored(sets: Sets) -> None:
    real = Ledger.exposure

    def settled_only(self, asset, extra=None):
        claims, self._claims = self._claims, {}
        try:
            return real(self, asset, extra)
        finally:
            self._claims = claims

    sets(Ledger, "exposure", settled_only)


@bug("a cycle's profit is what its plan promised")
def profit_from_the_plan(sets: Sets) -> None:
    real = settling.Settling.close

    def close(self, work):
        found = real(self, work)
        row = found.record.plan[0]
        record = replace(found.record, profit=row.qty * row.limit_price / 1000)
        work.pad.cycle(record)
        return replace(found, record=record)

    sets(settling.Settling, "close", close)


@bug("results are not closed into the capital")
def results_left_open(sets: Sets) -> None:
    sets(settling, "result", lambda cycle_id, asset, profit, at_ns: ())


@bug("what is left over counts as dust")
def everything_is_dust(sets: Sets) -> None:
    sets(steps, "_leftover", lambda cycle, index, markets: False)
    sets(Dust, "has", lambda self, asset, amount, beside: True)


@bug("what could not be written is forgotten", seeds=[13])
def unwritten_forgotten(sets: Sets) -> None:
    real = Keeper.write

    def write(self, pad, intents=None):
        real(self, pad, intents)
        self._unwritten.clear()

    sets(Keeper, "write", write)


@bug("the journal is not tried again", seeds=[23])
def journal_not_retried(sets: Sets) -> None:
    sets(Keeper, "retry", lambda self: None)
    sets(Keeper, "note", _note_later)


def _note_later(self, flag: Flag) -> None:
    from arbit.execution.works import Pad

    pad = Pad()
    pad.flags[flag.name] = flag
    if self._why:
        self._unwritten.append(pad.batch())
    else:
        self.write(pad)


@bug("the journal's trouble is over when it is said to be", seeds=[13])
def journal_works_unproved(sets: Sets) -> None:
    def flush(self):
        self._unwritten.clear()
        if self._why:
            self._why = ""
            self._breaker.journal_works()

    sets(Keeper, "_flush", flush)


@bug("audits end with the first")
def auditor_dies(sets: Sets) -> None:
    async def once(self):
        await asyncio.sleep(0)

    sets(audit.Auditor, "run", once)


@bug("a difference to the venue's balances is passed over")
def drift_ignored(sets: Sets) -> None:
    async def none(self):
        return {}

    sets(audit.Auditor, "_drift", none)


@bug("somebody else's trades are passed over", seeds=[119])
def foreign_ignored(sets: Sets) -> None:
    sets(strangers.Strangers, "seen", lambda self, what: None)


@bug("balances are compared while something moves")
def audits_in_motion(sets: Sets) -> None:
    sets(audit.Auditor, "quiet", property(lambda _self: True))
    sets(audit, "AGAIN_S", 0.0)
    sets(audit, "EVERY_NS", 10**9)

    async def drift(self):
        balances = await self._reader.balances()
        wallet = self._setup.ledger.wallet
        return {a: b.total - wallet(a) for a, b in balances.items() if not b.agrees(wallet(a))}

    sets(audit.Auditor, "_drift", drift)


@bug("flows are booked again after a restart")
def flows_booked_again(sets: Sets) -> None:
    sets(SqliteJournal, "known_flows", lambda self, refs: frozenset())


@bug("deposits are not asked for")
def flows_ignored(sets: Sets) -> None:
    async def none(self, since_ns):
        return ()

    sets(reads.KrakenReads, "flows_since", none)


@bug("what the venue stamps is compared with our own clock", seeds=[39])
def our_clock_for_theirs(sets: Sets) -> None:
    sets(EngineSetup, "venue_ns", property(lambda self: self.clock.wall_ns()))


@bug("cycles of an earlier run are not taken up")
def recovery_forgets_cycles(sets: Sets) -> None:
    sets(recovery, "cycles_of", lambda memory: [])


@bug("an order of an earlier run that was on its way is taken for never sent")
def sent_is_never(sets: Sets) -> None:
    sets(recovery, "cycles_of", _never_sent(cycles.cycles_of))


def _never_sent(real: Any) -> Any:
    from arbit.domain.order import OrderState

    def found(memory):
        kept = []
        for cycle in real(memory):
            orders = tuple(
                (
                    replace(one, record=replace(one.record, state=OrderState.NEVER))
                    if one.record.state is OrderState.SENT
                    else one
                )
                for one in cycle.orders
            )
            kept.append(replace(cycle, orders=orders))
        return kept

    return found


@bug("recovery goes on where the last run stopped", seeds=[63])
def recovery_continues(sets: Sets) -> None:
    real, room = Engine.adopt, cast("Any", engines)

    def restarted(cycle, markets):
        step = kept(cycle, markets)
        return replace(step, cycle=replace(step.cycle, recovering=False))

    def adopt(self, cycle, budget):
        allowances = tuple(
            Allowance(row.leg.symbol, row.leg.side, row.qty, row.limit_price)
            for row in cycle.record.plan
        )
        approved = Approved(cycle.cycle_id, Purpose.LEG, allowances, budget, 2**63)

        def work(adopted, envelope, loss):
            del envelope
            return Work(adopted, approved, loss)

        made, room.Work = room.Work, work
        try:
            real(self, cycle, budget)
        finally:
            room.Work = made

    kept = steps.restarted
    sets(steps, "restarted", restarted)
    sets(Engine, "adopt", adopt)


@bug("another daemon of our kind on the account is passed over", seeds=[10])
def twin_passed_over(sets: Sets) -> None:
    for room in (audit, strangers):
        sets(room, "ours", lambda client_id: False)
    sets(strangers.Strangers, "seen", lambda self, what: None)


@bug("a way home is sold for what was ordered, not for what there is")
def unwinds_what_was_ordered(sets: Sets) -> None:
    real = Homing._home_draft

    def draft(self, work, order):
        found = real(self, work, order)
        return replace(found, qty=found.qty * 2, funds=found.funds * 2)

    sets(Homing, "_home_draft", draft)
    sets(checks, "inside", lambda intent, envelope, funds, now_ns: None)


@bug("a stop does not wait for open cycles")
def stop_does_not_wait(sets: Sets) -> None:
    async def at_once(self, grace_s):
        self.engine.close()
        self._clean_end()
        return True

    sets(trader.Trader, "drain", at_once)


@bug("SIGTERM is not heeded")
def sigterm_ignored(sets: Sets) -> None:
    sets(live_lane.LiveLane, "leave", lambda self: None)


@bug("orders are counted twice")
def metric_counted_twice(sets: Sets) -> None:
    real = Engine._note_end

    def note_end(self, work, order, outcome):
        real(self, work, order, outcome)
        state = order.record.state.value
        self.order_ends[state] += 1

    sets(Engine, "_note_end", note_end)


@bug("after a standstill books are believed at once", seeds=[69])
def stall_not_noticed(sets: Sets) -> None:
    sets(Standstill, "_stood_still", lambda self, now_ns: False)


@bug("after a standstill open cycles go on at once", seeds=[69])
def stall_not_noticed_by_the_gate(sets: Sets) -> None:
    def view(self, symbol, now_ns):
        return self._desk.cache.fresh(symbol, now_ns, self._max_age_ns)

    sets(DeskSights, "view", view)


@bug("found once: what waited in a standstill is as young as when it was read", seeds=[340])
def stamped_as_read(sets: Sets) -> None:
    sets(BookCache, "doubt", lambda self, since_ns, stale_ns: None)


@bug("the request counter is not kept")
def requests_not_counted(sets: Sets) -> None:
    sets(budgets.Counter, "wait_ns", lambda self, cost, now_ns, reserved=False: 0)
    sets(recovery, "STEP_S", 0.01)
    sets(audit, "EVERY_NS", 10**8)


@bug("an order's deadline is reckoned from our own clock")
def deadline_by_our_clock(sets: Sets) -> None:
    sets(
        KrakenGateway,
        "deadline_ns",
        lambda self: self._clock.wall_ns() + self._deadline_ns,
    )


@bug("an order off the market's grid")
def off_the_grid(sets: Sets) -> None:
    real = steps._planned_leg

    def leg(cycle, index):
        found = real(cycle, index)
        return replace(found, qty=found.qty - Decimal("0.000000001"))

    sets(steps, "_planned_leg", leg)


@bug("a step of our clock leaves the venue's time as it was", seeds=[205])
def clock_step_not_seen(sets: Sets) -> None:
    sets(OffsetTracker, "_base", lambda self: 0)


@bug("a rest of the breaker never ends")
def rest_never_ends(sets: Sets) -> None:
    from arbit.risk.breaker import Breaker

    sets(Breaker, "resume", lambda self: False)


@bug("what trading costs is taken for nothing")
def fees_not_reckoned(sets: Sets) -> None:
    real = KrakenReal.admitted

    async def admitted(self, symbols):
        return dict.fromkeys(await real(self, symbols), Decimal(0))

    sets(KrakenReal, "admitted", admitted)
