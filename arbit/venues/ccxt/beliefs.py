"""Which symbols of a ccxt feed are believed, since when not, and telling of every change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from arbit.domain.book import Disbelief
from arbit.domain.events import BookBelieved, BookDisbelieved
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.fallback import RestFallback


@dataclass(slots=True)
class _Belief:
    """`reason` is None while believed; `doubted_ns` is when belief was lost."""

    reason: Disbelief | None = Disbelief.NO_BOOK
    doubted_ns: int = 0
    failures: int = 0
    told: bool = True


class Beliefs:
    """The symbols of one feed. Only changes are published. A fallback learns who is back."""

    def __init__(
        self,
        venue: str,
        sink: BookSink,
        clock: Clock,
        publish: Listener,
        fallback: RestFallback | None = None,
    ) -> None:
        self._venue = venue
        self._sink = sink
        self._clock = clock
        self._publish = publish
        self._fallback = fallback
        self._of: dict[str, _Belief] = {}

    @property
    def watched(self) -> int:
        """How many symbols there are."""
        return len(self._of)

    @property
    def live(self) -> int:
        """How many of them are believed."""
        return sum(belief.reason is None for belief in self._of.values())

    def watch(self, symbols: Iterable[str]) -> None:
        """These symbols, none of them believed yet."""
        now_ns = self._clock.monotonic_ns()
        self._of = {symbol: _Belief(doubted_ns=now_ns) for symbol in symbols}

    def begin(self) -> None:
        """A new connection: earlier failures of symbols are forgiven."""
        for belief in self._of.values():
            belief.failures = 0

    def watches(self, symbol: str) -> bool:
        """True for a symbol of this feed."""
        return symbol in self._of

    def symbols(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._of)

    def trust(self, symbol: str) -> None:
        """A believed book of this symbol went to the sink."""
        belief = self._of[symbol]
        if belief.reason is None:
            return
        belief.reason = None
        if belief.told:
            self._publish(BookBelieved(self._venue, symbol, self.doubted_ms(symbol)))
        if self._fallback is not None:
            self._fallback.back(symbol)

    def trusts(self, symbol: str) -> bool:
        """True while the symbol is believed."""
        return self._of[symbol].reason is None

    def doubted_ms(self, symbol: str) -> int:
        """How long the symbol has not been believed."""
        return (self._clock.monotonic_ns() - self._of[symbol].doubted_ns) // 1_000_000

    def outdated(self, symbol: str) -> None:
        """A polled book is known to be old: STALE until the next poll, and nothing to tell."""
        belief = self._of[symbol]
        belief.reason, belief.told = Disbelief.STALE, False
        self._sink.disbelieve(symbol, Disbelief.STALE)

    def doubt(self, symbol: str, reason: Disbelief, detail: str = "") -> None:
        """Stop believing this symbol for a reason of its own."""
        belief = self._of[symbol]
        if belief.reason is None:
            belief.doubted_ns = self._clock.monotonic_ns()
        changed = belief.reason is not reason
        belief.reason, belief.told = reason, True
        self._sink.disbelieve(symbol, reason)
        if changed:
            self._publish(BookDisbelieved(self._venue, symbol, reason, detail))

    def lose(self, reason: Disbelief) -> None:
        """The socket is gone, and with it every book. One event of the feed tells of them all."""
        now_ns = self._clock.monotonic_ns()
        for symbol, belief in self._of.items():
            if belief.reason is None:
                belief.doubted_ns = now_ns
            belief.reason, belief.told = reason, True
            self._sink.disbelieve(symbol, reason)

    def fail(self, symbol: str) -> int:
        """How often this symbol failed before in this connection; this failure is counted."""
        belief = self._of[symbol]
        belief.failures += 1
        return belief.failures - 1
