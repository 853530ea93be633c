"""Requests to one of Alpaca's hosts: sent once, bounded in time and size, and told apart by fate.

What matters of a request that failed is whether it can have left. `NeverLeft` means that it
certainly did not; `Lost` that it may have arrived, so that an order of that request is UNKNOWN.
Nothing here asks twice. (The client under it repeats a GET or a DELETE, never a POST, when a kept
connection turns out to have been closed meanwhile: both are harmless to repeat.)

A request that was given up must not arrive later. A socket that is closed the usual way keeps what
the other end has not taken, and the kernel goes on delivering it, for minutes where the network was
away. So ours forget it: closed, they break off, and what nobody has taken for `TOTAL_S` ends them.

Source: docs.alpaca.markets: headers `APCA-API-KEY-ID` and `APCA-API-SECRET-KEY`, and
`X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds since 1970) on every answer.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import aiohttp

from arbit.domain.errors import BrokenRule, FrameError, UserError, VenueRefused, VenueUnreachable
from arbit.ports import Clock
from arbit.venues.alpaca.rate import MINUTE_NS, Budget
from arbit.venues.answers import one_line
from arbit.venues.retry import TRIES, retried

SECOND_NS = 1_000_000_000
CONNECT_S = 4.0
TOTAL_S = 8.0
MOST_BYTES = 8 * 1024 * 1024  # of one answer; the list of all assets has some 100 kB
MOST_CONNECTIONS = 16
MOST_LEVELS = 20  # of lists and objects within each other; no answer has ten
MOST_WORDS = 200  # of an answer's text that we repeat
LONGEST_WAIT_NS = 30 * SECOND_NS  # of a question for its turn
TOO_MANY = 429
TOO_MANY_NS = 5 * SECOND_NS  # to stay away where the venue does not say how long
OK = range(200, 300)
PASSING = frozenset({408, TOO_MANY, *range(500, 600)})  # no answer to the question itself


class NeverLeft(VenueUnreachable):
    """The request certainly did not reach the venue: no connection, or no room for it."""


class Lost(VenueUnreachable):
    """The request may have reached the venue, and its answer did not reach us."""


@dataclass(frozen=True, slots=True)
class Keys:
    """A key id and its secret. Never shown. UserError for one that no header can carry."""

    key_id: str
    secret: str

    def __post_init__(self) -> None:
        for name, value in (("API key id", self.key_id), ("API secret", self.secret)):
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                raise UserError(f"the {name}: expected letters and digits as Alpaca shows them")

    def __repr__(self) -> str:
        return "Keys(...)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back to a request that left at monotonic `sent_ns`; whole at `heard_ns`.

    `date` is the header Date (empty without one); `limit`, `remaining` and `reset_s` are those of
    the rate limit (requests of a minute, how many of them are left, and the second since 1970 at
    which it begins anew).
    """

    status: int
    body: bytes
    sent_ns: int
    heard_ns: int
    date: str = ""
    limit: int | None = None
    remaining: int | None = None
    reset_s: int | None = None

    @property
    def ok(self) -> bool:
        """True for a status that says that the request was done."""
        return self.status in OK


