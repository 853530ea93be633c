"""The one socket that a plan allows, and the task that keeps it open.

It dials, listens until the socket is gone, pauses, and dials again; for ever, unless the venue says
that no later attempt can end otherwise. A pulse looks for what is overdue, and drops a socket on
which something owed has not come.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from arbit.config import venue_key
from arbit.domain.book import Disbelief
from arbit.domain.errors import UserError, VenueUnreachable
from arbit.domain.events import FeedCounts
from arbit.ports import Clock
from arbit.venues.alpaca.codes import CODES, REFUSED_KEY, Remedy
from arbit.venues.alpaca.session import AlpacaSession, Phase
from arbit.venues.backoff import DialGate, backoff_ms
from arbit.venues.dial import Connection, Dialer

MS = 1_000_000
PULSE_S = 0.1
OWED_NS = 4_000 * MS  # an answer takes a round trip; the venue itself gives a key ten seconds
STEADY_NS = 10_000 * MS  # a socket that lived this long starts its back-off anew
# The venue notices after a while that a broken connection is gone (406 until then, by its guide).
WAIT_MS, WAIT_CAP_MS = 1_000, 30_000
SOCKET = 0  # the only one


class LinkSetup(Protocol):
    """The feed's settings that the link reads."""

    @property
    def venue(self) -> str:
        """Whose socket it is."""
        ...

    @property
    def ws_url(self) -> str:
        """Where to dial."""
        ...

    @property
    def backoff_cap_ms(self) -> int:
        """The longest pause between two dials, in ms."""
        ...


class Home(Protocol):
    """What the link needs of the feed it belongs to."""

    clock: Clock
    counts: FeedCounts
    gate: DialGate
    dial: Dialer

    @property
    def setup(self) -> LinkSetup:
        """The feed's settings."""
        ...

    def drained(self) -> None:
        """Everything that had arrived is in the books."""
        ...

    def tell_open(self, epoch: int) -> None:
        """The socket opened."""
        ...

    def tell_lost(self, why: str, pause_ms: int) -> None:
        """The socket is gone, or did not open."""
        ...


class Link:
    """A `FrameHandler` for the session. `state` is the socket's, in a word."""

    def __init__(self, session: AlpacaSession, home: Home) -> None:
        self.session = session
        self.state = "idle"
        self._home = home
        self._clock = home.clock
        self._gone = asyncio.Event()
        self._why = ""
        self._epoch = 0
        self._waits = 0  # refusals in a row that ask us to come back later
        self._through = False

    def on_frame(self, payload: bytes) -> None:
        """A frame: to the session, with its receive time."""
        self.session.frame(payload, self._clock.monotonic_ns())
        if self.session.ending is not None:
            self._lost(self.session.ending.words, Disbelief.DISCONNECTED)

    def on_drained(self) -> None:
        """The buffer is empty: whoever decides may decide now."""
        self._home.drained()

    def on_lost(self, why: str) -> None:
        """The socket is gone."""
        self._lost(why, Disbelief.DISCONNECTED)

    async def keep_open(self) -> None:
        """Dial, listen until the socket is gone, pause, and again.

        UserError when the venue says that no attempt can succeed, and none ever did.
        """
        attempt = 0
        while True:
            await self._home.gate.enter(SOCKET)
            self._home.counts.connects += 1
            started_ns = self._clock.monotonic_ns()
            await self._one_life()
            self._give_up()
            self.state = "waiting"
            if self._clock.monotonic_ns() - started_ns > STEADY_NS:
                attempt = 0
            cap_ms = self._home.setup.backoff_cap_ms
            pause_ms = backoff_ms(attempt, cap_ms, self._clock.jitter)
            attempt += 1
            if not self._through:
                pause_ms = self._home.gate.failed(SOCKET)
            pause_ms = max(pause_ms, self._asked_to_wait_ms())
            self._home.tell_lost(self._why, pause_ms)
            await self._clock.sleep(pause_ms / 1e3)

    def _give_up(self) -> None:
        """UserError when this can never work.

        What worked before may be the venue's own trouble; and where REST has fed books meanwhile,
        somebody may be trading on them, whom nothing is to break off.
        """
        ending = self.session.ending
        begun = self.session.ever_live or self._home.counts.rest_books
        if ending is not None and ending.code.remedy is Remedy.STOP and not begun:
            venue = self._home.setup.venue
            keys = f"{venue_key(venue, 'api_key')} and {venue_key(venue, 'api_secret')}"
            named = f" ({keys})" if ending.code is CODES[REFUSED_KEY] else ""
            raise UserError(f"venue {venue}: market data: {ending.words}{named}")

    def _asked_to_wait_ms(self) -> int:
        ending = self.session.ending
        if ending is None or ending.code.remedy not in (Remedy.WAIT, Remedy.STOP):
            self._waits = 0
            return 0
        self._waits += 1
        return min(WAIT_CAP_MS, WAIT_MS << min(self._waits - 1, 10))

    async def _one_life(self) -> None:
        self._gone.clear()
        self._through = False
        self.session.ending = None
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
            self._gone.set()
            connection.close()  # politely: a slot of the plan is free at once then

    def _begin(self, connection: Connection) -> None:
        self._epoch += 1
        self.state = "open"
        self._home.tell_open(self._epoch)
        self.session.opened(connection.send, self._clock.monotonic_ns())

    async def _listen(self, connection: Connection) -> None:
        while not self._gone.is_set():
            await self._clock.sleep(PULSE_S)
            if not self._gone.is_set():
                self._pulse(connection, self._clock.monotonic_ns())

    def _pulse(self, connection: Connection, now_ns: int) -> None:
        if (owed_ns := self.session.waits_ns(now_ns)) > OWED_NS:
            self._lost(f"no answer to anything for {owed_ns // MS} ms", Disbelief.FEED_SILENT)
            connection.abort()
            return
        self.session.tick(now_ns)
        if why := self.session.renewable:
            self._lost(why, Disbelief.DISCONNECTED)
        elif not self._through and self.session.phase is Phase.OPEN and self.session.live:
            self._through = True
            self._home.gate.through(SOCKET)

    def _lost(self, why: str, reason: Disbelief) -> None:
        if not self._gone.is_set():
            self._why = why
            self._gone.set()
            self.session.lost(reason, self._clock.monotonic_ns())
            self._home.drained()
