"""Confirms quiet books by an independent look, and finds the dead streams among them.

A quiet symbol and a silently dead one look the same on a socket. So a book that has not proved
itself for half of its allowed age is compared with what the venue says over REST:

- equal to the book held now: confirmed, as of the sending of the question;
- unequal to a book that proved itself since the sending: out of step, and nothing to do;
- unequal twice, a second or more apart, with no update of ours between: the stream is dead.

`QuietBooks` decides and never waits; `Confirmer` asks. Both stand on the sink's callback path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.domain.book import BookSide, Disbelief, Level, OrderBook, Source
from arbit.domain.errors import VenueError
from arbit.domain.events import FeedCounts, VenueSaid
from arbit.domain.money import EXACT
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.backoff import backoff_ms
from arbit.venues.looks import DepthLook, LookingReader, TopsLook, within_bounds

SECOND_NS = 1_000_000_000
MIN_GAP_NS = SECOND_NS  # between two questions, and between two mismatches that count
MAX_WINDOWS = 64
PROVED_LEVELS = 10  # a side: as deep as a size may be found
COARSEST_QTY = Decimal("0.001")  # Kraken's REST depth gives three decimals of a quantity

Diverged = Callable[[str, str], None]


@dataclass(slots=True)
class _Held:
    """What we hold of one symbol. `puts` counts its own updates."""

    book: OrderBook | None = None
    confirmed_ns: int = 0
    depth_ns: int = 0
    puts: int = 0
    source: Source = Source.WS
    doubted_ns: int | None = None
    doubted_puts: int = 0


@dataclass(slots=True)
class Window:
    """One open question: by symbol, how many updates there had been when it was asked."""

    puts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How a book compares with an answer; `deep` when everything sized upon was compared."""

    equal: bool
    deep: bool = False


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
        """Pass on."""
        self._sink.put(book, seen_ns=seen_ns, confirmed_ns=confirmed_ns, source=source)
        held = self._held.get(book.symbol)
        if held is None:
            held = self._held[book.symbol] = _Held()
        held.book = book
        held.confirmed_ns = held.depth_ns = confirmed_ns
        held.source = source
        held.puts += 1

    def disbelieve(self, symbol: str, reason: Disbelief) -> None:
        """Pass on; there is nothing to confirm until the next `put`."""
        self._sink.disbelieve(symbol, reason)
        held = self._held.get(symbol)
        if held is not None:
            held.book = None
            held.doubted_ns = None
            held.puts += 1

    def confirm(self, symbol: str, confirmed_ns: int, *, depth: bool = False) -> None:
        """Pass on a confirmation; `depth` when the levels behind the top were compared too."""
        held = self._held.get(symbol)
        if held is not None and held.book is not None:
            held.confirmed_ns = max(held.confirmed_ns, confirmed_ns)
            if depth:
                held.depth_ns = max(held.depth_ns, confirmed_ns)
            held.doubted_ns = None
            self._counts.confirmations += 1
            self._sink.confirm(symbol, confirmed_ns, depth=depth)

    def set_status(self, symbol: str, reason: Disbelief | None) -> None:
        """Pass on."""
        self._sink.set_status(symbol, reason)

    def doubt_since(self, since_ns: int) -> None:
        """What was proved since then counts as too old: the next look comes at once."""
        for held in self._held.values():
            if held.confirmed_ns > since_ns:
                held.confirmed_ns = held.depth_ns = since_ns - 2 * self._half_age_ns

    def due(self, now_ns: int) -> bool:
        """True when some streamed book has not proved itself for half of its allowed age.

        A book fed over REST is renewed by its own polling; a look at its top would only take
        that question's place in the queue.
        """
        limit_ns = now_ns - self._half_age_ns
        return any(
            held.confirmed_ns < limit_ns
            for held in self._held.values()
            if held.book is not None and held.source is not Source.REST
        )

    def unproved(self, symbol: str, now_ns: int) -> bool:
        """True when the symbol's streamed book, or what lies behind its top, needs a look."""
        held = self._held.get(symbol)
        if held is None or held.book is None or held.source is Source.REST:
            return False
        return min(held.confirmed_ns, held.depth_ns) < now_ns - self._half_age_ns

    def streamed(self) -> tuple[str, ...]:
        """The symbols whose book is held and came over a stream."""
        return tuple(
            symbol
            for symbol, held in self._held.items()
            if held.book is not None and held.source is not Source.REST
        )

    def open_window(self, symbols: Iterable[str] | None = None) -> Window | None:
        """A question about all symbols or these begins; None when too many are open."""
        if len(self._windows) >= MAX_WINDOWS:
            return None
        window = Window()
        for symbol in self._held if symbols is None else symbols:
            held = self._held.get(symbol)
            if held is not None and held.book is not None and held.book.flaw() is None:
                window.puts[symbol] = held.puts
        self._windows.append(window)
        return window

    def close_window(self, window: Window) -> None:
        """Forget a question, answered or not."""
        self._windows = [other for other in self._windows if other is not window]

    def judge_tops(self, window: Window, look: TopsLook) -> tuple[str, ...]:
        """Compare every top of the answer with the book held; the unequal symbols."""
        unequal = []
        for symbol in window.puts:
            top, book = look.tops.get(symbol), self._held[symbol].book
            if top is None or book is None:
                continue
            verdict = _Verdict(_same_top(book, top, look.qtys.get(symbol)))
            if not self._judge(window, symbol, look.sent_ns, verdict, f"venue {top[0]}/{top[1]}"):
                unequal.append(symbol)
        return tuple(unequal)

    def judge_depth(self, window: Window, symbol: str, look: DepthLook) -> None:
        """Compare every level that both sides hold, up to ten a side, with the book held."""
        if symbol not in window.puts or not look.bids or not look.asks:
            return
        held = self._held[symbol]
        if held.book is not None:
            bid, ask = look.bids[0], look.asks[0]
            detail = f"venue {bid.price} x {bid.qty} / {ask.price} x {ask.qty}"
            self._judge(window, symbol, look.sent_ns, _same_depth(held.book, look), detail)

    def _judge(
        self, window: Window, symbol: str, sent_ns: int, verdict: _Verdict, detail: str
    ) -> bool:
        """False when an answer about a book that we hold was unequal, and the book not younger."""
        held = self._held[symbol]
        if held.book is None:
            return True
        if verdict.equal:
            self.confirm(symbol, sent_ns, depth=verdict.deep)
            return True
        if held.puts != window.puts[symbol]:
            held.doubted_ns = None  # its stream spoke meanwhile: alive, and only out of step
        if held.confirmed_ns >= sent_ns:
            return True  # proved since the question left: the answer is the older one
        if held.puts != window.puts[symbol]:
            return False
        if held.doubted_ns is None or held.doubted_puts != held.puts:
            held.doubted_ns, held.doubted_puts = sent_ns, held.puts
        elif sent_ns - held.doubted_ns >= MIN_GAP_NS and held.source is not Source.REST:
            held.doubted_ns = None
            self._diverged(symbol, f"{detail}, ours {_words(held.book)}")
        return False


