"""Who waits for the end of which order, and what is told to whom when something is known.

An order that has left ends once: with an end that adds up, with a refusal beyond doubt, or UNKNOWN,
at the latest a second after its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from arbit.domain.account import ForeignOrder, TradeSeen
from arbit.domain.order import OrderIntent, OrderState, Outcome, Remedy
from arbit.ports import AccountSink, Clock

MAX_OUT = 100  # orders in flight at once
# How long after its deadline an order's end, or the reply to it, is waited for before it is asked
# for. The venue has ended it by then, and its word is on the way. The margin for lagging reads is
# another matter, of the finding that it never was: it would only make every lost reply slower.
HEAR_MS = 1_000


@dataclass(frozen=True, slots=True)
class Ended:
    """An order of ours is over, and this is what became of it."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Doubted:
    """What is told of an order of ours contradicts itself: only a query can tell."""

    client_id: str
    why: str


News = TradeSeen | ForeignOrder | Ended | Doubted


class FollowedBook(Protocol):
    """A venue's orders, as its account's stream tells of them."""

    def sent(self, intent: OrderIntent) -> None:
        """This order is about to leave."""
        ...

    def accepted(self, client_id: str, order_id: str) -> Sequence[News]:
        """The venue named the order."""
        ...

    def order_id_of(self, client_id: str) -> str:
        """The venue's id of an order in flight; empty while the venue has not named it."""
        ...

    def forget(self, client_id: str) -> Sequence[News]:
        """Nobody waits for this order any more."""
        ...


@dataclass(slots=True)
class _Out:
    """An order that has left, and who waits for its end."""

    intent: OrderIntent
    ended: asyncio.Future[Outcome]
    stop_timer: Callable[[], None] = lambda: None


class Following:
    """The orders in flight of one account. `sink` hears of trades and of foreign orders."""

    def __init__(self, book: FollowedBook, clock: Clock, sink: AccountSink) -> None:
        self._book = book
        self._clock = clock
        self._sink = sink
        self._out: dict[str, _Out] = {}

    @property
    def in_flight(self) -> int:
        """Orders whose end somebody waits for."""
        return len(self._out)

    def full(self, client_id: str) -> str:
        """Why no order of this id can be followed now; empty when one can."""
        if client_id in self._out:
            return f"{client_id} is out already"
        return f"{MAX_OUT} orders are out" if len(self._out) >= MAX_OUT else ""

    def follow(self, intent: OrderIntent) -> asyncio.Future[Outcome]:
        """This order is about to leave. Right after it has, `within` bounds the waiting."""
        waiting: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._book.sent(intent)
        self._out[intent.client_id] = _Out(intent, waiting)
        return waiting

    def within(self, client_id: str, wait_ns: int) -> None:
        """UNKNOWN after `wait_ns` at the latest."""
        out = self._out.get(client_id)
        if out is not None:
            out.stop_timer = self._clock.call_at(
                self._clock.monotonic_ns() + wait_ns,
                lambda: self.unknown(client_id, "no end of it was told in time"),
            )

    def intent(self, client_id: str) -> OrderIntent | None:
        """The order of this id, while it is in flight."""
        out = self._out.get(client_id)
        return out.intent if out is not None else None

    def order_id_of(self, client_id: str) -> str:
        """The venue's id of an order in flight; empty while the venue has not named it."""
        return self._book.order_id_of(client_id)

    def accepted(self, client_id: str, order_id: str) -> None:
        """An ack named the order."""
        self.hear(self._book.accepted(client_id, order_id))

    def hear(self, news: Sequence[News]) -> None:
        """Pass on what the account's stream has told."""
        for one in news:
            if isinstance(one, Ended):
                self.end(one.outcome)
            elif isinstance(one, Doubted):
                self.unknown(one.client_id, one.why)
            else:
                self._sink(one)

    def unknown(self, client_id: str, why: str, remedy: Remedy = Remedy.NONE) -> None:
        """Nobody can say what became of it."""
        order_id = self._book.order_id_of(client_id)
        state = OrderState.UNKNOWN
        self.end(Outcome(client_id, state, order_id=order_id, reason=why, remedy=remedy))

    def end(self, outcome: Outcome) -> None:
        """This is what became of an order, or all that can be said of it here."""
        out = self._out.pop(outcome.client_id, None)
        if out is None:
            return
        out.stop_timer()
        if not out.ended.done():
            out.ended.set_result(outcome)
        self.hear(self._book.forget(outcome.client_id))

    def lost(self, why: str) -> None:
        """Events may have been missed: what is in flight must be asked for."""
        for client_id in tuple(self._out):
            self.unknown(client_id, why)


def not_sent(intent: OrderIntent, why: str) -> asyncio.Future[Outcome]:
    """The outcome of an order of which not a byte has left."""
    said: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    reason = f"not sent: {why}"
    said.set_result(Outcome(intent.client_id, OrderState.REJECTED, reason=reason))
    return said
