"""The native feed on real sockets against the sandbox, with an independent witness beside it.

Nothing of the feed's own judgement is used to judge it: every frame is noted as it came in with
what was believed right after it, the sandbox's true books are noted whenever they change, and
every evaluation of the scanner is held against both.
"""

from __future__ import annotations

import asyncio
import json
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from arbit.app.watch.feeds import Addresses, RestSide, rest_side
from arbit.books import BookCache
from arbit.clock import SystemClock
from arbit.config import VenueSettings
from arbit.domain.book import Disbelief, OrderBook
from arbit.domain.events import Event
from arbit.domain.market import Market, MarketStatus
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.server import SandboxOptions, SandboxServer
from arbit.scanner import Freshness, Scanner, discover
from arbit.venues.dial import Connection, FrameHandler, PicowsDialer
from arbit.venues.kraken.feed import KrakenFeed, KrakenFeedSetup, Surroundings
from tests.unit.venues.kraken.wire import Reference, rows_of, tokens

MS = 1_000_000
GUARD_S = 20.0
BTC, ETH, SOL = "BTC/USD", "ETH/USD", "SOL/USD"
_NAMED = re.compile(rb'"symbol":"([^"]+)"')

Side = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Options:
    """What a rig is made of. `rest` adds the questions over REST; ages in ms."""

    profile: str = "calm"
    seed: int = 7
    depth: int = 10
    max_book_age_ms: int = 1_500
    symbols_per_socket: int = 200
    rest: bool = False
    backoff_cap_ms: int = 2_000
    symbols: tuple[str, ...] = ()
    sandbox: SandboxOptions | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A frame, when it came, and every symbol's reason not to be believed right after it."""

    payload: bytes
    at_ns: int
    connection: int
    reasons: tuple[Disbelief | None, ...]

    @property
    def symbol(self) -> str:
        found = _NAMED.search(self.payload[:200])
        return found.group(1).decode() if found else ""

    @property
    def is_book(self) -> bool:
        return self.payload.startswith(b'{"channel":"book"') and bool(self.symbol)


class Truth:
    """What each of the venue's books really was, and from when."""

    def __init__(self, sandbox: SandboxServer, clock: SystemClock) -> None:
        self._sandbox = sandbox
        self._clock = clock
        self.since: dict[str, list[int]] = defaultdict(list)
        self.books: dict[str, list[tuple[Side, Side]]] = defaultdict(list)
        self.note(sandbox.market.pairs)

    def note(self, symbols: Any) -> None:
        now_ns = self._clock.monotonic_ns()
        for symbol in symbols:
            book = self._sandbox.market.book(symbol)
            self.since[symbol].append(now_ns)
            self.books[symbol].append((tuple(book.top(BID, 10)), tuple(book.top(ASK, 10))))

    def held(self, symbol: str, since_ns: int) -> list[tuple[Side, Side]]:
        """Every state that was the venue's at some moment from `since_ns` until now."""
        first = max(0, bisect_right(self.since[symbol], since_ns) - 1)
        return self.books[symbol][first:]


def shown(book: OrderBook, levels: int) -> tuple[Side, Side]:
    bids = zip(book.bids.keys[:levels], book.bids.qtys[:levels], strict=True)
    asks = zip(book.asks.keys[:levels], book.asks.qtys[:levels], strict=True)
    return tuple((-key, qty) for key, qty in bids), tuple(asks)