class Asks(Protocol):
    """Who carries a request: `Http`, or a simulated venue."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        reserved: bool = False,
    ) -> Answer:
        """Send once. NeverLeft or Lost; any status is an Answer."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class Http:
    """One base address, one key, one budget. `keys` None sends no key (public market data).

    A request takes `total_s` at most, unless it is given less.
    """

    def __init__(
        self,
        base: str,
        keys: Keys | None,
        budget: Budget,
        clock: Clock,
        *,
        total_s: float = TOTAL_S,
    ) -> None:
        self.clock = clock
        self.budget = budget
        self.asked = 0
        self._base = base.rstrip("/")
        self._keys = keys
        self._total_s = total_s
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        reserved: bool = False,
        within_s: float | None = None,
    ) -> Answer:
        """Send one request, once; any status is an Answer.

        NeverLeft without a connection or when the budget has no room (it is not waited for), Lost
        when it may have arrived. Cancelling it does not recall it.
        """
        what = f"{method} {path}"
        total_s = self._total_s if within_s is None else within_s
        sent_ns = self.clock.monotonic_ns()
        if wait_ns := self.budget.wait_ns(sent_ns, reserved=reserved):
            raise NeverLeft(f"{what}: no room within the request limit for {wait_ns / 1e9:.1f} s")
        session = self._open()
        self.budget.spend(sent_ns)
        self.asked += 1
        try:
            async with session.request(
                method,
                self._base + path,
                params=params,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"} if body is not None else None,
                timeout=aiohttp.ClientTimeout(total=total_s, connect=min(CONNECT_S, total_s)),
                allow_redirects=False,
            ) as response:
                answer = await self._read(response, sent_ns)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise NeverLeft(f"{what}: {_words(error)}") from None
        except aiohttp.InvalidURL:
            raise NeverLeft(f"{what}: {self._base} is no address") from None
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise Lost(f"{what}: {_words(error)}") from None
        self._heed(answer)
        return answer

    async def question(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        reserved: bool = False,
        tries: int = TRIES,
    ) -> tuple[Any, Answer]:
        """A GET, asked again a few times when nobody answered: its JSON, and the answer whole.

        VenueRefused with the venue's words for a status that refuses, VenueUnreachable without a
        usable answer, FrameError for one that makes no sense.
        """

        async def once() -> tuple[Any, Answer]:
            await self._turn(path, reserved=reserved)
            answer = await self.ask("GET", path, params=params, reserved=reserved)
            if answer.status in PASSING:
                raise VenueUnreachable(f"GET {path}: {answer.status} {said(answer)}".strip())
            if not answer.ok:
                raise VenueRefused(f"{answer.status} {said(answer)}".strip(), method=path)
            return json_of(answer.body, path), answer

        return await retried(once, self.clock, tries=tries)

    async def close(self) -> None:
        """Close its connections. Harmless twice."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _turn(self, path: str, *, reserved: bool) -> None:
        """Wait for room in the budget. NeverLeft when that would take too long."""
        for _ in range(100):
            wait_ns = self.budget.wait_ns(self.clock.monotonic_ns(), reserved=reserved)
            if not wait_ns:
                return
            if wait_ns > LONGEST_WAIT_NS:
                break
            await self.clock.sleep(wait_ns / SECOND_NS)
        raise NeverLeft(f"GET {path}: no room within the request limit")

    def _open(self) -> aiohttp.ClientSession:
        """The session, made at the first request. BrokenRule after `close`."""
        if self._closed:
            raise BrokenRule("a request after the client was closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=_headers(self._keys),
                connector=aiohttp.TCPConnector(
                    limit=MOST_CONNECTIONS, socket_factory=forgetful_socket
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    async def _read(self, response: aiohttp.ClientResponse, sent_ns: int) -> Answer:
        parts, size = [], 0
        async for part in response.content.iter_chunked(65_536):
            size += len(part)
            if size > MOST_BYTES:
                response.close()
                raise Lost(f"{response.method}: an answer of more than {MOST_BYTES} bytes")
            parts.append(part)
        headers = response.headers
        return Answer(
            status=response.status,
            body=_without(self._keys, b"".join(parts)),
            sent_ns=sent_ns,
            heard_ns=self.clock.monotonic_ns(),
            date=headers.get("Date", ""),
            limit=_count(headers.get("X-RateLimit-Limit")),
            remaining=_count(headers.get("X-RateLimit-Remaining")),
            reset_s=_count(headers.get("X-RateLimit-Reset")),
        )

    def _heed(self, answer: Answer) -> None:
        now_ns = answer.heard_ns
        if answer.remaining is not None:
            self.budget.told(answer.remaining, now_ns, answer.limit)
        if answer.status == TOO_MANY:
            wait_ns = TOO_MANY_NS
            if answer.reset_s is not None:
                until_ns = answer.reset_s * SECOND_NS - self.clock.wall_ns()
                wait_ns = min(max(TOO_MANY_NS, until_ns), MINUTE_NS)
            self.budget.stay_away(wait_ns, now_ns)


def forgetful_socket(
    info: tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]],
) -> socket.socket:
    """A socket that delivers nothing any more once it is closed, or `TOTAL_S` after it was written.

    The latter where the system can (Linux); TLS may keep a socket half a minute longer than us.
    """
    made = socket.socket(*info[:3])
    at_once = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(TOTAL_S * 1_000))
    return made


def json_of(body: bytes, what: str) -> Any:
    """A JSON body with its numbers as they were written: Decimal, never a float.

    FrameError for anything else, and for one nested deeper than any answer is.
    """
    try:
        found = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, ArithmeticError):
        raise FrameError(f"{what}: the answer is not JSON") from None
    if _too_deep(found):
        raise FrameError(f"{what}: the answer has more than {MOST_LEVELS} levels")
    return found


def said(answer: Answer) -> str:
    """The venue's own words in an answer that refuses, with its code where it gave one.

    The envelope is `{"code": 40310000, "message": "..."}`; the code is sometimes absent.
    """
    try:
        found = json_of(answer.body, "")
    except FrameError:
        return ""
    if not isinstance(found, dict):
        return ""
    code, message = found.get("code"), found.get("message")
    words = one_line(message, MOST_WORDS) if isinstance(message, str) else ""
    return f"{words} (code {code})".strip() if isinstance(code, int) else words


def _headers(keys: Keys | None) -> dict[str, str]:
    if keys is None:
        return {}
    return {"APCA-API-KEY-ID": keys.key_id, "APCA-API-SECRET-KEY": keys.secret}


def _without(keys: Keys | None, body: bytes) -> bytes:
    """What came back, without our secret: some page on the way may repeat a request's headers.

    As it is and as JSON writes it, which may escape a quote, and a slash or not.
    """
    if keys is None:
        return body
    escaped = json.dumps(keys.secret)[1:-1]
    for spelt in dict.fromkeys((keys.secret, escaped, escaped.replace("/", "\\/"))):
        body = body.replace(spelt.encode(), b"***")
    return body


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _count(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len(str(10**12)):
        return None
    return int(text)


def _words(error: BaseException) -> str:
    return one_line(str(error), MOST_WORDS) or type(error).__name__


def _too_deep(body: Any) -> bool:
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
