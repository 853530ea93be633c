"""The real feed, its sockets in memory, hearing harmed frames between good ones.

What the venue's book truly is stands beside it, kept from the good frames alone by other code. A
book that the desk believes is that one, to the last digit and at every moment, or it is a finding.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from arbit.books import BookCache
from arbit.domain.events import Event
from arbit.venues.dial import FrameHandler
from arbit.venues.kraken.feed import KrakenFeed, KrakenFeedSetup, Surroundings
from tests.fuzz.live import MOST_BURST, Scene, exact
from tests.fuzz.parsers import Wrong
from tests.simulation.clock import SimClock
from tests.simulation.loop import SECOND_NS
from tests.unit.venues.kraken.wire import Reference, instruments, reply, rows_of, system

SYMBOLS = ("BTC/USD", "ETH/USD")
DEPTH = 10
LATENCY_S = 0.005
RECOVERY_S = 2.0
STORM_RECOVERY_S = 18.0  # the longest pause between two requests, and what a snapshot takes
REST_S = 11.0  # after that an earlier failure is forgiven
MOST_REQUESTS = 60  # between two bursts of at most three frames
HEARTBEAT = b'{"channel":"heartbeat"}'
METHODS = frozenset({"subscribe", "unsubscribe", "ping"})


class Line:
    """One socket in memory. Frames arrive at once, answers after a latency."""

    def __init__(self, venue: Venue, handler: FrameHandler) -> None:
        self.venue = venue
        self.handler = handler
        self.open = True
        self.subscribed: set[str] = set()

    def send(self, payload: bytes) -> None:
        """The client asks."""
        self.venue.requests += 1
        request = json.loads(payload)
        if request["method"] not in METHODS:
            raise Wrong(f"a request that nobody meant: {payload!r:.100}")
        self.venue.scene.loop.call_later(LATENCY_S, self._answer, request)

    def close(self) -> None:
        """The client goes."""
        self.open = False

    abort = close

    def hear(self, *frames: bytes) -> None:
        """Good frames arrive."""
        for payload in frames:
            if self.open:
                self.venue.recent.append(payload)
                self.handler.on_frame(payload)
                self.handler.on_drained()

    def _answer(self, request: dict[str, Any]) -> None:
        params, number = request.get("params"), request["req_id"]
        if not isinstance(params, dict):
            self.hear(reply("pong", req_id=number))
        elif params["channel"] == "instrument":
            if request["method"] == "subscribe":
                self.hear(reply("subscribe", result={"channel": "instrument"}, req_id=number))
                self.hear(instruments("snapshot", BTC_USD="online", ETH_USD="online"))
        elif request["method"] == "unsubscribe":
            self.subscribed.difference_update(params["symbol"])
        else:
            for symbol in params["symbol"]:
                result = {"channel": "book", "symbol": symbol, "depth": params["depth"]}
                self.subscribed.add(symbol)
                self.hear(reply("subscribe", result=result, req_id=number))
                self.hear(self.venue.books[symbol].again())


class Venue:
    """Two books that move, and who is told of it. `recent` are the last good frames."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.recent: deque[bytes] = deque(maxlen=24)
        self.lines: list[Line] = []
        self.requests = 0
        self.books = {symbol: Reference(symbol, DEPTH) for symbol in SYMBOLS}
        for reference in self.books.values():
            rows = [(f"{100 - step / 10:.1f}", "1.000") for step in range(8)]
            reference.snapshot(rows, [(f"{100.1 + step / 10:.1f}", "2.000") for step in range(8)])
        scene.loop.call_later(1.0, self._beat)

    async def dial(self, url: str, handler: FrameHandler) -> Line:
        """A new socket; the venue says how it is."""
        del url
        line = Line(self, handler)
        self.lines = [one for one in self.lines if one.open] + [line]
        self.scene.loop.call_later(LATENCY_S, line.hear, system("online"))
        return line

    def move(self, symbol: str) -> None:
        """A book changes: who is subscribed is told."""
        frame = self.moved(symbol)
        for line in self.lines:
            if symbol in line.subscribed:
                line.hear(frame)

    def moved(self, symbol: str) -> bytes:
        """One side of a book changes somewhat."""
        rng, reference = self.scene.rng, self.books[symbol]
        side, first, way = rng.choice((("bids", 100.0, -0.1), ("asks", 100.1, 0.1)))
        rows = []
        for step in rng.sample(range(12), rng.randint(1, 3)):
            held = reference.bids if side == "bids" else reference.asks
            gone = len(held) > 6 and rng.random() < 0.3
            qty = "0.000" if gone else f"{rng.randint(1, 9_999) / 1_000:.3f}"
            rows.append((f"{first + way * step:.1f}", qty))
        return reference.update(**{side: rows})

    def truth(self, symbol: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """Both sides as they are."""
        reference = self.books[symbol]
        return tuple(
            [(Decimal(price), Decimal(qty)) for price, qty in rows]
            for rows in (reference.best_bids, reference.best_asks)
        )

    def _beat(self) -> None:
        for line in self.lines:
            line.hear(HEARTBEAT)
        self.scene.loop.call_later(1.0, self._beat)


class Books:
    """What is believed, held against what is true. Who hears the frames is another matter."""

    cache: BookCache

    def __init__(self, scene: Scene, venue: Venue) -> None:
        self.scene = scene
        self.venue = venue

    def believed(self) -> list[str]:
        """Symbols whose book is believed now."""
        return [one for one in SYMBOLS if self.cache.reason[self.cache.index(one)] is None]

    def check(self) -> None:
        """Every book that is believed is the venue's own."""
        for symbol in self.believed():
            view = self.cache.last_known(symbol)
            if view is None:
                raise Wrong(f"{symbol} is believed, and there is no book")
            held = tuple([(one.price, one.qty) for one in side] for side in (view.bids, view.asks))
            truth = self.venue.truth(symbol)
            if held != truth:
                said = [
                    f"{mine} for {true}"
                    for ours, theirs in zip(held, truth, strict=True)
                    for mine, true in zip(ours, theirs, strict=False)
                    if mine != true
                ]
                raise Wrong(f"{symbol} is believed and is not the venue's: {said[:2]}")
        self.scene.no_unheard()

    def forged(self, payload: bytes) -> bool:
        """Whether a frame proves a book that is not the venue's, by a checksum that is right.

        Nobody could tell it from the venue's own: a snapshot where one is waited for, or an update
        that takes back what the last ones have changed. The next good frame contradicts it.
        """
        frame = exact(payload)
        data = frame.get("data") if isinstance(frame, dict) else None
        if not isinstance(data, list):
            return False
        snapshot, waited = frame.get("type") == "snapshot", set(SYMBOLS) - set(self.believed())
        for entry in data:
            try:
                symbol = entry["symbol"]
                if symbol in SYMBOLS and self._proves(entry, symbol, snapshot=snapshot):
                    if snapshot == (symbol in waited):
                        return True
                    waited.add(symbol)  # it contradicts what is held: then another may follow
            except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
                continue
        return False

    def as_read(self, rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Levels as whoever hears them sees them: here, digit by digit."""
        return rows

    def _proves(self, entry: Any, symbol: str, *, snapshot: bool) -> bool:
        """Whether the checksum of this entry is right for what the book would be after it."""
        made, true = Reference(symbol, DEPTH), self.venue.books[symbol]
        rows = [self.as_read(rows_of(entry.get(side, []))) for side in ("bids", "asks")]
        written = {
            tuple(len(token.partition(".")[2]) for token in row) for side in rows for row in side
        }
        if not snapshot:
            made.apply(true.best_bids, true.best_asks)
            written.add((1, 3))  # as this venue writes
        made.apply(*rows)
        return len(written) == 1 and str(made.checksum) == entry["checksum"]

    def online(self, hear: Callable[[bytes], None]) -> None:
        """The venue says once more that everything trades."""
        hear(system("online"))
        hear(instruments("update", BTC_USD="online", ETH_USD="online"))


class Watched(Books):
    """The feed in its scene, and what is held against it."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene, Venue(scene))
        self.clock = SimClock(scene.loop, scene.rng)
        self.cache = BookCache(proved_levels=10)
        self.cache.watch(SYMBOLS, self.clock.monotonic_ns())
        self.events: deque[Event] = deque(maxlen=50)
        self.feed = KrakenFeed(
            KrakenFeedSetup("kraken", "ws://nowhere", depth=DEPTH),
            self.cache,
            self.clock,
            self.events.append,
            Surroundings(dial=self.venue.dial),
        )
        self.task = scene.loop.create_task(self.feed.run(SYMBOLS))

    def hear(self, payload: bytes) -> None:
        """A harmed frame arrives."""
        for line in self.venue.lines:
            if line.open:
                self.scene.inside(partial(line.handler.on_frame, payload))
                self.scene.inside(line.handler.on_drained)
        self.check()

    def good(self) -> None:
        """Good frames arrive."""
        for symbol in SYMBOLS:
            self.venue.move(symbol)
            self.check()

    def recover(self) -> None:
        """The stream is live again, in time; the venue goes on as ever."""
        began_ns, limit_s = self.scene.loop.now_ns, RECOVERY_S
        if self.scene.storm:
            limit_s = STORM_RECOVERY_S
        for line in self.venue.lines:
            self.online(line.hear)
        while len(self.believed()) < len(SYMBOLS):
            if self.scene.loop.now_ns - began_ns > limit_s * SECOND_NS:
                states = {symbol: self.cache.reason[self.cache.index(symbol)] for symbol in SYMBOLS}
                raise Wrong(f"not live again after {limit_s} s: {states} {self.feed.states()}")
            self.scene.run_for(0.05)
            self.good()
        self.good()
        self.scene.alive(self.task)

    def rest(self) -> None:
        """Long enough for earlier failures to be forgiven, where there were some."""
        session = self.feed._shards[0].session
        if any(sub.failures > 1 for sub in session._subs.values()):
            for _ in range(11):
                self.scene.run_for(REST_S / 10)
                self.good()
        self.venue.requests = 0


def play(scene: Scene) -> None:
    """A feed's life among harmed frames. Wrong with the first finding."""
    watched = Watched(scene)
    scene.run_for(0.1)
    watched.recover()
    heard = 0
    while heard < scene.frames:
        for _ in range(min(scene.rng.randint(1, MOST_BURST), scene.frames - heard)):
            payload = scene.harm(watched.venue.recent, "public")
            heard += 1
            if not watched.forged(payload):
                watched.hear(payload)
            if scene.rng.random() < 0.6:
                scene.run_for(scene.rng.choice((0.001, 0.004, 0.02, 0.3)))
            if scene.rng.random() < 0.6:
                watched.good()
        if watched.venue.requests > MOST_REQUESTS:
            raise Wrong(f"{watched.venue.requests} requests after {MOST_BURST} frames")
        if not scene.storm or scene.rng.random() < 0.2:
            watched.recover()
        if not scene.storm:
            watched.rest()
        watched.venue.requests = 0
    watched.recover()
    watched.task.cancel()
