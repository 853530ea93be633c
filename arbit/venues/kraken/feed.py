"""Kraken's own feed: sockets, back-off and watchdogs around `KrakenSession`.

Symbols are spread over sockets so that one bad socket costs a part of the market. Each socket is
kept open by a `Shard` under a budget and a back-off shared by all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from arbit.domain.book import BookView, Integrity
from arbit.domain.events import FeedConnected, FeedCounts, FeedDisconnected
from arbit.domain.market import Market
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.backoff import ConnectBudget, DialGate
from arbit.venues.confirm import Confirmer, QuietBooks
from arbit.venues.dial import Dialer, PicowsDialer
from arbit.venues.fallback import RestFallback, RestParts
from arbit.venues.kraken.closed import ClosedByWord
from arbit.venues.kraken.parse import Instrument
from arbit.venues.kraken.session import KrakenSession, SessionSetup
from arbit.venues.kraken.shard import PULSE_S, Shard
from arbit.venues.kraken.statuses import Statuses
from arbit.venues.looks import LookingReader
from arbit.venues.stream import StreamTap

MS = 1_000_000


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
        self._quiet = quiet = QuietBooks(
            sink, max_age_ns=self._max_age_ns, counts=self.counts, diverged=self.diverged
        )
        self._tap = StreamTap(quiet)
        self._markets = around.markets
        self._confirmer: Confirmer | None = None
        self._fallback: RestFallback | None = None
        self._reader = around.reader
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
        budget = ConnectBudget(setup.connects_per_10min)
        self.gate = DialGate(budget, setup.backoff_cap_ms, clock)
        self._shards: list[Shard] = []

    async def run(self, symbols: Sequence[str]) -> None:
        """Feed these symbols until cancelled; then unsubscribe and close."""
        size, now_ns = self.setup.symbols_per_socket, self.clock.monotonic_ns()
        statuses = self._statuses(symbols)
        self._shards = []
        for number, at in enumerate(range(0, len(symbols), size)):
            part = symbols[at : at + size]
            session = KrakenSession(
                self._session_setup, part, now_ns, number=number, statuses=statuses
            )
            self._shards.append(Shard(number, session, self))
        async with asyncio.TaskGroup() as group:
            for shard in self._shards:
                group.create_task(shard.keep_open(), name=f"{self.setup.venue}-ws-{shard.number}")
            if self._confirmer is not None and self._fallback is not None:
                group.create_task(self._confirmer.run(), name=f"{self.setup.venue}-confirm")
                group.create_task(self._fallback.run(), name=f"{self.setup.venue}-rest")
                group.create_task(self._watch_streams(self._fallback))
            if self._reader is not None:
                closed = ClosedByWord(statuses, self._reader, self.clock, lambda: [*self._shards])
                group.create_task(closed.run(), name=f"{self.setup.venue}-closed")

    def _statuses(self, symbols: Sequence[str]) -> Statuses:
        """What the listing says of the markets, until the instrument channel says more."""
        statuses = Statuses(self.setup.venue, self._tap, self._publish, symbols)
        for symbol in symbols:
            market = self._markets.get(symbol)
            if market is not None:
                statuses.listed(symbol, market.status)
        return statuses

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

    def doubt_since(self, since_ns: int) -> None:
        """Have what came since then looked at."""
        self._quiet.doubt_since(since_ns)

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

    def drained(self) -> None:
        """Every message that had arrived is in the books: tell whoever decides."""
        self.on_drained()

    def tell_open(self, shard: int, epoch: int) -> None:
        """Publish that a socket opened."""
        self._publish(FeedConnected(self.setup.venue, shard, epoch))

    def tell_lost(self, shard: int, why: str, pause_ms: int) -> None:
        """Publish that a socket is gone."""
        self.counts.reconnects += 1
        self._publish(FeedDisconnected(self.setup.venue, shard, why, pause_ms))
