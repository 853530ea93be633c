"""A house and its trading REST over one still market, told the time by hand; and real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from arbit.sandbox import Market, SandboxOptions, SandboxServer
from arbit.sandbox.accounts import Account
from arbit.sandbox.alpaca.house import FeePosting, House
from arbit.sandbox.alpaca.listing import load
from arbit.sandbox.alpaca.trading import Call, Trading, parse
from arbit.sandbox.book import ASK
from arbit.sandbox.journal import EventLog
from arbit.sandbox.keys import MAIN

START = 1_790_000_000_000_000_000
S = 1_000_000_000
KEYS = {
    "APCA-API-KEY-ID": "SANDBOXALPACATRADEKEY",
    "APCA-API-SECRET-KEY": "sandbox-alpaca-secret-made-up-and-public",
}
GUARD_S = 8.0

Json = Any


class Desk:
    """Everything behind the wire, without a wire."""

    def __init__(self, log: Path | None = None, per_minute: int = 0, **options: Any) -> None:
        self.market = Market(load("calm"), 7)
        self.now_ns = START
        posting = FeePosting(options.pop("after_s", 20.0))
        self.house = House(self.market, EventLog(log), start_ns=START, posting=posting, **options)
        self.trading = Trading(self.house, per_minute)

    @property
    def main(self) -> Account:
        return self.house.books.account(MAIN)

    def call(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, Json]:
        """Status and body, a millisecond later."""
        self.now_ns += 1_000_000
        fields = {} if body is None else parse(json.dumps(body).encode())
        call = Call(method, path, query, KEYS, fields)
        self.trading.receive(call, self.now_ns)
        answer = self.trading.answer(call, self.now_ns)
        return answer.status, answer.body

    def get(self, path: str, **query: str) -> Json:
        status, body = self.call("GET", path, **query)
        assert status == 200, body
        return body

    def place(self, **changes: Any) -> tuple[int, Json]:
        return self.call("POST", "orders", asked(**changes))

    def filled(self, **changes: Any) -> Json:
        """Place an order, let it meet its book, and show it then."""
        status, body = self.place(**changes)
        assert status == 200, body
        self.tick()
        return self.get(f"orders/{body['id']}")

    def tick(self, seconds: float = 0.001) -> None:
        self.now_ns += int(seconds * S)
        self.house.tick(self.now_ns)

    def best(self, side: int = ASK, symbol: str = "BTC/USD") -> tuple[Decimal, Decimal]:
        listed = self.market.pairs[symbol].instrument
        price, qty = self.market.book(symbol).top(side, 1)[0]
        return Decimal(listed.price_text(price)), Decimal(listed.qty_text(qty))


def asked(**changes: Any) -> dict[str, Any]:
    """The body of a small order for BTC that a calm market fills at once."""
    order = {
        "symbol": "BTC/USD",
        "qty": "0.01",
        "side": "buy",
        "type": "limit",
        "time_in_force": "ioc",
        "limit_price": "64000",
    }
    return order | changes


class Socket:
    """A WebSocket that reads what comes, one message at a time."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.kinds: set[aiohttp.WSMsgType] = set()

    async def say(self, **message: object) -> None:
        await self.socket.send_json(message)

    async def hear(self) -> Json:
        async with asyncio.timeout(GUARD_S):
            message = await self.socket.receive()
        self.kinds.add(message.type)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        return json.loads(message.data)

    async def until(self, wanted: Callable[[Json], bool]) -> Json:
        """The first message of the kind: of each array its parts are looked at."""
        while True:
            heard = await self.hear()
            for one in heard if isinstance(heard, list) else [heard]:
                if wanted(one):
                    return one

    async def closed(self) -> int | None:
        """Its close code, once it has been closed."""
        async with asyncio.timeout(GUARD_S):
            while (await self.socket.receive()).type not in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            ):
                pass
        return self.socket.close_code


class Wire:
    """A client of a served sandbox."""

    def __init__(self, server: SandboxServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http

    async def rest(
        self, method: str, path: str, body: object = None, keys: dict[str, str] | None = None
    ) -> tuple[int, Json]:
        async with self.http.request(
            method,
            self.server.rest_url + path,
            json=body,
            headers=KEYS if keys is None else keys,
        ) as reply:
            text = await reply.text()
            return reply.status, json.loads(text) if text else None

    @asynccontextmanager
    async def data(self, *books: str, path: str = "") -> AsyncIterator[Socket]:
        """The data stream, authenticated and subscribed to books and quotes."""
        async with self.http.ws_connect(path or self.server.ws_url) as raw:
            socket = Socket(raw)
            assert await socket.hear() == [{"T": "success", "msg": "connected"}]
            await socket.say(action="auth", key=KEYS["APCA-API-KEY-ID"], secret=SECRET)
            assert await socket.hear() == [{"T": "success", "msg": "authenticated"}]
            if books:
                await socket.say(action="subscribe", orderbooks=books, quotes=books)
            yield socket

    @asynccontextmanager
    async def updates(self) -> AsyncIterator[Socket]:
        async with self.http.ws_connect(self.server.addresses["private_ws"]) as raw:
            socket = Socket(raw)
            await socket.say(action="auth", key=KEYS["APCA-API-KEY-ID"], secret=SECRET)
            assert (await socket.hear())["data"]["status"] == "authorized"
            await socket.say(action="listen", data={"streams": ["trade_updates"]})
            assert (await socket.hear())["stream"] == "listening"
            yield socket


SECRET = KEYS["APCA-API-SECRET-KEY"]


@asynccontextmanager
async def serving(profile: str = "calm", **options: Any) -> AsyncIterator[Wire]:
    """A sandbox with Alpaca's face, and a client of it."""
    limits = SandboxOptions(**{"requests_per_minute": 0, **options})
    async with (
        SandboxServer(profile, 7, options=limits, face="alpaca") as server,
        aiohttp.ClientSession() as http,
    ):
        yield Wire(server, http)


class WireBook:
    """A book as a client keeps it from raw messages."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}

    def apply(self, message: Json) -> None:
        if message.get("r"):
            self.sides = {"b": {}, "a": {}}
        for name, side in self.sides.items():
            for level in message[name]:
                price, size = Decimal(str(level["p"])), Decimal(str(level["s"]))
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)

    @property
    def crossed(self) -> bool:
        return max(self.sides["b"]) >= min(self.sides["a"])
