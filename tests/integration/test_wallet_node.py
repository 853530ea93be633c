"""A chain's node is somebody else's machine: whatever it does is one line of ours, asked once."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from arbit.domain.wallet import WalletUnread
from tests.integration.evm_rig import (
    SECRET,
    Endpoint,
    Handler,
    World,
    encoded,
    hangs,
    hangs_up,
    never_ends,
    says,
    served,
)

pytestmark = pytest.mark.unstalled


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture
async def node(world: World) -> AsyncIterator[Endpoint]:
    async with served(world.chain) as endpoint:
        world.endpoint = endpoint
        yield endpoint


def answering(result: object, **more: object) -> Handler:
    async def act(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        return await says(
            json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result} | more)
        )

    return act


def saying(text: bytes | str, status: int = 200, **headers: str) -> Handler:
    return lambda _: says(text, status, **headers)


async def dribbles(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)
    return response


BOMB = gzip.compress(b" " * 10_000_000)  # ten kilobytes, a thousand times that unpacked
HOSTILE: dict[str, tuple[Handler, str]] = {
    "hangs": (hangs, "not read within 1 s"),
    "dribbles": (dribbles, "not read within 1 s"),
    "hangs up": (hangs_up, "the node is not reached"),
    "500": (saying("<h1>oops</h1>", 500), "the node answered HTTP 500"),
    "429": (saying("{}", 429), "the node answered HTTP 429"),
    "401": (saying(SECRET, 401), "the node answered HTTP 401"),
    "redirect": (saying("", 307, Location="/elsewhere"), "the node answered HTTP 307"),
    "never ends": (never_ends, "the node's answer is longer than 16384 bytes"),
    "a packed one": (
        saying(BOMB, 200, **{"Content-Encoding": "gzip"}),
        "the node's answer is no JSON",
    ),
    "no JSON": (saying("<html>"), "the node's answer is no JSON"),
    "empty": (saying(b""), "the node's answer is no JSON"),
    "no text": (saying(b"\xff\xfe\x00"), "the node's answer is no JSON"),
    "deep": (saying("[" * 16_000), "the node's answer is no JSON"),
    "long number": (saying("9" * 16_000), "the node's answer is n"),
    "another's": (answering("0x1", id="other"), "the node's answer is not to what was asked"),
    "a list": (saying("[]"), "the node's answer is not to what was asked"),
    "nothing": (answering(None), "the node's answer to eth_chainId is none"),
    "a number": (answering(1), "the node's answer to eth_chainId is none"),
    "no number": (answering("0x"), "the node's answer to eth_chainId is none"),
    "a long word": (answering("0x" + "1" * 65), "the node's answer to eth_chainId is none"),
    "words": (answering(f"{SECRET}\n\x1b[2J"), "the node's answer to eth_chainId is none"),
    "an error": (answering(None, error={"code": -32000, "message": SECRET}), "(code -32000)"),
    "an odd error": (answering(None, error=[SECRET]), "the node refused eth_chainId"),
    "another chain": (answering("0x89"), "the node is of chain 137, expected 131277322940537"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_node_is_one_line_of_our_own_words(
    world: World, node: Endpoint, name: str
) -> None:
    node.acts, said = HOSTILE[name]
    timeout_s = 1 if said.startswith("not read") else 5
    with pytest.raises(WalletUnread) as caught:
        await world.reader(timeout_s=timeout_s).read()
    text = str(caught.value)
    assert said in text
    assert SECRET not in text
    assert text.isprintable()
    assert len(text) < 120
    assert len(node.hits) == 1, "asked once: not again, nor elsewhere"
    assert caught.value.__cause__ is None


async def test_a_node_that_is_not_there_is_told_without_its_address(world: World) -> None:
    reader = world.reader(rpc_url=f"http://127.0.0.1:9/{SECRET}")
    with pytest.raises(WalletUnread, match="the node is not reached") as caught:
        await reader.read()
    assert SECRET not in str(caught.value)
    assert "127" not in str(caught.value)


async def test_a_contract_that_sends_us_elsewhere_is_not_followed(
    world: World, node: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ERC-3668: a contract may say "ask that address instead", and web3 would."""
    monkeypatch.setattr("arbit.wallet.node.Node.ccip_read_allow_http", True)
    monkeypatch.setattr("arbit.wallet.node.Node.ccip_read_url_validator", allowing)
    elsewhere = node.url.replace("/v3/", "/elsewhere/")
    kinds = ["address", "string[]", "bytes", "bytes4", "bytes"]
    told = encoded(kinds, [world.token.address, [elsewhere], b"", b"\0" * 4, b""])
    error = {"code": 3, "message": "execution reverted", "data": f"0x556f1830{told.hex()}"}

    async def act(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/elsewhere"):
            return await says("{}")
        asked = await request.json()
        if asked["method"] == "eth_call":
            return await says(json.dumps({"id": asked["id"], "error": error}))
        return node.honest(asked)

    node.acts = act
    look = await world.reader(aave={}).read()
    assert len(look.problems) == 1
    assert not [path for path in node.hits if path.startswith("/elsewhere")]


async def allowing(url: str) -> bool:
    return True


def test_what_the_wallet_needs_leaves_the_interpreter_as_it_was() -> None:
    """A package below web3 lets everybody recurse until the stack breaks: a deep answer kills."""
    code = (
        "import json, sys; before = sys.getrecursionlimit(); import arbit.wallet.reader; "
        "assert sys.getrecursionlimit() == before; json.loads('[' * 100_000)"
    )
    path = os.pathsep.join(filter(None, sys.path))
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("RecursionError")
