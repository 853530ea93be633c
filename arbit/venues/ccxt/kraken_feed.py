"""Kraken through ccxt.pro, with the checksum verified by us after every message."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from arbit.domain.book import Disbelief, Integrity
from arbit.domain.errors import FrameError, VenueError, VenueRefused, VenueUnreachable
from arbit.domain.events import VenueSaid, VenueStatusChanged
from arbit.domain.market import Market, MarketStatus
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.ccxt import loader
from arbit.venues.ccxt.client import prepared
from arbit.venues.ccxt.feed import CcxtFeed, SocketLost
from arbit.venues.ccxt.guard import guarded_class
from arbit.venues.ccxt.kraken_books import (
    ChecksumMismatch,
    KrakenBooks,
    KrakenStreams,
    subscription_frame,
)
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.looks import LookingReader

FREE_RESYNCS = 2  # asked again at once; from then on after a growing pause
INSTRUMENTS = "instrument"
ONLINE = "online"


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
        self._system = ONLINE
        self._market_status: dict[str, MarketStatus] = {}

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

    def venue_status(self, system: str) -> None:
        """The engine's state: nothing is believed while it is not online."""
        if system != self._system:
            self._system = system
            self._publish(VenueStatusChanged(self.settings.venue, "*", system))
        self._apply_status(self.beliefs.symbols())

    def market_statuses(self, statuses: Mapping[str, str]) -> None:
        """States of markets, of which only the watched ones matter here."""
        for symbol, word in statuses.items():
            if self.beliefs.watches(symbol):
                status = MarketStatus.of(word)
                before = self._market_status.get(symbol, MarketStatus.ONLINE)
                self._market_status[symbol] = status
                self._apply_status([symbol])
                if status is not before:
                    self._publish(VenueStatusChanged(self.settings.venue, symbol, word))

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

    def _apply_status(self, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            reason = None
            if self._market_status.get(symbol, MarketStatus.ONLINE) is not MarketStatus.ONLINE:
                reason = Disbelief.MARKET_STATUS
            if self._system != ONLINE:
                reason = Disbelief.VENUE_STATUS
            self._quiet.set_status(symbol, reason)

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
        url = exchange.urls["api"]["ws"]["publicV2"]
        params = {"channel": INSTRUMENTS, "snapshot": True}
        while True:
            frame = {"method": "subscribe", "params": params, "req_id": exchange.request_id()}
            ask = partial(exchange.watch, url, INSTRUMENTS, frame, INSTRUMENTS)
            try:
                await self.bounded(ask, INSTRUMENTS)
            except VenueUnreachable as error:
                raise SocketLost(str(error)) from None


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
