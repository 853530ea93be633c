"""The token that private WebSocket requests carry.

It must be used within fifteen minutes of its issue and stays good on a connection that holds a
private subscription (docs.kraken.com, guide "websockets authentication"). So every connection gets
a fresh one, and what is sent later carries one that is never older than half of its life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from arbit.domain.errors import VenueError, VenueRefused
from arbit.ports import Clock
from arbit.venues.backoff import backoff_ms

SECOND = 1_000_000_000
LEAST_LIFE_S = 2
MOST_LIFE_S = 3_600
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Token:
    """A token as issued. `life_s` is how long it may be used for a new connection."""

    text: str
    life_s: int


class TokenKeeper:
    """Asks for tokens and renews them. `fetch` raises VenueError when the venue gives none."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Token]], clock: Clock, backoff_cap_ms: int = 15_000
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._cap_ms = backoff_cap_ms
        self._asking = asyncio.Lock()
        self._text = ""
        self._renew_ns = 0
        self._expires_ns = 0
        self._failures = 0
        self.why = "no token yet"

    def current(self, now_ns: int) -> str:
        """The token to send with; empty when there is none that is still good."""
        return self._text if now_ns < self._expires_ns else ""

    def spoil(self) -> None:
        """The venue does not take it any more: there is none until a new one is issued."""
        self._expires_ns = self._renew_ns = 0
        self.why = "the venue does not take our token"

    async def fresh(self) -> str:
        """A new token. VenueError when the venue gives none."""
        async with self._asking:
            asked_ns = self._clock.monotonic_ns()
            token = await self._fetch()
            if not _sendable(token.text):
                raise VenueRefused("a token that cannot be sent", method="GetWebSocketsToken")
            life_s = min(MOST_LIFE_S, max(LEAST_LIFE_S, token.life_s))
            self._text = token.text
            self._renew_ns = asked_ns + life_s * SECOND // 2
            self._expires_ns = asked_ns + life_s * SECOND
            self._failures, self.why = 0, ""
            return token.text

    async def renew_on(self, wanted: Callable[[], bool]) -> None:
        """Renew it at half its life while it is wanted; for ever."""
        while True:
            await self._clock.sleep(LOOK_S)
            if not wanted() or self._clock.monotonic_ns() < self._renew_ns:
                continue
            try:
                await self.fresh()
            except VenueError as error:
                self.why = f"no token: {error}"
                pause_ms = backoff_ms(self._failures, self._cap_ms, self._clock.jitter)
                self._failures += 1
                await self._clock.sleep(pause_ms / 1e3)


def _sendable(text: str) -> bool:
    """Whether it can stand in a JSON string as it is."""
    return (
        0 < len(text) <= 1_024 and text.isascii() and text.isprintable() and not {*'"\\'} & {*text}
    )
