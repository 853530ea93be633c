"""Kraken's checksum on top of ccxt.pro: the digits are gone, so they are made again.

ccxt parses a frame into floats before any of our code sees it. A float and the market's number of
decimals give back the venue's digits exactly as long as the number has no more than some 15 of
them, and Kraken pads its numbers to the market's decimals; so the checksum can still be computed
over our own integer book. ccxt's own check is off by default and breaks when switched on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from arbit.domain.book import OrderBook
from arbit.domain.errors import FrameError
from arbit.domain.market import Market
from arbit.venues.kraken.checksum import padded_checksum

SURELY_EXACT = 2**45  # below, the product with a power of ten rounds to the right integer
LARGEST_EXACT = 2**53  # from here on, a double no longer tells neighbouring integers apart

Row = tuple[int, int, bytes]


class ChecksumMismatch(FrameError):
    """Our book is not the venue's."""


@dataclass(slots=True)
class _Held:
    """What one subscription has brought. `told` is the checksum its last message carried.

    `given_up` until it is asked for again; `acked` from the venue's consent to its snapshot.
    """

    book: OrderBook | None = None
    given_up: bool = False
    acked: bool = False
    answered: bool = False
    told: int | None = None


class KrakenBooks:
    """Our own books of the symbols of one connection, checked after every message.

    A snapshot comes first (channel book). One that contradicts what its own subscription has told
    already was true once and is late: as good as a wrong checksum, although its own is right.
    """

    def __init__(self, markets: Mapping[str, Market], depth: int) -> None:
        self._markets = markets
        self._depth = depth
        self._of: dict[str, _Held] = {}

    def holds(self, symbol: str) -> bool:
        """True while there is a verified book of this symbol."""
        held = self._of.get(symbol)
        return held is not None and held.book is not None

    def forget(self, symbol: str) -> None:
        """Whatever comes of this symbol means nothing until it is asked for again."""
        self._of[symbol] = _Held(given_up=True)

    def asked(self, symbol: str) -> None:
        """A new subscription was asked for: nothing is known of it yet."""
        self._of[symbol] = _Held()

    def accepted(self, symbol: str) -> None:
        """The venue accepted that subscription: from now on its messages tell of it."""
        held = self._of.setdefault(symbol, _Held())
        if not held.answered:  # a second consent brings no second snapshot
            held.acked, held.told, held.answered = True, None, True

    def apply(self, kind: str, item: Mapping[str, Any]) -> OrderBook | None:
        """One entry of a book message: the verified book, or None for one that belongs to none.

        FrameError (ChecksumMismatch among them) when it cannot be believed; the book is forgotten.
        """
        symbol = item.get("symbol")
        if not isinstance(symbol, str) or symbol not in self._markets:
            raise FrameError(f"a book of {symbol!r}, which nobody watches")
        if kind not in ("snapshot", "update"):
            raise FrameError(f"{symbol}: a book message of type {kind!r}", symbol)
        held = self._of.setdefault(symbol, _Held())
        book, held.book = held.book, None
        checksum = item.get("checksum")
        if kind == "snapshot" and not held.given_up:
            if held.told not in (None, checksum):
                raise ChecksumMismatch(f"{symbol}: a snapshot that contradicts updates", symbol)
            book = self._new(symbol)
        if book is None:
            if held.acked and isinstance(checksum, int):
                held.told = checksum  # an update ahead of its snapshot
            return None
        prices, qtys = book.price_decimals, book.qty_decimals
        try:
            bids = _rows(item.get("bids"), prices, qtys)
            asks = _rows(item.get("asks"), prices, qtys)
        except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise FrameError(f"{symbol}: {error}", symbol) from None
        book.apply(bids, asks)
        ours = padded_checksum(book)
        if ours != checksum:
            told = checksum if isinstance(checksum, int) else type(checksum).__name__
            raise ChecksumMismatch(f"{symbol}: checksum {told}", symbol)
        held.book, held.told = book, ours
        if kind == "snapshot":
            held.acked = False
        return book

    def _new(self, symbol: str) -> OrderBook:
        market = self._markets[symbol]
        if market.price_decimals is None or market.qty_decimals is None:
            raise FrameError(f"{symbol}: the venue states no decimals to pad with", symbol)
        return OrderBook(
            symbol,
            depth=self._depth,
            price_decimals=market.price_decimals,
            qty_decimals=market.qty_decimals,
        )


def _rows(levels: Any, price_decimals: int, qty_decimals: int) -> list[Row]:
    if not isinstance(levels, list):
        raise TypeError(f"levels are {type(levels).__name__}")
    rows = []
    for level in levels:
        price = units(level["price"], price_decimals)
        if price <= 0:
            raise ValueError(f"a price of {level['price']!r}")
        rows.append((price, units(level["qty"], qty_decimals), b""))
    return rows


def units(value: Any, decimals: int) -> int:
    """A float as the integer of its digits at `decimals`. ValueError when they do not fit.

    Refused as well: what is no number, is negative, or is too large for a double to be exact.
    """
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise TypeError(f"{value!r} is no number")
    scaled = value * 10.0**decimals
    if not 0 <= scaled < LARGEST_EXACT:
        raise ValueError(f"{value!r} is out of the range in which ccxt's floats keep their digits")
    if scaled < SURELY_EXACT:
        whole = round(scaled)
    else:
        whole = int(f"{value:.{decimals}f}".replace(".", ""))
    if abs(scaled - whole) > 0.01 + scaled * 2**-51:
        raise ValueError(f"{value!r} has more than {decimals} decimals")
    return whole


