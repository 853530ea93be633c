"""Kraken's private REST: signed by ccxt, one request at a time, within the venue's counters.

A key's nonces must arrive in order, so its requests never overlap. ccxt signs and carries; what the
venue answered is read by us, whole, because ccxt's classes do not tell a refusal from a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arbit.domain.errors import FrameError, VenueError, VenueRefused, VenueUnreachable
from arbit.domain.order import Remedy
from arbit.ports import Clock
from arbit.venues.ccxt.client import SHAPE_ERRORS, as_ours, close_quietly, make_exchange
from arbit.venues.ccxt.loader import errors as ccxt_errors
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.kraken.budgets import RequestBudget
from arbit.venues.kraken.nonce import Nonces
from arbit.venues.kraken.outcomes import Verdict, judge_all
from arbit.venues.retry import retried

SECOND_NS = 1_000_000_000
# Cost of a call on the key's counter (docs.kraken.com, guide "rate limits"); others cost 1.
COSTS = {"AddOrder": 0, "CancelOrder": 0, "TradesHistory": 2, "Ledgers": 2, "ClosedOrders": 2}
NONCES_IN_A_ROW = 3  # as many refused: somebody else uses this key
LONGEST_WAIT_S = 120.0
PASSING = ("EService:", "EAPI:Rate limit", "EAPI:Invalid nonce", "EGeneral:Internal error")


@dataclass(frozen=True, slots=True)
class Said:
    """A reply as it came: the errors and the result of a body that made sense."""

    errors: tuple[str, ...]
    result: Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and its secret. Never shown."""

    key: str
    secret: str

    def __repr__(self) -> str:
        return "Credentials(...)"


class PrivateRest:
    """One key's private calls. `judged` hears what each error asks for."""

    def __init__(
        self,
        settings: CcxtSettings,
        credentials: Credentials,
        nonces: Nonces,
        budget: RequestBudget,
        clock: Clock,
    ) -> None:
        self.clock = clock
        self.budget = budget
        self.judged: Callable[[str, Verdict], None] = lambda _words, _verdict: None
        self._settings = settings
        self._credentials = credentials
        self._nonces = nonces
        self._turn = asyncio.Lock()
        self._exchange: Any = None
        self._away_until_ns = 0
        self._bad_nonces = 0
        self.calls = 0

    async def close(self) -> None:
        """Close its connections. Harmless twice."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await close_quietly(exchange)

    def wait_ns(self, now_ns: int) -> int:
        """How long the venue has asked us to stay away; 0 when it has not."""
        return max(0, self._away_until_ns - now_ns)

    async def ask(
        self, name: str, params: Mapping[str, str] | None = None, *, reserved: bool = False
    ) -> Any:
        """The result of a question, asked again when nobody answered.

        VenueRefused carries the venue's words, VenueUnreachable says that there was no usable
        answer, FrameError that it made no sense.
        """

        async def once() -> Any:
            said = await self.post(name, params or {}, reserved=reserved)
            if said.errors:
                raise VenueRefused("; ".join(said.errors), method=name)
            return said.result

        return await retried(once, self.clock, passing=_is_passing)

    async def post(
        self,
        name: str,
        params: Mapping[str, str],
        *,
        reserved: bool = False,
        stop: Callable[[], str] = lambda: "",
    ) -> Said:
        """One request, sent once. `stop` is asked right before it leaves, and its word forbids it.

        NotSent when it was forbidden; otherwise VenueUnreachable or FrameError when the reply
        proves nothing.
        """
        cost = COSTS.get(name, 1)
        async with self._turn:
            await self._room(cost, reserved=reserved)
            if why := stop():
                raise NotSent(why)
            self.budget.spend(cost, self.clock.monotonic_ns())
            self.calls += 1
            body = await self._carry(name, params)
        return self._read(name, body)

    async def _room(self, cost: float, *, reserved: bool) -> None:
        """Wait until the venue's counter has room, and until it lets us ask at all."""
        for _ in range(1_000):
            now_ns = self.clock.monotonic_ns()
            wait_ns = max(
                self.wait_ns(now_ns), self.budget.wait_ns(cost, now_ns, reserved=reserved)
            )
            if not wait_ns:
                return
            if wait_ns > LONGEST_WAIT_S * SECOND_NS:
                left_s = wait_ns // SECOND_NS
                raise VenueUnreachable(f"the venue wants no request for {left_s} s")
            await self.clock.sleep(wait_ns / SECOND_NS)
        raise VenueUnreachable("no room within the venue's request limits")

    async def _carry(self, name: str, params: Mapping[str, str]) -> Any:
        what = f"{self._settings.venue} {name}"
        call = getattr(self._made(), f"privatePost{name}")
        try:
            async with asyncio.timeout(self._settings.rest_timeout_ms / 1e3 + 1):
                return await call(dict(params))
        except (ccxt_errors().BaseError, TimeoutError, OSError, *SHAPE_ERRORS) as error:
            mine = as_ours(error, what)
            if "429" in str(error)[:200]:
                self._stay_away(5.0)
            if isinstance(mine, VenueRefused):  # a status or text that is no reply of the API
                mine = VenueUnreachable(str(mine))
            raise mine from None

    def _made(self) -> Any:
        if self._exchange is None:
            exchange = make_exchange(self._settings, streams=False)
            exchange.apiKey = self._credentials.key
            exchange.secret = self._credentials.secret
            exchange.incrementing_nonce = self._nonces.next
            exchange.handle_errors = _leave_to_us
            self._exchange = exchange
        return self._exchange

    def _read(self, name: str, body: Any) -> Said:
        if not isinstance(body, dict) or not isinstance(body.get("error"), list):
            raise FrameError(f"{self._settings.venue} {name}: the answer makes no sense")
        found = [one for one in body["error"] if isinstance(one, str)]
        if len(found) != len(body["error"]):
            raise FrameError(f"{self._settings.venue} {name}: an error without words")
        errors = [one for one in found if not one.startswith("W")]
        if errors:
            self._heed(errors)
        else:
            self._bad_nonces = 0
        return Said(tuple(found if errors else ()), body.get("result"))

    def _heed(self, errors: list[str]) -> None:
        verdict = judge_all(errors, self.clock.wall_ns() / SECOND_NS)
        words = "; ".join(errors)
        self._bad_nonces = self._bad_nonces + 1 if "Invalid nonce" in words else 0
        if self._bad_nonces >= NONCES_IN_A_ROW:
            words = "another program uses this API key (nonces refused in a row)"
            verdict = Verdict(verdict.state, Remedy.HALT)
        if verdict.wait_s:
            self._stay_away(verdict.wait_s)
        self.judged(words, verdict)

    def _stay_away(self, seconds: float) -> None:
        until_ns = self.clock.monotonic_ns() + int(seconds * SECOND_NS)
        self._away_until_ns = max(self._away_until_ns, until_ns)


class NotSent(VenueError):
    """The request was stopped before it left."""


def _leave_to_us(*_: object) -> None:
    """In the place of ccxt's reading of errors."""


def _is_passing(refused: VenueRefused) -> bool:
    return refused.text.startswith(PASSING)
