"""Keeps an account's socket open, and makes up for what was missed while it was not whole.

Two coroutines of one gateway: the socket's life, and the questions after a loss. Neither ends by
itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from arbit.domain.account import ForeignOrder, TradeSeen, VenueOrder
from arbit.domain.errors import VenueError
from arbit.domain.order import Trade
from arbit.ports import AccountReader, AccountSink, Clock
from arbit.venues.backoff import ConnectBudget, DialGate, backoff_ms
from arbit.venues.dial import Connection, Dialer

MS = 1_000_000
SECOND = 1_000 * MS
LOOK_NS = 250 * MS  # how often the socket is looked at while it says nothing unusual
SETTLE_S = 0.05  # what was missed is asked for this long after it is known to be
PING_EVERY_NS = 2 * SECOND
SUBSCRIBE_NS = 10 * SECOND  # both subscriptions must be answered within this
PROVEN_NS = 5 * SECOND
STEADY_NS = 10 * SECOND
LOOK_BACK_NS = 120 * SECOND  # how far before the loss the questions begin: reads lag, clocks differ
CATCH_UP_S = 600.0  # the longest that one round of questions may take: they wait for their budget


@dataclass(slots=True)
class StreamCounts:
    """Running totals of one account's stream."""

    frames: int = 0
    bad_frames: int = 0
    ignored: int = 0
    gaps: int = 0
    repeated: int = 0
    refusals: int = 0
    connects: int = 0
    losses: int = 0
    backfills: int = 0
    backfilled: int = 0


class AccountSession(Protocol):
    """One venue's account stream as bookkeeping: it never waits and never reads a clock.

    `why` says why the stream is not whole, empty when it is. `broken` is set when the socket had
    better be replaced. `opened_ns` is when it opened (monotonic).
    """

    counts: StreamCounts
    why: str
    broken: str
    opened_ns: int

    @property
    def whole(self) -> bool:
        """Whether everything that happened on the account is known."""
        ...

    @property
    def subscribed(self) -> bool:
        """Whether a socket is open and the venue accepted what was asked of it."""
        ...

    @property
    def missed(self) -> int:
        """The number of the last loss that has not been made up for; 0 when none."""
        ...

    def opened(self, send: Callable[[bytes], None], token: str, now_ns: int) -> None:
        """A socket is open: ask for the account's events."""
        ...

    def lost(self, why: str) -> None:
        """The socket is gone, or mute."""
        ...

    def caught_up(self, loss: int) -> None:
        """What was missed up to this loss has been asked for, and told."""
        ...

    def ping(self, now_ns: int, wall_ns: int) -> None:
        """Ask for a sign of life, where the venue answers such questions."""
        ...

    def silence_ns(self, now_ns: int) -> int:
        """For how long the venue has said nothing though it should have."""
        ...

    def lag_ns(self, now_ns: int) -> int:
        """For how long a ping has waited for its answer."""
        ...

    def frame(self, payload: bytes, now_ns: int, wall_ns: int) -> None:
        """One message. Never raises for anything the venue may send."""
        ...


class MissedBook(Protocol):
    """What the stream has told of the account's orders."""

    def told(self, trade_ids: Sequence[str]) -> frozenset[str]:
        """Which of these trades the stream has told."""
        ...

    def asked(self, trades: Iterable[Trade]) -> Sequence[TradeSeen]:
        """Of the trades that a question found, those that the stream has not told."""
        ...

    def is_foreign(self, order: VenueOrder) -> bool:
        """Whether an order that a question found is not ours, and was not told of before."""
        ...


@dataclass(frozen=True, slots=True)
class KeeperSetup:
    """Times in ms. `watchdog_ms` is how long the venue may be silent on the private socket."""

    url: str
    watchdog_ms: int = 2_500
    backoff_cap_ms: int = 15_000
    connects_per_10min: int = 30


@dataclass(frozen=True, slots=True)
class KeeperParts:
    """What stands around the socket.

    `token` gives what the stream is opened with, VenueError without one. `wait_ns` is how long the
    venue has asked us to stay away, `venue_ns` its wall time, None while it is not known.
    """

    clock: Clock
    dial: Dialer
    reader: AccountReader
    sink: AccountSink
    wait_ns: Callable[[int], int]
    venue_ns: Callable[[], int | None]
    token: Callable[[], Awaitable[str]]


