"""Planted bugs of memory, words, restarts and the venue itself; see `saboteurs`.

Among them are those that the simulation once found for real.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202, PLC0415  # a patch has the shape of what it replaces
from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from decimal import Decimal

from arbit.app.private.kraken import FlagLevels, FlagNonces
from arbit.domain.errors import FrameError, VenueUnreachable
from arbit.domain.records import Incident, Purpose
from arbit.execution import asking, cycle, opening, recovery, steps
from arbit.execution.engine import Engine
from arbit.execution.roster import Roster
from arbit.execution.sending import Sender
from arbit.execution.settling import Settling
from arbit.execution.works import Pad
from arbit.ledger import Ledger
from arbit.persistence import locks
from arbit.risk import checks
from arbit.risk.gate import Gate
from arbit.sandbox.accounts import FEES, Books
from arbit.scanner import Freshness
from arbit.venues import account_stream as keeper
from arbit.venues.kraken import resolve
from arbit.venues.kraken.private import orders_book, ws_orders
from tests.patches import Sets
from tests.simulation.saboteurs import bug

# --- found by the simulation, once ---------------------------------------------------------------


@bug("found once: an answer that cannot be read ends a start")
def odd_answer_ends_a_start(sets: Sets) -> None:
    async def asked(setup, ask):
        for _ in range(recovery.TRIES):
            try:
                return await ask()
            except VenueUnreachable:
                await setup.clock.sleep(recovery.TRY_S)
        raise VenueUnreachable("it does not answer")

    sets(recovery, "_asked", asked)


@bug("found once: an answer that cannot be read counts as an empty one", seeds=[9574])
def odd_answer_is_empty(sets: Sets) -> None:
    real = resolve.Resolver._rows

    async def rows(self, name, key, params):
        try:
            return await real(self, name, key, params)
        except FrameError:
            return {}

    sets(resolve.Resolver, "_rows", rows)
    sets(resolve, "NEEDED", 1)


@bug("found once: what a lost stream missed is asked for without the time a full counter takes")
def no_catch_up_budget(sets: Sets) -> None:
    sets(keeper, "CATCH_UP_S", 2.0)


@bug("found once: a block of nonces that could not be kept is believed kept")
def nonces_believed_kept(sets: Sets) -> None:
    sets(FlagNonces, "save", lambda self, nonce: True)


@bug("found once: a buy may need more than there is by a part of the last digit")
def last_digit_rounded_up(sets: Sets) -> None:
    sets(cycle, "COARSEST", Decimal(1).scaleb(-30))
    sets(cycle.Cycle, "surely", lambda self, asset, digits: self.has(asset))


@bug(
    "found once: a first order that waits for its turn leaves after a pause, or a stop",
    seeds=[50962],
)
def begins_after_a_stop(sets: Sets) -> None:
    def forbids(self, intent):
        return self.setup.gate.stops(Purpose.LEG, intent.leg.symbol)

    sets(Engine, "forbids", forbids)


@bug("found once: an account is opened at a time that is not known well enough")
def opened_too_late(sets: Sets) -> None:
    sets(opening, "UNSURE_NS", 0)


# --- memory --------------------------------------------------------------------------------------


@bug("the task that followed an order never ends")
def tasks_never_end(sets: Sets) -> None:
    async def follow(self, sent):
        self._ended(await sent)
        await asyncio.sleep(10**6)

    sets(Sender, "_follow", follow)


@bug("cycles that are over are remembered for ever")
def past_never_forgotten(sets: Sets) -> None:
    def remember(self, work):
        self.past[work.cycle_id] = work
        for order in work.orders:
            self._cycle_of[order.client_id] = work.cycle_id

    sets(Roster, "remember", remember)


@bug("orders of the account are remembered for ever")
def orders_never_forgotten(sets: Sets) -> None:
    sets(orders_book.OrdersBook, "_evict", lambda self: None)


@bug("requests that were answered are remembered too, and never forgotten")
def requests_never_forgotten(sets: Sets) -> None:
    class Kept(OrderedDict[int, str]):
        def pop(self, key, default=None):
            return self.get(key, default)

        def popitem(self, last=True):
            return next(iter(self.items()))

    real = ws_orders.WsOrders.__init__

    def init(self, following, clock, hear_ns, judged, full):
        real(self, following, clock, hear_ns, judged, full)
        self._asked = Kept()

    sets(ws_orders.WsOrders, "__init__", init)


@bug("what a cycle was to move stays claimed when it is over")
def claims_stay(sets: Sets) -> None:
    def release(self, cycle_id):
        self._holds.pop(cycle_id, None)
        self._moved.setdefault(cycle_id, {}).clear()

    sets(Ledger, "release", release)


# --- words ---------------------------------------------------------------------------------------


@bug("the reason of an order tells the token that it was sent with")
def token_in_the_reason(sets: Sets) -> None:
    real = ws_orders.add_order_frame
    tokens: list[str] = []

    def frame(intent, token, request_id):
        tokens[:] = [token]
        return real(intent, token, request_id)

    told = Settling.incident

    def incident(self, pad, kind, detail, record=None):
        told(self, pad, kind, f"{detail} {''.join(tokens)}", record)

    sets(ws_orders, "add_order_frame", frame)
    sets(Settling, "incident", incident)


@bug("the key is told with every breaker that trips")
def key_in_the_reason(sets: Sets) -> None:
    from arbit.risk.breaker import Breaker
    from tests.simulation import canaries

    real = Breaker.trip

    def trip(self, reason, detail):
        real(self, reason, f"{detail} ({canaries.KEY})")

    sets(Breaker, "trip", trip)


@bug("a dearer fee than was reckoned with is not told")
def fee_untold(sets: Sets) -> None:
    sets(Settling, "_check_fee", lambda self, *_: None)


@bug("more filled than ordered is not told")
def overfill_untold(sets: Sets) -> None:
    real = Engine._note_end

    def note_end(self, work, order, outcome):
        real(self, work, replace(order, trades=()), outcome)

    sets(Engine, "_note_end", note_end)


# --- restarts ------------------------------------------------------------------------------------


@bug("a second daemon may hold the account too")
def lock_not_held(sets: Sets) -> None:
    sets(locks, "_locked", lambda file: True)


@bug("every start tells anew of what it found")
def told_at_every_start(sets: Sets) -> None:
    real = recovery.recover

    async def told(setup, eng, auditor, reader):
        found = await real(setup, eng, auditor, reader)
        pad = Pad()
        pad.incidents.append(Incident("recovered", f"{len(found)} cycles", setup.clock.wall_ns()))
        eng.keeper.write(pad)
        return found

    from arbit.app.trade import trader

    sets(trader, "recover", told)


@bug("a start writes every order of an earlier run anew, as if it had ended now")
def ended_again(sets: Sets) -> None:
    real = recovery.recover

    async def again(setup, eng, auditor, reader):
        found = await real(setup, eng, auditor, reader)
        pad = Pad()
        for one in eng.past.values():
            pad.cycle(replace(one.record, ended_ns=setup.clock.wall_ns()))
        for kept in setup.journal.recall().cycles:
            pad.cycle(replace(kept, ended_ns=setup.clock.wall_ns()))
        eng.keeper.write(pad)
        return found

    from arbit.app.trade import trader

    sets(trader, "recover", again)


@bug("the counter of requests begins at nothing with every start")
def levels_not_kept(sets: Sets) -> None:
    sets(FlagLevels, "load", lambda self: None)


@bug("how long to wait depends on what this process did before", twice=True)
def chance_from_memory(sets: Sets) -> None:
    real, count = asking.Asking._wait_s, [0]

    def wait_s(self, record, asked):
        count[0] += 1
        return real(self, record, asked) + count[0] / 10_000

    sets(asking.Asking, "_wait_s", wait_s)


# --- what the venue says -------------------------------------------------------------------------


@bug("a market's new increments are not learnt")
def grid_not_learnt(sets: Sets) -> None:
    from arbit.app.watch import venue

    real = venue._merged

    def merged(known, told):
        kept = real(known, told)
        return replace(
            kept,
            price_increment=known.price_increment,
            qty_increment=known.qty_increment,
            qty_min=known.qty_min,
        )

    sets(venue, "_merged", merged)


@bug("the trades of an order are booked each time that it is told of")
def booked_each_time(sets: Sets) -> None:
    real = steps._settled

    def settled(order, outcome):
        found = real(order, outcome)
        return replace(found, trades=(*found.trades, *outcome.trades))

    sets(steps, "_settled", settled)


@bug("cycles go on through assets of which an order is unknown")
def unknown_not_heeded(sets: Sets) -> None:
    sets(Gate, "unresolved", lambda self, client_id, assets: None)
    sets(Ledger, "hold", lambda self, ref, asset, amount: None)


@bug("books of different ages count as one market")
def skew_ignored(sets: Sets) -> None:
    from arbit.app.watch import venue

    def freshness(max_age_ns, max_skew_ns):
        del max_skew_ns
        return Freshness(max_age_ns, 10**15)

    sets(checks, "skew", lambda sights, symbols, max_skew_ms: None)
    sets(venue, "Freshness", freshness)


@bug("an order that is cancelled counts as one that has ended with nothing")
def cancelled_is_empty(sets: Sets) -> None:
    from arbit.domain.order import OrderState, Outcome

    real = asking.Asking.cancel

    async def cancel(self, found, client_id):
        await real(self, found, client_id)
        self._ended(Outcome(client_id, OrderState.EMPTY, reason="cancelled"))

    sets(asking.Asking, "cancel", cancel)


@bug("a stream that is lost is not told to the orders in flight")
def loss_not_told(sets: Sets) -> None:
    from arbit.venues.following import Following

    sets(Following, "lost", lambda self, why: None)
    sets(Following, "within", lambda self, client_id, wait_ns: None)


@bug("the venue's own books lose what it takes in fees")
def venue_loses_fees(sets: Sets) -> None:
    real = Books._move

    def move(self, account, asset, amount, other):
        if other != FEES:
            return real(self, account, asset, amount, other)
        account.balances[asset] = account.balance(asset) + amount
        return account.balances[asset]

    sets(Books, "_move", move)
