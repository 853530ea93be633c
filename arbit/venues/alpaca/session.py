"""One Alpaca market data socket as pure bookkeeping: bytes and times in, books and requests out.

The session never waits and never reads a clock; the feed's socket and the simulation drive it
alike. Its rules:

- A book begins with a whole one (`r` true) and lives by changes; a change before that is nothing,
  but a whole one that is older than such a change comes too late, and so does any older message.
- Nothing in a message proves it, so every message is held against what must be true: a book is not
  crossed, its top is what `quotes` say, and it is, or was lately, what REST says. A symbol that
  fails is disbelieved alone, and asked for anew; one of which REST has said nothing for a while
  ages, however many changes come.
- What cannot be understood costs the symbols it names; what names none costs all of them, as any
  book may have lost a change with it.
- Every answer that is waited for has a time by which it is asked again, or the socket given up.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from arbit.domain.book import Disbelief, Source
from arbit.domain.errors import FrameError
from arbit.domain.events import BookBelieved, BookDisbelieved, FeedCounts, VenueSaid
from arbit.ports import BookSink, Listener
from arbit.venues.alpaca.codes import Code, Remedy, code_of
from arbit.venues.alpaca.http import Keys
from arbit.venues.alpaca.levels import KeptBook
from arbit.venues.alpaca.quotes import Quotes
from arbit.venues.alpaca.stamps import stamp_ns
from arbit.venues.alpaca.subscription import (
    HEALTHY_AFTER_NS,
    MISSED_LIMIT,
    MS,
    SNAPSHOT_WAIT_NS,
    State,
    Subscription,
    Trigger,
)
from arbit.venues.alpaca.traces import Traces
from arbit.venues.alpaca.wire import (
    BookMessage,
    Broken,
    Message,
    Quote,
    Refused,
    Subscribed,
    Success,
    parse,
)
from arbit.venues.answers import one_line
from arbit.venues.looks import DepthLook

GREETING = "connected"
MAX_WORDS = 300  # of the venue's text that we repeat
_NAMES = re.compile(rb'"S"\s*:\s*"([^"\\]{1,40})"')
_NAMES_WITHIN = 65_536  # bytes of a broken frame that are searched for names


class Phase(enum.StrEnum):
    """How far a socket has come."""

    CLOSED = "closed"
    GREETING = "greeting"  # open; `connected` has not come
    PROVING = "proving"  # the key is sent; `authenticated` has not come
    OPEN = "open"  # the key is accepted, and everything is asked for


@dataclass(frozen=True, slots=True)
class Ending:
    """Why this socket is of no more use, by the venue's own word."""

    code: Code
    words: str


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """What a session needs to know of its venue and its listeners.

    `known` tells a symbol's decimals of price and quantity as its listing states them.
    """

    venue: str
    keys: Keys
    depth: int
    sink: BookSink
    publish: Listener
    counts: FeedCounts
    known: Callable[[str], tuple[int, int]] = lambda _: (0, 0)
    recovered: Callable[[str], None] = lambda _: None


