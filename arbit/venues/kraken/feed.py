"""Kraken's own feed: sockets, back-off and watchdogs around `KrakenSession`.

Symbols are spread over sockets so that one bad socket costs a part of the market. Each socket has
a task that dials, listens, and dials again under a budget shared by all of them; and a pulse that
asks for overdue snapshots and drops a socket on which nothing at all has been heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from arbit.domain.book import BookView, Disbelief, Integrity
from arbit.domain.errors import VenueUnreachable
from arbit.domain.events import FeedConnected, FeedCounts, FeedDisconnected
from arbit.domain.market import Market, MarketStatus
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.backoff import ConnectBudget, backoff_ms
from arbit.venues.confirm import Confirmer, QuietBooks
from arbit.venues.dial import Connection, Dialer, PicowsDialer
from arbit.venues.fallback import RestFallback, RestParts
from arbit.venues.kraken.parse import Instrument
from arbit.venues.kraken.session import KrakenSession, SessionSetup
from arbit.venues.looks import LookingReader
from arbit.venues.stream import StreamTap

MS = 1_000_000
PULSE_S = 0.1
PING_AFTER_NS = 1_200 * MS
STEADY_NS = 10_000 * MS  # a socket that lived this long starts its back-off anew


@dataclass(frozen=True, slots=True)
class KrakenFeedSetup:
    """Settings of the feed. Times in ms; see `docs/configuration.md` for bounds and reasons."""

    venue: str
    ws_url: str
    depth: int = 25
    max_book_age_ms: int = 3_000
    symbols_per_socket: int = 200
    watchdog_ms: int = 2_500
    backoff_cap_ms: int = 15_000
    connects_per_10min: int = 110


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands beside the sockets: REST questions, listed markets, and who learns of changes.

    `dial` replaces the WebSocket client (simulation).
    """

    reader: LookingReader | None = None
    markets: Mapping[str, Market] = field(default_factory=dict)
    learn: Callable[[Instrument], None] = lambda _: None
    dial: Dialer | None = None


class _Shard:
    """One socket's worth of symbols, and the task that keeps it open."""

    def __init__(self, number: int, session: KrakenSession, feed: KrakenFeed) -> None:
        self.number = number
        self.session = session
        self.state = "idle"
        self._feed = feed
        self._connection: Connection | None = None
        self._gone = asyncio.Event()
        self._why = ""
        self._epoch = 0

    def on_frame(self, payload: bytes) -> None:
        """A message: to the session, with its receive time."""
        self.session.frame(payload, self._feed.clock.monotonic_ns())

    def on_drained(self) -> None:
        """The buffer is empty: whoever decides may decide now."""
        self._feed.on_drained()

    def on_lost(self, why: str) -> None:
        """The socket is gone."""
        if not self._gone.is_set():
            self._why = why
            self._gone.set()
            self.session.lost(self._reason, self._feed.clock.monotonic_ns())
            self._feed.on_drained()

    @property
    def _reason(self) -> Disbelief:
        return Disbelief.FEED_SILENT if self.state == "mute" else Disbelief.DISCONNECTED

    async def keep_open(self) -> None:
        """Dial, listen until the socket is gone, pause, and again; for ever."""
        attempt = 0
        while True:
            await self._feed.wait_for_budget()
            opened_ns = self._feed.clock.monotonic_ns()
            await self._one_life()
            if self._feed.clock.monotonic_ns() - opened_ns > STEADY_NS:
                attempt = 0
            pause_ms = self._feed.pause_ms(attempt)
            attempt += 1
            self._feed.tell_lost(self.number, self._why, pause_ms)
            self.state = "waiting"
            await self._feed.clock.sleep(pause_ms / 1e3)

    async def _one_life(self) -> None:
        self._gone.clear()
        self.state = "dialling"
        try:
            self._connection = await self._feed.dial(self._feed.setup.ws_url, self)
        except VenueUnreachable as error:
            self._why = str(error)
            return
        try:
            self._begin(self._connection)
            await self._listen(self._connection)
        finally:
            self._end(self._connection)

    def _begin(self, connection: Connection) -> None:
        self._epoch += 1
        self.state = "open"
        self._feed.tell_open(self.number, self._epoch)
        self.session.opened(connection.send, self._feed.clock.monotonic_ns())

    async def _listen(self, connection: Connection) -> None:
        pinged_ns = 0
        while not self._gone.is_set():
            await self._feed.clock.sleep(PULSE_S)
            now_ns = self._feed.clock.monotonic_ns()
            silence_ns = now_ns - self.session.heard_ns
            if silence_ns > self._feed.setup.watchdog_ms * MS:
                self.state = "mute"
                self.on_lost(f"nothing heard for {silence_ns // MS} ms")
                connection.abort()
            elif silence_ns > PING_AFTER_NS and now_ns - pinged_ns > PING_AFTER_NS:
                pinged_ns = now_ns
                self.session.ping()
            if not self._gone.is_set():
                self.session.tick(now_ns)

    def _end(self, connection: Connection) -> None:
        """Leave nothing behind: on a stop the venue hears a clean unsubscribe."""
        if not self._gone.is_set():
            self._gone.set()
            self.session.farewell()
        connection.close()
        self._connection = None


