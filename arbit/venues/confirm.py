"""Confirms quiet books by an independent look, and finds the dead streams among them.

A quiet symbol and a silently dead one look the same on a socket. So a book that has not proved
itself for half of its allowed age is compared with what the venue says over REST:

- equal to any top held between sending the question and its answer: confirmed, as of the sending;
- unequal twice, a second or more apart, with no update of ours between: the stream is dead.

`QuietBooks` decides and never waits; `Confirmer` asks. Both stand on the sink's callback path.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from arbit.domain.book import Disbelief, OrderBook, Source
from arbit.domain.errors import VenueError
from arbit.domain.events import FeedCounts, VenueSaid
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.backoff import backoff_ms
from arbit.venues.looks import DepthLook, LookingReader, TopsLook

SECOND_NS = 1_000_000_000
MIN_GAP_NS = SECOND_NS  # between two questions, and between two mismatches that count
MAX_FACES = 512  # tops remembered per symbol while a question is open
MAX_WINDOWS = 64
COARSEST_QTY = Decimal("0.001")  # Kraken's REST depth gives three decimals of a quantity

Face = tuple[int, int, int, int, int, int]  # price digits, qty digits, bid, its qty, ask, its qty
Diverged = Callable[[str, str], None]


def _face(book: OrderBook) -> Face | None:
    bids, asks = book.bids, book.asks
    if not bids.keys or not asks.keys:
        return None
    return (
        book.price_decimals,
        book.qty_decimals,
        -bids.keys[0],
        bids.qtys[0],
        asks.keys[0],
        asks.qtys[0],
    )


@dataclass(slots=True)
class _Held:
    """What we hold of one symbol. `puts` counts its own updates."""

    book: OrderBook | None = None
    confirmed_ns: int = 0
    puts: int = 0
    source: Source = Source.WS
    doubted_ns: int | None = None
    doubted_puts: int = 0


@dataclass(slots=True)
class Window:
    """One open question: every top held since it was asked, by symbol."""

    faces: dict[str, deque[tuple[int, Face]]] = field(default_factory=dict)
    puts: dict[str, int] = field(default_factory=dict)


class QuietBooks:
    """A `BookSink` in front of another one that knows which books need a look.

    `diverged(symbol, detail)` is called for a stream found dead; whoever owns the stream counts it,
    disbelieves the book (DIVERGED) and resyncs it.
    """

    def __init__(
        self, sink: BookSink, *, max_age_ns: int, counts: FeedCounts, diverged: Diverged
    ) -> None:
        self._sink = sink
        self._half_age_ns = max_age_ns // 2
        self._counts = counts
        self._diverged = diverged
        self._held: dict[str, _Held] = {}
        self._windows: list[Window] = []

    def put(self, book: OrderBook, *, seen_ns: int, confirmed_ns: int, source: Source) -> None:
        """Pass on, and remember it while a question is open."""
        self._sink.put(book, seen_ns=seen_ns, confirmed_ns=confirmed_ns, source=source)
        held = self._held.get(book.symbol)
        if held is None:
            held = self._held[book.symbol] = _Held()
        held.book = book
        held.confirmed_ns = confirmed_ns
        held.source = source
        held.puts += 1
        if self._windows:
            self._remember(book, seen_ns)

    def disbelieve(self, symbol: str, reason: Disbelief) -> None:
        """Pass on; there is nothing to confirm until the next `put`."""
        self._sink.disbelieve(symbol, reason)
        held = self._held.get(symbol)
        if held is not None:
            held.book = None
            held.doubted_ns = None
            held.puts += 1

    def confirm(self, symbol: str, confirmed_ns: int) -> None:
        """Pass on a confirmation made elsewhere."""
        held = self._held.get(symbol)
        if held is not None and held.book is not None:
            held.confirmed_ns = max(held.confirmed_ns, confirmed_ns)
            held.doubted_ns = None
            self._counts.confirmations += 1
            self._sink.confirm(symbol, confirmed_ns)

    def set_status(self, symbol: str, reason: Disbelief | None) -> None:
        """Pass on."""
        self._sink.set_status(symbol, reason)

    def due(self, now_ns: int) -> bool:
        """True when some believed book has not proved itself for half of its allowed age."""
        limit_ns = now_ns - self._half_age_ns
        return any(
            held.confirmed_ns < limit_ns for held in self._held.values() if held.book is not None
        )

    def open_window(self, now_ns: int, symbols: Iterable[str] | None = None) -> Window | None:
        """Start remembering tops, for all symbols or these; None when too many are open."""
        if len(self._windows) >= MAX_WINDOWS:
            return None
        window = Window()
        for symbol in self._held if symbols is None else symbols:
            held = self._held.get(symbol)
            face = _face(held.book) if held is not None and held.book is not None else None
            if held is not None and face is not None:
                window.faces[symbol] = deque([(now_ns, face)], maxlen=MAX_FACES)
                window.puts[symbol] = held.puts
        self._windows.append(window)
        return window

    def close_window(self, window: Window) -> None:
        """Forget a question, answered or not."""
        self._windows = [other for other in self._windows if other is not window]

    def judge_tops(self, window: Window, look: TopsLook) -> tuple[str, ...]:
        """Compare every top of the answer with what was held meanwhile; the unequal symbols."""
        unequal = []
        for symbol in window.faces:
            top = look.tops.get(symbol)
            if top is not None:
                same = partial(_same_prices, bid=top[0], ask=top[1])
                if not self._judge(window, symbol, look.sent_ns, same, f"venue {top[0]}/{top[1]}"):
                    unequal.append(symbol)
        return tuple(unequal)

    def judge_depth(self, window: Window, symbol: str, look: DepthLook) -> None:
        """Compare one market's top, quantities included, with what was held meanwhile."""
        if symbol not in window.faces or not look.bids or not look.asks:
            return
        bid, ask = look.bids[0], look.asks[0]

        def same(face: Face) -> bool:
            return (
                _same_prices(face, bid.price, ask.price)
                and _same_qty(face[3], face[1], bid.qty)
                and _same_qty(face[5], face[1], ask.qty)
            )

        detail = f"venue {bid.price} x {bid.qty} / {ask.price} x {ask.qty}"
        self._judge(window, symbol, look.sent_ns, same, detail)

    def _remember(self, book: OrderBook, seen_ns: int) -> None:
        face = _face(book)
        for window in self._windows:
            faces = window.faces.get(book.symbol)
            if faces is not None and face is not None and faces[-1][1] != face:
                faces.append((seen_ns, face))

    def _judge(
        self, window: Window, symbol: str, sent_ns: int, same: Callable[[Face], bool], detail: str
    ) -> bool:
        """False when an answer about a book that we hold was unequal."""
        held = self._held[symbol]
        if held.book is None:
            return True
        if any(same(face) for face in _held_since(window.faces[symbol], sent_ns)):
            self.confirm(symbol, sent_ns)
            return True
        if held.puts != window.puts[symbol]:
            held.doubted_ns = None  # its stream spoke meanwhile: alive, and only out of step
        elif held.doubted_ns is None or held.doubted_puts != held.puts:
            held.doubted_ns, held.doubted_puts = sent_ns, held.puts
        elif sent_ns - held.doubted_ns >= MIN_GAP_NS and held.source is not Source.REST:
            held.doubted_ns = None
            self._diverged(symbol, f"{detail}, ours {_words(window.faces[symbol][-1][1])}")
        return False