class AlpacaSession:
    """The symbols of the one socket. Times are monotonic nanoseconds.

    `ending` is set by an error that ends this socket. `waits_ns` tells for how long something that
    the venue owes us has not come.
    """

    def __init__(self, setup: SessionSetup, symbols: Sequence[str], now_ns: int = 1) -> None:
        self._setup = setup
        self._counts = setup.counts
        self._subs = {symbol: Subscription(symbol, doubted_ns=now_ns) for symbol in symbols}
        self._quotes = Quotes()
        self._traces = Traces(self._lost_a_change, self._agreed)
        self._send: Callable[[bytes], None] | None = None
        self._owed_ns = 0  # since when an answer is owed; 0 while none is
        self._now_ns = now_ns
        self.phase = Phase.CLOSED
        self._greeted = False  # by a socket that was not handed to us yet
        self.ending: Ending | None = None
        self.ever_live = False
        self.opened_ns = 0

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols of this socket."""
        return tuple(self._subs)

    @property
    def live(self) -> int:
        """How many symbols are believed as of their last message."""
        return sum(sub.state is State.LIVE for sub in self._subs.values())

    @property
    def renewable(self) -> str:
        """Why another socket should take this one's place; empty while it need not."""
        live = self.live  # books that the others would lose with it
        for sub in self._subs.values():
            if sub.missed >= (sub.patience if live else MISSED_LIMIT):
                return f"no whole book of {sub.symbol} came when asked {sub.missed} times"
        return ""

    def opened(self, send: Callable[[bytes], None], now_ns: int) -> None:
        """A socket is open: the venue speaks first, and may have done so before we are told."""
        self._send = send
        self.ending = None
        self.phase = Phase.GREETING
        self.opened_ns = self._owed_ns = now_ns
        if self._greeted:
            self._success(GREETING, now_ns)

    def lost(self, reason: Disbelief, now_ns: int) -> None:
        """The socket is gone or mute: nothing it told us is believed any more."""
        self._send = None
        self.phase = Phase.CLOSED
        self._greeted = False
        self._owed_ns = 0
        for sub in self._subs.values():
            sub.lost(now_ns)
            self._doubt(sub, reason, now_ns)

    def waits_ns(self, now_ns: int) -> int:
        """For how long an answer has been owed to us; 0 while none is."""
        return now_ns - self._owed_ns if self._owed_ns else 0

    def frame(self, payload: bytes, now_ns: int) -> None:
        """One frame, received at `now_ns`. Never raises for anything the venue may send."""
        self._now_ns = now_ns
        self._counts.frames += 1
        self._counts.bytes += len(payload)
        try:
            messages = parse(payload)
        except FrameError as error:
            self._counts.bad_frames += 1
            self._broken(_names_in(payload), str(error), now_ns)
            return
        for message in messages:
            if type(message) is BookMessage:
                self._book(message, now_ns)
            else:
                self._other(message, now_ns)

    def tick(self, now_ns: int) -> None:
        """Look for what is overdue, and ask again. Call a few times a second."""
        self._now_ns = now_ns
        if self.phase is not Phase.OPEN:
            return
        for symbol, detail in self._quotes.overdue(now_ns):
            self.diverged(symbol, now_ns, detail)
        self._traces.tick(now_ns)
        again = []
        for sub in self._subs.values():
            if sub.state is State.AWAITING and now_ns - sub.since_ns > SNAPSHOT_WAIT_NS:
                sub.move(Trigger.FAILED, now_ns)
                sub.failures += 1
                sub.missed += 1
                sub.retry_ns = now_ns + sub.pause_ns
            if sub.state is State.BROKEN and now_ns >= sub.retry_ns:
                again.append(sub)
        if again:
            self._resubscribe(again, now_ns)

    def overdue(self, now_ns: int, limit_ns: int) -> list[str]:
        """Symbols whose stream has shown no believed book for longer than `limit_ns`."""
        return [
            sub.symbol
            for sub in self._subs.values()
            if sub.doubted_ns and now_ns - sub.doubted_ns > limit_ns
        ]

    def diverged(self, symbol: str, now_ns: int, detail: str = "") -> None:
        """An independent look says that this book is not the venue's: drop it and ask again."""
        sub = self._subs.get(symbol)
        if sub is not None and sub.state is State.LIVE:
            self._counts.divergences += 1
            self._fail(sub, Disbelief.DIVERGED, now_ns, detail)

    def compare(self, symbol: str, look: DepthLook, now_ns: int) -> bool:
        """The venue's book over REST. True when the streamed one is the same at this moment."""
        self._now_ns = now_ns
        sub = self._subs.get(symbol)
        return (
            sub is not None and sub.state is State.LIVE and self._traces.hear(symbol, look, now_ns)
        )

    def _lost_a_change(self, symbol: str, detail: str) -> None:
        self.diverged(symbol, self._now_ns, detail)

    def _agreed(self, symbol: str, asked_ns: int) -> None:
        sub = self._subs[symbol]
        sub.checked_ns = max(sub.checked_ns, asked_ns)

    def _book(self, message: BookMessage, now_ns: int) -> None:
        sub = self._subs.get(message.S)
        if sub is None:
            self._counts.ignored += 1
            return
        try:
            if not self._in_turn(sub, message):
                self._counts.ignored += 1
                return
            kept = self._applied(sub, message)
        except (ValueError, FrameError) as error:
            if sub.state not in (State.LIVE, State.AWAITING):
                return
            self._counts.bad_frames += 1
            self._fail(sub, Disbelief.BAD_FRAME, now_ns, str(error))
            return
        book = kept.book
        if book.flaw() is Disbelief.CROSSED:
            failed = self._counts.by_symbol_failed
            failed[sub.symbol] = failed.get(sub.symbol, 0) + 1
            self._counts.failed += 1
            self._fail(sub, Disbelief.CROSSED, now_ns, "a change of it was lost")
            return
        if kept.hollow:
            self._fail(sub, Disbelief.NO_BOOK, now_ns, "its deeper levels were cut away")
            return
        if message.r:
            self._quotes.begin(sub.symbol)
            self._owed_ns, sub.missed, sub.patience = 0, 0, MISSED_LIMIT
            sub.checked_ns = now_ns
        self._believe(sub, kept, now_ns)

    def _in_turn(self, sub: Subscription, message: BookMessage) -> bool:
        """Whether the subscription waits for such a message. FrameError when it comes too late."""
        at_ns = stamp_ns(message.t)
        takes = sub.state in _TAKES[message.r]
        if takes and at_ns < sub.told_ns:
            raise FrameError(f"a message of {message.t:.40} came after a younger one")
        sub.told_ns = max(sub.told_ns, at_ns)
        return takes

    def _applied(self, sub: Subscription, message: BookMessage) -> KeptBook:
        """The book with this message in it. ValueError for a number that is none."""
        bids, asks = message.b or (), message.a or ()
        kept = sub.kept
        if message.r or kept is None:
            kept = KeptBook(sub.symbol, self._setup.depth, self._setup.known(sub.symbol))
            kept.replace(bids, asks)
            sub.kept = kept
        else:
            kept.update(bids, asks)
        return kept

    def _believe(self, sub: Subscription, kept: KeptBook, now_ns: int) -> None:
        sub.move(Trigger.VERIFIED, now_ns)
        if sub.failures and now_ns - sub.since_ns > HEALTHY_AFTER_NS:
            sub.failures = 0
        self.ever_live = True
        self._counts.verified += 1
        self._quotes.book(kept.book, now_ns)
        self._traces.note(kept.book, now_ns)
        self._setup.sink.put(
            kept.book, seen_ns=now_ns, confirmed_ns=sub.proved_ns(now_ns), source=Source.WS
        )
        if sub.doubted_ns:
            after_ms = (now_ns - sub.doubted_ns) // MS
            sub.doubted_ns = 0
            self._setup.recovered(sub.symbol)
            if sub.reason is not Disbelief.NO_BOOK:  # the first book of all is no recovery
                self._setup.publish(BookBelieved(self._setup.venue, sub.symbol, after_ms))

    def _fail(self, sub: Subscription, reason: Disbelief, now_ns: int, detail: str) -> None:
        """Stop believing one symbol and ask for it again, at once or after a pause."""
        sub.move(Trigger.FAILED, now_ns)
        sub.failures += 1
        self._doubt(sub, reason, now_ns, detail)
        sub.retry_ns = now_ns + sub.pause_ns
        if sub.retry_ns <= now_ns:
            self._resubscribe([sub], now_ns)

    def _doubt(self, sub: Subscription, reason: Disbelief, now_ns: int, detail: str = "") -> None:
        self._setup.sink.disbelieve(sub.symbol, reason)
        self._traces.forget(sub.symbol)
        if not sub.doubted_ns or sub.reason is not reason:
            sub.doubted_ns = sub.doubted_ns or now_ns
            said = detail[:MAX_WORDS]
            self._setup.publish(BookDisbelieved(self._setup.venue, sub.symbol, reason, said))
        sub.reason = reason

    def _broken(self, names: Iterable[str], why: str, now_ns: int) -> None:
        """A change of these symbols' books may be lost; of all, when none of ours is named."""
        ours = [self._subs[name] for name in dict.fromkeys(names) if name in self._subs]
        for sub in ours or self._subs.values():
            if sub.state in (State.LIVE, State.AWAITING):
                self._fail(sub, Disbelief.BAD_FRAME, now_ns, why)

    def _other(self, message: Message, now_ns: int) -> None:
        match message:
            case Quote():
                if message.S in self._subs:
                    self._quotes.quote(message, now_ns)
            case Success():
                self._success(message.msg, now_ns)
            case Subscribed():
                self._owed_ns = 0
            case Refused():
                self._refused(message)
            case Broken():
                self._counts.bad_frames += 1
                if message.of_a_book and message.symbol in ("", *self._subs):
                    self._broken([message.symbol], message.why, now_ns)
            case _:
                self._counts.ignored += 1

    def _success(self, word: str, now_ns: int) -> None:
        """The two steps of opening: greeted, the key is sent; accepted, everything is asked for."""
        self._owed_ns = 0
        if self.phase is Phase.CLOSED and word == GREETING:
            self._greeted = True
        elif self.phase is Phase.GREETING and word == GREETING:
            self._greeted = False
            self.phase = Phase.PROVING
            keys = self._setup.keys
            self._ask({"action": "auth", "key": keys.key_id, "secret": keys.secret}, now_ns)
        elif self.phase is Phase.PROVING and word == "authenticated":
            self.phase = Phase.OPEN
            self._subscribe(list(self._subs.values()), now_ns, quotes=True)
        else:
            self._counts.ignored += 1

    def _refused(self, message: Refused) -> None:
        self._counts.refusals += 1
        code = code_of(message.code)
        msg = one_line(message.msg.replace(self._setup.keys.secret, "***"), MAX_WORDS)
        words = f"{message.code} {msg}: {code.meaning}"
        self._setup.publish(VenueSaid(self._setup.venue, words))
        if code.remedy is not Remedy.IGNORE and self.ending is None:
            self.ending = Ending(code, words)

    def _resubscribe(self, subs: Sequence[Subscription], now_ns: int) -> None:
        """A subscription that is there brings no whole book: it is given up and asked for anew."""
        self._counts.resyncs += len(subs)
        names = [sub.symbol for sub in subs]
        self._ask({"action": "unsubscribe", "orderbooks": names}, now_ns)
        self._subscribe(subs, now_ns)

    def _subscribe(
        self, subs: Sequence[Subscription], now_ns: int, *, quotes: bool = False
    ) -> None:
        names = [sub.symbol for sub in subs]
        request: dict[str, object] = {"action": "subscribe", "orderbooks": names}
        self._ask({**request, "quotes": names} if quotes else request, now_ns)
        for sub in subs:
            sub.move(Trigger.ASKED, now_ns)
            sub.since_ns, sub.told_ns = now_ns, 0

    def _ask(self, request: dict[str, object], now_ns: int) -> None:
        if self._send is not None:
            self._owed_ns = self._owed_ns or now_ns
            self._send(json.dumps(request, separators=(",", ":")).encode())


def _names_in(payload: bytes) -> list[str]:
    head = payload[:_NAMES_WITHIN]
    return [name.decode(errors="replace") for name in _NAMES.findall(head)]


# A whole book is taken while one is awaited or held, a change only while one is held.
_TAKES = {
    True: frozenset({State.AWAITING, State.LIVE}),
    False: frozenset({State.LIVE}),
}