class KrakenFeed:
    """Verified Kraken books into a `BookSink`. Integrity: CRC-32 after every message.

    With a `reader`, quiet books are confirmed over REST, and REST feeds the books whose stream is
    stale or absent. Without one (a bench, a closed network) a quiet book simply grows old.
    """

    integrity = Integrity.CHECKSUM

    def __init__(
        self,
        setup: KrakenFeedSetup,
        sink: BookSink,
        clock: Clock,
        publish: Listener,
        around: Surroundings,
    ) -> None:
        self.setup = setup
        self.clock = clock
        self.counts = FeedCounts()
        self.dial: Dialer = around.dial or PicowsDialer()
        self.on_drained: Callable[[], None] = lambda: None
        self._publish = publish
        self._max_age_ns = setup.max_book_age_ms * MS
        quiet = QuietBooks(
            sink, max_age_ns=self._max_age_ns, counts=self.counts, diverged=self.diverged
        )
        self._tap = StreamTap(quiet)
        self._markets = around.markets
        self._confirmer: Confirmer | None = None
        self._fallback: RestFallback | None = None
        if around.reader is not None:
            self._confirmer = Confirmer(setup.venue, quiet, around.reader, clock, publish)
            self._fallback = RestFallback(
                RestParts(
                    venue=setup.venue,
                    reader=around.reader,
                    sink=self._tap,
                    clock=clock,
                    publish=publish,
                    counts=self.counts,
                    markets=around.markets,
                    depth=setup.depth,
                )
            )
        self._session_setup = SessionSetup(
            venue=setup.venue,
            depth=setup.depth,
            sink=self._tap,
            publish=publish,
            counts=self.counts,
            learn=around.learn,
            recovered=self._recovered,
        )
        self._budget = ConnectBudget(setup.connects_per_10min)
        self._shards: list[_Shard] = []

    async def run(self, symbols: Sequence[str]) -> None:
        """Feed these symbols until cancelled; then unsubscribe and close."""
        size, now_ns = self.setup.symbols_per_socket, self.clock.monotonic_ns()
        for symbol in symbols:  # until the instrument channel says otherwise
            market = self._markets.get(symbol)
            if market is not None and market.status is not MarketStatus.ONLINE:
                self._tap.set_status(symbol, Disbelief.MARKET_STATUS)
        self._shards = [
            _Shard(n, KrakenSession(self._session_setup, symbols[at : at + size], now_ns), self)
            for n, at in enumerate(range(0, len(symbols), size))
        ]
        async with asyncio.TaskGroup() as group:
            for shard in self._shards:
                group.create_task(shard.keep_open(), name=f"{self.setup.venue}-ws-{shard.number}")
            if self._confirmer is not None and self._fallback is not None:
                group.create_task(self._confirmer.run(), name=f"{self.setup.venue}-confirm")
                group.create_task(self._fallback.run(), name=f"{self.setup.venue}-rest")
                group.create_task(self._watch_streams(self._fallback))

    async def confirm(self, symbols: Sequence[str]) -> None:
        """Look at these symbols' own depths now, within the venue's rate."""
        if self._confirmer is not None:
            await self._confirmer.confirm(symbols)

    def orderbook_stream(self, symbols: Sequence[str]) -> AsyncIterator[BookView]:
        """The newest verified book of each symbol, for as long as one iterates (beside `run`)."""
        return self._tap.stream(symbols)

    async def _watch_streams(self, fallback: RestFallback) -> None:
        """Hand symbols without a verified book to REST, until their stream is back."""
        while True:
            await self.clock.sleep(PULSE_S)
            now_ns = self.clock.monotonic_ns()
            for shard in self._shards:
                late = shard.session.overdue(now_ns, self._max_age_ns)
                if late:
                    fallback.stale(late, self.setup.max_book_age_ms)

    def _recovered(self, symbol: str) -> None:
        if self._fallback is not None:
            self._fallback.back(symbol)

    def states(self) -> Mapping[str, str]:
        """Each socket's state in a word, with how many of its books are live."""
        return {
            f"ws{shard.number}": f"{shard.state} {shard.session.live}/{len(shard.session.symbols)}"
            for shard in self._shards
        }

    def diverged(self, symbol: str, detail: str) -> None:
        """An independent look twice showed another top: that stream is dead, resync it."""
        for shard in self._shards:
            shard.session.diverged(symbol, self.clock.monotonic_ns(), detail)

    def silent_ns(self) -> int:
        """How long ago the quietest open socket was last heard."""
        now_ns = self.clock.monotonic_ns()
        return max((now_ns - shard.session.heard_ns for shard in self._shards), default=0)

    async def wait_for_budget(self) -> None:
        """Wait until one more connect is within the venue's limit, and take it."""
        while wait_ns := self._budget.wait_ns(self.clock.monotonic_ns()):
            await self.clock.sleep(wait_ns / 1e9)
        self._budget.take(self.clock.monotonic_ns())
        self.counts.connects += 1

    def pause_ms(self, attempt: int) -> int:
        """The pause before the next dial."""
        return backoff_ms(attempt, self.setup.backoff_cap_ms, self.clock.jitter)

    def tell_open(self, shard: int, epoch: int) -> None:
        """Publish that a socket opened."""
        self._publish(FeedConnected(self.setup.venue, shard, epoch))

    def tell_lost(self, shard: int, why: str, pause_ms: int) -> None:
        """Publish that a socket is gone."""
        self.counts.reconnects += 1
        self._publish(FeedDisconnected(self.setup.venue, shard, why, pause_ms))