class Witness:
    """Runs the real scanner, one a triangle, and holds every evaluation against the truth."""

    def __init__(self, rig: Rig, symbols: Sequence[str], markets: dict[str, Market]) -> None:
        self.rig = rig
        self.slack_ms = 400.0  # what a loaded machine may take between the venue and here
        self.tops_only = rig.options.rest  # an all-pairs look proves the tops alone
        self.violations: list[str] = []
        self.evaluations = 0
        self.system = "online"
        self.status: dict[str, str] = {}
        self.triangles = discover({symbol: markets[symbol] for symbol in symbols})
        max_age_ns = rig.options.max_book_age_ms * MS
        freshness = Freshness(max_age_ns, max_age_ns)
        self._scanners = [Scanner(rig.cache, [t], [0.99], freshness) for t in self.triangles]
        self._everything = range(len(symbols))

    def before(self, payload: bytes) -> None:
        """The status a frame states holds from that frame on."""
        if payload.startswith(b'{"channel":"status"'):
            self.system = json.loads(payload)["data"][0]["system"]
        elif payload.startswith(b'{"channel":"instrument"'):
            for pair in json.loads(payload)["data"]["pairs"]:
                self.status[pair["symbol"]] = pair["status"]

    def turn(self) -> None:
        self._scan(self.rig.cache.take_touched())

    def pulse(self) -> None:
        self._scan(self._everything)

    def _scan(self, touched: Sequence[int]) -> None:
        now_ns = self.rig.clock.monotonic_ns()
        for triangle, scanner in zip(self.triangles, self._scanners, strict=True):
            before = scanner.tally.evaluations
            scanner.scan(touched, now_ns)
            if scanner.tally.evaluations > before:
                self.evaluations += 1
                for symbol in triangle.symbols:
                    self._judge(symbol, now_ns)

    def _judge(self, symbol: str, now_ns: int) -> None:
        rig, index = self.rig, self.rig.cache.index(symbol)
        max_age_ns = rig.options.max_book_age_ms * MS
        if rig.cache.reason[index] is not None:
            self._accuse(symbol, f"evaluated in spite of {rig.cache.reason[index]}")
        if now_ns - rig.cache.confirmed_ns[index] > max_age_ns:
            self._accuse(symbol, "older than its allowed age")
        if self.system != "online" or self.status.get(symbol, "online") != "online":
            self._accuse(symbol, f"venue {self.system}, market {self.status.get(symbol)}")
        book = rig.cache._books[index]
        if book is None or not self._was_true(symbol, book, now_ns - max_age_ns):
            source = rig.cache.source[index]
            self._accuse(symbol, f"shows over {source} what the venue's book was not")

    def _was_true(self, symbol: str, book: OrderBook, since_ns: int) -> bool:
        held = self.rig.truth.held(symbol, since_ns - int(self.slack_ms * MS))
        if self.tops_only:
            # REST may state fewer digits than the stream: both as units of the finer one.
            digits = self.rig.sandbox.market.pairs[symbol].instrument.price_precision
            unit = 10 ** (digits - book.price_decimals)
            mine = (-book.bids.keys[0] * unit, book.asks.keys[0] * unit)
            return any(bids and asks and (bids[0][0], asks[0][0]) == mine for bids, asks in held)
        return shown(book, 10) in held

    def _accuse(self, symbol: str, why: str) -> None:
        if len(self.violations) < 20:
            self.violations.append(f"{symbol}: {why}")


class _Ear:
    """Between the socket and the feed: notes what came and what was believed right after it."""

    def __init__(self, rig: Rig, inner: FrameHandler, connection: int) -> None:
        self._rig = rig
        self._inner = inner
        self._connection = connection

    def on_frame(self, payload: bytes) -> None:
        self._rig.witness.before(payload)
        self._inner.on_frame(payload)
        rig = self._rig
        rig.notes.append(
            Note(payload, rig.clock.monotonic_ns(), self._connection, tuple(rig.cache.reason))
        )
        rig.witness.turn()  # decide after every single frame, the strictest there is

    def on_drained(self) -> None:
        self._inner.on_drained()

    def on_lost(self, why: str) -> None:
        self._inner.on_lost(why)
        self._rig.witness.turn()


