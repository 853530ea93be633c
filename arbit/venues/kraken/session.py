"""One Kraken WebSocket as pure bookkeeping: bytes and times in, books and requests out.

The session never waits and never reads a clock; the feed (sockets), the recording reader and the
simulation drive it alike. Its rules:

- A book is believed only after a message of its own whose checksum agrees. Any disagreement drops
  that symbol alone: it is unsubscribed, asked for again, and nothing uses it before a verified
  snapshot.
- A frame that cannot be understood costs at most the symbol it names; the stream goes on.
- Every symbol that is waited for has a time by which it is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from arbit.domain.book import Disbelief, OrderBook, Source
from arbit.domain.errors import FrameError
from arbit.domain.events import (
    BookBelieved,
    BookDisbelieved,
    FeedCounts,
    VenueSaid,
    VenueStatusChanged,
)
from arbit.domain.market import MarketStatus
from arbit.ports import BookSink, Listener
from arbit.venues.kraken.checksum import checksum, padded_checksum
from arbit.venues.kraken.parse import (
    Ack,
    BookMessage,
    Heartbeat,
    Ignored,
    Instrument,
    Instruments,
    Message,
    Pong,
    Refusal,
    SystemStatus,
    Top,
    WireBook,
    WireLevel,
    decimals_of,
    level_of,
    parse,
)
from arbit.venues.kraken.subscription import State, Subscription, Trigger

MS = 1_000_000
SNAPSHOT_WAIT_NS = 1_500 * MS  # a snapshot takes a round trip; twice a bad one still fits in 2 s
HEALTHY_AFTER_NS = 10_000 * MS  # a book verified this long forgets its earlier failures
FREE_RESYNCS = 2  # asked again at once; from then on with a doubling pause
RETRY_NS = 500 * MS
RETRY_CAP_NS = 15_000 * MS
SYMBOLS_PER_REQUEST = 100
CROSSED_LIMIT = 2  # this many crossed messages in a row, checksum good or not, ask for a resync


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """What a session needs to know of its venue and its listeners."""

    venue: str
    depth: int
    sink: BookSink
    publish: Listener
    counts: FeedCounts
    learn: Callable[[Instrument], None]
    recovered: Callable[[str], None] = lambda _: None
    source: Source = Source.WS


class KrakenSession:
    """The symbols of one socket. `send` is given by `opened` and taken away by `lost`."""

    def __init__(self, setup: SessionSetup, symbols: Sequence[str], now_ns: int = 1) -> None:
        self._setup = setup
        self._counts = setup.counts
        self._sink = setup.sink
        self._subs = {symbol: Subscription(symbol, doubted_ns=now_ns) for symbol in symbols}
        self._send: Callable[[bytes], None] | None = None
        self._requests: dict[int, tuple[str, ...]] = {}
        self._next_id = 0
        self._system_online = True
        self._statuses: dict[str, MarketStatus] = {}
        self._decimals: dict[str, tuple[int, int]] = {}
        self.heard_ns = 0
        self.opened_ns = 0

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols of this socket."""
        return tuple(self._subs)

    @property
    def live(self) -> int:
        """How many symbols are believed as of their last message."""
        return sum(sub.state is State.LIVE for sub in self._subs.values())

    def opened(self, send: Callable[[bytes], None], now_ns: int) -> None:
        """A socket is open: ask for the instruments and every book."""
        self._send = send
        self.heard_ns = self.opened_ns = now_ns
        self._requests.clear()
        self._ask({"channel": "instrument", "snapshot": True})
        self._subscribe(list(self._subs.values()), now_ns)

    def lost(self, reason: Disbelief, now_ns: int) -> None:
        """The socket is gone or mute: nothing it told us is believed any more."""
        self._send = None
        for sub in self._subs.values():
            sub.move(Trigger.LOST, now_ns)
            sub.held = False
            sub.failures = 0
            self._doubt(sub, reason, now_ns)

    def farewell(self) -> None:
        """Unsubscribe from everything, before a polite close."""
        held = [sub.symbol for sub in self._subs.values() if sub.held]
        for part in _parts(held):
            self._ask(self._book_params(part), method="unsubscribe")

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._send is not None:
            self._send(b'{"method":"ping","req_id":%d}' % self._take_id())

    def frame(self, payload: bytes, now_ns: int) -> None:
        """One message, received at `now_ns`. Never raises for anything the venue may send."""
        self.heard_ns = now_ns
        counts = self._counts
        counts.frames += 1
        counts.bytes += len(payload)
        try:
            message = parse(payload)
        except FrameError as error:
            counts.bad_frames += 1
            self._broken_frame(error, now_ns)
            return
        if type(message) is BookMessage:
            snapshot = message.type == "snapshot"
            if not message.data:
                counts.ignored += 1
            for wire in message.data:
                self._book(wire, snapshot, now_ns)
        else:
            self._other(message, now_ns)

    def tick(self, now_ns: int) -> None:
        """Ask again for whatever is overdue. Call a few times a second."""
        if self._send is None:
            return
        again = []
        for sub in self._subs.values():
            waiting = sub.state is State.AWAITING and now_ns - sub.since_ns > SNAPSHOT_WAIT_NS
            if waiting:
                sub.move(Trigger.FAILED, now_ns)
                sub.failures += 1
                sub.retry_ns = now_ns + self._pause_ns(sub)
            if sub.state in (State.BROKEN, State.REFUSED) and now_ns >= sub.retry_ns:
                again.append(sub)
        if again:
            self._resubscribe(again, now_ns)

    def overdue(self, now_ns: int, limit_ns: int) -> list[str]:
        """Symbols whose stream has shown no verified book for longer than `limit_ns`."""
        return [
            sub.symbol
            for sub in self._subs.values()
            if sub.doubted_ns and now_ns - sub.doubted_ns > limit_ns
        ]

    def diverged(self, symbol: str, now_ns: int, detail: str = "") -> None:
        """An independent look says this book is dead: drop it and ask again."""
        sub = self._subs.get(symbol)
        if sub is not None and sub.state is State.LIVE:
            self._counts.divergences += 1
            self._fail(sub, Disbelief.DIVERGED, now_ns, detail)

    def _book(self, wire: WireBook, snapshot: bool, now_ns: int) -> None:
        sub = self._subs.get(wire.symbol)
        if sub is None or sub.state not in _TAKES[snapshot]:
            self._counts.ignored += 1
            return
        try:
            book = self._fresh_book(sub, wire) if snapshot else sub.book
            if book is None:
                self._counts.ignored += 1
                return
            _apply(book, wire)
        except ValueError as error:
            self._counts.bad_frames += 1
            self._fail(sub, Disbelief.BAD_FRAME, now_ns, str(error))
            return
        if not self._agrees(book, wire.checksum):
            failed = self._counts.by_symbol_failed
            failed[sub.symbol] = failed.get(sub.symbol, 0) + 1
            self._counts.failed += 1
            self._fail(sub, Disbelief.CHECKSUM, now_ns, f"venue says {wire.checksum}")
            return
        self._counts.verified += 1
        self._believe(sub, book, now_ns)

    def _fresh_book(self, sub: Subscription, wire: WireBook) -> OrderBook:
        """A new book at the wire's own precision: a changed precision would mean other prices."""
        known = self._decimals.get(sub.symbol, (0, 0))
        sub.book = book_for(wire, self._setup.depth, known)
        return sub.book

    def _agrees(self, book: OrderBook, expected: int) -> bool:
        if checksum(book) == expected:
            return True
        if padded_checksum(book) == expected:
            self._counts.padded += 1
            return True
        return False

    def _believe(self, sub: Subscription, book: OrderBook, now_ns: int) -> None:
        sub.move(Trigger.VERIFIED, now_ns)
        sub.crossed = sub.crossed + 1 if book.flaw() is Disbelief.CROSSED else 0
        if sub.crossed >= CROSSED_LIMIT:
            self._fail(sub, Disbelief.CROSSED, now_ns, "crossed with a good checksum")
            return
        if sub.failures and now_ns - sub.since_ns > HEALTHY_AFTER_NS:
            sub.failures = 0
        self._sink.put(book, seen_ns=now_ns, confirmed_ns=now_ns, source=self._setup.source)
        if sub.doubted_ns:
            self._recovered(sub, now_ns)

    def _recovered(self, sub: Subscription, now_ns: int) -> None:
        after_ms = (now_ns - sub.doubted_ns) // MS
        sub.doubted_ns = 0
        self._setup.recovered(sub.symbol)
        if sub.reason is not Disbelief.NO_BOOK:  # the first book of all is no recovery
            self._setup.publish(BookBelieved(self._setup.venue, sub.symbol, after_ms))

    def _fail(self, sub: Subscription, reason: Disbelief, now_ns: int, detail: str) -> None:
        """Stop believing one symbol and ask for it again, at once or after a pause."""
        sub.move(Trigger.FAILED, now_ns)
        sub.crossed = 0
        sub.failures += 1
        self._doubt(sub, reason, now_ns, detail)
        sub.retry_ns = now_ns + self._pause_ns(sub)
        if sub.retry_ns <= now_ns:
            self._resubscribe([sub], now_ns)

    def _pause_ns(self, sub: Subscription) -> int:
        if sub.failures <= FREE_RESYNCS:
            return 0
        return min(RETRY_CAP_NS, RETRY_NS << min(sub.failures - FREE_RESYNCS - 1, 10))

    def _doubt(self, sub: Subscription, reason: Disbelief, now_ns: int, detail: str = "") -> None:
        self._sink.disbelieve(sub.symbol, reason)
        if not sub.doubted_ns or sub.reason is not reason:
            sub.doubted_ns = sub.doubted_ns or now_ns
            self._setup.publish(BookDisbelieved(self._setup.venue, sub.symbol, reason, detail))
        sub.reason = reason

    def _broken_frame(self, error: FrameError, now_ns: int) -> None:
        sub = self._subs.get(error.symbol or "")
        if sub is not None and sub.state in (State.LIVE, State.AWAITING):
            self._fail(sub, Disbelief.BAD_FRAME, now_ns, str(error))

    def _other(self, message: Message, now_ns: int) -> None:
        match message:
            case Heartbeat() | Pong() | Top():
                pass
            case SystemStatus():
                self._system(message)
            case Instruments():
                self._instruments(message)
            case Refusal():
                self._refused(message, now_ns)
            case Ack():
                self._requests.pop(message.req_id or -1, None) if not message.symbol else None
            case Ignored() | BookMessage():
                self._counts.ignored += 1

    def _system(self, status: SystemStatus) -> None:
        if status.online is not self._system_online:
            self._setup.publish(VenueStatusChanged(self._setup.venue, "*", status.system))
        self._system_online = status.online
        for symbol in self._subs:
            self._tell_status(symbol)

    def _instruments(self, message: Instruments) -> None:
        for pair in message.pairs:
            if pair.symbol not in self._subs:
                continue
            before = self._statuses.get(pair.symbol, MarketStatus.ONLINE)
            self._statuses[pair.symbol] = pair.status
            self._tell_status(pair.symbol)
            if before is not pair.status:
                change = VenueStatusChanged(self._setup.venue, pair.symbol, pair.status.value)
                self._setup.publish(change)
            if pair.price_decimals is not None and pair.qty_decimals is not None:
                self._decimals[pair.symbol] = (pair.price_decimals, pair.qty_decimals)
            self._setup.learn(pair)

    def _tell_status(self, symbol: str) -> None:
        if not self._system_online:
            self._sink.set_status(symbol, Disbelief.VENUE_STATUS)
        elif symbol in self._statuses:
            online = self._statuses[symbol] is MarketStatus.ONLINE
            self._sink.set_status(symbol, None if online else Disbelief.MARKET_STATUS)

    def _refused(self, refusal: Refusal, now_ns: int) -> None:
        error = refusal.error
        self._counts.refusals += 1
        self._setup.publish(VenueSaid(self._setup.venue, error.text, error.symbol or ""))
        if error.method != "subscribe":
            return
        symbols = (error.symbol,) if error.symbol else self._requests.get(refusal.req_id or -1, ())
        for symbol in symbols:
            sub = self._subs.get(symbol)
            if sub is not None and sub.state is State.AWAITING:
                sub.move(Trigger.DENIED, now_ns)
                sub.failures += 1
                sub.retry_ns = now_ns + max(RETRY_NS, self._pause_ns(sub))
                self._doubt(sub, Disbelief.REFUSED, now_ns, error.text)

    def _resubscribe(self, subs: Sequence[Subscription], now_ns: int) -> None:
        self._counts.resyncs += len(subs)
        for part in _parts([sub.symbol for sub in subs if sub.held]):
            self._ask(self._book_params(part), method="unsubscribe")
        self._subscribe(subs, now_ns)

    def _subscribe(self, subs: Sequence[Subscription], now_ns: int) -> None:
        for sub in subs:
            sub.move(Trigger.ASKED, now_ns)
            sub.since_ns = now_ns
            sub.held = True
        for part in _parts([sub.symbol for sub in subs]):
            params = {**self._book_params(part), "snapshot": True}
            self._requests[self._ask(params)] = tuple(part)

    def _book_params(self, symbols: Sequence[str]) -> dict[str, object]:
        return {"channel": "book", "symbol": list(symbols), "depth": self._setup.depth}

    def _ask(self, params: dict[str, object], method: str = "subscribe") -> int:
        request_id = self._take_id()
        if self._send is not None:
            request = {"method": method, "params": params, "req_id": request_id}
            self._send(json.dumps(request, separators=(",", ":")).encode())
        if len(self._requests) > 256:  # a venue that never answers must not grow our memory
            self._requests.pop(next(iter(self._requests)))
        return request_id

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id


