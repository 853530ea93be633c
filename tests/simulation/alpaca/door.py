"""REST of Alpaca in memory: stands where aiohttp stands inside the real `Http`, in front of the
sandbox's own trading face.

Real are the client's budget, its timeouts, its reading of answers and of what it was refused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

import aiohttp

from arbit.domain.errors import BrokenRule
from arbit.ports import Clock
from arbit.sandbox.alpaca.answers import Answer, too_many, unauthorized
from arbit.sandbox.alpaca.gate import odd_body
from arbit.sandbox.alpaca.trading import Call, parse
from arbit.sandbox.wallclock import rfc3339
from arbit.venues.alpaca.http import Http, Keys, _headers
from arbit.venues.alpaca.rate import TRADING_PER_MIN, Budget
from tests.simulation.loop import SECOND_NS, Process

if TYPE_CHECKING:
    from tests.simulation.alpaca.venue import AlpacaVenue

MS = 1_000_000
BASE = "http://alpaca.simulated"
PREFIX = "/v2/"
DOWN = (500, 502, 503, 504)
WORDS = {500: "internal server error occurred", 504: "backend request timeout"}
PAGE = "<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
ODD = (
    *("no_id", "empty_id", "two_ids", "null_result", "list_result", "empty_object"),
    *("other_order", "descr_text", "warning", "several_errors", "error_and_result"),
    "number_error",
)
# Refusals beyond doubt, as the venue's documents and recorded bodies have them.
DENIED: tuple[tuple[int, Mapping[str, object]], ...] = (
    (
        403,
        {"code": 40310000, "message": "insufficient balance for USD"},
    ),
    (403, {"code": 40310000, "message": "insufficient qty available for order"}),
    (403, {"code": 40310000, "message": "cost basis must be >= minimal amount of order 10"}),
    (422, {"code": 42210000, "message": "asset BTC/USD is not active"}),
    (422, {"code": 40010001, "message": "invalid limit_price 1"}),
    (422, {"message": "qty must be >= minimal size of order 1"}),
)
WASH: tuple[int, Mapping[str, object]] = (
    403,
    {
        "code": 40310000,
        "message": "potential wash trade detected. use complex orders",
        "existing_order_id": "0e8a1d62-0000-4000-a000-000000000000",
        "reject_reason": "opposite side limit order exists",
    },
)
ORDER_LATE_MS = (100, 600, 2_500, 9_000, 25_000)  # the client gives up after eight seconds
READ_LATE_MS = (100, 600, 2_500, 9_000)


@dataclass(frozen=True, slots=True)
class Content:
    """A body in parts."""

    body: bytes

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """The parts."""
        for start in range(0, len(self.body), size):
            yield self.body[start : start + size]


@dataclass(frozen=True, slots=True)
class Response:
    """What aiohttp would show of an answer."""

    method: str
    status: int
    content: Content
    headers: Mapping[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Nothing is held."""


class SimHttp(Http):
    """The real client over a session that is none."""

    def __init__(self, venue: AlpacaVenue, process: Process, keys: Keys, clock: Clock) -> None:
        super().__init__(BASE, keys, Budget(TRADING_PER_MIN), clock)
        self._door: Any = Door(venue, process, _headers(keys))

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise BrokenRule("a request after the client was closed")
        session: aiohttp.ClientSession = self._door
        return session


class Door:
    """A session: `request` gives what an `async with` waits for."""

    def __init__(self, venue: AlpacaVenue, process: Process, headers: Mapping[str, str]) -> None:
        self.venue = venue
        self.process = process
        self.headers = headers

    def request(self, method: str, url: str, **told: Any) -> Asked:
        """One request."""
        path = url.removeprefix(BASE)
        call = Call(
            method,
            path.removeprefix(PREFIX),
            dict(told.get("params") or {}),
            self.headers,
            parse(told.get("data") or b""),
        )
        return Asked(self, call, told["timeout"].total)


