"""One Kraken WebSocket as pure bookkeeping: bytes and times in, books and requests out.

The session never waits and never reads a clock; the feed (sockets), the recording reader and the
simulation drive it alike. Its rules:

- A book is believed only after a message of its own whose checksum agrees. Any disagreement drops
  that symbol alone: it is unsubscribed, asked for again, and nothing uses it before a verified
  snapshot.
- A snapshot that contradicts what its own subscription said before is as good as a wrong checksum:
  it was true once, and is late.
- A frame that cannot be understood costs at most the symbols it names; the stream goes on.
- Every symbol that is waited for has a time by which it is asked again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arbit.domain.book import Disbelief, OrderBook, Source
from arbit.domain.errors import FrameError
from arbit.domain.events import BookBelieved, BookDisbelieved, FeedCounts, VenueSaid
from arbit.ports import BookSink, Listener
from arbit.venues.backoff import RETRY_NS
from arbit.venues.kraken.asks import Asks
from arbit.venues.kraken.checksum import checksum, padded_checksum
from arbit.venues.kraken.instruments import Instrument, Instruments, InstrumentsDue
from arbit.venues.kraken.levels import Habit, apply, book_for, habit_of
from arbit.venues.kraken.parse import (
    Ack,
    BookMessage,
    Heartbeat,
    Ignored,
    Message,
    Pong,
    Refusal,
    SystemStatus,
    Top,
    WireBook,
    parse,
)
from arbit.venues.kraken.statuses import Statuses
from arbit.venues.kraken.subscription import (
    MS,
    State,
    Subscription,
    Trigger,
)

__all__ = ["RETRY_NS", "KrakenSession", "SessionSetup", "book_for"]

HEALTHY_AFTER_NS = 10_000 * MS  # a book verified this long forgets its earlier failures
CROSSED_LIMIT = 2  # this many crossed messages in a row, checksum good or not, ask for a resync
MAX_WORDS = 300  # of the venue's text that we repeat
_NAMES = re.compile(rb'"symbol"\s*:\s*"([^"\\]{1,40})"')
_NAMES_WITHIN = 65_536  # bytes of a broken frame that are searched for names


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
    """The symbols of one socket. Sessions of a feed share `statuses`, told apart by `number`.

    `heard_ns` is when the venue last said something of its own accord (an answer to our ping
    shows that somebody is there, not that the stream is), `opened_ns` when the socket opened.
    """

    def __init__(
        self,
        setup: SessionSetup,
        symbols: Sequence[str],
        now_ns: int = 1,
        *,
        number: int = 0,
        statuses: Statuses | None = None,
    ) -> None:
        self._setup = setup
        self._counts = setup.counts
        self._sink = setup.sink
        self._subs = {symbol: Subscription(symbol, doubted_ns=now_ns) for symbol in symbols}
        self._asks = Asks(setup.depth)
        self._number = number
        self._statuses = statuses or Statuses(setup.venue, setup.sink, setup.publish, symbols)
        self._decimals: dict[str, tuple[int, int]] = {}
        self._instruments_due = InstrumentsDue()
        self._ping_id = 0
        self._pinged_ns = 0  # 0 while no ping is out
        self._answers = False  # whether this socket ever answered a ping
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
        self._asks.opened(send)
        self.heard_ns = self.opened_ns = now_ns
        self._pinged_ns, self._answers = 0, False
        self._instruments_due.opened()
        self._ask_instruments(now_ns)
        self._subscribe(list(self._subs.values()), now_ns)

    def lost(self, reason: Disbelief, now_ns: int) -> None:
        """The socket is gone or mute: nothing it told us is believed any more."""
        self._asks.closed()
        self._statuses.lost(self._number)
        for sub in self._subs.values():
            sub.move(Trigger.LOST, now_ns)
            sub.held = False
            sub.failures = 0
            self._doubt(sub, reason, now_ns)

    def farewell(self) -> None:
        """Unsubscribe from everything, before a polite close."""
        self._asks.unsubscribe([sub.symbol for sub in self._subs.values() if sub.held])
        self._asks.no_instruments()

    def ping(self, now_ns: int) -> None:
        """Ask for a sign of life, one question at a time."""
        if not self._pinged_ns:
            self._ping_id = self._asks.ping()
            self._pinged_ns = now_ns

    def lag_ns(self, now_ns: int) -> int:
        """For how long a ping has waited for its answer: everything heard may be as old as that.

        0 on a socket that never answered one; such a venue cannot be judged by it.
        """
        return now_ns - self._pinged_ns if self._pinged_ns and self._answers else 0

    def deaf_ns(self, now_ns: int) -> int:
        """For how long nothing that was asked on this socket has been answered, by word or book."""
        return 0 if self._asks.answered or self.live else now_ns - self.opened_ns

    def frame(self, payload: bytes, now_ns: int) -> None:
        """One message, received at `now_ns`. Never raises for anything the venue may send."""
        counts = self._counts
        counts.frames += 1
        counts.bytes += len(payload)
        try:
            message = parse(payload)
        except FrameError as error:
            self.heard_ns = now_ns
            counts.bad_frames += 1
            self._broken_frame(payload, str(error), now_ns)
            return
        if type(message) is BookMessage:
            self.heard_ns = now_ns
            snapshot = message.type == "snapshot"
            if not message.data:
                counts.ignored += 1
            for wire in message.data:
                self._book(wire, now_ns, snapshot=snapshot)
        else:
            self._other(message, now_ns)

    def tick(self, now_ns: int) -> None:
        """Ask again for whatever is overdue. Call a few times a second."""
        if not self._asks.is_open:
            return
        again = []
        for sub in self._subs.values():
            if sub.state is State.AWAITING and now_ns - sub.since_ns > sub.patience_ns:
                sub.move(Trigger.FAILED, now_ns)
                sub.failures += 1
                again.append(sub)
            elif sub.state in (State.BROKEN, State.REFUSED) and now_ns >= sub.retry_ns:
                again.append(sub)
        if again:
            self._resubscribe(again, now_ns)
        if now_ns >= self._instruments_due.at_ns:
            self._asks.no_instruments()
            self._ask_instruments(now_ns)

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

    def _book(self, wire: WireBook, now_ns: int, *, snapshot: bool) -> None:
        sub = self._subs.get(wire.symbol)
        if sub is None or sub.state not in _TAKES[snapshot]:
            self._counts.ignored += 1
            if sub is not None and sub.acked:
                sub.told = wire.checksum  # an update ahead of its snapshot: see `_late`
            return
        if snapshot and self._late(sub, wire):
            self._mismatch(sub, "a snapshot that contradicts the updates before it", now_ns)
            return
        try:
            habit = habit_of(wire, sub.habit) if snapshot else sub.habit
            book = self._fresh_book(sub, wire, habit) if snapshot else sub.book
            if book is None:
                self._counts.ignored += 1
                return
            apply(book, wire, padded=habit is not None)
        except ValueError as error:
            self._counts.bad_frames += 1
            sub.spoilt()
            self._fail(sub, Disbelief.BAD_FRAME, now_ns, str(error))
            return
        if not self._agrees(book, wire.checksum):
            self._mismatch(sub, f"venue says {wire.checksum}", now_ns)
            return
        self._counts.verified += 1
        sub.told, sub.habit, sub.spoilt_frames = wire.checksum, habit, 0
        if snapshot:
            sub.acked = False
        self._believe(sub, book, now_ns)

    def _late(self, sub: Subscription, wire: WireBook) -> bool:
        """Whether a snapshot shows an older book than its subscription has already told of.

        A snapshot comes first (channel book); one that follows updates must at least agree with
        the last of them. A recording is exempt: it may have been cut, and cannot be asked again.
        """
        recorded = self._setup.source is Source.RECORDED
        return sub.told is not None and sub.told != wire.checksum and not recorded

    def _fresh_book(self, sub: Subscription, wire: WireBook, habit: Habit) -> OrderBook:
        """A new book at the wire's own precision: a changed precision would mean other prices."""
        known = habit or self._decimals.get(sub.symbol, (0, 0))
        sub.book = book_for(wire, self._setup.depth, known)
        return sub.book

    def _agrees(self, book: OrderBook, expected: int) -> bool:
        if checksum(book) == expected:
            return True
        if padded_checksum(book) == expected:
            self._counts.padded += 1
            return True
        return False

    def _mismatch(self, sub: Subscription, detail: str, now_ns: int) -> None:
        failed = self._counts.by_symbol_failed
        failed[sub.symbol] = failed.get(sub.symbol, 0) + 1
        self._counts.failed += 1
        self._fail(sub, Disbelief.CHECKSUM, now_ns, detail)

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
        sub.retry_ns = now_ns + sub.pause_ns
        if sub.retry_ns <= now_ns:
            self._resubscribe([sub], now_ns)

    def _doubt(self, sub: Subscription, reason: Disbelief, now_ns: int, detail: str = "") -> None:
        self._sink.disbelieve(sub.symbol, reason)
        if not sub.doubted_ns or sub.reason is not reason:
            sub.doubted_ns = sub.doubted_ns or now_ns
            said = detail[:MAX_WORDS]
            self._setup.publish(BookDisbelieved(self._setup.venue, sub.symbol, reason, said))
        sub.reason = reason

    def _broken_frame(self, payload: bytes, why: str, now_ns: int) -> None:
        """A frame that is no message: its part of the books it names is lost, so they are too."""
        head = payload[:_NAMES_WITHIN]
        if b'"instrument"' in head[:64]:  # it may have held a change of status
            self._instruments_due.missed(now_ns)
        if b'"book"' not in head[:64]:
            return
        for name in dict.fromkeys(_NAMES.findall(head)):
            sub = self._subs.get(name.decode(errors="replace"))
            if sub is not None and sub.state in (State.LIVE, State.AWAITING):
                self._fail(sub, Disbelief.BAD_FRAME, now_ns, why)

    def _other(self, message: Message, now_ns: int) -> None:
        self._asks.answered |= isinstance(message, Pong | Ack | Refusal)
        if isinstance(message, Pong):
            if message.req_id == self._ping_id:
                self._pinged_ns, self._answers = 0, True
            return
        self.heard_ns = now_ns
        match message:
            case Heartbeat() | Top():
                pass
            case SystemStatus():
                self._statuses.system(self._number, message)
            case Instruments():
                self._instruments(message, now_ns)
            case Refusal():
                self._refused(message, now_ns)
            case Ack():
                self._acked(message)
            case Ignored() | BookMessage():
                self._counts.ignored += 1

    def _acked(self, ack: Ack) -> None:
        sub = self._subs.get(ack.symbol)
        if sub is None or (ack.method, ack.channel) != ("subscribe", "book"):
            return
        if ack.req_id in (None, sub.request_id) and sub.answered != sub.request_id:
            sub.acked, sub.told, sub.answered = True, None, sub.request_id  # once a request

    def _instruments(self, message: Instruments, now_ns: int) -> None:
        self._counts.bad_frames += message.unreadable
        self._instruments_due.heard(message, now_ns)
        for pair in message.pairs:
            self._statuses.market(self._number, pair.symbol, pair.status)
            if pair.symbol in self._subs:
                prices, qtys = pair.price_decimals, pair.qty_decimals
                if prices is not None and qtys is not None:
                    self._decimals[pair.symbol] = (prices, qtys)
                self._setup.learn(pair)

    def _ask_instruments(self, now_ns: int) -> None:
        self._asks.instruments()
        self._instruments_due.asked(now_ns)

    def _refused(self, refusal: Refusal, now_ns: int) -> None:
        error = refusal.error
        text = error.text[:MAX_WORDS]
        self._counts.refusals += 1
        self._setup.publish(VenueSaid(self._setup.venue, text, (error.symbol or "")[:MAX_WORDS]))
        if error.method != "subscribe":
            return
        for symbol in (error.symbol,) if error.symbol else self._asks.about(refusal.req_id):
            sub = self._subs.get(symbol)
            if sub is None or sub.state is not State.AWAITING:
                continue
            if refusal.req_id not in (None, sub.request_id):
                continue  # the answer to an earlier request
            sub.move(Trigger.DENIED, now_ns)
            sub.failures += 1
            sub.held = "already" in text.lower()  # then it is there, and must be given up first
            sub.retry_ns = now_ns + max(RETRY_NS, sub.pause_ns)
            self._doubt(sub, Disbelief.REFUSED, now_ns, text)

    def _resubscribe(self, subs: Sequence[Subscription], now_ns: int) -> None:
        self._counts.resyncs += len(subs)
        self._asks.unsubscribe([sub.symbol for sub in subs if sub.held])
        self._subscribe(subs, now_ns)

    def _subscribe(self, subs: Sequence[Subscription], now_ns: int) -> None:
        asked = self._asks.subscribe([sub.symbol for sub in subs])
        for sub in subs:
            sub.move(Trigger.ASKED, now_ns)
            sub.since_ns = now_ns
            sub.held = True
            sub.request_id = asked[sub.symbol]
            sub.acked, sub.told = False, None


_TAKES = {
    True: frozenset({State.AWAITING, State.LIVE}),
    False: frozenset({State.LIVE}),
}
