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
SOON_NS = 7 * 86_400 * SECOND_NS
# What each permission allows, in our words; "" is for what trading has no use for.
# Source: docs.kraken.com, REST "Get API Key Info", the table of its `permissions`.
PERMISSIONS: Mapping[str, str] = {
    "query-funds": "query_funds",
    "query-open-trades": "query_open",
    "query-closed-trades": "query_closed",
    "query-ledger": "query_ledger",
    "modify-trades": "trade",
    "close-trades": "cancel",
    "create-ws-token": "stream",
    "withdraw-funds": "withdraw",
    "add-withdraw-address": "withdraw",
    "update-withdraw-address": "withdraw",
    "add-funds": "",
    "earn-funds": "",
    "export-data": "",
}
_WINDOW = ("query_from", "query_to")


def key_facts(body: Any) -> KeyFacts:
    """What the key may do.

    FrameError when the answer cannot be read, AccountUnfit when a permission is unknown to us or
    the key sees only a part of the account's history.
    """
    if not isinstance(body, Mapping):
        raise FrameError("GetApiKeyInfo: the answer is no object")
    facts = {_snake(name): value for name, value in body.items() if isinstance(name, str)}
    named = facts.get("permissions")
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise FrameError("GetApiKeyInfo: the answer names no permissions")
    words = {_kebab(one) for one in named}
    unknown = sorted(words - PERMISSIONS.keys())
    if unknown:
        raise AccountUnfit(
            f"the API key has a permission we do not know ({unknown[0]:.40}): make one that may "
            "query and trade, and nothing else"
        )
    if any(_whole(facts, name) for name in _WINDOW):
        raise AccountUnfit(
            "the API key sees only a part of the account's history (query start or end date): "
            "what it cannot see cannot be told from what never was"
        )
    may = {PERMISSIONS[one] for one in words}
    expires_s, allowed = _whole(facts, "valid_until"), facts.get("ip_allowlist")
    return KeyFacts(
        query_funds="query_funds" in may,
        query_orders={"query_open", "query_closed"} <= may,
        query_ledger="query_ledger" in may,
        trade="trade" in may,
        cancel="cancel" in may,
        stream="stream" in may,
        withdraw="withdraw" in may,
        nonce_window=_whole(facts, "nonce_window"),
        expires_ns=expires_s * SECOND_NS if expires_s else None,
        ip_allowlist=tuple(str(one) for one in allowed) if isinstance(allowed, list) else (),
        named=tuple(sorted(words)),
    )


def refuse_unfit(facts: KeyFacts, wall_ns: int) -> None:
    """AccountUnfit, with the reason, for a key that must not be traded with."""
    if facts.withdraw is not False:
        raise AccountUnfit("the API key may withdraw: a key that can empty the account is refused")
    needless = [one for one in facts.named if not PERMISSIONS.get(one)]
    if needless:
        raise AccountUnfit(
            f"the API key has a permission that trading has no use for ({needless[0]}): take it off"
        )
    missing = [
        words
        for words, may in (
            ("query funds", facts.query_funds),
            ("query open and closed orders", facts.query_orders),
            ("query ledger entries", facts.query_ledger),
            ("create and modify orders", facts.trade),
            ("cancel and close orders", facts.cancel),
            ("use the WebSocket interface", facts.stream),
        )
        if not may
    ]
    if missing:
        raise AccountUnfit(f"the API key may not {missing[0]}: add that permission")
    if facts.nonce_window is None:
        raise AccountUnfit(
            "the venue does not say whether the API key has a nonce window: only one that is "
            "known to be 0 keeps a request from being replayed"
        )
    if facts.nonce_window:
        raise AccountUnfit(
            "the API key has a nonce window: set it to 0, or a request may be replayed"
        )
    if facts.expires_ns and facts.expires_ns <= wall_ns:
        raise AccountUnfit("the API key has expired")


def key_notes(facts: KeyFacts, wall_ns: int) -> tuple[str, ...]:
    """What might be better about a key, in words: it may be traded with all the same."""
    notes = []
    if not facts.ip_allowlist:
        notes.append("the key works from any address: an allow-list would be safer")
    if facts.expires_ns and facts.expires_ns - wall_ns < SOON_NS:
        notes.append("the key expires within a week")
    return tuple(notes)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _kebab(word: str) -> str:
    return _snake(word).replace("_", "-").replace(" ", "-")


def _whole(facts: Mapping[str, Any], name: str) -> int | None:
    """A whole number, written as one or as text; None when it is not told."""
    value = facts.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,18}", str(value)):
        raise FrameError(f"GetApiKeyInfo: {name} is {value!r:.40}")
    return int(str(value))
