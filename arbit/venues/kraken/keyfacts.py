"""What an API key may do, read from GetApiKeyInfo: known words or nothing.

The venue's own documents spell the fields in camel case in one place and with underscores in
another, so both are read. A permission that we do not know is no permission we can vouch for: a
key that has one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from arbit.domain.account import AccountUnfit, KeyFacts
from arbit.domain.errors import FrameError

SECOND_NS = 1_000_000_000
# What each permission allows, in our words. Source: docs.kraken.com, GetApiKeyInfo and the list
# of key permissions; "" allows nothing that matters here.
PERMISSIONS: Mapping[str, str] = {
    "query-funds": "query_funds",
    "query-open-trades": "query_orders",
    "query-closed-trades": "query_closed",
    "query-ledger": "query_ledger",
    "modify-trades": "trade",
    "create-orders": "trade",
    "close-trades": "cancel",
    "cancel-orders": "cancel",
    "create-ws-token": "stream",
    "access-websockets-api": "stream",
    "websockets": "stream",
    "withdraw-funds": "withdraw",
    "withdraw": "withdraw",
    "add-funds": "",
    "deposit-funds": "",
    "earn-funds": "withdraw",  # moves money out of the spot wallet
    "export-data": "",
}
_NAMED = ("permissions", "permission")


def key_facts(body: Any) -> KeyFacts:
    """What the key may do.

    FrameError when the answer cannot be read, AccountUnfit when a permission is unknown to us.
    """
    if not isinstance(body, Mapping):
        raise FrameError("GetApiKeyInfo: the answer is no object")
    facts = {_snake(name): value for name, value in body.items() if isinstance(name, str)}
    named = next((facts[name] for name in _NAMED if name in facts), None)
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise FrameError("GetApiKeyInfo: the answer names no permissions")
    words = [_kebab(one) for one in named]
    unknown = [one for one in words if one not in PERMISSIONS]
    if unknown:
        raise AccountUnfit(
            f"the API key has a permission we do not know ({unknown[0]}): make one that may "
            "query and trade, and nothing else"
        )
    may = {PERMISSIONS[one] for one in words}
    return KeyFacts(
        query_funds="query_funds" in may,
        query_orders={"query_orders", "query_closed"} <= may,
        query_ledger="query_ledger" in may,
        trade="trade" in may,
        cancel="cancel" in may,
        stream="stream" in may or None,
        withdraw="withdraw" in may,
        nonce_window=_whole(facts.get("nonce_window")),
        expires_ns=_time(facts.get("valid_until")),
        ip_allowlist=tuple(str(one) for one in facts.get("ip_allowlist") or ()),
        named=tuple(sorted(words)),
    )


def refuse_unfit(facts: KeyFacts, wall_ns: int) -> None:
    """AccountUnfit, with the reason, for a key that must not be traded with."""
    if facts.withdraw is not False:
        raise AccountUnfit("the API key may withdraw: a key that can empty the account is refused")
    missing = [
        words
        for words, may in (
            ("query funds", facts.query_funds),
            ("query open and closed orders", facts.query_orders),
            ("query ledger entries", facts.query_ledger),
            ("create and modify orders", facts.trade),
            ("cancel and close orders", facts.cancel),
        )
        if not may
    ]
    if missing:
        raise AccountUnfit(f"the API key may not {missing[0]}: add that permission")
    if facts.nonce_window:
        raise AccountUnfit(
            "the API key has a nonce window: set it to 0, or a request may be replayed"
        )
    if facts.expires_ns and facts.expires_ns <= wall_ns:
        raise AccountUnfit("the API key has expired")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _kebab(word: str) -> str:
    return _snake(word).replace("_", "-").replace(" ", "-")


def _whole(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isdigit() else None


def _time(value: Any) -> int | None:
    seconds = _whole(value)
    return seconds * SECOND_NS if seconds else None
