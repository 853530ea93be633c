"""Kraken's private REST: signed by ccxt, one request at a time, within the venue's counters.

A key's nonces must arrive in order, so its requests never overlap. ccxt signs and carries; what the
venue answered is read by us, whole, because ccxt's classes do not tell a refusal from a failure.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arbit.domain.errors import FrameError, UserError, VenueError, VenueRefused, VenueUnreachable
from arbit.domain.order import Remedy
from arbit.ports import Clock
from arbit.venues.ccxt.client import SHAPE_ERRORS, as_ours, close_quietly, make_exchange, too_deep
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
MOST_WAITING = 64
AFTER_URGENT_S = 0.01
KEEP_S, KEEP_TRIES = 0.25, 5  # how long the next nonce waits for a journal that is busy
TOO_MANY_S = 10.0  # how long to stay away after an HTTP status that says "too many"
MOST_WORDS = 160
BAD_NONCE = "EAPI:Invalid nonce"
RATE_EXCEEDED = "EAPI:Rate limit exceeded"
PASSING = ("EService:", RATE_EXCEEDED, BAD_NONCE, "EGeneral:Internal error")


@dataclass(frozen=True, slots=True)
class Said:
    """A reply as it came: the errors and the result of a body that made sense.

    `errors` has everything in the list of a reply that holds an error, warnings too; `warnings`
    are those of any reply. `verdict` is what the errors prove, None without any.
    """

    errors: tuple[str, ...]
    result: Any
    warnings: tuple[str, ...] = ()
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and its secret. Never shown. UserError for a secret that nothing can be signed with."""

    key: str
    secret: str

    def __post_init__(self) -> None:
        try:
            base64.b64decode(self.secret, validate=True)
        except (binascii.Error, ValueError):
            raise UserError(
                "the API secret: expected base64 as the venue shows it (is it the key's own?)"
            ) from None

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
        self._waiting = 0
        self._urgent = 0
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
        by_ns: int | None = None,
    ) -> Said:
        """One request, sent once. `stop` is asked right before it leaves, and its word forbids it.

        Its reply is waited for until monotonic `by_ns` at most: it holds the key's turn. NotSent
        when nothing left; otherwise VenueUnreachable or FrameError when the reply proves nothing.
        Reserved requests go before those that are not.
        """
        cost = COSTS.get(name, 1)
        async with self._turn_for(cost, reserved=reserved):
            held = await self._nonce_held()
            if why := stop() or held:
                raise NotSent(why)
            self.budget.spend(cost, self.clock.monotonic_ns())
            self.calls += 1
            body = await self._carry(name, params, by_ns)
        return self._read(name, body)

    @contextlib.asynccontextmanager
    async def _turn_for(self, cost: float, *, reserved: bool) -> AsyncIterator[None]:
        """The key's turn, one request at a time: its nonces must arrive in order."""
        if self._waiting >= MOST_WAITING:
            raise NotSent(f"not asked: {self._waiting} requests of this key wait already")
        self._waiting += 1
        self._urgent += reserved
        try:
            await self._take_turn(cost, reserved=reserved)
        finally:
            self._waiting -= 1
            self._urgent -= reserved
        try:
            yield
        finally:
            self._turn.release()

    async def _take_turn(self, cost: float, *, reserved: bool) -> None:
        """Wait until the counter has room and the venue lets us ask; never while holding the turn.

        NotSent when that would take too long.
        """
        for _ in range(1_000):
            if wait_ns := self._room_ns(cost, reserved=reserved):
                if wait_ns > LONGEST_WAIT_S * SECOND_NS:
                    raise NotSent(f"the venue wants no request for {wait_ns // SECOND_NS} s")
                await self.clock.sleep(wait_ns / SECOND_NS)
                continue
            await self._turn.acquire()
            if reserved or not self._urgent:
                if not self._room_ns(cost, reserved=reserved):
                    return
                self._turn.release()
                continue
            self._turn.release()
            await self.clock.sleep(AFTER_URGENT_S)
        raise NotSent("no room within the venue's request limits")

    async def _nonce_held(self) -> str:
        """Why no nonce may be used; the journal has a moment: another daemon may be writing."""
        for _ in range(KEEP_TRIES):
            if not self._nonces.hold():
                return ""
            await self.clock.sleep(KEEP_S / KEEP_TRIES)
        return self._nonces.hold()

    def _room_ns(self, cost: float, *, reserved: bool) -> int:
        now_ns = self.clock.monotonic_ns()
        room_ns = self.budget.wait_ns(cost, now_ns, reserved=reserved) if cost else 0
        return max(self.wait_ns(now_ns), room_ns)

    async def _carry(self, name: str, params: Mapping[str, str], by_ns: int | None) -> Any:
        what = f"{self._settings.venue} {name}"
        call = getattr(self._made(), f"privatePost{name}")
        within_s = self._settings.rest_timeout_ms / 1e3 + 1
        if by_ns is not None:
            within_s = min(within_s, (by_ns - self.clock.monotonic_ns()) / SECOND_NS)
        try:
            async with asyncio.timeout(within_s):
                return await call(dict(params))
        except (ccxt_errors().BaseError, TimeoutError, OSError, *SHAPE_ERRORS) as error:
            # No reply of the API: a status, a broken line, or nothing at all. It proves nothing.
            if isinstance(error, ccxt_errors().RateLimitExceeded | ccxt_errors().DDoSProtection):
                self._stay_away(TOO_MANY_S)
            mine = as_ours(error, what)
            made = FrameError if isinstance(mine, FrameError) else VenueUnreachable
            raise made(_without_bodies(str(mine))) from None

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
        if not isinstance(body, dict) or too_deep(body) or not isinstance(body.get("error"), list):
            raise FrameError(f"{self._settings.venue} {name}: the answer makes no sense")
        found = [one for one in body["error"] if isinstance(one, str)]
        if len(found) != len(body["error"]):
            raise FrameError(f"{self._settings.venue} {name}: an error without words")
        warnings = tuple(one for one in found if one.startswith("W"))
        if len(warnings) == len(found):
            self._bad_nonces = 0
            return Said((), body.get("result"), warnings)
        return Said(tuple(found), body.get("result"), warnings, self._heed(found))

    def _heed(self, errors: Sequence[str]) -> Verdict:
        verdict = judge_all(list(errors), self.clock.wall_ns() / SECOND_NS)
        words = "; ".join(errors)
        self._bad_nonces = self._bad_nonces + 1 if BAD_NONCE in errors else 0
        if self._bad_nonces >= NONCES_IN_A_ROW:
            words = (  # without the count: the same words again are no news
                f"another program uses this API key ({NONCES_IN_A_ROW} nonces refused in a row)"
            )
            verdict = Verdict(verdict.state, Remedy.HALT, verdict.wait_s)
        if RATE_EXCEEDED in errors:
            self.budget.fill(self.clock.monotonic_ns())
        if verdict.wait_s:
            self._stay_away(verdict.wait_s)
        self.judged(words, verdict)
        return verdict

    def _stay_away(self, seconds: float) -> None:
        until_ns = self.clock.monotonic_ns() + int(seconds * SECOND_NS)
        self._away_until_ns = max(self._away_until_ns, until_ns)


class NotSent(VenueError):
    """The request did not leave: forbidden, or no room for it within the venue's limits."""


def _leave_to_us(*_: object) -> None:
    """In the place of ccxt's reading of errors."""


def _without_bodies(text: str) -> str:
    """The library's words up to where it quotes a page or a body."""
    return re.split(r"[<{\n]", text, maxsplit=1)[0].strip()[:MOST_WORDS]


def _is_passing(refused: VenueRefused) -> bool:
    return refused.text.startswith(PASSING)
