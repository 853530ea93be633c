"""Alpaca's own feed: one socket, back-off and cross-checks around `AlpacaSession`.

The venue numbers nothing and signs nothing, so its books are held against what else it says of
them: `quotes` of the same stream, and its books over REST. See `session` and `traces`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from arbit.domain.book import BookView, Integrity
from arbit.domain.errors import UserError, VenueError, first_of
from arbit.domain.events import FeedConnected, FeedCounts, FeedDisconnected
from arbit.domain.market import Market
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.alpaca.http import Keys
from arbit.venues.alpaca.link import PULSE_S, Link
from arbit.venues.alpaca.listing import Listing
from arbit.venues.alpaca.reader import GAP_NS, BooksReader, WatchedReader
from arbit.venues.alpaca.session import AlpacaSession, SessionSetup
from arbit.venues.backoff import ConnectBudget, DialGate
from arbit.venues.confirm import Confirmer, QuietBooks
from arbit.venues.dial import Dialer, PicowsDialer
from arbit.venues.fallback import RestFallback, RestParts
from arbit.venues.looks import DepthLook
from arbit.venues.stream import StreamTap

MS = 1_000_000
COMPARE_EVERY_NS = 2_000 * MS  # every book is held against REST's at least that often
PULSE_COMPARE_S = 0.25
SOCKET = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan allows on the stream (docs.alpaca.markets, plans); None: no limit is told."""

    name: str
    connections: int | None
    books: int | None


PLANS = {"free": Plan("free", 1, 10), "paid": Plan("paid", None, None)}


