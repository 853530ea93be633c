"""Books over REST alone: for `feed = rest` and for venues without a usable stream.

One all-tops look tells which books moved; a book whose top is the same is confirmed, one whose top
differs is asked for again first. Everything within the venue's rate, so a large market is seen
slowly: what is older than its allowed age is not believed, and that is the honest outcome.
Nothing is believed without a young word that the venue is online, nor for long without a look at
the listing's statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arbit.domain.book import Disbelief, Integrity
from arbit.domain.errors import UserError, VenueError, VenueRefused
from arbit.domain.events import FeedCounts, VenueSaid
from arbit.domain.market import Market, MarketStatus
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.backoff import backoff_ms
from arbit.venues.ccxt.beliefs import Beliefs
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.confirm import QuietBooks
from arbit.venues.fallback import REFUSED_PAUSE_NS, RestBooks, RestParts
from arbit.venues.looks import LookingReader
from arbit.venues.standing import RENEW_NS
from arbit.venues.stream import BookStream, StreamTap

MS = 1_000_000
IDLE_S = 0.05
FAIR_SHARE = 4
LISTING_NS = 300_000_000_000  # the listing's statuses are read again this often,
LISTING_RETRY_NS = 10_000_000_000  # and after this when nobody answered
CLOSED_PAUSE_S = 1.0


class RestFeed:
    """Polls the reader. Integrity NONE: there is nothing to check a REST book against."""

    integrity = Integrity.NONE

    def __init__(
        self,
        settings: CcxtSettings,
        sink: BookSink,
        clock: Clock,
        publish: Listener,
        markets: Mapping[str, Market],
        reader: LookingReader,
    ) -> None:
        self.settings = settings
        self.counts = FeedCounts()
        self._clock = clock
        self._publish = publish
        self._markets = markets
        self._tap = StreamTap(sink)
        self._quiet = QuietBooks(
            self._tap,
            max_age_ns=settings.max_book_age_ms * MS,
            counts=self.counts,
            diverged=lambda _symbol, _detail: None,  # a REST book has no stream that could be dead
        )
        self._reader = reader
        self._books = RestBooks(
            RestParts(
                settings.venue,
                reader,
                self._quiet,
                clock,
                publish,
                self.counts,
                markets,
                settings.depth,
            )
        )
        self._beliefs = Beliefs(settings.venue, self._quiet, clock, publish)
        self._turns: dict[str, int] = {}  # symbol -> not before, monotonic ns; oldest turn first
        self._wanted: dict[str, None] = {}  # candidates' legs, to be polled first
        self._polled_ns: dict[str, int] = {}
        self._statuses: dict[str, MarketStatus] = {}
        self._told: dict[str, Disbelief | None] = {}
        self._online = True
        self._listed_ns = 0
        self._tops_ns = 0
        self._looked = False
        self._polls = 0
        self._failures = 0
        self._has_tops = True

    async def run(self, symbols: Sequence[str]) -> None:
        """Poll these symbols until cancelled. UserError for one that is not listed."""
        for symbol in symbols:
            if symbol not in self._markets:
                raise UserError(f"{self.settings.venue}: {symbol!r} is not listed")
        self._statuses = {symbol: self._markets[symbol].status for symbol in symbols}
        self._listed_ns = self._clock.monotonic_ns()
        self._tell_statuses()
        self._beliefs.watch(symbols)
        self._turns = dict.fromkeys(symbols, 0)
        while True:
            try:
                await self._step()
            except VenueError as error:
                await self._failed(error)
            else:
                self._failures = 0

    async def confirm(self, symbols: Sequence[str]) -> None:
        """Poll those of these symbols soon whose depth was not seen lately; nothing is awaited."""
        limit_ns = self._clock.monotonic_ns() - self.settings.max_book_age_ms * MS // 2
        for symbol in symbols:
            if symbol in self._turns and self._polled_ns.get(symbol, 0) < limit_ns:
                self._wanted[symbol] = None

    def doubt_since(self, since_ns: int) -> None:
        """Have what came since then looked at."""
        self._quiet.doubt_since(since_ns)

    def states(self) -> Mapping[str, str]:
        """Whether the venue answers, with how many books are live."""
        word = "failing" if self._failures else "polling" if self._online else "not online"
        return {"rest": f"{word} {self._beliefs.live}/{self._beliefs.watched}"}

    def orderbook_stream(self, symbols: Sequence[str]) -> BookStream:
        """An async iterator of believed books, the newest of each symbol."""
        return self._tap.stream(symbols)

    async def _step(self) -> None:
        """One question: every top when that is due, else the depth of the next symbol."""
        if not await self._trading():
            await self._clock.sleep(CLOSED_PAUSE_S)
            return
        now_ns = self._clock.monotonic_ns()
        half_age_ns = self.settings.max_book_age_ms * MS // 2
        due = self._beliefs.live > 0 and now_ns - self._tops_ns >= half_age_ns
        if self._has_tops and due and not self._looked:
            self._tops_ns, self._looked = now_ns, True
            await self._look_at_tops()
            return
        self._looked = False  # at a slow rate, looks and polls take turns
        symbol = self._next(now_ns)
        if symbol is None:
            await self._clock.sleep(IDLE_S)
        else:
            self._polls += 1
            await self._poll(symbol)

    async def _trading(self) -> bool:
        """Whether the venue trades as a whole; every market's own status, when that is due."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._listed_ns >= LISTING_NS:
            self._listed_ns = now_ns - LISTING_NS + LISTING_RETRY_NS
            found = await self._reader.look_markets()
            self._listed_ns = now_ns
            self._statuses = {s: found.get(s, MarketStatus.DELISTED) for s in self._statuses}
            self._tell_statuses()
        online = await self._books.standing.online(RENEW_NS)
        if online is not self._online:
            self._online = online
            self._tell_statuses()
        return online

    def _tell_statuses(self) -> None:
        for symbol, status in self._statuses.items():
            reason = None if self._trades(status) else Disbelief.MARKET_STATUS
            if not self._online:
                reason = Disbelief.VENUE_STATUS
            if self._told.get(symbol) is not reason:
                self._told[symbol] = reason
                self._quiet.set_status(symbol, reason)

    def _trades(self, status: MarketStatus) -> bool:
        """Kraken states every status, and one that it does not is held against the market.

        Elsewhere ccxt often knows none: such a market is measured, but sizing refuses it.
        """
        unknown_trades = self.settings.exchange_id != "kraken"
        return status is MarketStatus.ONLINE or (status is MarketStatus.UNKNOWN and unknown_trades)

    def _next(self, now_ns: int) -> str | None:
        """A candidate's leg, else the one asked longest ago among those not believed.

        Every fourth time it is the one asked longest ago among all. A believed one has its top
        confirmed meanwhile, and its depth looked at in its own turn.
        """
        ready = [symbol for symbol, at_ns in self._turns.items() if at_ns <= now_ns]
        if self._polls % FAIR_SHARE:
            for symbol in self._wanted:
                if symbol in ready:
                    return symbol
            for symbol in ready:
                if not self._beliefs.trusts(symbol):
                    return symbol
        return ready[0] if ready else None

    async def _poll(self, symbol: str) -> None:
        """Take this symbol's book; it goes to the end of the queue."""
        self._turns[symbol] = self._turns.pop(symbol)
        self._wanted.pop(symbol, None)
        try:
            found = await self._books.fetch(symbol)
        except VenueRefused as error:
            self.counts.refusals += 1
            self._turns[symbol] = self._clock.monotonic_ns() + REFUSED_PAUSE_NS
            self._publish(VenueSaid(self.settings.venue, str(error), symbol))
            self._beliefs.doubt(symbol, Disbelief.REFUSED, str(error))
        else:
            if found is not None:
                self._books.put(*found)
                self._polled_ns[symbol] = found[1]
                self._beliefs.trust(symbol)

    async def _look_at_tops(self) -> None:
        """Confirm the books whose top is still the venue's; the others are out of date."""
        window = self._quiet.open_window()
        if window is None:
            return
        try:
            look = await self._reader.look_tops()
        except VenueRefused as error:
            self._has_tops = False  # this venue has no such call: depths alone must do
            self._publish(VenueSaid(self.settings.venue, str(error)))
            return
        finally:
            self._quiet.close_window(window)
        for symbol in self._quiet.judge_tops(window, look):
            self._beliefs.outdated(symbol)

    async def _failed(self, error: VenueError) -> None:
        """Nobody gave a usable answer: say so once, and ask less often."""
        if self._failures == 0:
            self._publish(VenueSaid(self.settings.venue, str(error)))
        self._failures += 1
        cap_ms = self.settings.backoff_cap_ms
        await self._clock.sleep(backoff_ms(self._failures, cap_ms, self._clock.jitter) / 1e3)
