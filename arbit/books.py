"""Remembers every book of one venue, and whether it may be believed.

Flat parallel lists, indexed by a small integer per symbol, because the scanner reads a dozen
numbers per triangle on every update. `rates[2 * i]` is how much quote one base brings at the top
of book `i`, `rates[2 * i + 1]` how much base one quote buys; both are last-known values and stay
when a book stops being believed. Whether they may be used is another question, answered by
`reason[i]` and the age of `confirmed_ns[i]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from arbit.domain.book import BookView, Disbelief, OrderBook, Source

# Rates beyond these are no prices, and three of them would not multiply to a finite number.
_LEAST, _MOST = 1e-90, 1e90


class BookCache:
    """The books of one venue. Feeds write through the `BookSink` methods; everybody else reads.

    `on_touched` is called once when the first symbol is touched after a `take_touched`. Views
    show no more than `proved_levels` a side: what lies deeper than a checksum reaches is not
    proved, so nothing may be sized on it.
    """

    def __init__(
        self,
        on_touched: Callable[[], None] | None = None,
        *,
        proved_levels: int | None = None,
    ) -> None:
        self._proved_levels = proved_levels
        self.on_touched = on_touched
        self._index: dict[str, int] = {}
        self._books: list[OrderBook | None] = []
        self._views: list[BookView | None] = []
        self._stream_reason: list[Disbelief | None] = []
        self._status_reason: list[Disbelief | None] = []
        self._touched: set[int] = set()
        self._first_ns: int | None = None
        self.symbols: list[str] = []
        self.rates: list[float] = []
        self.from_rest: list[bool] = []
        self.seen_ns: list[int] = []
        self.confirmed_ns: list[int] = []
        self.depth_ns: list[int] = []  # when more than the top was last proved
        self.source: list[Source] = []
        self.reason: list[Disbelief | None] = []
        self.puts = 0

    def watch(self, symbols: Iterable[str], now_ns: int = 0) -> None:
        """Make room for these symbols; their age counts from `now_ns` until a book arrives."""
        for symbol in symbols:
            if symbol not in self._index:
                self._index[symbol] = len(self.symbols)
                self.symbols.append(symbol)
                self._books.append(None)
                self._views.append(None)
                self._stream_reason.append(Disbelief.NO_BOOK)
                self._status_reason.append(None)
                self.rates += [0.0, 0.0]
                self.from_rest.append(False)
                self.seen_ns.append(now_ns)
                self.confirmed_ns.append(now_ns)
                self.depth_ns.append(now_ns)
                self.source.append(Source.WS)
                self.reason.append(Disbelief.NO_BOOK)

    def index(self, symbol: str) -> int:
        """The symbol's place in the lists. KeyError when it is not watched."""
        return self._index[symbol]

    def put(self, book: OrderBook, *, seen_ns: int, confirmed_ns: int, source: Source) -> None:
        """This book is verified as of `confirmed_ns` (monotonic); its symbol is touched.

        A crossed or one-sided book is kept and looked at, but not believed; nor is one whose
        prices make no sense, and its rates stay what they were.
        """
        i = self._index[book.symbol]
        self.puts += 1
        if self._first_ns is None:
            self._first_ns = seen_ns
        self._books[i] = book
        self._views[i] = None
        self.seen_ns[i] = seen_ns
        self.confirmed_ns[i] = self.depth_ns[i] = confirmed_ns
        self.source[i] = source
        self.from_rest[i] = source is Source.REST
        bids, asks = book.bids.keys, book.asks.keys
        flaw = None
        if bids and asks:
            bid, ask = -bids[0], asks[0]
            if bid >= ask:
                flaw = Disbelief.CROSSED
            try:
                unit = 10.0**book.price_decimals  # dividing rounds once: a price of 1 is 1.0
                sold, bought = bid / unit, unit / ask
            except ArithmeticError:  # a price of zero, or one that no float can hold
                sold = bought = 0.0
            if _LEAST < sold < _MOST and _LEAST < bought < _MOST:
                self.rates[2 * i], self.rates[2 * i + 1] = sold, bought
            else:
                flaw = Disbelief.BAD_FRAME
        else:
            flaw = Disbelief.ONE_SIDED
        self._stream_reason[i] = flaw
        self.reason[i] = flaw or self._status_reason[i]
        self._touch(i)

    def disbelieve(self, symbol: str, reason: Disbelief) -> None:
        """Stop believing the symbol's book until the next `put`."""
        i = self._index[symbol]
        self._stream_reason[i] = reason
        self.reason[i] = reason
        self._touch(i)

    def confirm(self, symbol: str, confirmed_ns: int, *, depth: bool = False) -> None:
        """An independent look agreed with the book held: its top is that young again.

        With `depth` the levels behind the top were compared too, so a size may be found on them.
        """
        i = self._index[symbol]
        if depth and confirmed_ns > self.depth_ns[i]:
            self.depth_ns[i] = confirmed_ns
            self._touch(i)
        if confirmed_ns > self.confirmed_ns[i]:
            self.confirmed_ns[i] = confirmed_ns
            self._views[i] = None
            self._touch(i)

    def doubt(self, since_ns: int, stale_ns: int) -> None:
        """What was stamped since then may have waited to be read, nobody knows for how long.

        It counts as old as `stale_ns` until it is proved anew.
        """
        for i, confirmed_ns in enumerate(self.confirmed_ns):
            if confirmed_ns > since_ns:
                self.confirmed_ns[i] = self.seen_ns[i] = self.depth_ns[i] = stale_ns
                self._views[i] = None
                self._touch(i)

    def set_status(self, symbol: str, reason: Disbelief | None) -> None:
        """MARKET_STATUS or VENUE_STATUS while the market does not trade, None when it does."""
        i = self._index[symbol]
        self._status_reason[i] = reason
        self.reason[i] = self._stream_reason[i] or reason
        self._touch(i)

    def why_not(self, symbol: str, now_ns: int, max_age_ns: int) -> Disbelief | None:
        """The first reason not to believe the symbol's book at `now_ns`; None when believable."""
        i = self._index[symbol]
        if self.reason[i] is not None:
            return self.reason[i]
        return Disbelief.STALE if now_ns - self.confirmed_ns[i] > max_age_ns else None

    def believed(self, now_ns: int, max_age_ns: int) -> int:
        """How many books `why_not` has nothing against."""
        told = zip(self.reason, self.confirmed_ns, strict=True)
        return sum(why is None and now_ns - seen_ns <= max_age_ns for why, seen_ns in told)

    def deep(self, symbol: str, now_ns: int, max_age_ns: int) -> bool:
        """True when the levels behind the top were proved recently.

        By a verified update of the book's own, or by a look at its depth; a look at the top alone
        does not count.
        """
        return now_ns - self.depth_ns[self._index[symbol]] <= max_age_ns

    def last_known(self, symbol: str) -> BookView | None:
        """The last book held, believable or not; None when there never was one."""
        i = self._index[symbol]
        view = self._views[i]
        book = self._books[i]
        if view is None and book is not None:
            view = book.view(
                source=self.source[i],
                seen_ns=self.seen_ns[i],
                confirmed_ns=self.confirmed_ns[i],
                levels=self._proved_levels,
            )
            self._views[i] = view
        return view

    def last_middle(self, symbol: str) -> Decimal | None:
        """The middle of the tops last verified, however old; None when none ever were.

        To twelve digits: to value what is over, and never to decide or to size anything. Unlike the
        book itself it stays right when what came after could not be verified.
        """
        i = self._index[symbol]
        sold, bought = self.rates[2 * i], self.rates[2 * i + 1]
        return Decimal(f"{(sold + 1 / bought) / 2:.12g}") if sold and bought else None

    def fresh(self, symbol: str, now_ns: int, max_age_ns: int) -> BookView | None:
        """The book, if it may be believed at `now_ns`; otherwise None."""
        if self.why_not(symbol, now_ns, max_age_ns) is not None:
            return None
        return self.last_known(symbol)

    @property
    def first_ns(self) -> int | None:
        """When the first book that waits for a look was received; None while none waits."""
        return self._first_ns if self._touched else None

    def take_touched(self) -> Sequence[int]:
        """The indices touched since the last call, in ascending order (so runs repeat)."""
        touched = sorted(self._touched)
        self._touched.clear()
        self._first_ns = None
        return touched

    def _touch(self, i: int) -> None:
        if not self._touched and self.on_touched is not None:
            self._touched.add(i)
            self.on_touched()
        else:
            self._touched.add(i)