class Keeper:
    """A `FrameHandler` for one session. `state` is the socket's, in a word."""

    def __init__(
        self,
        setup: KeeperSetup,
        session: AccountSession,
        book: MissedBook,
        parts: KeeperParts,
    ) -> None:
        self._setup = setup
        self._session = session
        self._book = book
        self._parts = parts
        self._clock = parts.clock
        self._gate = DialGate(
            ConnectBudget(setup.connects_per_10min), setup.backoff_cap_ms, parts.clock
        )
        self._gone = asyncio.Event()
        self._look = asyncio.Event()  # at the socket, now
        self._behind = asyncio.Event()  # something was missed, and can be asked for
        self._why = ""
        self._through = False
        self._whole_ns = 0  # the venue's wall time when the stream was last whole; 0: never yet
        self.state = "idle"

    def on_frame(self, payload: bytes) -> None:
        """A message: to the session, with its receive times."""
        wall_ns = self._clock.wall_ns()
        session = self._session
        session.frame(payload, self._clock.monotonic_ns(), wall_ns)
        if session.whole:
            self._is_whole(wall_ns)
        elif session.subscribed:
            self._behind.set()
        if session.broken:
            self._look.set()

    def _is_whole(self, wall_ns: int) -> None:
        """From here on, by the venue's clock, would have to be asked for if the stream were lost.

        While that clock is not known the time stays as it was: more is asked for then, not less.
        """
        venue_ns = self._parts.venue_ns()
        self._whole_ns = venue_ns or self._whole_ns or wall_ns

    def on_drained(self) -> None:
        """Nothing waits for this."""

    def on_lost(self, why: str) -> None:
        """The socket is gone."""
        self._lost(why)

    async def keep_open(self) -> None:
        """Dial, listen until the socket is gone, pause, and again; for ever."""
        attempt = 0
        while True:
            self.state = "waiting"
            await self._stay_away()
            await self._gate.enter(0)
            self._session.counts.connects += 1
            started_ns = self._clock.monotonic_ns()
            await self._one_life()
            if not self._through:
                self._gate.failed(0)
                continue
            if self._clock.monotonic_ns() - started_ns > STEADY_NS:
                attempt = 0
            pause_ms = backoff_ms(attempt, self._setup.backoff_cap_ms, self._clock.jitter)
            attempt += 1
            self.state = "waiting"
            await self._clock.sleep(pause_ms / 1e3)

    async def catch_up(self) -> None:
        """After every loss ask for what was missed, until the stream is whole; for ever."""
        attempt = 0
        while True:
            await self._loss()
            session = self._session
            loss = session.missed
            if not loss or not session.subscribed:
                continue
            try:
                async with asyncio.timeout(CATCH_UP_S):
                    await self._ask_missed()
            except (VenueError, TimeoutError) as error:
                session.why = f"what was missed cannot be asked for: {str(error) or 'no answer'}"
                pause_ms = backoff_ms(attempt, self._setup.backoff_cap_ms, self._clock.jitter)
                attempt += 1
                await self._clock.sleep(pause_ms / 1e3)
                continue
            attempt = 0
            session.caught_up(loss)
            if session.whole:  # a loss before the next frame must be asked for, too
                self._is_whole(self._clock.wall_ns())

    async def _loss(self) -> None:
        while not (self._session.missed and self._session.subscribed):
            self._behind.clear()
            await self._behind.wait()
        await self._clock.sleep(SETTLE_S)

    async def _ask_missed(self) -> None:
        """Trades since a while before the loss, and open orders. Nothing is missed at a start."""
        session, sink = self._session, self._parts.sink
        if not self._whole_ns:
            return
        session.counts.backfills += 1
        trades = await self._parts.reader.trades_since(
            self._whole_ns - LOOK_BACK_NS, self._book.told
        )
        for seen in self._book.asked(trades):
            session.counts.backfilled += 1
            sink(seen)
        for order in await self._parts.reader.open_orders():
            if self._book.is_foreign(order):
                sink(ForeignOrder(order))

    async def _stay_away(self) -> None:
        while wait_ns := self._parts.wait_ns(self._clock.monotonic_ns()):
            await self._clock.sleep(wait_ns / 1e9)

    async def _one_life(self) -> None:
        self._gone.clear()
        self._look.clear()
        self._through = False
        self.state = "dialling"
        try:
            token = await self._parts.token()
            connection = await self._parts.dial(self._setup.url, self)
        except VenueError as error:
            self._lost(str(error))
            return
        try:
            if not self._gone.is_set():
                self.state = "open"
                self._session.opened(connection.send, token, self._clock.monotonic_ns())
                await self._listen(connection)
        finally:
            self._lost("closed by us")
            self.state = "closed"
            connection.close()

    async def _listen(self, connection: Connection) -> None:
        every_ns = min(PING_EVERY_NS, self._setup.watchdog_ms * MS * 2 // 5)
        pinged_ns = 0
        while not self._gone.is_set():
            now_ns = self._clock.monotonic_ns()
            if now_ns - pinged_ns >= every_ns:
                pinged_ns = now_ns
                self._session.ping(now_ns, self._clock.wall_ns())
            cancel = self._clock.call_at(now_ns + LOOK_NS, self._look.set)
            await self._look.wait()
            self._look.clear()
            cancel()
            if not self._gone.is_set():
                self._pulse(connection, self._clock.monotonic_ns())

    def _pulse(self, connection: Connection, now_ns: int) -> None:
        session, limit_ns = self._session, self._setup.watchdog_ms * MS
        open_ns = now_ns - session.opened_ns
        silence_ns, lag_ns = session.silence_ns(now_ns), session.lag_ns(now_ns)
        why = session.broken
        if silence_ns > limit_ns:
            why = f"nothing heard for {silence_ns // MS} ms"
        elif lag_ns > limit_ns:
            why = f"no answer to a ping for {lag_ns // MS} ms"
        elif not session.subscribed and open_ns > SUBSCRIBE_NS:
            why = f"no answer to a subscription for {open_ns // MS} ms"
        if why:
            self._lost(why)
            connection.abort()
        elif not self._through and session.subscribed and (session.whole or open_ns > PROVEN_NS):
            self._through = True
            self._gate.through(0)

    def _lost(self, why: str) -> None:
        if not self._gone.is_set():
            self._why = why
            self._gone.set()
            self._look.set()
            self._session.lost(why)
