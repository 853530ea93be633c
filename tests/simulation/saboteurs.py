"""Planted bugs: each a patch at run time that the simulation must catch. See `sabotage`.

This file holds those of sending and of finding out; `saboteurs_books` those of money, limits,
recovery and the end.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202, PLC0415  # a patch has the shape of what it replaces
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from arbit.domain.errors import VenueError
from arbit.domain.order import OrderState, Outcome, total
from arbit.domain.records import JournalFailed
from arbit.execution import asking, recovery, steps
from arbit.execution.engine import Engine
from arbit.execution.ids import Ids
from arbit.execution.keeper import Keeper
from arbit.execution.sending import Sender
from arbit.risk import checks, switches
from arbit.risk.breaker import Breaker, BreakerState
from arbit.risk.gate import Gate
from arbit.risk.kill import KillSwitch, Orders
from arbit.risk.room import Room
from arbit.venues import account_stream as keeper
from arbit.venues import following
from arbit.venues.kraken import gateway as gateways
from arbit.venues.kraken import outcomes, resolve
from arbit.venues.kraken.nonce import Nonces
from arbit.venues.kraken.outcomes import Verdict
from arbit.venues.kraken.private import orders_book, ws_orders
from tests.patches import Sets


@dataclass(frozen=True, slots=True)
class Saboteur:
    """A planted bug: what it is called, what it does, and how it is planted."""

    name: str
    what: str
    plant: Callable[[Sets], None]
    twice: bool = False  # shows when a seed is run a second time, and is another run
    seeds: tuple[
        int, ...
    ] = ()  # looked in before all others: it shows in the first, or few have it


ALL: dict[str, Saboteur] = {}


def bug(
    what: str,
    *,
    twice: bool = False,
    into: dict[str, Saboteur] = ALL,
    seeds: Iterable[int] = (),
) -> Callable[[Callable[[Sets], None]], Callable[[Sets], None]]:
    """Enter a planted bug, among those that are looked for in every house unless told."""

    def entered(plant: Callable[[Sets], None]) -> Callable[[Sets], None]:
        into[plant.__name__] = Saboteur(plant.__name__, what, plant, twice, tuple(seeds))
        return plant

    return entered


@bug("an UNKNOWN order is sent again instead of being asked about")
def naive_retry(sets: Sets) -> None:
    async def ask(self, record, wait_s):
        await self._setup.clock.sleep(wait_s)
        self._ended(await self._setup.gateway.send(record.intent))

    sets(asking.Asking, "_ask", ask)


@bug("an UNKNOWN order is taken for one that never was")
def assume_failed(sets: Sets) -> None:
    async def at_once(self, intent, order_id=""):
        return Outcome(intent.client_id, OrderState.NEVER, reason="assumed")

    sets(gateways.KrakenGateway, "resolve", at_once)


@bug("the deadline on the wire is half a minute later than the one in the journal")
def no_deadline(sets: Sets) -> None:
    real = ws_orders.add_order_frame

    def late(intent, token, request_id):
        return real(replace(intent, deadline_ns=intent.deadline_ns + 30 * 10**9), token, request_id)

    sets(ws_orders, "add_order_frame", late)


@bug("an order is called NEVER before its deadline has passed", seeds=[6])
def never_too_early(sets: Sets) -> None:
    sets(resolve.Resolver, "_past", lambda self, intent: True)


@bug("the order leaves before it is written")
def write_after_send(sets: Sets) -> None:
    real = Keeper.write

    def write(self, pad, intents=None):
        if intents is not None:
            for record in intents:
                pad.order(record)  # with the next commit, whenever that is
            return
        real(self, pad)

    sets(Keeper, "write", write)


@bug("a journal that fails does not keep an order from leaving")
def send_although_unwritten(sets: Sets) -> None:
    real = Keeper.write

    def write(self, pad, intents=None):
        try:
            real(self, pad, intents)
        except JournalFailed:
            return

    sets(Keeper, "write", write)
    sets(Keeper, "ok", lambda self: "")
    sets(switches, "stopped", _without_breaker(switches.stopped))


def _without_breaker(real: Any) -> Any:
    def stopped(setup, purpose):
        refused = real(setup, purpose)
        return None if refused is not None and refused.code.value == "breaker" else refused

    return stopped


@bug("client ids begin anew with every start")
def ids_reused(sets: Sets) -> None:
    real = Ids.order

    def same(self, cycle_id, leg_index, attempt):
        return real(Ids("aaaaa"), "aaaaa" + cycle_id[5:], leg_index, attempt)

    sets(Ids, "order", same)


@bug("words that prove nothing count as a refusal", seeds=[15])
def unknown_words_refuse(sets: Sets) -> None:
    sets(outcomes, "_UNLISTED", Verdict(OrderState.REJECTED))
    sets(outcomes, "UNKNOWN", dict.fromkeys(outcomes.UNKNOWN, Verdict(OrderState.REJECTED)))


@bug("a reply that makes no sense counts as a refusal", seeds=[35])
def odd_reply_refuses(sets: Sets) -> None:
    real = ws_orders.WsOrders.reply

    def reply(self, told):
        bent = replace(told, ok=False, error="EOrder:Invalid order") if told.ok is None else told
        real(self, bent)

    sets(ws_orders.WsOrders, "reply", reply)


@bug("an ack counts as the whole fill")
def ack_is_fill(sets: Sets) -> None:
    def accepted(self, client_id, order_id):
        self.end(Outcome(client_id, OrderState.FILLED, order_id=order_id))

    sets(following.Following, "accepted", accepted)


@bug("an order ends although its trades do not add up")
def ends_without_adding_up(sets: Sets) -> None:
    real = total

    sets(orders_book, "total", lambda amounts: _Anything(real(amounts)))


class _Anything:
    """Equal to whatever it is compared with."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __ne__(self, other: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # never a key


