"""Streamed books held against the venue's own over REST, busy ones too.

`QuietBooks` compares an answer with the book of this moment, so it can judge only a book that did
not change meanwhile. Here the last few seconds of every book are remembered: an answer that is none
of them, nor becomes one within a while, shows a book that never was ours. Twice in a row, and the
stream has lost a change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from arbit.domain.book import Level, OrderBook
from arbit.venues.alpaca.levels import units_of
from arbit.venues.looks import DepthLook

SECOND_NS = 1_000_000_000
MEMORY_NS = 15 * SECOND_NS  # how far behind the stream an answer may be
MOST_STATES = 1_024
AHEAD_NS = SECOND_NS  # how far ahead of the stream it may be
LEVELS = 10  # a side, that are compared
MISSES = 2  # in a row, as many show that a change was lost

Side = tuple[tuple[int, ...], tuple[int, ...]]  # prices and quantities, best first
State = tuple[Side, Side]


@dataclass(slots=True)
class _Trace:
    """One symbol's states by the time they began, at one precision, and the answer to match."""

    decimals: tuple[int, int] = (0, 0)
    states: deque[tuple[int, State]] = field(default_factory=lambda: deque(maxlen=MOST_STATES))
    pending: State | None = None
    asked_ns: int = 0  # when the pending answer was asked for,
    until_ns: int = 0  # and until when it may still come true
    missed_ns: int = 0  # when the last answer that missed was asked for
    misses: int = 0


class Traces:
    """What the books were. `lost(symbol, detail)` is called for one that lost a change.

    `agreed(symbol, asked_ns)` is called for an answer that is, or was lately, what we hold.
    """

    def __init__(
        self,
        lost: Callable[[str, str], None],
        agreed: Callable[[str, int], None] = lambda _symbol, _asked_ns: None,
    ) -> None:
        self._lost = lost
        self._agreed = agreed
        self._traces: dict[str, _Trace] = {}

    def note(self, book: OrderBook, now_ns: int) -> None:
        """A book is this from now on."""
        trace = self._traces.setdefault(book.symbol, _Trace())
        decimals = (book.price_decimals, book.qty_decimals)
        if decimals != trace.decimals:  # old integers mean other prices now
            trace.decimals, trace.pending = decimals, None
            trace.states.clear()
        state = _state_of(book)
        if trace.pending == state:
            trace.pending, trace.misses = None, 0
            self._agreed(book.symbol, trace.asked_ns)
        trace.states.append((now_ns, state))

    def forget(self, symbol: str) -> None:
        """The symbol's book is not believed: there is nothing to compare."""
        self._traces.pop(symbol, None)

    def hear(self, symbol: str, look: DepthLook, now_ns: int) -> bool:
        """The venue's book over REST. True when ours is the same at this moment."""
        trace = self._traces.get(symbol)
        if trace is None or trace.pending is not None:
            return False
        said = _said(look, *trace.decimals)
        if said is None or not trace.states:  # finer digits than ours ever had
            self._missed(symbol, trace, look.sent_ns)
            return False
        if self._was(trace, said, look.sent_ns - MEMORY_NS):
            trace.misses = 0
            self._agreed(symbol, look.sent_ns)
            return trace.states[-1][1] == said
        trace.pending, trace.asked_ns, trace.until_ns = said, look.sent_ns, now_ns + AHEAD_NS
        return False

    def tick(self, now_ns: int) -> None:
        """Give up on answers that did not come true in time."""
        for symbol, trace in list(self._traces.items()):
            if trace.pending is not None and now_ns > trace.until_ns:
                trace.pending = None
                self._missed(symbol, trace, trace.asked_ns)

    def _was(self, trace: _Trace, said: State, since_ns: int) -> bool:
        for began_ns, state in reversed(trace.states):
            if state == said:
                return True
            if began_ns < since_ns:  # it stood until the next one began: older ones are too old
                return False
        return False

    def _missed(self, symbol: str, trace: _Trace, asked_ns: int) -> None:
        if trace.misses and asked_ns - trace.missed_ns < SECOND_NS:
            return
        trace.misses, trace.missed_ns = trace.misses + 1, asked_ns
        if trace.misses >= MISSES:
            trace.misses = 0
            self._lost(symbol, f"{MISSES} books of the venue in a row were never ours")


def _state_of(book: OrderBook) -> State:
    bids, asks = book.bids, book.asks
    return (
        (tuple(-key for key in bids.keys[:LEVELS]), tuple(bids.qtys[:LEVELS])),
        (tuple(asks.keys[:LEVELS]), tuple(asks.qtys[:LEVELS])),
    )


def _said(look: DepthLook, prices: int, qtys: int) -> State | None:
    """The answer as a state at this precision; None when its digits do not fit."""
    try:
        return _side(look.bids, prices, qtys), _side(look.asks, prices, qtys)
    except ValueError:
        return None


def _side(levels: Sequence[Level], prices: int, qtys: int) -> Side:
    rows = levels[:LEVELS]
    return (
        tuple(units_of(one.price, prices) for one in rows),
        tuple(units_of(one.qty, qtys) for one in rows),
    )