class Asked:
    """One request on its way there and back."""

    def __init__(self, door: Door, call: Call, within_s: float) -> None:
        self._door = door
        self._venue = door.venue
        self._process = door.process
        self._call = call
        self._within_s = within_s
        self._places = call.method == "POST"

    async def __aenter__(self) -> Response:
        venue, loop, process = self._venue, self._venue.loop, self._process
        if self._places:
            process.point("send-before")
            venue.leaves(process, {"method": "AddOrder", "params": dict(self._call.fields)})
        venue.on_request(process)
        answer: asyncio.Future[Any] = loop.create_future()
        if self._places and venue.swarm.strikes("refused"):
            self._back(answer, aiohttp.ConnectionTimeoutError("no connection"))
        else:
            venue.at(loop.now_ns + venue.delay_ns() + self._late_ns(), self._arrive, answer)
        if self._places:
            process.point("send-after")
        gives_up_ns = loop.now_ns + int(self._within_s * SECOND_NS)
        timer = loop.at_ns(
            gives_up_ns, _settle, answer, TimeoutError("no answer"), context=process.context
        )
        try:
            response: Response = await answer
        finally:
            timer.cancel()
        if self._places:
            venue.on_status(process, response.status)
        return response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Nothing is held."""

    def _late_ns(self) -> int:
        swarm = self._venue.swarm
        if not swarm.strikes("late_request" if self._places else "rest_late"):
            return 0
        return swarm.rng.choice(ORDER_LATE_MS if self._places else READ_LATE_MS) * MS

    # --- at the venue ----------------------------------------------------------------------------

    def _arrive(self, answer: asyncio.Future[Any]) -> None:
        venue, now_ns = self._venue, self._venue.clock.wall_ns()
        venue.trading.receive(self._call, now_ns)
        instead = self._instead() or (self._before() if self._places else self._unasked())
        if instead == "":
            return
        if instead is not None:
            self._back(answer, instead)
            return
        told = venue.trading.answer(self._call, now_ns)
        if self._places and venue.swarm.strikes("request_twice"):  # by an edge on the way
            told = venue.trading.answer(self._call, now_ns)
        venue.statuses[told.status] += 1
        venue.moved()
        after = self._after(told) if self._places else self._unheard(told)
        if after != "":
            self._back(answer, told if after is None else after)

    def _instead(self) -> Answer | None:
        """What the whole venue says at such a time."""
        venue = self._venue
        if venue.loop.now_ns < venue.rest_down_ns:
            return self._down()
        if not venue.key_works():
            return unauthorized().answer()
        if venue.loop.now_ns < venue.limited_until_ns:
            return too_many()
        return None

    def _before(self) -> Answer | Exception | str | None:
        """What keeps an order from the exchange: an answer, a reset, or "" for silence."""
        swarm = self._venue.swarm
        if word := swarm.word():
            return Answer(*WASH) if word == "wash" else too_many()
        if swarm.strikes("lost_request"):
            return ""
        if swarm.strikes("reset_before"):
            return aiohttp.ServerDisconnectedError()
        if swarm.strikes("error_before"):
            return self._down()
        if swarm.strikes("denied"):
            return Answer(*swarm.rng.choice((*DENIED, WASH)))
        return too_many() if swarm.strikes("limited") else None

    def _after(self, told: Answer) -> Answer | Exception | str | None:
        """What becomes of the answer to an order."""
        swarm = self._venue.swarm
        if swarm.strikes("lost_reply"):
            return ""
        if swarm.strikes("reset_after"):
            return aiohttp.ServerDisconnectedError()
        if swarm.strikes("error_after"):
            return self._down()
        if swarm.strikes("truncated"):
            text = json.dumps(told.body)
            return Answer(told.status, text[: len(text) // 2], told.headers)
        if told.status == 200 and swarm.strikes("odd"):
            return Answer(200, odd_body(swarm.rng.choice(ODD), told.body), told.headers)
        return None

    def _unasked(self) -> Answer | str | None:
        """What keeps a question from being heard."""
        swarm = self._venue.swarm
        if swarm.strikes("rest_error"):
            return self._down()
        return "" if swarm.strikes("rest_lost") else None

    def _unheard(self, told: Answer) -> Answer | Exception | None:
        """What becomes of the answer to a question."""
        swarm = self._venue.swarm
        if swarm.strikes("rest_reset"):
            return aiohttp.ServerDisconnectedError()
        if swarm.strikes("rest_odd"):
            return Answer(told.status, swarm.rng.choice(("", "{}", "[{}]", "null", PAGE, '"no"')))
        return None

    def _down(self) -> Answer:
        """A server in trouble, or the edge before it."""
        rng = self._venue.swarm.rng
        status = rng.choice(DOWN)
        said = {"message": WORDS.get(status, "service unavailable")}
        return Answer(status, rng.choice((said, PAGE)) if status == 502 else said)

    def _back(self, answer: asyncio.Future[Any], told: Answer | Exception | str) -> None:
        loop = self._venue.loop
        value = told if isinstance(told, Exception) else self._response(told)
        due_ns = loop.now_ns + self._venue.delay_ns()
        loop.at_ns(due_ns, _settle, answer, value, context=self._process.context)

    def _response(self, told: Answer | str) -> Response:
        answer = told if isinstance(told, Answer) else Answer(200, told)
        body = b"" if answer.body is None else _bytes(answer.body)
        headers = {"Date": rfc3339(self._venue.clock.wall_ns()), **answer.headers}
        return Response(self._call.method, answer.status, Content(body), headers)


def _bytes(body: object) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    return text.encode()


def _settle(answer: asyncio.Future[Any], value: object) -> None:
    if answer.done():
        return
    if isinstance(value, Exception):
        answer.set_exception(value)
    else:
        answer.set_result(value)
