"""Virtual time, and doubles at the doors of the venue rooms (a reader that a test scripts)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from arbit.domain.book import Disbelief, Level, OrderBook, Source
from arbit.domain.errors import VenueError
from arbit.domain.market import MarketStatus
from arbit.venues.looks import DepthLook, StatusLook, TopsLook

SECOND = 1_000_000_000


class VirtualClock:
    """Time that moves only when a test says so."""

    def __init__(self) -> None:
        self.now_ns = 10 * SECOND
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns

    def jitter(self) -> float:
        return 0.5

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.now_ns + int(seconds * SECOND), self._count, woken))
        await woken

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        raise NotImplementedError("nothing under test uses it")

    async def advance(self, seconds: float) -> None:
        """Move time, waking every sleeper at its own moment."""
        end_ns = self.now_ns + int(seconds * SECOND)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_ns:
            when_ns, _, woken = heapq.heappop(self._sleepers)
            self.now_ns = max(self.now_ns, when_ns)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self.now_ns = end_ns
        await settle()


async def settle() -> None:
    """Let every task that can run, run."""
    for _ in range(20):
        await asyncio.sleep(0)


class Sink:
    """Remembers what a feed told it, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.confirmed: dict[str, int] = {}
        self.sources: dict[str, Source] = {}
        self.books: dict[str, OrderBook] = {}

    def put(self, book: OrderBook, *, seen_ns: int, confirmed_ns: int, source: Source) -> None:
        self.calls.append(("put", book.symbol))
        self.confirmed[book.symbol] = confirmed_ns
        self.sources[book.symbol] = source
        self.books[book.symbol] = book

    def disbelieve(self, symbol: str, reason: Disbelief) -> None:
        self.calls.append((reason.value, symbol))

    def confirm(self, symbol: str, confirmed_ns: int, *, depth: bool = False) -> None:
        self.calls.append(("confirm", symbol))
        self.confirmed[symbol] = confirmed_ns
        if depth:
            self.calls.append(("deep", symbol))

    def set_status(self, symbol: str, reason: Disbelief | None) -> None:
        self.calls.append((f"status {reason}", symbol))


class ScriptedReader:
    """Answers what the test last told it to; `delay_s` passes between question and answer."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.delay_s = 0.0
        self.wait_s = 0.0  # in our own queue, before the question leaves
        self.error: VenueError | None = None
        self.answer: dict[str, tuple[Sequence[Level], Sequence[Level]]] = {}
        self.asked: list[str] = []
        self.online: bool | None = True
        self.status_error: VenueError | None = None
        self.statuses_asked = 0
        self.markets: dict[str, MarketStatus] = {}
        self.tops_qtys = True

    async def look_tops(self) -> TopsLook:
        sent_ns = await self._ask("*")
        tops = {s: (bids[0].price, asks[0].price) for s, (bids, asks) in self.answer.items()}
        qtys = {s: (bids[0].qty, asks[0].qty) for s, (bids, asks) in self.answer.items()}
        return TopsLook(sent_ns, tops, qtys if self.tops_qtys else {})

    async def look_status(self) -> StatusLook:
        self.statuses_asked += 1
        if self.status_error is not None:
            raise self.status_error
        return StatusLook(self.clock.monotonic_ns(), self.online)

    async def look_markets(self) -> Mapping[str, MarketStatus]:
        return self.markets or dict.fromkeys(self.answer, MarketStatus.ONLINE)

    async def look_depth(self, symbol: str, depth: int) -> DepthLook:
        sent_ns = await self._ask(symbol)
        bids, asks = self.answer[symbol]
        return DepthLook(sent_ns, bids[:depth], asks[:depth])

    async def tops(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        return (await self.look_tops()).tops

    async def depth(self, symbol: str, depth: int) -> tuple[Sequence[Level], Sequence[Level]]:
        look = await self.look_depth(symbol, depth)
        return look.bids, look.asks

    async def _ask(self, what: str) -> int:
        self.asked.append(what)
        if self.wait_s:
            await self.clock.sleep(self.wait_s)
        sent_ns = self.clock.monotonic_ns()
        if self.delay_s:
            await self.clock.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return sent_ns


def levels(*rows: tuple[str, str]) -> tuple[Level, ...]:
    return tuple(Level(Decimal(price), Decimal(qty)) for price, qty in rows)


def book(symbol: str, bid: int, ask: int, qty: int = 500) -> OrderBook:
    """One level a side, prices with one decimal and quantities with three (as integers)."""
    made = OrderBook(symbol, depth=10, price_decimals=1, qty_decimals=3)
    made.replace([(bid, qty, b"")], [(ask, qty, b"")])
    return made
