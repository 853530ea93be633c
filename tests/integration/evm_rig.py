"""A real chain in this process, behind a real socket: what a wallet's node is to our reader.

The chain is eth-tester's, on py-evm; its JSON-RPC is web3's own provider for it. The socket and all
that it can do wrong are ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from arbit.app.trade.wallet import reader_of
from arbit.config import WalletSettings
from arbit.ports import WalletReader

_limit = sys.getrecursionlimit()
eth_tester = pytest.importorskip("eth_tester", reason="needs eth-tester (requirements-dev.lock)")
pytest.importorskip("eth", reason="needs py-evm (requirements-dev.lock)")
web3 = pytest.importorskip("web3", reason="needs web3 (requirements-dev.lock)")
sys.setrecursionlimit(_limit)  # py-evm raises it for all: deep JSON of other tests would kill them

DATA = Path(__file__).parents[1] / "data" / "evm"
BUILT: dict[str, dict[str, str]] = json.loads((DATA / "bytecode.json").read_text("utf-8"))[
    "contracts"
]
SECRET = "canary-in-the-path"
RAY = 10**27
USDC = 10**6
ETHER = 10**18
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def source_sha256(name: str) -> str:
    return hashlib.sha256((DATA / f"{name}.vy").read_bytes()).hexdigest()


def _function(name: str, *takes: str) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "stateMutability": "nonpayable",
        "inputs": [{"name": f"a{n}", "type": one} for n, one in enumerate(takes)],
        "outputs": [],
    }


def _made_with(*takes: str) -> dict[str, Any]:
    return {
        "type": "constructor",
        "stateMutability": "nonpayable",
        "inputs": [{"name": f"a{n}", "type": one} for n, one in enumerate(takes)],
    }


_ABIS: dict[str, list[dict[str, Any]]] = {
    "Token": [_made_with("uint8", "uint256"), _function("transfer", "address", "uint256")],
    "AToken": [
        _made_with("address", "uint8"),
        _function("mint", "address", "uint256"),
        _function("grow", "uint256"),
    ],
}


class Chain:
    """A chain with money on it. Each change is a block."""

    def __init__(self) -> None:
        self.tester: Any = eth_tester.EthereumTester(eth_tester.PyEVMBackend())
        self.provider: Any = web3.EthereumTesterProvider(self.tester)
        self.web3: Any = web3.Web3(self.provider)
        self.bank, self.owner, self.other = self.web3.eth.accounts[:3]

    @property
    def chain_id(self) -> int:
        return int(self.web3.eth.chain_id)

    @property
    def block(self) -> int:
        return int(self.web3.eth.block_number)

    def deploy(self, name: str, *args: object) -> Any:
        made = self.web3.eth.contract(abi=_ABIS[name], bytecode=BUILT[name]["bytecode"])
        return self.web3.eth.contract(
            address=self._mined(made.constructor(*args).transact({"from": self.bank})),
            abi=_ABIS[name],
        )

    def deploy_raw(self, runtime: str) -> str:
        """A contract of a few bytes by hand: its code is copied from behind these eleven."""
        code = bytes.fromhex(runtime)
        start = bytes.fromhex(f"60{len(code):02x}80600b6000396000f3")
        made = {"from": self.bank, "data": (start + code).hex(), "gas": 200_000}
        return str(self._mined(self.web3.eth.send_transaction(made)))

    def does(self, function: Any) -> None:
        self._mined(function.transact({"from": self.bank}))

    def pays(self, to: str, wei: int) -> None:
        sent = {"from": self.bank, "to": to, "value": wei}
        self._mined(self.web3.eth.send_transaction(sent))

    def answers(self, asked: dict[str, Any]) -> dict[str, Any]:
        """JSON-RPC as a node speaks it. web3's provider gives the chain's own types."""
        request = self.provider.request_func(self.web3, self.web3.middleware_onion)
        try:
            found = request(asked["method"], asked["params"])
        except eth_tester.exceptions.TransactionFailed as reverted:
            error = {"code": 3, "message": str(reverted)}
            return {"jsonrpc": "2.0", "id": asked["id"], "error": error}
        if isinstance(found.get("result"), int):
            found["result"] = hex(found["result"])
        return {**found, "id": asked["id"]}

    def _mined(self, sent: Any) -> Any:
        receipt = self.web3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1
        return receipt["contractAddress"]


class Endpoint:
    """The socket before the chain. `acts` stands in for it when a test says so."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.acts: Handler | None = None
        self.asked: list[dict[str, Any]] = []
        self.hits: list[str] = []  # paths, whoever came
        self.url = "http://127.0.0.1:9"

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.hits.append(request.path)
        if self.acts is not None:
            return await self.acts(request)
        return self.honest(await request.json())

    def honest(self, asked: dict[str, Any]) -> web.Response:
        self.asked.append(asked)
        text = json.dumps(self.chain.answers(asked), default=_hex)
        return web.Response(text=text, content_type="application/json")


@asynccontextmanager
async def served(chain: Chain) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(chain)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endpoint.take)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    endpoint.url = f"http://127.0.0.1:{port}/v3/{SECRET}"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def encoded(kinds: list[str], values: list[object]) -> bytes:
    """As contracts encode what they say."""
    return bytes(web3.Web3().codec.encode(kinds, values))


def _hex(value: object) -> str:
    return f"0x{bytes(value).hex()}" if isinstance(value, bytes) else str(value)


async def says(text: bytes | str, status: int = 200, **headers: str) -> web.StreamResponse:
    body = text if isinstance(text, bytes) else text.encode()
    return web.Response(body=body, status=status, headers=headers)


async def never_ends(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" " * 65_536)
    return response


class World:
    """An owner with a coin, a token and a deposit that grows, and a node that tells of them."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.token = self.chain.deploy("Token", 6, 10**9 * USDC)
        self.deposit = self.chain.deploy("AToken", self.token.address, 6)
        self.endpoint = Endpoint(self.chain)

    def settings(self, **changed: Any) -> WalletSettings:
        said: dict[str, Any] = {
            "rpc_url": self.endpoint.url,
            "chain_id": self.chain.chain_id,
            "addresses": (self.chain.owner, self.chain.other),
            "erc20": {"USDC": self.token.address},
            "aave": {"aUSDC": self.deposit.address},
            "timeout_s": 5,
        }
        return WalletSettings.model_validate(said | changed)

    def reader(self, **changed: Any) -> WalletReader:
        return reader_of(self.settings(**changed))


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()