def _held_since(faces: Sequence[tuple[int, Face]], sent_ns: int) -> list[Face]:
    """The faces that were ours at some moment from `sent_ns` on."""
    ends = [since_ns for since_ns, _ in faces][1:]
    kept = [face for (_, face), end in zip(faces, ends, strict=False) if end >= sent_ns]
    return [*kept, faces[-1][1]]


def _same_prices(face: Face, bid: Decimal, ask: Decimal) -> bool:
    scale = -face[0]
    return Decimal(face[2]).scaleb(scale) == bid and Decimal(face[4]).scaleb(scale) == ask


def _same_qty(ours: int, decimals: int, theirs: Decimal) -> bool:
    """Equal as far as the answer's digits go: REST may carry fewer decimals than the stream."""
    exponent = theirs.as_tuple().exponent
    step = Decimal(1).scaleb(exponent) if isinstance(exponent, int) else Decimal(0)
    ours_exact = Decimal(ours).scaleb(-decimals)
    return abs(ours_exact - theirs) < min(step, COARSEST_QTY) or ours_exact == theirs


def _words(face: Face) -> str:
    return f"{Decimal(face[2]).scaleb(-face[0])}/{Decimal(face[4]).scaleb(-face[0])}"


class Confirmer:
    """Asks the questions: one all-pairs look for quiet books, one depth each for a candidate."""

    def __init__(
        self,
        venue: str,
        books: QuietBooks,
        reader: LookingReader,
        clock: Clock,
        publish: Listener,
        *,
        tick_s: float = 0.2,
    ) -> None:
        self._venue = venue
        self._books = books
        self._reader = reader
        self._clock = clock
        self._publish = publish
        self._tick_s = tick_s
        self._asking: set[str] = set()
        self._failures = 0

    async def run(self) -> None:
        """Look whenever a book is due, at most once a second, until cancelled."""
        while True:
            await self._clock.sleep(self._tick_s)
            started_ns = self._clock.monotonic_ns()
            if not self._books.due(started_ns):
                continue
            await self.look()
            pause_ns = MIN_GAP_NS - (self._clock.monotonic_ns() - started_ns)
            if self._failures:
                pause_ns = 1_000_000 * backoff_ms(self._failures + 1, 15_000, self._clock.jitter)
            await self._clock.sleep(max(0, pause_ns) / 1e9)

    async def look(self) -> bool:
        """One look at every top. False when there was no usable answer; then nothing changes."""
        window = self._books.open_window(self._clock.monotonic_ns())
        if window is None:
            return False
        try:
            look = await self._reader.look_tops()
        except VenueError as error:
            self._said_no(error)
            return False
        finally:
            self._books.close_window(window)
        self._failures = 0
        self._books.judge_tops(window, look)
        return True

    async def confirm(self, symbols: Sequence[str], depth: int = 10) -> None:
        """Look at these symbols' own depths now. A failed look confirms nothing and is told."""
        for symbol in dict.fromkeys(symbols):
            if symbol in self._asking:
                continue
            window = self._books.open_window(self._clock.monotonic_ns(), [symbol])
            if window is None:
                return
            self._asking.add(symbol)
            try:
                look = await self._reader.look_depth(symbol, depth)
            except VenueError as error:
                self._said_no(error, symbol)
            else:
                self._books.judge_depth(window, symbol, look)
            finally:
                self._asking.discard(symbol)
                self._books.close_window(window)

    def _said_no(self, error: VenueError, symbol: str = "") -> None:
        self._failures += 1
        if self._failures == 1 or symbol:
            self._publish(VenueSaid(self._venue, f"no confirmation: {error}", symbol))
