"""One socket's worth of symbols, and the task that keeps it open.

It dials, listens until the socket is gone, pauses, and dials again; for ever. A pulse asks for
overdue snapshots and drops a socket on which the venue has gone silent or fallen behind.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from arbit.domain.book import Disbelief
from arbit.domain.errors import VenueUnreachable
from arbit.domain.events import FeedCounts
from arbit.ports import Clock
from arbit.venues.backoff import DialGate, backoff_ms
from arbit.venues.dial import Connection, Dialer
from arbit.venues.kraken.session import KrakenSession

MS = 1_000_000
PULSE_S = 0.1
PING_EVERY_NS = 1_000 * MS
LEAST_LAG_LIMIT_MS = 1_000  # below this a long way to the venue would look like a fault
PROVEN_NS = 5_000 * MS  # a socket open for this long got through, whether or not a book came
DEAF_NS = 4_000 * MS  # beats may come on a socket whose other way is dead: then nothing is answered
STEADY_NS = 10_000 * MS  # a socket that lived this long starts its back-off anew


class ShardSetup(Protocol):
    """The feed's settings that a shard reads. Times in ms."""

    @property
    def ws_url(self) -> str:
        """Where to dial."""
        ...

    @property
    def watchdog_ms(self) -> int:
        """How long the venue may be silent, or behind."""
        ...

    @property
    def max_book_age_ms(self) -> int:
        """How old a book may be."""
        ...

    @property
    def backoff_cap_ms(self) -> int:
        """The longest pause between two dials."""
        ...


class Home(Protocol):
    """What a shard needs of the feed it belongs to."""

    clock: Clock
    counts: FeedCounts
    gate: DialGate
    dial: Dialer

    @property
    def setup(self) -> ShardSetup:
        """The feed's settings."""
        ...

    def drained(self) -> None:
        """Everything that had arrived is in the books."""
        ...

    def tell_open(self, shard: int, epoch: int) -> None:
        """A socket opened."""
        ...

    def tell_lost(self, shard: int, why: str, pause_ms: int) -> None:
        """A socket is gone, or did not open."""
        ...


class Shard:
    """A `FrameHandler` for one session. `state` is its socket's, in a word."""

    def __init__(self, number: int, session: KrakenSession, home: Home) -> None:
        self.number = number
        self.session = session
        self.state = "idle"
        self._home = home
        self._clock = home.clock
        self._gone = asyncio.Event()
        self._why = ""
        self._epoch = 0
        self._through = False

    def on_frame(self, payload: bytes) -> None:
        """A message: to the session, with its receive time."""
        self.session.frame(payload, self._clock.monotonic_ns())

    def on_drained(self) -> None:
        """The buffer is empty: whoever decides may decide now."""
        self._home.drained()

    def on_lost(self, why: str) -> None:
        """The socket is gone."""
        self._lost(why, Disbelief.DISCONNECTED)

    def renew(self, why: str) -> None:
        """Leave an open socket for another one, which begins with the venue's word on itself."""
        if self.state == "open":
            self._lost(why, Disbelief.DISCONNECTED)

    async def keep_open(self) -> None:
        """Dial, listen until the socket is gone, pause, and again; for ever."""
        attempt = 0
        while True:
            await self._home.gate.enter(self.number)
            self._home.counts.connects += 1
            started_ns = self._clock.monotonic_ns()
            await self._one_life()
            if not self._through:
                self.state = "waiting"
                self._home.tell_lost(self.number, self._why, self._home.gate.failed(self.number))
                continue
            if self._clock.monotonic_ns() - started_ns > STEADY_NS:
                attempt = 0
            pause_ms = backoff_ms(attempt, self._home.setup.backoff_cap_ms, self._clock.jitter)
            attempt += 1
            self.state = "waiting"
            self._home.tell_lost(self.number, self._why, pause_ms)
            await self._clock.sleep(pause_ms / 1e3)

    async def _one_life(self) -> None:
        self._gone.clear()
        self._through = False
        self.state = "dialling"
        try:
            connection = await self._home.dial(self._home.setup.ws_url, self)
        except VenueUnreachable as error:
            self._why = str(error)
            return
        try:
            if not self._gone.is_set():  # it may have been closed before we could say a word
                self._begin(connection)
                await self._listen(connection)
        finally:
            self._end(connection)

    def _begin(self, connection: Connection) -> None:
        self._epoch += 1
        self.state = "open"
        self._home.tell_open(self.number, self._epoch)
        self.session.opened(connection.send, self._clock.monotonic_ns())

    async def _listen(self, connection: Connection) -> None:
        pinged_ns = 0
        while not self._gone.is_set():
            now_ns = self._clock.monotonic_ns()
            if now_ns - pinged_ns >= PING_EVERY_NS:
                pinged_ns = now_ns
                self.session.ping(now_ns)
            await self._clock.sleep(PULSE_S)
            if not self._gone.is_set():
                self._pulse(connection, self._clock.monotonic_ns())

    def _pulse(self, connection: Connection, now_ns: int) -> None:
        silence_ns = now_ns - self.session.heard_ns
        lag_ns = self.session.lag_ns(now_ns)
        if silence_ns > self._home.setup.watchdog_ms * MS:
            self._lost(f"nothing heard for {silence_ns // MS} ms", Disbelief.FEED_SILENT)
            connection.abort()
        elif (deaf_ns := self.session.deaf_ns(now_ns)) > DEAF_NS:
            self._lost(f"no answer to anything for {deaf_ns // MS} ms", Disbelief.FEED_SILENT)
            connection.abort()
        elif lag_ns > self._lag_limit_ns:
            self._lost(f"no answer to a ping for {lag_ns // MS} ms", Disbelief.FEED_SILENT)
            connection.abort()
        else:
            self.session.tick(now_ns)
            open_ns = now_ns - self.session.opened_ns
            if not self._through and (self.session.live or open_ns > PROVEN_NS):
                self._through = True
                self._home.gate.through(self.number)

    @property
    def _lag_limit_ns(self) -> int:
        """A stream further behind than this tells of books that are too old to be believed."""
        setup = self._home.setup
        return MS * max(LEAST_LAG_LIMIT_MS, min(setup.watchdog_ms, setup.max_book_age_ms))

    def _lost(self, why: str, reason: Disbelief) -> None:
        if not self._gone.is_set():
            self._why = why
            self._gone.set()
            self.session.lost(reason, self._clock.monotonic_ns())
            self._home.drained()

    def _end(self, connection: Connection) -> None:
        """Leave nothing behind: on a stop the venue hears a clean unsubscribe."""
        if not self._gone.is_set():
            self._gone.set()
            self.session.farewell()
        connection.close()
