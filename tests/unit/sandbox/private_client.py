"""A plain signer that talks to the private REST face."""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp

from arbit.sandbox import SandboxOptions, SandboxServer
from arbit.sandbox.book import ASK
from arbit.sandbox.keys import (
    TRADE_KEY,
    TRADE_SECRET,
)

FROZEN = SandboxOptions(frozen=True)
LOW = "50000.0"
UUID = "5d6b7c2e-8a4f-4c1d-9b3e-0f1a2b3c4d5e"


class Client:
    """Signs as the venue's REST introduction says; shares no code with the sandbox."""

    def __init__(
        self,
        sandbox: SandboxServer,
        http: aiohttp.ClientSession,
        key: str = TRADE_KEY,
        secret: str = TRADE_SECRET,
    ) -> None:
        self.sandbox, self.http, self.key, self.secret = sandbox, http, key, secret
        self.nonces = itertools.count(1)

    async def ask(self, method: str, nonce: str = "", as_json: bool = False, **fields: Any) -> Any:
        path, used = f"/0/private/{method}", nonce or str(next(self.nonces))
        told = {"nonce": used} | fields
        body = json.dumps(told) if as_json else urlencode(told)
        digest = path.encode() + hashlib.sha256((used + body).encode()).digest()
        signed = hmac.new(base64.b64decode(self.secret), digest, hashlib.sha512).digest()
        headers = {
            "API-Key": self.key,
            "API-Sign": base64.b64encode(signed).decode(),
            "Content-Type": f"application/{'json' if as_json else 'x-www-form-urlencoded'}",
        }
        url = self.sandbox.rest_url + path
        async with self.http.post(url, data=body, headers=headers) as reply:
            assert reply.status == 200
            return await reply.json()

    async def result(self, method: str, **fields: Any) -> Any:
        answer = await self.ask(method, **fields)
        assert answer["error"] == []
        return answer["result"]

    async def error(self, method: str, **fields: Any) -> str:
        answer = await self.ask(method, **fields)
        assert "result" not in answer
        (words,) = answer["error"]
        return str(words)

    def top(self, side: int) -> str:
        pair = self.sandbox.market.pairs["BTC/USD"]
        return pair.instrument.price_text(pair.book.top(side, 1)[0][0])

    def order(self, **changes: Any) -> dict[str, Any]:
        asked = {
            "pair": "XXBTZUSD",
            "type": "buy",
            "ordertype": "limit",
            "volume": "0.01",
            "price": self.top(ASK),
            "timeinforce": "IOC",
        }
        return asked | changes

    async def place(self, **changes: Any) -> str:
        reply = await self.result("AddOrder", **self.order(**changes))
        (order_id,) = reply["txid"]
        return str(order_id)


@asynccontextmanager
async def talking(key: str = TRADE_KEY, secret: str = TRADE_SECRET) -> AsyncIterator[Client]:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        aiohttp.ClientSession() as http,
    ):
        yield Client(sandbox, http, key, secret)
