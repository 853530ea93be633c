"""Verified books from the venue into the desk's cache, late by a latency.

`FeedServer` is the venue's side, `SimFeed` a `ports.MarketFeed` in the place of Kraken's. What the
feed knows of each book (when it was last proved, whether it is believed) is kept here a second
time, so that a send can be judged without asking the desk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.domain.book import BookView, Disbelief, OrderBook, Source
from arbit.domain.errors import BrokenRule
from arbit.domain.events import FeedCounts
from arbit.domain.market import MarketStatus
from arbit.ports import BookSink, Clock, Listener
from arbit.sandbox.book import ASK, BID
from arbit.venues.kraken.parse import Instrument, SystemStatus
from arbit.venues.kraken.statuses import Statuses
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.venue import SimVenue

DEPTH = 10
MS = 1_000_000
Rows = list[tuple[int, int, bytes]]
Image = tuple[str, Rows, Rows, int]


class FeedServer:
    """Tells every connected feed what has changed."""

    def __init__(self, venue: SimVenue) -> None:
        self._venue = venue
        self._feeds: list[SimFeed] = []
        self.muted: set[str] = set()

    def join(self, feed: SimFeed) -> None:
        """A feed subscribes: it gets everything as it is."""
        self._feeds.append(feed)
        self.tell(feed, self._venue.market.pairs)
        self.status(feed)

    def leave(self, feed: SimFeed) -> None:
        """It is gone."""
        self._feeds = [one for one in self._feeds if one is not feed]

    def changed(self, symbols: Iterable[str]) -> None:
        """These books have changed."""
        heard = [symbol for symbol in symbols if symbol not in self.muted]
        for feed in self._feeds:
            if heard:
                self.tell(feed, heard)

    def tell(self, feed: SimFeed, symbols: Iterable[str]) -> None:
        """Send these books as they are now."""
        images = [self.image(symbol) for symbol in symbols]
        feed.send(lambda: feed.hear(images))

    def image(self, symbol: str) -> Image:
        """The ten best levels a side."""
        book = self._venue.market.pairs[symbol].book
        bids = [(price, qty, b"") for price, qty in book.top(BID, DEPTH)]
        asks = [(price, qty, b"") for price, qty in book.top(ASK, DEPTH)]
        return symbol, bids, asks, self._venue.loop.now_ns

    def statuses(self) -> None:
        """A status has changed: everybody is told."""
        for feed in self._feeds:
            self.status(feed)

    def status(self, feed: SimFeed) -> None:
        """Tell one feed the status of all."""
        system = self._venue.market.system
        told = {symbol: pair.status for symbol, pair in self._venue.market.pairs.items()}
        feed.send(lambda: feed.heard_status(system, told))

    def cut(self) -> bool:
        """Every feed's connection is cut. Whether there was any."""
        cut = list(self._feeds)
        for feed in cut:
            self.leave(feed)
            feed.send(feed.lost)
        return bool(cut)