def _same_top(
    book: OrderBook, prices: tuple[Decimal, Decimal], qtys: tuple[Decimal, Decimal] | None
) -> bool:
    sides = zip((book.bids, book.asks), prices, qtys or (None, None), strict=True)
    return all(_same_level(book, side, 0, price, qty) for side, price, qty in sides)


def _same_depth(book: OrderBook, look: DepthLook) -> _Verdict:
    """A shorter answer than what we hold proves the top and no more."""
    deep = True
    for side, levels in ((book.bids, look.bids), (book.asks, look.asks)):
        if not _same_side(book, side, levels):
            return _Verdict(equal=False)
        deep = deep and len(levels) >= min(len(side.keys), PROVED_LEVELS)
    return _Verdict(equal=True, deep=deep)


def _same_side(book: OrderBook, side: BookSide, levels: Sequence[Level]) -> bool:
    return bool(side.keys) and all(
        _same_level(book, side, at, level.price, level.qty)
        for at, level in enumerate(levels[: min(len(side.keys), PROVED_LEVELS)])
    )


def _same_level(
    book: OrderBook, side: BookSide, at: int, price: Decimal, qty: Decimal | None
) -> bool:
    if at >= len(side.keys):
        return False
    ours = Decimal(side.keys[at] * side.sign).scaleb(-book.price_decimals, EXACT)
    return ours == price and (qty is None or _same_qty(side.qtys[at], book.qty_decimals, qty))


def _same_qty(ours: int, decimals: int, theirs: Decimal) -> bool:
    """Equal as far as the answer's digits go: REST may carry fewer decimals than the stream.

    So a level too small for the answer's digits may be stated as zero.
    """
    exponent = theirs.as_tuple().exponent
    if not within_bounds(theirs) or not isinstance(exponent, int):
        return False
    step = Decimal(1).scaleb(exponent)
    ours_exact = Decimal(ours).scaleb(-decimals, EXACT)
    gap = abs(EXACT.subtract(ours_exact, theirs))
    return gap < min(step, COARSEST_QTY) or gap == 0


def _words(book: OrderBook) -> str:
    return "/".join(
        str(Decimal(side.keys[0] * side.sign).scaleb(-book.price_decimals, EXACT))
        for side in (book.bids, book.asks)
        if side.keys
    )


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
        window = self._books.open_window(self._books.streamed())
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
        """Look at the depths of those of these symbols that need it, one after the other.

        What proved itself lately, depth included, or is fed over REST anyway is not asked about:
        the venue's rate is for the legs that hold a decision up. A failed look confirms nothing
        and is told.
        """
        for symbol in dict.fromkeys(symbols):
            now_ns = self._clock.monotonic_ns()
            if symbol in self._asking or not self._books.unproved(symbol, now_ns):
                continue
            window = self._books.open_window([symbol])
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
