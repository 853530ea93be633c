"""A session at a desk: frames are handed in, and what it told, asked and believed lies open."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from arbit.books import BookCache
from arbit.domain.book import Disbelief, Source
from arbit.domain.events import Event, FeedCounts
from arbit.venues.kraken.parse import Instrument
from arbit.venues.kraken.session import KrakenSession, SessionSetup
from arbit.venues.kraken.subscription import State, Subscription
from tests.unit.venues.kraken.wire import Reference, book_frame, entry, reply

MS = 1_000_000
SECOND = 1_000 * MS
PAIR, OTHER = "BTC/USD", "ETH/USD"


@dataclass
class Desk:
    symbols: tuple[str, ...] = (PAIR, OTHER)
    depth: int = 10
    source: Source = Source.WS
    now_ns: int = 1_000 * SECOND
    events: list[Event] = field(default_factory=list)
    learned: list[Instrument] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = FeedCounts()
        self.cache = BookCache()
        self.cache.watch(self.symbols, self.now_ns)
        setup = SessionSetup(
            venue="kraken",
            depth=self.depth,
            sink=self.cache,
            publish=self.events.append,
            counts=self.counts,
            learn=self.learned.append,
            recovered=self.recovered.append,
            source=self.source,
        )
        self.session = KrakenSession(setup, self.symbols, self.now_ns)
        self.venue = {symbol: Reference(symbol, self.depth) for symbol in self.symbols}

    def open(self) -> Desk:
        self.session.opened(lambda payload: self.sent.append(json.loads(payload)), self.now_ns)
        return self

    def live(self) -> Desk:
        """Open, with every snapshot in."""
        self.open()
        for reference in self.venue.values():
            self.hear(reference.snapshot())
        assert self.session.live == len(self.symbols)
        return self

    def hear(self, *frames: bytes, after_ms: float = 1) -> None:
        for payload in frames:
            self.pass_ms(after_ms)
            self.session.frame(payload, self.now_ns)

    def pass_ms(self, ms: float) -> None:
        self.now_ns += int(ms * MS)

    def tick(self, after_ms: float = 0) -> None:
        self.pass_ms(after_ms)
        self.session.tick(self.now_ns)

    def sub(self, symbol: str = PAIR) -> Subscription:
        return self.session._subs[symbol]

    def state(self, symbol: str = PAIR) -> State:
        return self.sub(symbol).state

    def reason(self, symbol: str = PAIR) -> Disbelief | None:
        return self.cache.reason[self.cache.index(symbol)]

    def asked(self, method: str = "subscribe", channel: str = "book") -> list[dict[str, Any]]:
        """The requests of this kind since the last call of `forget`."""
        return [
            request
            for request in self.sent
            if request["method"] == method
            and request.get("params", {}).get("channel", "") in (channel, "")
        ]

    def asked_for(self, symbol: str = PAIR) -> int:
        return sum(symbol in request["params"]["symbol"] for request in self.asked())

    def forget(self) -> None:
        self.sent.clear()
        self.events.clear()

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def wrong(reference: Reference) -> bytes:
    """A true update under a checksum that is off."""
    bids = [("99.8", "1.000")]
    reference.apply(bids, ())
    return book_frame("update", entry(reference.symbol, bids, (), reference.checksum ^ 1))


def ack(request_id: int, symbol: str = PAIR) -> bytes:
    result = {"channel": "book", "symbol": symbol, "depth": 10, "snapshot": True}
    return reply("subscribe", result=result, req_id=request_id)