class SimFeed:
    """`ports.MarketFeed`. `proved_ns` and `believed` are the judge's own record."""

    def __init__(
        self,
        venue: SimVenue,
        process: Process,
        sink: BookSink,
        clock: Clock,
        around: tuple[Listener, Callable[[Instrument], None]],
    ) -> None:
        self.counts = FeedCounts()
        self.on_drained: Callable[[], None] = lambda: None
        self.proved_ns: dict[str, int] = {}
        self.made_ns: dict[str, int] = {}  # when the venue had it so, truly
        self.believed: dict[str, bool] = {}
        self.priced: set[str] = set()  # whose book has had two sides since the start
        self.online: dict[str, bool] = {}
        self.told: dict[str, Instrument] = {}
        self.told_before: dict[str, tuple[Instrument, int]] = {}  # and until when
        self.integrity = venue.integrity
        self._venue = venue
        self._process = process
        self._sink = sink
        self._clock = clock
        self._publish, self._learn = around
        self._books: dict[str, OrderBook] = {}
        self._gone = asyncio.Event()
        self._epoch = 0
        self._down_ns = 0
        self._statuses: Statuses | None = None
        process.on_death.append(lambda: venue.feed.leave(self))

    async def run(self, symbols: Sequence[str]) -> None:
        """Connected, or on the way to be, until cancelled."""
        self._statuses = Statuses(self._venue.name, self._sink, self._publish, symbols)
        for symbol in symbols:
            listed = self._venue.market.pairs[symbol].instrument
            self._books[symbol] = OrderBook(
                symbol,
                depth=DEPTH,
                price_decimals=listed.price_precision,
                qty_decimals=listed.qty_precision,
            )
        try:
            while True:
                self._gone.clear()
                self._epoch += 1
                await self._clock.sleep(self._venue.delay_ns() * 2 / 1e9)
                self._venue.feed.join(self)
                await self._gone.wait()
                for symbol in symbols:
                    self.doubt(symbol, Disbelief.DISCONNECTED)
                await self._clock.sleep(0.1 + 0.2 * self._clock.jitter())
        finally:
            self._venue.feed.leave(self)

    async def confirm(self, symbols: Sequence[str]) -> None:
        """An independent look at these books, one after the other."""
        for symbol in symbols:
            sent_ns = self._clock.monotonic_ns()
            await self._clock.sleep(self._venue.delay_ns() / 1e9)
            image = self._venue.feed.image(symbol)
            await self._clock.sleep(self._venue.delay_ns() / 1e9)
            if self.believed.get(symbol) and self.holds(image):
                self.proved_ns[symbol] = max(self.proved_ns[symbol], sent_ns)
                self.made_ns[symbol] = image[3]
                self._sink.confirm(symbol, sent_ns, depth=True)

    def holds(self, image: Image) -> bool:
        """Whether the book held is this one."""
        symbol, bids, asks, _ = image
        book = self._books[symbol]
        held = [(k * s.sign, q) for s in (book.bids, book.asks) for k, q in _rows(s)]
        return held == [(price, qty) for price, qty, _ in (*bids, *asks)]

    def doubt_since(self, since_ns: int) -> None:
        """Nothing is asked for here: every book is told anew before it grows old."""

    def states(self) -> Mapping[str, str]:
        return {"ws0": "open"}

    def orderbook_stream(self, symbols: Sequence[str]) -> AsyncIterator[BookView]:
        raise BrokenRule("nobody asks for it in a simulation")

    # --- what arrives ----------------------------------------------------------------------------

    def send(self, told: Callable[[], None]) -> None:
        """The venue tells something: it arrives after a latency, in order, in this epoch alone."""
        epoch = self._epoch
        plan = self._venue.plan
        late_ns = int((plan.feed_ms + plan.jitter_ms * self._venue.rng.random()) * MS)
        self._down_ns = max(self._down_ns, self._venue.loop.now_ns + late_ns)

        def arrive() -> None:
            if epoch == self._epoch:
                told()

        self._venue.loop.at_ns(self._down_ns, arrive, context=self._process.context)

    def hear(self, images: Sequence[Image]) -> None:
        """Books as the venue had them."""
        now_ns = self._clock.monotonic_ns()
        for symbol, bids, asks, made_ns in images:
            book = self._books[symbol]
            book.replace(bids, asks)
            self.proved_ns[symbol], self.believed[symbol] = now_ns, True
            self.made_ns[symbol] = made_ns
            if bids and asks and bids[0][0] < asks[0][0]:
                self.priced.add(symbol)
            self._sink.put(book, seen_ns=now_ns, confirmed_ns=now_ns, source=Source.WS)
        self.on_drained()

    def doubt(self, symbol: str, reason: Disbelief) -> None:
        """This book is not the venue's, until it is sent again."""
        self.believed[symbol] = False
        self._sink.disbelieve(symbol, reason)

    def lost(self) -> None:
        """The connection is gone."""
        self._gone.set()

    def heard_status(self, system: str, told: Mapping[str, str]) -> None:
        """How the engine and each market are."""
        if self._statuses is None:
            return
        self._statuses.system(0, SystemStatus(system))
        for symbol, word in told.items():
            status = MarketStatus.of(word)
            self.online[symbol] = system == "online" and status is MarketStatus.ONLINE
            self._statuses.market(0, symbol, status)
            now = _instrument(self._venue, symbol, status)
            before = self.told.get(symbol, now)
            if replace(before, status=status) != now:
                self.told_before[symbol] = (before, self._venue.loop.now_ns)
            self.told[symbol] = now
            self._learn(now)


def _rows(side: object) -> list[tuple[int, int]]:
    keys: list[int] = side.keys  # type: ignore[attr-defined]  # a BookSide
    qtys: list[int] = side.qtys  # type: ignore[attr-defined]  # as above
    return list(zip(keys, qtys, strict=True))


def _instrument(venue: SimVenue, symbol: str, status: MarketStatus) -> Instrument:
    listed = venue.market.pairs[symbol].instrument
    return Instrument(
        symbol=symbol,
        base=listed.base.code,
        quote=listed.quote.code,
        status=status,
        price_decimals=listed.price_precision,
        qty_decimals=listed.qty_precision,
        price_increment=Decimal(listed.price_tick).scaleb(-listed.price_precision),
        qty_increment=Decimal(listed.qty_step).scaleb(-listed.qty_precision),
        qty_min=Decimal(listed.qty_min).scaleb(-listed.qty_precision),
        cost_min=venue.least_cost(listed),
    )