@dataclass(frozen=True, slots=True)
class AlpacaFeedSetup:
    """Settings of the feed. Times in ms; see `docs/configuration.md` for bounds and reasons."""

    venue: str
    ws_url: str
    keys: Keys
    plan: str = "free"
    depth: int = 25
    max_book_age_ms: int = 3_000
    watchdog_ms: int = 2_500
    backoff_cap_ms: int = 15_000
    connects_per_10min: int = 110
    rest_gap_ms: int = GAP_NS // MS


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands beside the socket: REST questions and listed markets.

    `dial` replaces the WebSocket client (simulation).
    """

    reader: BooksReader
    markets: Mapping[str, Market] = field(default_factory=dict)
    dial: Dialer | None = None


class AlpacaFeed:
    """Cross-checked Alpaca books into a `BookSink`.

    A book is believed from its own whole message on. It stops being believed at the message that
    crosses it, when its top is not what `quotes` say for a second, when two books in a row that
    REST tells were never ours, or when the socket or a ping's answer is gone.
    """

    integrity = Integrity.CROSS_CHECKED

    def __init__(
        self,
        setup: AlpacaFeedSetup,
        sink: BookSink,
        clock: Clock,
        publish: Listener,
        around: Surroundings,
    ) -> None:
        self.setup = setup
        self.clock = clock
        self.counts = FeedCounts()
        # Pinged twice within the watchdog's time: a socket that is mute is gone within it.
        self.dial: Dialer = around.dial or PicowsDialer(ping_ms=max(1, setup.watchdog_ms // 2))
        self.on_drained: Callable[[], None] = lambda: None
        self.gate = DialGate(ConnectBudget(setup.connects_per_10min), setup.backoff_cap_ms, clock)
        self._publish = publish
        self._around = around
        self._max_age_ns = setup.max_book_age_ms * MS
        self._quiet = QuietBooks(
            sink, max_age_ns=self._max_age_ns, counts=self.counts, diverged=self.diverged
        )
        self._tap = StreamTap(self._quiet)
        self._link: Link | None = None
        self._confirmer: Confirmer | None = None
        self._fallback: RestFallback | None = None

    async def run(self, symbols: Sequence[str]) -> None:
        """Feed these symbols until cancelled.

        UserError for more symbols than the plan allows, and when the venue says on the first
        connection that it will never serve this key.
        """
        self._within_plan(symbols)
        link, watched, listing = self._parts(symbols)
        venue = self.setup.venue
        fallback, confirmer = self._rest(watched)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(link.keep_open(), name=f"{venue}-ws")
                group.create_task(confirmer.run(), name=f"{venue}-confirm")
                group.create_task(fallback.run(), name=f"{venue}-rest")
                group.create_task(self._watch_stream(link, fallback), name=f"{venue}-watch")
                group.create_task(self._keep_comparing(watched), name=f"{venue}-compare")
                group.create_task(listing.run(symbols), name=f"{venue}-listing")
        except BaseExceptionGroup as several:
            first = first_of(several)
            if isinstance(first, UserError):
                raise first from None
            raise

    async def confirm(self, symbols: Sequence[str]) -> None:
        """Look at these symbols' own depths now, within the venue's rate."""
        if self._confirmer is not None:
            await self._confirmer.confirm(symbols)

    def orderbook_stream(self, symbols: Sequence[str]) -> AsyncIterator[BookView]:
        """The newest believed book of each symbol, for as long as one iterates (beside `run`)."""
        return self._tap.stream(symbols)

    def doubt_since(self, since_ns: int) -> None:
        """Have what came since then looked at."""
        self._quiet.doubt_since(since_ns)

    def states(self) -> Mapping[str, str]:
        """The socket's state in a word, with how many of its books are live."""
        link = self._link
        if link is None:
            return {}
        return {f"ws{SOCKET}": f"{link.state} {link.session.live}/{len(link.session.symbols)}"}

    def diverged(self, symbol: str, detail: str) -> None:
        """An independent look says twice that this is not the venue's book: resync it."""
        if self._link is not None:
            self._link.session.diverged(symbol, self.clock.monotonic_ns(), detail)

    def drained(self) -> None:
        """Every message that had arrived is in the books: tell whoever decides."""
        self.on_drained()

    def tell_open(self, epoch: int) -> None:
        """Publish that the socket opened."""
        self._publish(FeedConnected(self.setup.venue, SOCKET, epoch))

    def tell_lost(self, why: str, pause_ms: int) -> None:
        """Publish that the socket is gone."""
        self.counts.reconnects += 1
        self._publish(FeedDisconnected(self.setup.venue, SOCKET, why, pause_ms))

    def _within_plan(self, symbols: Sequence[str]) -> None:
        plan = PLANS[self.setup.plan]
        if plan.books is not None and len(symbols) > plan.books:
            raise UserError(
                f"venue {self.setup.venue}: {len(symbols)} markets to watch, but Alpaca's "
                f"{plan.name} plan allows {plan.books} order books: lower max_symbols"
            )

    def _parts(self, symbols: Sequence[str]) -> tuple[Link, WatchedReader, Listing]:
        setup, reader = self.setup, self._around.reader
        session = AlpacaSession(
            SessionSetup(
                venue=setup.venue,
                keys=setup.keys,
                depth=setup.depth,
                sink=self._tap,
                publish=self._publish,
                counts=self.counts,
                known=self._known,
                recovered=self._recovered,
            ),
            symbols,
            self.clock.monotonic_ns(),
        )
        self._link = Link(session, self)
        watched = WatchedReader(reader, symbols, self.clock, setup.rest_gap_ms * MS)
        watched.heard = self._compare
        listing = Listing(setup.venue, reader, self._tap, self.clock, self._publish)
        for symbol in symbols:
            market = self._around.markets.get(symbol)
            if market is not None:
                listing.begin(symbol, market.status)
        return self._link, watched, listing

    def _rest(self, watched: WatchedReader) -> tuple[RestFallback, Confirmer]:
        setup = self.setup
        self._confirmer = Confirmer(setup.venue, self._quiet, watched, self.clock, self._publish)
        self._fallback = RestFallback(
            RestParts(
                venue=setup.venue,
                reader=watched,
                sink=self._tap,
                clock=self.clock,
                publish=self._publish,
                counts=self.counts,
                markets=self._around.markets,
                depth=setup.depth,
            )
        )
        return self._fallback, self._confirmer

    def _known(self, symbol: str) -> tuple[int, int]:
        """The decimals of a symbol's prices and quantities, as its increments have them."""
        market = self._around.markets.get(symbol)
        if market is None:
            return (0, 0)
        return (market.price_decimals or 0, market.qty_decimals or 0)

    def _recovered(self, symbol: str) -> None:
        if self._fallback is not None:
            self._fallback.back(symbol)

    async def _watch_stream(self, link: Link, fallback: RestFallback) -> None:
        """Hand symbols without a believed book to REST, until their stream is back."""
        while True:
            await self.clock.sleep(PULSE_S)
            late = link.session.overdue(self.clock.monotonic_ns(), self._max_age_ns)
            if late:
                fallback.stale(late, self.setup.max_book_age_ms)

    async def _keep_comparing(self, watched: WatchedReader) -> None:
        """Have every book looked at, though none is quiet. Whoever looked lately did it for us."""
        while True:
            await self.clock.sleep(PULSE_COMPARE_S)
            young = self.clock.monotonic_ns() - watched.asked_ns < COMPARE_EVERY_NS
            if self._link is None or not self._link.session.live or young:
                continue
            try:
                await watched.look_all()
            except VenueError:  # the look for quiet books tells of it; this one comes back
                await self.clock.sleep(COMPARE_EVERY_NS / 1e9)

    def _compare(self, books: Mapping[str, DepthLook]) -> None:
        """REST's books: against what the streamed ones were, and a proof of those that agree."""
        if self._link is None:
            return
        session, now_ns = self._link.session, self.clock.monotonic_ns()
        for symbol, look in books.items():
            if session.compare(symbol, look, now_ns):
                self._quiet.confirm(symbol, look.sent_ns, depth=True)
