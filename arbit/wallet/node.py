"""A node of a chain, asked over JSON-RPC: for few things, for a bounded while and answer.

A node is somebody else's machine. Its answers are short by nature, so a long one is refused unread;
a redirect is not followed; what it says in words is never repeated, for it may say anything.
"""

from __future__ import annotations

import json
import re
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from arbit.domain.wallet import WalletUnread

MAX_ANSWER = 16_384  # bytes; the longest that is asked for is one word of 32
ONE_ANSWER_S = 10.0
_QUANTITY = re.compile(r"0x[0-9a-f]{1,64}", re.IGNORECASE)
_DATA = re.compile(r"0x(?:[0-9a-f]{2})*", re.IGNORECASE)
# All that is ever asked, and what an answer to it looks like.
_ASKED = {
    "eth_chainId": _QUANTITY,
    "eth_blockNumber": _QUANTITY,
    "eth_getBalance": _QUANTITY,
    "eth_call": _DATA,
}


class NodeRefused(WalletUnread):
    """The node answered with an error; of a call, the contract may have."""


class Node(AsyncJSONBaseProvider):
    """One node, while open as a context. WalletUnread for whatever is no good answer."""

    # A contract may answer "ask there instead", and web3 would: anywhere, from our own network.
    global_ccip_read_enabled = False

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            timeout=ClientTimeout(total=ONE_ANSWER_S),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,  # what is small packed need not be small
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One question, one answer: asked once, never again."""
        wanted = _ASKED.get(method)
        if wanted is None or self._session is None:
            raise WalletUnread(f"{method} is not asked here")
        asked = self.form_request(method, params)
        body = await self._posted(self._session, self.encode_rpc_dict(asked))
        answer = _answer(body, asked["id"])
        if "error" in answer:
            raise NodeRefused(f"the node refused {method}{_code(answer['error'])}")
        found = answer.get("result")
        if not isinstance(found, str) or not wanted.fullmatch(found):
            raise WalletUnread(f"the node's answer to {method} is none")
        return {"jsonrpc": "2.0", "id": asked["id"], "result": found}

    async def _posted(self, session: ClientSession, body: bytes) -> bytes:
        try:
            async with session.post(self._url, data=body, allow_redirects=False) as response:
                if response.status != 200:
                    raise WalletUnread(f"the node answered HTTP {response.status}")
                found = bytearray()
                async for part in response.content.iter_chunked(MAX_ANSWER):
                    found += part
                    if len(found) > MAX_ANSWER:
                        raise WalletUnread(f"the node's answer is longer than {MAX_ANSWER} bytes")
                return bytes(found)
        except (ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            # Its words hold the address that was asked, and that may be a secret.
            raise WalletUnread(f"the node is not reached ({type(error).__name__})") from None


def _answer(body: bytes, asked: object) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise WalletUnread("the node's answer is no JSON") from None
    if not isinstance(found, dict) or found.get("id") != asked:
        raise WalletUnread("the node's answer is not to what was asked")
    return found


def _code(error: object) -> str:
    code = error.get("code") if isinstance(error, dict) else None
    return f" (code {code})" if isinstance(code, int) and abs(code) < 10**6 else ""
