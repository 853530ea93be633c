"""A client of the sandbox's wire that shares no code with it: its own book, from wire tokens."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from arbit.sandbox import SandboxServer
from tests.unit.sandbox.account_desk import Desk
from tests.unit.sandbox.private_client import Client as Signer
from tests.unit.sandbox.private_client import talking

GUARD_S = 8.0

Json = dict[str, Any]


def digits(token: str) -> str:
    return token.replace(".", "").lstrip("0")


class WireBook:
    """A book kept as the venue's guide tells a client to keep it, from raw number tokens."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[Decimal, tuple[str, str]]] = {"bids": {}, "asks": {}}
        self.snapshots = 0
        self.reentries = 0
        self.removals = 0
        self.removals_out_of_scope = 0
        self._cut: set[tuple[str, Decimal]] = set()

    def apply(self, entry: Json, *, snapshot: bool) -> None:
        if snapshot:
            self.sides = {"bids": {}, "asks": {}}
            self.snapshots += 1
        for name, side in self.sides.items():
            removed: list[Decimal] = []
            for level in entry[name]:
                price = Decimal(level["price"])
                if Decimal(level["qty"]) == 0:
                    side.pop(price, None)
                    removed.append(price)
                else:
                    side[price] = (level["price"], level["qty"])
                    self.reentries += (name, price) in self._cut
                self._cut.discard((name, price))
            for price in self.ordered(name)[self.depth :]:
                del side[price]
                self._cut.add((name, price))
            self.removals += len(removed)
            self.removals_out_of_scope += sum(
                sorted([price, *side], reverse=name == "bids").index(price) >= self.depth
                for price in removed
            )

    def ordered(self, name: str) -> list[Decimal]:
        return sorted(self.sides[name], reverse=name == "bids")

    def top(self, name: str, count: int) -> list[tuple[str, str]]:
        return [self.sides[name][price] for price in self.ordered(name)[:count]]

    def checksum(self) -> int:
        tokens = [
            token for name in ("asks", "bids") for pair in self.top(name, 10) for token in pair
        ]
        return zlib.crc32("".join(map(digits, tokens)).encode())

    def crossed(self) -> bool:
        bids, asks = self.ordered("bids"), self.ordered("asks")
        return bool(bids and asks and bids[0] >= asks[0])


class Client:
    """A raw WebSocket with a decoder that keeps every number as the text it was."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.books: dict[str, WireBook] = {}
        self.mismatches: list[str] = []
        self.unreadable: list[str | bytes] = []

    async def ask(self, message: object) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def subscribe(self, symbols: list[str], depth: int = 10, **more: object) -> None:
        params = {"channel": "book", "symbol": symbols, "depth": depth, **more}
        await self.ask({"method": "subscribe", "params": params, "req_id": 1})

    async def unsubscribe(self, symbols: list[str], depth: int = 10) -> None:
        params = {"channel": "book", "symbol": symbols, "depth": depth}
        await self.ask({"method": "unsubscribe", "params": params, "req_id": 2})

    async def raw(self, within_s: float = GUARD_S) -> aiohttp.WSMessage:
        # Not wait_for: on Python 3.11 it can swallow the cancellation of a timeout around it.
        async with asyncio.timeout(within_s):
            return await self.socket.receive()

    async def next(self, within_s: float = GUARD_S) -> Json:
        """The next frame that is a JSON object; books are kept and checked on the way."""
        while True:
            message = await self.raw(within_s)
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
            try:
                frame = json.loads(message.data, parse_float=str, parse_int=str)
            except (ValueError, RecursionError):
                self.unreadable.append(message.data)
                continue
            if isinstance(frame, dict):
                self._keep(frame)
                return frame
            self.unreadable.append(message.data)

    async def until(self, wanted: Callable[[Json], bool], within_s: float = GUARD_S) -> Json:
        async with asyncio.timeout(within_s):
            while True:
                frame = await self.next(within_s)
                if wanted(frame):
                    return frame

    async def listen(self, seconds: float) -> list[Json]:
        frames: list[Json] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    frames.append(await self.next(seconds + GUARD_S))
        except TimeoutError:
            return frames

    def _keep(self, frame: Json) -> None:
        if not self.books or frame.get("channel") != "book" or not frame.get("data"):
            return
        entry = frame["data"][0]
        book = self.books.get(entry["symbol"])
        if book is None or (frame["type"] != "snapshot" and not book.snapshots):
            return
        book.apply(entry, snapshot=frame["type"] == "snapshot")
        if str(book.checksum()) != entry["checksum"] or book.crossed():
            self.mismatches.append(entry["symbol"])


def is_book(frame: Json, kind: str = "update", symbol: str | None = None) -> bool:
    if frame.get("channel") != "book" or frame.get("type") != kind:
        return False
    return symbol is None or frame["data"][0]["symbol"] == symbol


def is_reply(frame: Json) -> bool:
    return "success" in frame


@asynccontextmanager
async def connected(sandbox: SandboxServer) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as http, http.ws_connect(sandbox.ws_url) as socket:
        yield Client(socket)


@asynccontextmanager
async def watching(sandbox: SandboxServer, *symbols: str, depth: int = 10) -> AsyncIterator[Client]:
    """A client subscribed to these books, its own copies kept and checked."""
    async with connected(sandbox) as client:
        client.books = {symbol: WireBook(depth) for symbol in symbols}
        await client.subscribe(list(symbols), depth)
        for _ in symbols:
            await client.until(lambda frame: is_book(frame, "snapshot"))
        yield client


@pytest.fixture
async def calm() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(profile="calm", seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def client() -> AsyncIterator[Signer]:
    async with talking() as one:
        # What tests ask in one go would be too much for the counter; it has a test of its own.
        one.sandbox.private.counters.maximum = 1_000
        yield one
