"""`orderbook_stream`: verified books as an async iterator, tapped from the callback path.

A tap wraps the sink that a feed writes to. It costs nothing while nobody iterates, and a slow
reader costs at most one view per symbol: a newer book takes the place of the one not yet read.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable

from arbit.domain.book import BookView, Disbelief, OrderBook, Source
from arbit.domain.errors import UserError
from arbit.ports import BookSink

MAX_STREAMS = 64


class BookStream:
    """An endless async iterator over the newest verified book of each of its symbols.

    It never ends by itself; `close` (or dropping the last reference) ends it.
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = frozenset(symbols)
        self.conflated = 0
        self._waiting: dict[str, BookView] = {}
        self._news = asyncio.Event()
        self._closed = False

    def offer(self, view: BookView) -> None:
        """A newer book; it takes the place of an unread older one of its symbol."""
        if self._waiting.pop(view.symbol, None) is not None:
            self.conflated += 1
        self._waiting[view.symbol] = view
        self._news.set()

    def withdraw(self, symbol: str) -> None:
        """The symbol's book is not believed any more: an unread view of it must not come out."""
        self._waiting.pop(symbol, None)

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self._news.set()

    def __aiter__(self) -> BookStream:
        return self

    async def __anext__(self) -> BookView:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        symbol = next(iter(self._waiting))
        return self._waiting.pop(symbol)


class StreamTap:
    """A `BookSink` in front of another one, from which any number of streams drink."""

    def __init__(self, sink: BookSink) -> None:
        self._sink = sink
        self._streams: list[weakref.ref[BookStream]] = []
        self._not_trading: set[str] = set()

    def stream(self, symbols: Iterable[str]) -> BookStream:
        """A new stream of these symbols. UserError when too many are open."""
        self._streams = [ref for ref in self._streams if ref() is not None]
        if len(self._streams) >= MAX_STREAMS:
            raise UserError(f"orderbook_stream: at most {MAX_STREAMS} streams of one feed")
        made = BookStream(symbols)
        self._streams.append(weakref.ref(made))
        return made

    def put(self, book: OrderBook, *, seen_ns: int, confirmed_ns: int, source: Source) -> None:
        """Pass a verified book on, and to the streams that want it when it is a market."""
        self._sink.put(book, seen_ns=seen_ns, confirmed_ns=confirmed_ns, source=source)
        if self._streams:
            self._offer(book, seen_ns, confirmed_ns, source)

    def disbelieve(self, symbol: str, reason: Disbelief) -> None:
        """Pass on; unread views of the symbol are withdrawn."""
        self._sink.disbelieve(symbol, reason)
        for stream in self._open(symbol):
            stream.withdraw(symbol)

    def confirm(self, symbol: str, confirmed_ns: int, *, depth: bool = False) -> None:
        """Pass on."""
        self._sink.confirm(symbol, confirmed_ns, depth=depth)

    def set_status(self, symbol: str, reason: Disbelief | None) -> None:
        """Pass on; what does not trade is withdrawn."""
        self._sink.set_status(symbol, reason)
        if reason is None:
            self._not_trading.discard(symbol)
            return
        self._not_trading.add(symbol)
        for stream in self._open(symbol):
            stream.withdraw(symbol)

    def _open(self, symbol: str) -> list[BookStream]:
        found = (ref() for ref in self._streams)
        return [stream for stream in found if stream is not None and symbol in stream.symbols]

    def _offer(self, book: OrderBook, seen_ns: int, confirmed_ns: int, source: Source) -> None:
        streams = self._open(book.symbol)
        if not streams:
            return
        if book.flaw() is not None or book.symbol in self._not_trading:
            for stream in streams:
                stream.withdraw(book.symbol)
            return
        view = book.view(source=source, seen_ns=seen_ns, confirmed_ns=confirmed_ns)
        for stream in streams:
            stream.offer(view)