class KrakenListener(Protocol):
    """Who is told what the guarded Kraken exchange hears."""

    def book_message(self, kind: str, items: Sequence[Any]) -> Iterable[str]:
        """A book message; returns the symbols whose book it verified."""
        ...

    def refused(self, text: str, symbols: Sequence[str]) -> None:
        """A request about these symbols was refused in these words."""
        ...

    def venue_status(self, system: str) -> None:
        """The engine's state."""
        ...

    def instruments(self, message: Mapping[str, Any]) -> None:
        """A message of the instrument channel."""
        ...

    def asked(self, symbol: str) -> None:
        """This symbol's book is being subscribed to."""
        ...

    def accepted(self, symbol: str) -> None:
        """The venue accepted the newest subscription to this symbol's book."""
        ...


class _Verified:
    """What a watcher is woken with: ccxt calls `limit` on it before handing it over."""

    def limit(self) -> _Verified:
        return self


VERIFIED = _Verified()


class KrakenStreams:
    """A mixin before ccxt.pro's Kraken: books go to our handler, words of refusal to us."""

    kraken_listener: KrakenListener

    def __init__(self, *arguments: Any) -> None:
        above: Any = super()
        above.__init__(*arguments)
        self._asked: dict[str, Sequence[str]] = {}
        self._newest: dict[str, int] = {}  # the number of each symbol's last request

    async def watch_multi_helper(
        self,
        unifiedName: str,  # noqa: N803  ccxt calls it by this name
        channelName: str,  # noqa: N803  ccxt calls it by this name
        symbols: Sequence[str] | None = None,
        subscriptionArgs: Any = None,  # noqa: N803  ccxt calls it by this name
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """As in ccxt, but with the venue's own symbols and without loading markets.

        ccxt's unified names differ from WebSocket v2's for some assets, and loading its markets
        costs two whole-venue bodies that nobody here reads.
        """
        me: Any = self
        wanted = list(symbols or ())
        hashes = [me.get_message_hash(unifiedName, None, symbol) for symbol in wanted]
        number = me.request_id()
        request = {
            "method": "subscribe",
            "params": {"channel": channelName, "symbol": wanted, **(params or {})},
            "req_id": number,
        }
        url = me.urls["api"]["ws"]["publicV2"]
        client = (me.clients or {}).get(url)
        open_ones = {} if client is None else client.subscriptions
        if any(known not in open_ones for known in hashes):  # else ccxt sends nothing
            self._note(number, wanted)
        return await me.watch_multiple(url, hashes, request, hashes, subscriptionArgs)

    def _note(self, number: int, symbols: Sequence[str]) -> None:
        self._asked[str(number)] = symbols
        while len(self._asked) > 4096:  # answered ones are of no use any more
            del self._asked[next(iter(self._asked))]
        for symbol in symbols:
            self._newest[symbol] = number
            self.kraken_listener.asked(symbol)

    def handle_order_book(self, client: Any, message: Mapping[str, Any]) -> None:
        """In place of ccxt's: every entry of the message, verified by us."""
        me: Any = self
        items = message.get("data")
        if not isinstance(items, list):
            raise TypeError("a book message without data")
        for symbol in self.kraken_listener.book_message(str(message.get("type")), items):
            client.resolve(VERIFIED, me.get_message_hash("orderbook", None, symbol))

    def handle_error_message(self, _client: Any, message: Mapping[str, Any]) -> bool:
        """In place of ccxt's, which files the refusal where no watcher looks. True: no error."""
        text = message.get("error") or message.get("errorMessage")
        if text is None:
            return True
        named = message.get("symbol")
        asked = self._asked.get(str(message.get("req_id")), ())
        self.kraken_listener.refused(str(text), [named] if isinstance(named, str) else asked)
        return False

    def handle_message(self, client: Any, message: Any) -> None:
        """Reads the two channels and the consent ccxt passes over, then goes on as ccxt does."""
        channel = message.get("channel")
        if channel == "status":
            for entry in message["data"]:
                self.kraken_listener.venue_status(str(entry["system"]))
        elif channel == "instrument":
            self.kraken_listener.instruments(message)
            client.resolve(True, "instrument")
        elif message.get("method") == "subscribe":
            self._answered(message)
        above: Any = super()
        above.handle_message(client, message)

    def _answered(self, reply: Mapping[str, Any]) -> None:
        result = reply.get("result")
        if reply.get("success") is not True or not isinstance(result, Mapping):
            return
        symbol = result.get("symbol")
        if result.get("channel") != "book" or not isinstance(symbol, str):
            return
        newest = self._newest.get(symbol)
        if newest is not None and reply.get("req_id") in (None, newest):
            self.kraken_listener.accepted(symbol)


def subscription_frame(method: str, symbol: str, depth: int, number: int) -> dict[str, Any]:
    """A book request about one symbol; unsubscribing must repeat the depth."""
    params = {"channel": "book", "symbol": [symbol], "depth": depth}
    return {"method": method, "params": params, "req_id": number}
