"""A session at a desk: frames are handed in, and what it told, asked and believed lies open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from arbit.books import BookCache
from arbit.domain.book import Disbelief, Level
from arbit.domain.events import Event, FeedCounts
from arbit.venues.alpaca.http import Keys
from arbit.venues.alpaca.session import AlpacaSession, SessionSetup
from arbit.venues.alpaca.subscription import State, Subscription
from arbit.venues.looks import DepthLook
from tests.unit.venues.alpaca.stream import (
    AUTHENTICATED,
    CONNECTED,
    Reference,
    Row,
    frame,
    subscribed,
)

MS = 1_000_000
SECOND = 1_000 * MS
PAIR, OTHER = "BTC/USD", "ETH/USD"
KEYS = Keys("PKMADEUP", "secret-made-up")


@dataclass
class Desk:
    symbols: tuple[str, ...] = (PAIR, OTHER)
    depth: int = 10
    known: tuple[int, int] = (1, 3)
    now_ns: int = 1_000 * SECOND
    events: list[Event] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = FeedCounts()
        self.cache = BookCache()
        self.cache.watch(self.symbols, self.now_ns)
        setup = SessionSetup(
            venue="alpaca",
            keys=KEYS,
            depth=self.depth,
            sink=self.cache,
            publish=self.events.append,
            counts=self.counts,
            known=lambda _: self.known,
            recovered=self.recovered.append,
        )
        self.session = AlpacaSession(setup, self.symbols, self.now_ns)
        self.venue = {symbol: Reference(symbol) for symbol in self.symbols}

    def open(self) -> Desk:
        """Greeted, accepted, and everything asked for."""
        self.session.opened(lambda payload: self.sent.append(json.loads(payload)), self.now_ns)
        self.hear(CONNECTED, AUTHENTICATED, subscribed(self.symbols, self.symbols))
        return self

    def live(self) -> Desk:
        """Open, with every whole book in."""
        self.open()
        self.hear(*(frame(one.whole()) for one in self.venue.values()))
        assert self.session.live == len(self.symbols)
        return self

    def hear(self, *frames: bytes, after_ms: float = 1) -> None:
        for payload in frames:
            self.pass_ms(after_ms)
            self.session.frame(payload, self.now_ns)

    def say(self, *messages: str, after_ms: float = 1) -> None:
        """One frame of these messages."""
        self.hear(frame(*messages), after_ms=after_ms)

    def pass_ms(self, ms: float) -> None:
        self.now_ns += int(ms * MS)

    def tick(self, after_ms: float = 0) -> None:
        self.pass_ms(after_ms)
        self.session.tick(self.now_ns)

    def look(self, symbol: str = PAIR, after_ms: float = 0) -> bool:
        """REST tells the venue's book now, asked for 50 ms ago."""
        self.pass_ms(after_ms)
        venue = self.venue[symbol]
        look = DepthLook(
            self.now_ns - 50 * MS, levels_of(venue.best_bids), levels_of(venue.best_asks)
        )
        return self.session.compare(symbol, look, self.now_ns)

    def sub(self, symbol: str = PAIR) -> Subscription:
        return self.session._subs[symbol]

    def state(self, symbol: str = PAIR) -> State:
        return self.sub(symbol).state

    def reason(self, symbol: str = PAIR) -> Disbelief | None:
        return self.cache.reason[self.cache.index(symbol)]

    def held(self, symbol: str = PAIR) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        view = self.cache.last_known(symbol)
        assert view is not None
        return tuple([(one.price, one.qty) for one in side] for side in (view.bids, view.asks))

    def told(self, symbol: str = PAIR) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """The venue's book, as the wire told it."""
        venue = self.venue[symbol]
        return tuple(
            [(Decimal(price), Decimal(size)) for price, size in side]
            for side in (venue.best_bids, venue.best_asks)
        )

    def asked(self) -> list[tuple[str, list[str]]]:
        """The requests about books since the last call of `forget`."""
        return [(one["action"], one["orderbooks"]) for one in self.sent if "orderbooks" in one]

    def forget(self) -> None:
        self.sent.clear()
        self.events.clear()

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def levels_of(rows: Sequence[Row]) -> tuple[Level, ...]:
    return tuple(Level(Decimal(price), Decimal(size)) for price, size in rows)
