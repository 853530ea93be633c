"""One ccxt exchange under our rules: our limiter, our retries, our errors, always closed.

Only questions go through here. Retrying them is safe; an order must never come this way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from arbit.domain.errors import BrokenRule, FrameError, VenueError, VenueRefused, VenueUnreachable
from arbit.ports import Clock
from arbit.venues.backoff import backoff_ms
from arbit.venues.ccxt import loader
from arbit.venues.ccxt.limits import TokenBucket
from arbit.venues.ccxt.settings import CcxtSettings

RETRY_CAP_MS = 4_000
CLOSE_S = 1.0
MOST_LEVELS = 20  # of lists and objects within each other; no answer has ten

# What ccxt's own parsing raises on a reply of a shape it did not expect. A body of too many levels
# ends in a RecursionError with Python's own JSON decoder (ccxt prefers orjson where it is there).
SHAPE_ERRORS = (
    *(LookupError, TypeError, AttributeError, ValueError, ArithmeticError),
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the venue said to a question sent at `sent_ns` (monotonic)."""

    sent_ns: int
    body: Any


def make_exchange(settings: CcxtSettings, *, streams: bool) -> Any:
    """A ccxt exchange under our rules, not connected to anything yet.

    UserError for an id that ccxt does not know.
    """
    made = loader.exchange_class(settings.exchange_id, streams=streams)
    return prepared(made, settings)


def prepared(made: Any, settings: CcxtSettings) -> Any:
    """An instance of this exchange class under our rules."""
    exchange = made(
        {
            "enableRateLimit": False,  # ours stands before it, and knows what is urgent
            "timeout": settings.rest_timeout_ms,
            "verbose": False,
            "enableLastHttpResponse": False,
            "enableLastJsonResponse": False,
            "aiohttp_trust_env": False,
        }
    )
    # A retry inside ccxt would also send an order twice; nobody may switch it on.
    if exchange.options.get("maxRetriesOnFailure", 0) != 0:
        raise BrokenRule("ccxt's maxRetriesOnFailure must stay 0")
    api = exchange.urls["api"]
    if settings.rest_url:
        exchange.urls["api"] = api = _redirected(api, settings.rest_url, settings.ws_url)
    elif settings.ws_url and isinstance(api, dict) and "ws" in api:
        api["ws"] = _redirected(api["ws"], settings.ws_url, settings.ws_url)
    return exchange


def _redirected(urls: Any, rest_url: str, ws_url: str) -> Any:
    """The same tree of URLs, with every REST leaf (and, where given, stream leaf) replaced."""
    if isinstance(urls, dict):
        return {
            key: (
                _redirected(value, ws_url or _any_leaf(value), ws_url)
                if key == "ws"
                else _redirected(value, rest_url, ws_url)
            )
            for key, value in urls.items()
        }
    return rest_url if isinstance(urls, str) else urls


def _any_leaf(urls: Any) -> str:
    while isinstance(urls, dict):
        urls = next(iter(urls.values()), "")
    return str(urls)


async def close_quietly(exchange: Any) -> None:
    """Close sockets and session, within a few seconds even when the peer is mute."""
    exchange.timeout_on_exit = 0
    try:
        async with asyncio.timeout(CLOSE_S):
            await exchange.close()
    except (TimeoutError, OSError, AttributeError):  # a mute peer, or a socket half built
        session = exchange.session
        if session is not None:
            await session.close()
            exchange.session = None


def as_ours(error: BaseException, what: str) -> VenueError:
    """A ccxt (or transport) exception as one of our own; ccxt's classes never leave this folder.

    ccxt's classes do not tell a refusal from a failure: a truncated body arrives as the class of
    a refusal, so its cause decides (aiohttp's errors are failures of the wire).
    """
    text = f"{what}: {str(error) or type(error).__name__}"
    if isinstance(error, SHAPE_ERRORS):
        return FrameError(text)
    wire = isinstance(error.__cause__, OSError) or type(error.__cause__).__module__[:7] == "aiohttp"
    if isinstance(error, loader.errors().OperationFailed | TimeoutError | OSError) or wire:
        return VenueUnreachable(text)
    return VenueRefused(text, method=what)


def too_deep(body: Any) -> bool:
    """Whether a body has more levels than any answer has: to show or to walk it could fail."""
    level = [body]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


class RestClient:
    """Asks questions: bounded queue, venue's rate, bounded retries with jitter, bounded time."""

    def __init__(self, settings: CcxtSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.asked = 0
        self._bucket = TokenBucket(
            clock,
            rate_per_s=settings.rest_calls_per_s,
            burst=settings.rest_burst,
            queue=settings.rest_queue,
        )
        self._exchange: Any = None
        self._closed = False

    @property
    def exchange(self) -> Any:
        """The ccxt exchange, made at the first question. BrokenRule after `close`."""
        if self._closed:
            raise BrokenRule("a question after the client was closed")
        if self._exchange is None:
            self._exchange = make_exchange(self.settings, streams=False)
        return self._exchange

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections. Harmless twice."""
        self._closed = True
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await close_quietly(exchange)

    async def ask(self, method: str, *arguments: Any) -> Answer:
        """Call a method of the exchange, for example `publicGetDepth` with its parameters.

        VenueRefused when the venue said no (not tried again), VenueUnreachable when nobody gave a
        usable answer after `rest_tries` tries, FrameError when the answer made no sense.
        """
        tries = AsyncRetrying(
            stop=stop_after_attempt(self.settings.rest_tries),
            wait=self._pause_s,
            retry=retry_if_exception_type(VenueUnreachable),
            sleep=self.clock.sleep,
            reraise=True,
        )
        answer: Answer = await tries(self._once, method, arguments)
        return answer

    def _pause_s(self, state: RetryCallState) -> float:
        return backoff_ms(state.attempt_number, RETRY_CAP_MS, self.clock.jitter) / 1e3

    async def _once(self, method: str, arguments: tuple[Any, ...]) -> Answer:
        await self._bucket.take()
        call = getattr(self.exchange, method)
        self.asked += 1
        sent_ns = self.clock.monotonic_ns()
        try:
            async with asyncio.timeout(self.settings.rest_timeout_ms / 1e3 + 1):
                body = await call(*arguments)
        except (loader.errors().BaseError, TimeoutError, OSError, *SHAPE_ERRORS) as error:
            raise as_ours(error, f"{self.settings.venue} {method}") from None
        if too_deep(body):
            raise FrameError(f"{self.settings.venue} {method}: more than {MOST_LEVELS} levels")
        if isinstance(body, str):  # ccxt hands back text it could not read, without a word
            raise VenueUnreachable(f"{self.settings.venue} {method}: the answer is not JSON")
        return Answer(sent_ns, body)
