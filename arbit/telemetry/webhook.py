"""Posts one thing to one address: over TLS, to a checked address, once, and not for long.

Whatever the other side does, a delivery ends within its time with one of a closed set of words. Of
an answer no more than its status and the wait it asks for is believed, and of a body nothing read.
Neither the address nor anything that was answered stands in those words.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from arbit.domain.alert import Answer
from arbit.domain.errors import UserError
from arbit.telemetry.webhook_address import Allowed, Lookup, SystemLookup

MAX_READ = 2_048
MAX_HEADER = 4_096
MAX_ANSWERED = 16_384  # bytes in all, heads that only ask for patience included
MAX_WAITING = 16_384  # bytes that the system takes for us unread: taking them is work of our turn
MAX_RETRY_AFTER_S = 300.0
CLOSE_S = 0.5
HTTPS_PORT = 443
TIMED_OUT, UNREACHED, BAD_TLS = "timed out", "could not be reached", "TLS failed"
NOT_PUBLIC, NO_ADDRESS = "its address is not public", "its name has no address"
REDIRECTED, NO_HTTP = "answered with a redirect", "answered no HTTP"
ANOTHER_TIME = frozenset({408, 425, 429})  # what 4xx say of the moment, not of what was sent


@dataclass(frozen=True, slots=True)
class Wire:
    """How things leave: the longest one may take, where they may go, whose word is trusted."""

    timeout_s: float = 3.0
    allowed: Allowed = field(default_factory=Allowed)
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    lookup: Lookup = field(default_factory=SystemLookup)


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities, and those of a file. UserError when it cannot be read as such."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # one of TLS is one
            why = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror
            raise UserError(
                f"ARBIT_ALERTS__CA_FILE={ca_file}: expected a file of certificates (PEM): {why}"
            ) from None
    return context


class Webhook:
    """One address, a secret. One delivery at a time."""

    def __init__(self, url: str, wire: Wire) -> None:
        self._url = url
        self._wire = wire
        self._judged = _Judged(wire)
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, method: str, body: Mapping[str, Any] | None) -> Answer:
        """Ask once. Never raises but for cancellation."""
        try:
            async with asyncio.timeout(self._wire.timeout_s):
                return await self._asked(method, body)
        except TimeoutError:
            return Answer(TIMED_OUT)
        except aiohttp.ClientConnectorDNSError:
            return Answer(self._judged.why or UNREACHED)
        except (aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError):
            return Answer(BAD_TLS)
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError):
            return Answer(NO_HTTP)
        except (aiohttp.ClientError, OSError, ValueError):
            return Answer(self._judged.why or UNREACHED)

    async def close(self) -> None:
        """Let go of everything, soon."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await session.close()

    async def _asked(self, method: str, body: Mapping[str, Any] | None) -> Answer:
        session = self._open()
        self._judged.why = ""
        async with contextlib.AsyncExitStack() as stack:
            response = await session.request(
                method, self._url, json=body, allow_redirects=False, max_line_size=MAX_HEADER
            )
            stack.callback(response.close)  # not read, whatever it still has to say
            return _answer(response)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = _Connector(
                limit=1,
                ssl=self._wire.trust,
                resolver=self._judged,
                socket_factory=self._judged.socket_to,
                use_dns_cache=False,
                force_close=True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                read_bufsize=MAX_READ,
                headers={"User-Agent": "arbit"},
                timeout=aiohttp.ClientTimeout(total=self._wire.timeout_s),
            )
        return self._session


class _Bounded(ResponseHandler):
    """Hangs up on whoever says too much: reading it would take the trading's time."""

    _left = MAX_ANSWERED

    def data_received(self, data: bytes) -> None:
        """Read on, within the bound."""
        left, self._left = self._left, self._left - len(data)
        if left > 0:
            super().data_received(data[:left])
        if self._left <= 0 and self.transport is not None:
            self.transport.abort()


def _bounded(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Bounded(loop)


class _Connector(aiohttp.TCPConnector):
    """Each connection of it is bounded."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._factory = functools.partial(_bounded, self._loop)


class _Judged(AbstractResolver):
    """Gives the connection the addresses that were judged, or none at all."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.why = ""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look the name up and judge every answer. OSError when there is none, or one is bad."""
        del family
        try:
            found = await self._wire.lookup(host, port)
        except OSError:
            self.why = NO_ADDRESS
            raise
        if not found or not all(map(self._wire.allowed, found)):
            self.why = NOT_PUBLIC
            raise OSError(NOT_PUBLIC)
        return [_result(host, address, port) for address in found]

    def socket_to(self, address: AddrInfoType) -> socket.socket:
        """The last word before anything leaves: whatever the address was written as, or came from.

        OSError for one that may not be gone to.
        """
        family, kind, proto, _, where = address
        if not self._wire.allowed(str(where[0])):
            self.why = NOT_PUBLIC
            raise OSError(NOT_PUBLIC)
        found = socket.socket(family, kind, proto)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_WAITING)  # the system has a say
        return found

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def _answer(response: aiohttp.ClientResponse) -> Answer:
    status = response.status
    if 200 <= status < 300:
        return Answer()
    if 300 <= status < 400:
        return Answer(REDIRECTED)
    why = f"answered {status}" if 100 <= status <= 599 else NO_HTTP
    refused = 400 <= status < 500 and status not in ANOTHER_TIME
    return Answer(why, _retry_after(response), refused=refused)


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """The wait that the receiver asks for, in seconds; None for what is none."""
    text = response.headers.get("Retry-After", "")
    if len(text) > 10 or not text.replace(".", "", 1).isascii():
        return None
    try:
        wait_s = float(text)
    except ValueError:
        return None
    return min(MAX_RETRY_AFTER_S, wait_s) if wait_s >= 0 else None
