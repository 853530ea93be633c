"""The exchange's API keys, and the tokens that open its private socket.

The keys are made up, public and the same in every sandbox: nothing real can be signed with them.
Permission names are the venue's (``GetApiKeyInfo`` in its API reference). The nonce window is 0.
"""

import base64
import binascii
import hashlib
import hmac
import random
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

NS: Final = 1_000_000_000
MAIN: Final = "main"
OTHER: Final = "other"

TRADING: Final = frozenset(
    {
        "query-funds",
        "query-open-trades",
        "query-closed-trades",
        "query-ledger",
        "modify-trades",
        "close-trades",
        "create-ws-token",
    }
)
READING: Final = TRADING - {"modify-trades", "close-trades"}


def _secret(role: str) -> str:
    text = f"sandbox {role} secret, made up and public, sixty-four bytes long!!"
    return base64.b64encode(text.encode()).decode()


TRADE_KEY: Final = "sandbox-trade-key"
TRADE_SECRET: Final = _secret("trade")
WITHDRAW_KEY: Final = "sandbox-withdraw-key"
WITHDRAW_SECRET: Final = _secret("withdraw")
READONLY_KEY: Final = "sandbox-readonly-key"
READONLY_SECRET: Final = _secret("readonly")
OTHER_KEY: Final = "sandbox-other-key"
OTHER_SECRET: Final = _secret("other")

TOKEN_LIFE_S: Final = 900
MAX_TOKENS: Final = 10_000


@dataclass(slots=True)
class ApiKey:
    """One key: whose it is, what it may do, and the last nonce it used."""

    key: str
    secret: str
    account: str
    permissions: frozenset[str]
    last_nonce: int = -1
    ip_allowlist: tuple[str, ...] = ()
    revoked: bool = False
    given: frozenset[str] = frozenset()  # beside its own, while a fault stands
    taken: frozenset[str] = frozenset()

    @property
    def rights(self) -> frozenset[str]:
        """What it may do now."""
        return (self.permissions | self.given) - self.taken

    def may(self, permission: str) -> bool:
        """Whether the key carries a permission."""
        return permission in self.rights

    def signature(self, path: str, nonce: str, body: bytes) -> str:
        """What ``API-Sign`` must be for this request (source: the venue's REST introduction)."""
        digest = hashlib.sha256(nonce.encode() + body).digest()
        secret = base64.b64decode(self.secret)
        signed = hmac.new(secret, path.encode() + digest, hashlib.sha512)
        return base64.b64encode(signed.digest()).decode()

    def signed(self, path: str, nonce: str, body: bytes, signature: str) -> bool:
        """Whether a signature is right."""
        try:
            given = base64.b64decode(signature.encode(), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            return False
        return hmac.compare_digest(given, base64.b64decode(self.signature(path, nonce, body)))


def made_up_keys() -> dict[str, ApiKey]:
    """The sandbox's keys, none used yet."""
    keys = (
        ApiKey(TRADE_KEY, TRADE_SECRET, MAIN, TRADING),
        ApiKey(WITHDRAW_KEY, WITHDRAW_SECRET, MAIN, TRADING | {"withdraw-funds"}),
        ApiKey(READONLY_KEY, READONLY_SECRET, MAIN, READING),
        ApiKey(OTHER_KEY, OTHER_SECRET, OTHER, TRADING),
    )
    return {one.key: one for one in keys}


@dataclass(frozen=True, slots=True)
class Token:
    """A WebSocket token: opens a private subscription until ``expires_ns`` (wall time)."""

    text: str
    key: ApiKey
    expires_ns: int


class Tokens:
    """The tokens given out, the newest ``MAX_TOKENS`` of them; lost in a restart."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._tokens: OrderedDict[str, Token] = OrderedDict()

    def issue(self, key: ApiKey, now_ns: int) -> Token:
        """A new token for a key."""
        text = base64.b64encode(self._rng.randbytes(32)).decode()
        token = Token(text, key, now_ns + TOKEN_LIFE_S * NS)
        self._tokens[text] = token
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
        return token

    def find(self, text: str, now_ns: int) -> Token | None:
        """The token if it was given out and has not expired, its key not revoked.

        A session that holds a private subscription goes on after the expiry: the socket's
        business, not this table's.
        """
        token = self._tokens.get(text)
        if token is None or token.key.revoked or now_ns > token.expires_ns:
            return None
        return token

    def expire_all(self) -> None:
        """Forget every token (a fault)."""
        self._tokens.clear()