@bug("of an order's trades only the first is booked")
def first_trade_only(sets: Sets) -> None:
    real = steps._settled

    def settled(order, outcome):
        return real(order, replace(outcome, trades=outcome.trades[:1]))

    sets(steps, "_settled", settled)


@bug("the kill switch is not looked at", seeds=[7])
def kill_ignored(sets: Sets) -> None:
    sets(KillSwitch, "on", lambda self: False)


@bug("the kill switch is looked at once, at the start", seeds=[7])
def kill_read_once(sets: Sets) -> None:
    real = KillSwitch.on

    def once(self):
        if not hasattr(self, "seen"):
            self.seen = real(self)
        return self.seen

    sets(KillSwitch, "on", once)


@bug("a pause is not looked at")
def pause_ignored(sets: Sets) -> None:
    sets(Orders, "paused", lambda self: False)


@bug("the breaker is not asked")
def breaker_ignored(sets: Sets) -> None:
    sets(switches, "stopped", _without_breaker(switches.stopped))


@bug("the breaker forgets at a restart", seeds=[33])
def breaker_forgets(sets: Sets) -> None:
    sets(Breaker, "restore", lambda self, flag: None)


@bug("a breaker that halts only reduces")
def halt_only_reduces(sets: Sets) -> None:
    real = Breaker.state

    def state(self):
        found = real(self)
        return BreakerState.REDUCING if found is BreakerState.HALTED else found

    sets(Breaker, "state", state)


@bug("the age of a book is not looked at before a send, nor whether it is believed", seeds=[37])
def stale_books(sets: Sets) -> None:
    sets(checks, "fresh", lambda sights, symbol, now_ns: None)


@bug("a market's status is not looked at before a send", seeds=[37])
def status_ignored(sets: Sets) -> None:
    sets(checks, "status", lambda sights, symbol: None)
    sets(checks, "fresh", lambda sights, symbol, now_ns: None)


