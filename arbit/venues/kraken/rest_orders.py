"""Orders over REST: one AddOrder, its reply read by the letter, and its end found by question.

Only `{"error": [], "result": {"txid": [one id], "descr": {...}}}` is an acceptance. A body cut
short, a web page, another shape, a status, several errors: UNKNOWN, whatever the library makes of
it (measured: it returns an order without an id, or raises the class of a refusal).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from arbit.domain.errors import VenueError
from arbit.domain.money import plain
from arbit.domain.order import OrderIntent, OrderState, Outcome
from arbit.domain.triangle import Side
from arbit.ports import Clock
from arbit.venues.kraken.budgets import EngineBudget
from arbit.venues.kraken.outcomes import judge_all
from arbit.venues.kraken.reads import KrakenReads
from arbit.venues.kraken.resolve import Resolver
from arbit.venues.kraken.rest import NotSent, PrivateRest, Said
from arbit.venues.kraken.stamps import rfc3339

SECOND_NS = 1_000_000_000
# Waits before each question about an accepted order: an IOC order is over within milliseconds.
LOOKS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


class RestOrders:
    """Sends orders of one account. `stop` is asked right before one leaves."""

    def __init__(
        self,
        reads: KrakenReads,
        resolver: Resolver,
        engine: EngineBudget,
        clock: Clock,
        stop: Callable[[], str] = lambda: "",
    ) -> None:
        self._rest: PrivateRest = reads.rest
        self._reads = reads
        self._resolver = resolver
        self._engine = engine
        self._clock = clock
        self.stop = stop

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        """Send it once. Its counter is charged now; its bytes leave when the key's turn comes."""
        now_ns = self._clock.monotonic_ns()
        if not self._engine.may(intent.leg.symbol, 1, now_ns):
            return self._refused(intent, "not sent: the venue's order counter would be full")
        self._engine.spend(intent.leg.symbol, 1, now_ns)
        return self._send(intent)

    async def _refused(self, intent: OrderIntent, why: str) -> Outcome:
        return Outcome(intent.client_id, OrderState.REJECTED, reason=why)

    async def _send(self, intent: OrderIntent) -> Outcome:
        try:
            await self._reads.learn()
            params = self._params(intent)
        except VenueError as error:  # nothing has left
            return await self._refused(intent, f"not sent: {error}")
        try:
            said = await self._rest.post("AddOrder", params, reserved=True, stop=self.stop)
        except NotSent as error:
            return await self._refused(intent, f"not sent: {error}")
        except VenueError as error:
            return Outcome(intent.client_id, OrderState.UNKNOWN, reason=str(error)[:300])
        return await self._after(intent, said)

    async def _after(self, intent: OrderIntent, said: Said) -> Outcome:
        if said.errors:
            verdict = judge_all(list(said.errors), self._clock.wall_ns() / SECOND_NS)
            words = "; ".join(said.errors)
            # Words of refusal beside a result contradict each other: nothing is proved.
            state = verdict.state if said.result in (None, {}) else OrderState.UNKNOWN
            return Outcome(intent.client_id, state, reason=words, remedy=verdict.remedy)
        order_id = accepted_id(said.result)
        if not order_id:
            reason = "the reply is neither an acceptance nor a refusal"
            return Outcome(intent.client_id, OrderState.UNKNOWN, reason=reason)
        return await self._end(intent, order_id)

    async def _end(self, intent: OrderIntent, order_id: str) -> Outcome:
        """It is accepted: look until it is over."""
        outcome = Outcome(intent.client_id, OrderState.UNKNOWN, order_id=order_id)
        for wait_s in LOOKS_S:
            await self._clock.sleep(wait_s)
            outcome = await self._resolver.ask(intent, order_id)
            if outcome.state.over:
                return outcome
        return Outcome(
            intent.client_id, OrderState.UNKNOWN, order_id=order_id, reason=outcome.reason
        )

    def _params(self, intent: OrderIntent) -> dict[str, str]:
        """AddOrder's fields. Source: docs.kraken.com, REST "Add order"."""
        buys = intent.leg.side is Side.BUY
        params = {
            "pair": self._reads.names.pairs[intent.leg.symbol],
            "type": intent.leg.side.value,
            "ordertype": "limit",
            "volume": plain(intent.qty),
            "price": plain(intent.limit_price),
            "timeinforce": "IOC",
            "cl_ord_id": intent.client_id,
            "oflags": "fcib" if buys else "fciq",
            "stptype": "cancel-newest",
        }
        if intent.deadline_ns:
            params["deadline"] = rfc3339(intent.deadline_ns)
        return params

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        """Ask for it. VenueError tells that it was not taken; the order's own fate is asked."""
        params = {"txid": order_id} if order_id else {"cl_ord_id": client_id}
        await self._rest.post("CancelOrder", params, reserved=True)


def accepted_id(result: Any) -> str:
    """The order's id of a reply that is an acceptance to the letter; empty otherwise."""
    if not isinstance(result, dict) or not isinstance(result.get("descr"), dict):
        return ""
    ids = result.get("txid")
    if not isinstance(ids, list) or len(ids) != 1 or not isinstance(ids[0], str):
        return ""
    return ids[0]
