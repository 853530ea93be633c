"""Kraken through ccxt.pro, with the checksum verified by us after every message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from arbit.domain.book import Disbelief, Integrity
from arbit.domain.errors import FrameError, VenueError, VenueRefused, VenueUnreachable
from arbit.domain.events import VenueSaid
from arbit.domain.market import Market
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.ccxt import loader
from arbit.venues.ccxt.client import prepared
from arbit.venues.ccxt.feed import TICK_S, CcxtFeed, SocketLost
from arbit.venues.ccxt.guard import guarded_class
from arbit.venues.ccxt.kraken_books import (
    ChecksumMismatch,
    KrakenBooks,
    KrakenStreams,
    subscription_frame,
)
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.kraken.instruments import Instrument, InstrumentsDue, instruments_of_objects
from arbit.venues.kraken.parse import SystemStatus
from arbit.venues.kraken.statuses import Statuses
from arbit.venues.looks import LookingReader

FREE_RESYNCS = 2  # asked again at once; from then on after a growing pause
INSTRUMENTS = "instrument"
SOCKET = 0  # there is one; its successor's words replace its own
HEAD = 64  # characters of a frame that tell its channel


class Resync(FrameError):
    """Wakes a symbol's watcher: its book is lost, subscribe anew."""


class KrakenCcxtFeed(CcxtFeed):
    """Books of Kraken through ccxt.pro. Integrity: CRC-32 after every message, digits padded."""

    integrity = Integrity.CHECKSUM

    def __init__(
        self,
        settings: CcxtSettings,
        sink: BookSink,
        clock: Clock,
        publish: Listener,
        markets: Mapping[str, Market],
        reader: LookingReader,
    ) -> None:
        super().__init__(settings, sink, clock, publish, markets, reader)
        self._books = KrakenBooks(markets, settings.depth)
        self._exchange: Any = None
        self._statuses = Statuses(settings.venue, self._quiet, publish, ())
        self._instruments_due = InstrumentsDue()
        self._pulse.on_choked = self._choked
        self.learn: Callable[[Instrument], None] = lambda _: None  # whoever keeps the markets

    def make_exchange(self) -> Any:
        """A guarded ccxt Kraken whose book messages come here."""
        base = loader.exchange_class(self.settings.exchange_id, streams=True)
        exchange = prepared(guarded_class(base, KrakenStreams), self.settings)
        exchange.socket_listener = self._pulse
        exchange.kraken_listener = self
        self._exchange = exchange
        self._books = KrakenBooks(self.markets, self.settings.depth)
        return exchange

    async def prepare(self, exchange: Any) -> None:
        """Nothing: markets are ours, ccxt's are not read."""

    def companions(self, exchange: Any) -> list[Coroutine[Any, Any, None]]:
        """The instrument channel tells the status of every market."""
        return [self._watch_instruments(exchange)]

    def take(self, symbol: str, book: Any) -> None:
        """Nothing: the handler has verified and handed over every message already."""

    def book_message(self, kind: str, items: Sequence[Any]) -> list[str]:
        """Apply and verify each entry; the symbols of those that are believed."""
        if not items:
            raise ValueError("a book message without a book")
        verified = []
        for item in items:
            symbol = self._one_message(kind, item)
            if symbol is not None:
                verified.append(symbol)
        return verified

    def refused(self, text: str, symbols: Sequence[str]) -> None:
        """Wake the watchers of these symbols with the venue's words."""
        watched = [symbol for symbol in symbols if self.beliefs.watches(symbol)]
        for symbol in watched:
            self._wake(symbol, VenueRefused(text, method="subscribe", symbol=symbol))
        if not watched:
            self._publish(VenueSaid(self.settings.venue, text))

    def listed_statuses(self, symbols: Sequence[str]) -> None:
        """The rules of the native feed: any word but `online`, or none that we know, stops it."""
        venue = self.settings.venue
        self._statuses = Statuses(venue, self._quiet, self._publish, symbols)
        for symbol in symbols:
            self._statuses.listed(symbol, self.markets[symbol].status)

    def venue_status(self, system: str) -> None:
        """The engine's state: nothing is believed while it is not online."""
        self._statuses.system(SOCKET, SystemStatus(system))

    def instruments(self, message: Mapping[str, Any]) -> None:
        """What the venue states of its markets, of which only the watched ones matter here."""
        now_ns = self.clock.monotonic_ns()
        whole = message.get("type") == "snapshot"
        try:
            stated = instruments_of_objects(message.get("data"), snapshot=whole)
        except FrameError:
            self.counts.bad_frames += 1
            self._instruments_due.missed(now_ns)
            return
        self.counts.bad_frames += stated.unreadable
        self._instruments_due.heard(stated, now_ns)
        for pair in stated.pairs:
            self._statuses.market(SOCKET, pair.symbol, pair.status)
            if self.beliefs.watches(pair.symbol):
                self.learn(pair)

    def asked(self, symbol: str) -> None:
        """What comes of this symbol belongs to a new subscription from now on."""
        self._books.asked(symbol)

    def accepted(self, symbol: str) -> None:
        """The venue accepted it."""
        self._books.accepted(symbol)

    def resync(self, symbol: str) -> None:
        """Wake the symbol's watcher, which subscribes anew on the open socket."""
        self.counts.resyncs += 1
        self._books.forget(symbol)
        self._wake(symbol, Resync(f"{symbol}: resync", symbol))

    async def recover(self, exchange: Any, symbol: str, error: VenueError) -> None:
        """Unsubscribe, so that the next watch subscribes anew; after a pause if it fails often."""
        before = self.beliefs.fail(symbol)
        if isinstance(error, VenueRefused):
            self.refuse(symbol, error.text)
            await self.pause(before + 1)
        elif before >= FREE_RESYNCS:
            self._fallback.stale([symbol], self.beliefs.doubted_ms(symbol))
            await self.pause(before - FREE_RESYNCS)
        self._books.forget(symbol)
        client = self._client()
        if client is not None:
            client.rejections.pop(self._hash(symbol), None)
            frame = subscription_frame(
                "unsubscribe", symbol, self.settings.depth, exchange.request_id()
            )
            if client.subscriptions.pop(self._hash(symbol), None) is not None:
                await self._send(client, frame)

    async def unanswered(self, exchange: Any, symbol: str) -> None:
        """A wait was over without a book: with none held, the snapshot was lost; ask again."""
        if not self._books.holds(symbol):
            self.counts.resyncs += 1
            await self.recover(exchange, symbol, Resync(f"{symbol}: no snapshot", symbol))

    def _one_message(self, kind: str, item: Any) -> str | None:
        if not isinstance(item, Mapping):
            self.counts.bad_frames += 1
            return None
        try:
            book = self._books.apply(kind, item)
        except ChecksumMismatch as error:
            self._mismatch(error)
            return None
        except FrameError as error:
            self.counts.bad_frames += 1
            if error.symbol is not None and self.beliefs.watches(error.symbol):
                self.beliefs.doubt(error.symbol, Disbelief.BAD_FRAME, str(error))
                self.resync(error.symbol)
            return None
        if book is None or not self.beliefs.watches(book.symbol):
            self.counts.ignored += 1
            return None
        self.counts.verified += 1
        self.believe(book, self._pulse.heard_ns)
        return book.symbol

    def _mismatch(self, error: ChecksumMismatch) -> None:
        symbol = error.symbol or ""
        self.counts.failed += 1
        by_symbol = self.counts.by_symbol_failed
        by_symbol[symbol] = by_symbol.get(symbol, 0) + 1
        if self.beliefs.watches(symbol):
            self.beliefs.doubt(symbol, Disbelief.CHECKSUM, str(error))
            self.resync(symbol)

    def _client(self) -> Any:
        exchange = self._exchange
        return (exchange.clients or {}).get(exchange.urls["api"]["ws"]["publicV2"])

    def _hash(self, symbol: str) -> str:
        return str(self._exchange.get_message_hash("orderbook", None, symbol))

    def _wake(self, symbol: str, error: VenueError) -> None:
        """End the symbol's wait with this error; ccxt keeps it for the next wait if none is on."""
        client = self._client()
        if client is not None:
            client.reject(error, self._hash(symbol))

    async def _send(self, client: Any, frame: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self.settings.watch_timeout_ms / 1e3):
                await client.send(frame)
        except (OSError, TimeoutError, loader.errors().BaseError):
            return  # the socket is gone: its watchers hear of it, and nothing is left to undo

    async def _watch_instruments(self, exchange: Any) -> None:
        """Ask for the channel, and again whenever that is due: lost, refused, or long ago."""
        self._instruments_due.opened()
        while True:
            self._instruments_due.asked(self.clock.monotonic_ns())
            await self._ask_instruments(exchange)
            while self.clock.monotonic_ns() < self._instruments_due.at_ns:
                await self.clock.sleep(TICK_S)
            client = self._client()
            if client is not None and client.subscriptions.pop(INSTRUMENTS, None) is not None:
                frame = _instruments_frame("unsubscribe", exchange.request_id())
                await self._send(client, frame)

    async def _ask_instruments(self, exchange: Any) -> None:
        url = exchange.urls["api"]["ws"]["publicV2"]
        frame = _instruments_frame("subscribe", exchange.request_id())
        ask = partial(exchange.watch, url, INSTRUMENTS, frame, INSTRUMENTS)
        try:
            await self.bounded(ask, INSTRUMENTS)
        except VenueUnreachable as error:
            raise SocketLost(str(error)) from None
        except VenueError:
            self.counts.bad_frames += 1  # ccxt could not ask, or read the answer: asked again

    def _choked(self, data: object) -> None:
        """A frame that ccxt could not read may have held a change of status."""
        head = data[:HEAD] if isinstance(data, str | bytes) else ""
        if INSTRUMENTS in (head if isinstance(head, str) else head.decode(errors="replace")):
            self._instruments_due.missed(self.clock.monotonic_ns())


def _instruments_frame(method: str, number: int) -> dict[str, Any]:
    params: dict[str, Any] = {"channel": INSTRUMENTS}
    if method == "subscribe":
        params["snapshot"] = True
    return {"method": method, "params": params, "req_id": number}


def ccxt_feed(
    settings: CcxtSettings,
    sink: BookSink,
    clock: Clock,
    publish: Listener,
    markets: Mapping[str, Market],
    reader: LookingReader,
) -> CcxtFeed:
    """The ccxt feed that proves most about this exchange's books."""
    made = KrakenCcxtFeed if settings.exchange_id == "kraken" else CcxtFeed
    return made(settings, sink, clock, publish, markets, reader)