_TAKES = {
    True: frozenset({State.AWAITING, State.LIVE}),
    False: frozenset({State.LIVE}),
}


def book_for(wire: WireBook, depth: int, known: tuple[int, int] = (0, 0)) -> OrderBook:
    """An empty book at the precision of the wire's own digits, at least the `known` one."""
    price_decimals, qty_decimals = known
    for level in (*wire.bids, *wire.asks):
        price_digits, qty_digits = decimals_of(level)
        price_decimals = max(price_decimals, price_digits)
        qty_decimals = max(qty_decimals, qty_digits)
    return OrderBook(
        wire.symbol, depth=depth, price_decimals=price_decimals, qty_decimals=qty_decimals
    )


def _apply(book: OrderBook, wire: WireBook) -> None:
    prices, qtys = book.price_decimals, book.qty_decimals
    book.apply(_levels(wire.bids, prices, qtys), _levels(wire.asks, prices, qtys))


def _levels(levels: Iterable[WireLevel], prices: int, qtys: int) -> list[tuple[int, int, bytes]]:
    return [level_of(level, prices, qtys) for level in levels]


def _parts(symbols: Sequence[str]) -> list[Sequence[str]]:
    return [
        symbols[start : start + SYMBOLS_PER_REQUEST]
        for start in range(0, len(symbols), SYMBOLS_PER_REQUEST)
    ]