@dataclass
class Rig:
    """A sandbox, the feed on it, and everything that was seen."""

    sandbox: SandboxServer
    options: Options
    clock: SystemClock = field(default_factory=SystemClock)
    cache: BookCache = field(default_factory=BookCache)
    notes: list[Note] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.symbols = list(self.options.symbols or self.sandbox.market.pairs)
        self.truth = Truth(self.sandbox, self.clock)
        self.markets = {symbol: _market(symbol) for symbol in self.symbols}
        self.cache.watch(self.symbols, self.clock.monotonic_ns())
        self.witness = Witness(self, self.symbols, self.markets)
        self.dials = 0

    def build(self, rest: RestSide | None) -> None:
        options = self.options
        setup = KrakenFeedSetup(
            venue="sandbox",
            ws_url=self.sandbox.ws_url,
            depth=options.depth,
            max_book_age_ms=options.max_book_age_ms,
            symbols_per_socket=options.symbols_per_socket,
            backoff_cap_ms=options.backoff_cap_ms,
        )
        around = Surroundings(
            reader=rest.reader if rest else None, markets=self.markets, dial=self.dial
        )
        self.feed = KrakenFeed(setup, self.cache, self.clock, self.events.append, around)
        self.feed.on_drained = self.witness.turn

    async def dial(self, url: str, handler: FrameHandler) -> Connection:
        self.dials += 1
        return await PicowsDialer()(url, _Ear(self, handler, self.dials))

    async def pulse(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            self.witness.pulse()

    def why_not(self, symbol: str) -> Disbelief | None:
        max_age_ns = self.options.max_book_age_ms * MS
        return self.cache.why_not(symbol, self.clock.monotonic_ns(), max_age_ns)

    def believed(self) -> set[str]:
        return {symbol for symbol in self.symbols if self.why_not(symbol) is None}

    def all_live(self) -> bool:
        return all(self.reason(symbol) is None for symbol in self.symbols)

    def reason(self, symbol: str) -> Disbelief | None:
        return self.cache.reason[self.cache.index(symbol)]

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def more(self, count: Callable[[], int], why: str) -> None:
        """Wait until there is more of it than now."""
        before = count()
        await self.until(lambda: count() > before, why)

    def heard(self, symbol: str) -> int:
        """How many frames have named this symbol."""
        return sum(note.symbol == symbol for note in self.notes)

    async def until(self, true: Callable[[], bool], why: str) -> float:
        """Wait for it, under a generous guard; the seconds it took."""
        started_ns = self.clock.monotonic_ns()
        while not true():
            waited_s = (self.clock.monotonic_ns() - started_ns) / 1e9
            assert waited_s < GUARD_S, f"never: {why}; {self.feed.states()} {self.feed.counts}"
            await asyncio.sleep(0.005)
        return (self.clock.monotonic_ns() - started_ns) / 1e9

    async def all_back(self) -> float:
        return await self.until(self.all_live, "every book believed again")

    def verdicts(self) -> list[tuple[Note, bool, bool]]:
        """Every book frame with (proved, believed): what a client by the venue's guide would hold
        to be proved right after the frame, and what ours believed."""
        references: dict[tuple[int, str], Reference] = {}
        proved: dict[tuple[int, str], bool] = {}
        found = []
        for note in self.notes:
            if not note.is_book:
                continue
            try:
                frame = tokens(note.payload)
                row = frame["data"][0]
                bids, asks, checksum = rows_of(row["bids"]), rows_of(row["asks"]), row["checksum"]
                snapshot = frame["type"] == "snapshot"
            except (ValueError, KeyError, TypeError, IndexError):
                continue
            key = (note.connection, note.symbol)
            reference = references.setdefault(key, Reference(note.symbol, self.options.depth))
            if snapshot:
                reference.bids, reference.asks = {}, {}
                proved[key] = True
            reference.apply(bids, asks)
            if str(reference.checksum) != checksum:
                proved[key] = False
            believed = note.reasons[self.cache.index(note.symbol)] is None
            found.append((note, proved.get(key, False), believed))
        return found

    def first_unproved(self, symbol: str) -> int:
        """Where in the notes the first frame stands that a client by the guide would reject."""
        for note, proved, _ in self.verdicts():
            if note.symbol == symbol and not proved:
                return self.notes.index(note)
        raise AssertionError(f"no frame of {symbol} was off")


def _market(symbol: str) -> Market:
    base, _, quote = symbol.partition("/")
    return Market(symbol, base, quote, status=MarketStatus.ONLINE)


@asynccontextmanager
async def rigged(options: Options | None = None) -> AsyncIterator[Rig]:
    """A rig with every book believed; at the end no evaluation may have used an untrue one."""
    made = options or Options()
    with pytest.MonkeyPatch.context() as patch:
        async with SandboxServer(made.profile, made.seed, options=made.sandbox) as sandbox:
            rig = Rig(sandbox, made)
            publish = sandbox.stream.publish

            def publish_and_note(symbols: dict[str, None]) -> None:
                rig.truth.note(symbols)
                publish(symbols)

            patch.setattr(sandbox.stream, "publish", publish_and_note)
            rest = _rest_of(sandbox, rig) if made.rest else None
            rig.build(rest)
            running = [asyncio.create_task(one) for one in (rig.feed.run(rig.symbols), rig.pulse())]
            try:
                await rig.all_back()
                yield rig
            finally:
                for task in running:
                    task.cancel()
                ends = await asyncio.gather(*running, return_exceptions=True)
                await _heard_out(sandbox)
                if rest is not None:
                    await rest.client.close()
            assert [end for end in ends if not isinstance(end, asyncio.CancelledError)] == []


async def _heard_out(sandbox: SandboxServer) -> None:
    """The exchange hears the last words of sockets that closed; those that are half open, never."""
    for _ in range(20):
        if not sandbox.stream.clients:
            return
        await asyncio.sleep(0.01)


def _rest_of(sandbox: SandboxServer, rig: Rig) -> RestSide:
    venue = VenueSettings(
        name="sandbox",
        max_book_age_ms=rig.options.max_book_age_ms,
        book_depth=rig.options.depth,
        rest_calls_per_s=20,
    )
    return rest_side(venue, Addresses(sandbox.rest_url, sandbox.ws_url), rig.clock)


async def nothing_untrue(rig: Rig, at_least: int = 50) -> None:
    """No evaluation used a book that was not to be believed, and there were evaluations."""
    await rig.until(lambda: rig.witness.evaluations >= at_least, "evaluations")
    assert not rig.witness.violations, "\n".join(rig.witness.violations)