@bug("the next leg is sized as planned, not from what the last one delivered")
def next_leg_as_planned(sets: Sets) -> None:
    real = steps._funded_leg

    def planned(cycle, index, markets):
        if real(cycle, index, markets) is None:
            return None
        row = cycle.record.plan[index - 1]
        return steps.SendLeg(
            index, row.leg, row.qty, row.limit_price, row.fee_rate, row.qty * 10**9
        )

    sets(steps, "_funded_leg", planned)


@bug("what the next leg may spend forgets the fee of the last one")
def fee_forgotten_between_legs(sets: Sets) -> None:
    from arbit.execution.cycle import Cycle

    real = Cycle.surely

    def surely(self, asset, digits):
        fees = sum(
            fee
            for order in self.orders
            for trade in order.trades
            for paid, fee in trade.fees
            if paid == asset
        )
        return real(self, asset, digits) + fees

    sets(Cycle, "surely", surely)


@bug("cycles are not counted")
def concurrency_ignored(sets: Sets) -> None:
    sets(Gate, "_may_begin", _passing(Gate._may_begin, "concurrency"))


@bug("caps are not looked at")
def caps_ignored(sets: Sets) -> None:
    sets(Room, "caps", lambda self, reaches, now_ns: None)


def _passing(real: Any, code: str) -> Any:
    def asked(self, plan, now_ns):
        refused = real(self, plan, now_ns)
        return None if refused is not None and refused.code.value == code else refused

    return asked


@bug("new cycles begin after the daemon was told to stop")
def close_ignored(sets: Sets) -> None:
    from arbit.app.watch.venue import VenueRun

    sets(Engine, "close", lambda self: None)
    sets(VenueRun, "close", lambda self: None)


@bug("recovery is not waited for")
def trades_before_recovery(sets: Sets) -> None:
    real = recovery.recover

    async def eager(setup, engine, auditor, reader):
        engine.closed = False
        return await real(setup, engine, auditor, reader)

    from arbit.app.trade import trader

    sets(trader, "recover", eager)


@bug("silence on the private socket is not noticed", seeds=[27])
def no_watchdog(sets: Sets) -> None:
    real = keeper.Keeper._pulse

    def pulse(self, connection, now_ns):
        self._session.heard_ns = now_ns
        self._session._ping = None
        real(self, connection, now_ns)

    sets(keeper.Keeper, "_pulse", pulse)


@bug("a lost private socket is not dialled again", seeds=[6])
def no_reconnect(sets: Sets) -> None:
    async def once(self):
        await self._gate.enter(0)
        await self._one_life()
        await self._clock.sleep(10**6)

    sets(keeper.Keeper, "keep_open", once)


@bug("nonces are the clock's, and nothing is kept", seeds=[6])
def nonces_not_kept(sets: Sets) -> None:
    sets(Nonces, "next", lambda self: self._wall_ns() // 1_000)


@bug("a question that fails is an answer: not found")
def error_is_not_found(sets: Sets) -> None:
    async def rows(self, name, key, params):
        asked = {**params, "trades": "true"}
        try:
            result = await self._reads.rest.ask(name, asked, reserved=True)
        except VenueError:
            return {}
        return (result.get(key) if key and isinstance(result, dict) else result) or {}

    sets(resolve.Resolver, "_rows", rows)
    sets(resolve.Resolver, "_past", lambda self, intent: True)


@bug("the order's bytes leave twice")
def sent_twice(sets: Sets) -> None:
    real = Sender._leave

    def leave(self, order):
        real(self, order)
        if order.record.leg_index == 2:
            real(self, order)

    sets(Sender, "_leave", leave)
    sets(following.Following, "full", lambda self, client_id: "")
    sets(orders_book.OrdersBook, "sent", _sent_again)


def _sent_again(self, intent):
    self._sent[intent.client_id] = orders_book._Sent(intent)
