"""Orders over REST: one AddOrder, its reply read by the letter, and its end found by question.

Only `{"error": [], "result": {"txid": [one id], "descr": {...}}}` is an acceptance. A body cut
short, a web page, another shape, a status, several errors: UNKNOWN, whatever the library makes of
it (measured: it returns an order without an id, or raises the class of a refusal).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from arbit.domain.errors import FrameError, VenueError, VenueRefused
from arbit.domain.money import plain
from arbit.domain.order import OrderIntent, OrderState, Outcome, Remedy
from arbit.domain.triangle import Side
from arbit.ports import Clock
from arbit.venues.following import HEAR_MS
from arbit.venues.kraken.budgets import PAIR_RATE, EngineBudget
from arbit.venues.kraken.reads import KrakenReads
from arbit.venues.kraken.resolve import Resolver
from arbit.venues.kraken.rest import NotSent, PrivateRest, Said
from arbit.venues.kraken.stamps import rfc3339

MS = 1_000_000
LEAST_DEADLINE_NS = 2_000 * MS  # the venue's, seen from where the order arrives
TRANSIT_NS = 250 * MS  # for its way there
MOST_DEADLINE_NS = 60_000 * MS
MAX_SENT = 10_000
FEE_IN_WHAT_IS_RECEIVED = {Side.BUY: "fcib", Side.SELL: "fciq"}
# Waits before each question about an accepted order: an IOC order is over within milliseconds.
LOOKS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_ORDER_ID = re.compile(r"[A-Za-z0-9-]{1,40}")


class RestOrders:
    """Sends orders of one account. `stop` is asked right before one leaves."""

    def __init__(
        self,
        reads: KrakenReads,
        resolver: Resolver,
        engine: EngineBudget,
        clock: Clock,
        stop: Callable[[OrderIntent], str] = lambda _intent: "",
    ) -> None:
        self._rest: PrivateRest = reads.rest
        self._reads = reads
        self._resolver = resolver
        self._engine = engine
        self._clock = clock
        self._sent: OrderedDict[str, None] = OrderedDict()
        self.stop = stop

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        """Send it once. Its counter is charged now; its bytes leave when the key's turn comes."""
        now_ns = self._clock.monotonic_ns()
        if intent.client_id in self._sent:
            return _said(intent, OrderState.UNKNOWN, "it was sent before: it is not sent again")
        if not self._engine.may(intent.leg.symbol, 1, now_ns):
            return _not_sent(intent, "the venue's order counter would be full")
        self._engine.spend(intent.leg.symbol, 1, now_ns)
        self._sent[intent.client_id] = None
        if len(self._sent) > MAX_SENT:
            self._sent.popitem(last=False)
        return self._send(intent)

    async def _send(self, intent: OrderIntent) -> Outcome:
        try:
            await self._reads.learn()
            params = self._params(intent)
        except VenueError as error:  # nothing has left
            return await _not_sent(intent, str(error))
        try:
            said = await self._rest.post(
                "AddOrder",
                params,
                reserved=True,
                stop=lambda: self.stop(intent) or self._late(intent),
                by_ns=self._by_ns(intent),
            )
        except NotSent as error:
            return await _not_sent(intent, str(error))
        except VenueError as error:
            return await _said(intent, OrderState.UNKNOWN, str(error))
        return await self._after(intent, said)

    def _by_ns(self, intent: OrderIntent) -> int | None:
        """Until when a reply is waited for (monotonic): then questions tell more, and sooner.

        They wait for the key's turn meanwhile, as does every other order.
        """
        venue_ns = self._reads.offsets.venue_ns()
        if venue_ns is None:
            return None
        left_ns = intent.deadline_ns - venue_ns + HEAR_MS * MS
        return self._clock.monotonic_ns() + left_ns

    def _late(self, intent: OrderIntent) -> str:
        """Why the venue would not take its deadline any more; empty when it would.

        Source: docs.kraken.com, REST "Add order": two seconds to sixty from when it arrives.
        """
        offset = self._reads.offsets.now()
        if offset is None:
            return "the venue's clock is not known well enough"
        venue_ns = self._clock.wall_ns() + offset.offset_ns
        left_ns = intent.deadline_ns - venue_ns
        if not intent.deadline_ns:
            return "it has no deadline"
        if left_ns < LEAST_DEADLINE_NS + TRANSIT_NS:
            return (
                f"its deadline is {left_ns // MS} ms away, the venue takes no less than "
                f"{LEAST_DEADLINE_NS // MS}, and it needs {TRANSIT_NS // MS} to get there"
            )
        return "its deadline is too far away" if left_ns > MOST_DEADLINE_NS else ""

    async def _after(self, intent: OrderIntent, said: Said) -> Outcome:
        if said.verdict is not None:
            if PAIR_RATE in said.errors:
                self._engine.fill(intent.leg.symbol, self._clock.monotonic_ns())
            # Words of refusal beside a result contradict each other: nothing is proved.
            state = said.verdict.state if said.result in (None, {}) else OrderState.UNKNOWN
            return await _said(intent, state, "; ".join(said.errors), said.verdict.remedy)
        order_id = accepted_id(said.result)
        if said.warnings or not order_id:
            words = "; ".join(said.warnings) or "the reply is neither an acceptance nor a refusal"
            return await _said(intent, OrderState.UNKNOWN, words)
        return await self._end(intent, order_id)

    async def _end(self, intent: OrderIntent, order_id: str) -> Outcome:
        """It is accepted: look until it is over."""
        outcome = Outcome(intent.client_id, OrderState.UNKNOWN, order_id=order_id)
        for wait_s in LOOKS_S:
            await self._clock.sleep(wait_s)
            outcome = await self._resolver.ask(intent, order_id)
            if outcome.state.over:
                return outcome
        reason = outcome.reason or "it is still open"
        return replace(outcome, state=OrderState.UNKNOWN, order_id=order_id, reason=reason)

    def _params(self, intent: OrderIntent) -> dict[str, str]:
        """AddOrder's fields. VenueRefused for what cannot be put into words.

        Source: docs.kraken.com, REST "Add order".
        """
        leg = intent.leg
        pair = self._reads.names.pairs.get(leg.symbol)
        if pair is None:
            raise VenueRefused(f"{leg.symbol} is not listed", method="AddOrder", symbol=leg.symbol)
        for amount in (intent.qty, intent.limit_price):
            if not amount.is_finite() or amount <= 0:
                raise VenueRefused(f"{amount} is no amount", method="AddOrder", symbol=leg.symbol)
        return {
            "pair": pair,
            "type": leg.side.value,
            "ordertype": "limit",
            "volume": plain(intent.qty),
            "price": plain(intent.limit_price),
            "timeinforce": "IOC",
            "cl_ord_id": intent.client_id,
            "oflags": FEE_IN_WHAT_IS_RECEIVED[leg.side],
            "stptype": "cancel-newest",
            "deadline": rfc3339(intent.deadline_ns),
        }

    async def rehearse(self, intent: OrderIntent) -> str:
        """Let the venue check an order without placing it (`validate`); its words when it refuses.

        Not an order: nothing is placed, whatever is answered. VenueError without an answer. The
        counter is charged all the same.
        """
        await self._reads.learn()
        self._engine.spend(intent.leg.symbol, 1, self._clock.monotonic_ns())
        params = {**self._params(intent), "validate": "true"}
        said = await self._rest.post("AddOrder", params)
        if said.errors:
            return "; ".join(said.errors)
        shown = said.result if isinstance(said.result, dict) else {}
        if shown.get("txid"):
            raise FrameError("AddOrder: a rehearsal was answered with an order")
        return "" if isinstance(shown.get("descr"), dict) else "the answer makes no sense"

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        """Ask for it. VenueError tells that it was not taken; the order's own fate is asked."""
        params = {"txid": order_id} if order_id else {"cl_ord_id": client_id}
        await self._rest.post("CancelOrder", params, reserved=True)


async def _said(
    intent: OrderIntent, state: OrderState, words: str, remedy: Remedy = Remedy.NONE
) -> Outcome:
    return Outcome(intent.client_id, state, reason=words[:300], remedy=remedy)


def _not_sent(intent: OrderIntent, why: str) -> Awaitable[Outcome]:
    return _said(intent, OrderState.REJECTED, f"not sent: {why}")


def accepted_id(result: Any) -> str:
    """The order's id of a reply that is an acceptance to the letter; empty otherwise."""
    if not isinstance(result, dict) or not isinstance(result.get("descr"), dict):
        return ""
    ids = result.get("txid")
    if not isinstance(ids, list) or len(ids) != 1:
        return ""
    return ids[0] if isinstance(ids[0], str) and _ORDER_ID.fullmatch(ids[0]) else ""
