"""A feed over ccxt.pro for any exchange it can watch, hardened against what ccxt leaves open.

One ccxt instance is one *life*. A watch task a symbol waits for books, each wait bounded; a
watchdog ends the life when nothing at all is heard. Anything that loses the socket ends the life:
every book is disbelieved, the instance closed, and after a back-off under a connect budget a new
one is made. ccxt itself would redial lazily, resubscribe one symbol, and leave old books readable.

Integrity is NONE: ccxt hides whether its book is the venue's. `KrakenCcxtFeed` does better.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from arbit.domain.book import Disbelief, Integrity, Level, OrderBook, Source
from arbit.domain.errors import (
    BrokenRule,
    FrameError,
    UserError,
    VenueError,
    VenueUnreachable,
)
from arbit.domain.events import FeedConnected, FeedCounts, FeedDisconnected, VenueSaid
from arbit.domain.market import Market, MarketStatus
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.backoff import ConnectBudget, backoff_ms
from arbit.venues.ccxt import loader
from arbit.venues.ccxt.beliefs import Beliefs
from arbit.venues.ccxt.client import SHAPE_ERRORS, as_ours, close_quietly, prepared
from arbit.venues.ccxt.guard import Pulse, guarded_class
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.ccxt.unified import number
from arbit.venues.confirm import Confirmer, QuietBooks
from arbit.venues.fallback import RestFallback, RestParts, book_of
from arbit.venues.looks import DepthLook, LookingReader
from arbit.venues.stream import BookStream, StreamTap

MS = 1_000_000
TICK_S = 0.1
DIAL_MS = 8_000  # until the first frame of a life, a socket may be silent this long
HEARTBEATS = frozenset({"kraken"})  # these speak every second, whatever the market does
QUIET_MS = 60_000  # others may be silent this long, if their ping is no more frequent
STEADY_NS = 10_000 * MS  # a life this long starts the back-off anew
STAGGER_S = 0.002  # between two first subscriptions: a whole venue is not asked in one burst


class SocketLost(Exception):
    """This life is over; `reason` is why its books are not believed."""

    def __init__(self, why: str, reason: Disbelief = Disbelief.DISCONNECTED) -> None:
        super().__init__(why)
        self.reason = reason


class CcxtFeed:
    """Books of one exchange through ccxt.pro's `watch_order_book`."""

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
        self.clock = clock
        self.markets = markets
        self._publish = publish
        self._tap = StreamTap(sink)
        self._quiet = QuietBooks(
            self._tap,
            max_age_ns=settings.max_book_age_ms * MS,
            counts=self.counts,
            diverged=self.diverged,
        )
        self._confirmer = Confirmer(settings.venue, self._quiet, reader, clock, publish)
        parts = RestParts(
            settings.venue,
            reader,
            self._quiet,
            clock,
            publish,
            self.counts,
            markets,
            settings.depth,
        )
        self._fallback = RestFallback(parts)
        self.beliefs = Beliefs(settings.venue, self._quiet, clock, publish, self._fallback)
        self._budget = ConnectBudget(settings.connects_per_10min)
        self._pulse = Pulse(clock, self.counts, self._tell_open)
        self._state = "idle"
        self._epoch = 0
        self._end_life: SocketLost | None = None
        self._former: Any = None

    async def run(self, symbols: Sequence[str]) -> None:
        """Feed these symbols until cancelled. UserError for one that is not listed."""
        for symbol in symbols:
            if symbol not in self.markets:
                raise UserError(f"{self.settings.venue}: {symbol!r} is not listed")
        self.beliefs.watch(symbols)
        self.listed_statuses(symbols)
        venue = self.settings.venue
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_open(symbols), name=f"{venue}-ccxt")
            group.create_task(self._confirmer.run(), name=f"{venue}-confirmer")
            group.create_task(self._fallback.run(), name=f"{venue}-fallback")

    def listed_statuses(self, symbols: Sequence[str]) -> None:
        """Books of markets that are listed as closed are not believed.

        Where ccxt does not say whether a market is active, its status stays UNKNOWN, and nothing
        will ever say more. Its book is then believed, so that its edges can be measured; it is
        not traded, for sizing refuses whatever is not ONLINE (`Market.why_not_tradable`).
        """
        for symbol in symbols:
            if self.markets[symbol].status not in (MarketStatus.ONLINE, MarketStatus.UNKNOWN):
                self._quiet.set_status(symbol, Disbelief.MARKET_STATUS)

    async def confirm(self, symbols: Sequence[str]) -> None:
        """Compare these symbols' tops with their own REST depths now, within the rate limit."""
        await self._confirmer.confirm(symbols)

    def doubt_since(self, since_ns: int) -> None:
        """Have what came since then looked at."""
        self._quiet.doubt_since(since_ns)

    def states(self) -> Mapping[str, str]:
        """The connection's state in a word, with how many of its books are live."""
        return {"ws0": f"{self._state} {self.beliefs.live}/{self.beliefs.watched}"}

    def orderbook_stream(self, symbols: Sequence[str]) -> BookStream:
        """An async iterator of believed books, the newest of each symbol."""
        return self._tap.stream(symbols)

    def diverged(self, symbol: str, detail: str) -> None:
        """An independent look twice showed another top: the stream is dead, begin anew."""
        self.counts.divergences += 1
        self.beliefs.doubt(symbol, Disbelief.DIVERGED, detail)
        self.resync(symbol)

    def resync(self, symbol: str) -> None:
        """Get this symbol a new book. Through plain ccxt only a new life does."""
        self.counts.resyncs += 1
        self._end_life = SocketLost(f"{symbol} must be subscribed anew")

    def make_exchange(self) -> Any:
        """A guarded ccxt exchange, not connected yet."""
        base = loader.exchange_class(self.settings.exchange_id, streams=True)
        exchange = prepared(guarded_class(base), self.settings)
        exchange.socket_listener = self._pulse
        return exchange

    async def prepare(self, exchange: Any) -> None:
        """Whatever must be known before the first watch: ccxt's markets, loaded once."""
        try:
            async with asyncio.timeout(self.settings.rest_timeout_ms / 1e3):
                if self._former is None:
                    await exchange.load_markets()
                else:
                    exchange.set_markets_from_exchange(self._former)
        except (loader.errors().BaseError, TimeoutError, OSError, *SHAPE_ERRORS) as error:
            raise SocketLost(f"no markets: {error or type(error).__name__}") from None
        self._former = exchange

    def companions(self, _exchange: Any) -> list[Coroutine[Any, Any, None]]:
        """More coroutines that live as long as this instance."""
        return []

    def take(self, symbol: str, book: Any) -> None:
        """A watch returned this book: make it ours. FrameError when it is none."""
        now_ns = self.clock.monotonic_ns()
        look = DepthLook(now_ns, _levels(book, "bids", symbol), _levels(book, "asks", symbol))
        ours = book_of(symbol, look, self.markets[symbol], self.settings.depth)
        self.believe(ours, now_ns)

    def believe(self, book: OrderBook, now_ns: int) -> None:
        """This book is as good as this feed's integrity can make it."""
        self._quiet.put(book, seen_ns=now_ns, confirmed_ns=now_ns, source=Source.WS)
        self.beliefs.trust(book.symbol)

    async def recover(self, _exchange: Any, symbol: str, error: VenueError) -> None:
        """A watch ended with this error, the socket being open: disbelieve, pause, go on."""
        if isinstance(error, FrameError):
            self.counts.bad_frames += 1
            self.beliefs.doubt(symbol, Disbelief.BAD_FRAME, str(error))
        else:
            self.refuse(symbol, str(error))
        await self.pause(self.beliefs.fail(symbol))

    async def unanswered(self, _exchange: Any, _symbol: str) -> None:
        """A wait was over without a book. Plain ccxt has no way to ask again but a new life."""

    def refuse(self, symbol: str, text: str) -> None:
        """The venue refused this symbol, or never began to serve it."""
        self.counts.refusals += 1
        self._publish(VenueSaid(self.settings.venue, text, symbol))
        self.beliefs.doubt(symbol, Disbelief.REFUSED, text)
        self._fallback.stale([symbol], self.settings.first_book_ms)

    async def pause(self, attempt: int) -> None:
        """Back off before attempt number `attempt` (from 0)."""
        pause_ms = backoff_ms(attempt, self.settings.backoff_cap_ms, self.clock.jitter)
        await self.clock.sleep(pause_ms / 1e3)

    async def _keep_open(self, symbols: Sequence[str]) -> None:
        attempt = 0
        while True:
            while wait_ns := self._budget.wait_ns(self.clock.monotonic_ns()):
                await self.clock.sleep(wait_ns / 1e9)
            opened_ns = self.clock.monotonic_ns()
            self._budget.take(opened_ns)
            lost = await self._one_life(symbols)
            if self.clock.monotonic_ns() - opened_ns > STEADY_NS:
                attempt = 0
            pause_ms = backoff_ms(attempt, self.settings.backoff_cap_ms, self.clock.jitter)
            attempt += 1
            self._tell_lost(lost, pause_ms)
            await self.clock.sleep(pause_ms / 1e3)

    async def _one_life(self, symbols: Sequence[str]) -> SocketLost:
        self._epoch += 1
        self._state, self._end_life = "dialling", None
        self._pulse.begin()
        self.counts.connects += 1
        self.beliefs.begin()
        exchange = self.make_exchange()
        try:
            await self.prepare(exchange)
            await self._live(exchange, symbols)
        except SocketLost as lost:
            # Before the closing, which a mute peer can draw out: nothing of it is believed now.
            exchange.retired = True
            self.beliefs.lose(lost.reason)
            self._fallback.stale(symbols, self._pulse.silent_ns() // MS)
            return lost
        finally:
            self._state = "closing"
            await close_quietly(exchange)
        raise BrokenRule("a life of the feed ended without a reason")

    async def _live(self, exchange: Any, symbols: Sequence[str]) -> None:
        """Every task of one life, until the first of them loses the socket."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watchdog(self.silence_ms(exchange)))
                for companion in self.companions(exchange):
                    group.create_task(companion)
                for turn, symbol in enumerate(symbols):
                    group.create_task(self._watch(exchange, symbol, turn * STAGGER_S))
        except* SocketLost as lost:
            raise _first(lost) from None

    def _tell_open(self) -> None:
        self._state = "open"
        self._publish(FeedConnected(self.settings.venue, 0, self._epoch))

    def _tell_lost(self, lost: SocketLost, pause_ms: int) -> None:
        self._state = "waiting"
        self.counts.reconnects += 1
        self._publish(FeedDisconnected(self.settings.venue, 0, str(lost), pause_ms))

    def silence_ms(self, exchange: Any) -> int:
        """How long a socket may be silent: `watchdog_ms` where a heartbeat is known, else longer.

        Elsewhere only the answers to ccxt's own pings (every `keepAlive` ms) are sure to come.
        """
        if self.settings.exchange_id in HEARTBEATS:
            return self.settings.watchdog_ms
        pings_ms = 2.5 * exchange.streaming.get("keepAlive", QUIET_MS)
        return max(self.settings.watchdog_ms, int(min(pings_ms, QUIET_MS)))

    async def _watchdog(self, limit_ms: int) -> None:
        while True:
            await self.clock.sleep(TICK_S)
            if self._end_life is not None:
                raise self._end_life
            silent_ms = self._pulse.silent_ns() // MS
            dialling_ms = 0 if self._pulse.frames else DIAL_MS
            if silent_ms > max(limit_ms, dialling_ms):
                raise SocketLost(f"nothing heard for {silent_ms} ms", Disbelief.FEED_SILENT)

    async def _watch(self, exchange: Any, symbol: str, stagger_s: float) -> None:
        await self.clock.sleep(stagger_s)
        asked_ns = self.clock.monotonic_ns()
        while True:
            try:
                book = await self.bounded(
                    lambda: exchange.watch_order_book(symbol, self.settings.depth), symbol
                )
                if book is None:
                    await self.unanswered(exchange, symbol)
                else:
                    self.take(symbol, book)
                    asked_ns = 0
            except VenueUnreachable as error:
                raise SocketLost(str(error)) from None
            except VenueError as error:
                await self.recover(exchange, symbol, error)
                asked_ns = self.clock.monotonic_ns()
            if asked_ns and self.clock.monotonic_ns() - asked_ns > self.settings.first_book_ms * MS:
                self.refuse(symbol, self._unheard(exchange))
                asked_ns = 0

    async def bounded(self, call: Callable[[], Awaitable[Any]], what: str) -> Any:
        """What the call gives, or None when nothing came in time. VenueError as ours."""
        try:
            async with asyncio.timeout(self.settings.watch_timeout_ms / 1e3):
                return await call()
        except TimeoutError:
            return None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # ccxt cancels what waits on a socket that it closes: a task ended by that would be
            # the silent death this feed must not have.
            raise VenueUnreachable("ccxt closed the socket") from None
        except (loader.errors().BaseError, OSError, *SHAPE_ERRORS) as error:
            raise as_ours(error, f"{self.settings.venue} {what}") from None

    def _unheard(self, exchange: Any) -> str:
        """Why no book came, in the venue's own words if ccxt filed any where nobody looks."""
        words = [
            str(error)
            for client in (exchange.clients or {}).values()
            for error in client.rejections.values()
        ]
        return "; ".join(words[:3]) or f"no book within {self.settings.first_book_ms} ms"


def _first(group: ExceptionGroup[SocketLost]) -> SocketLost:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, SocketLost) else SocketLost(str(found))


def _levels(book: Any, side: str, symbol: str) -> list[Level]:
    try:
        return [Level(number(row[0]), number(row[1])) for row in book[side]]
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise FrameError(f"{symbol}: {side}: {error}", symbol) from None
