"""What an API key may do, read from GetApiKeyInfo: known words or nothing.

The venue's own documents spell the fields in camel case in one place and with underscores in
another, so both are read. A permission that we do not know is no permission we can vouch for: a
key that has one is refused, unless the user admits it by name. `judged` is the one judgement: of
`keys:check` and of every command that may send an order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from arbit.config import VenueSettings, venue_key
from arbit.config.permissions import moves_money_out
from arbit.domain.account import AccountUnfit, AccountUntold, KeyFacts
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
NEEDED = (
    ("query_funds", "query funds"),
    ("query_orders", "query open and closed orders"),
    ("query_ledger", "query ledger entries"),
    ("trade", "create and modify orders"),
    ("cancel", "cancel and close orders"),
    ("stream", "use the WebSocket interface"),
)
_MOST_NAMED = 3
_MAX_WORD = 40


def key_facts(body: Any) -> KeyFacts:
    """What the key may do. What is unknown to us is only named: `judged` refuses it.

    FrameError when the answer cannot be read, AccountUnfit when the key sees only a part of the
    account's history.
    """
    if not isinstance(body, Mapping):
        raise FrameError("GetApiKeyInfo: the answer is no object")
    facts = {_snake(name): value for name, value in body.items() if isinstance(name, str)}
    if any(facts[_snake(name)] != told for name, told in body.items() if isinstance(name, str)):
        raise FrameError("GetApiKeyInfo: a field is told twice, and not the same")
    named = facts.get("permissions")
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise FrameError("GetApiKeyInfo: the answer names no permissions")
    if any(_whole(facts, name) for name in _WINDOW):
        raise AccountUnfit(
            "the API key sees only a part of the account's history (query start or end date): "
            "what it cannot see cannot be told from what never was"
        )
    expires_s, allowed = _whole(facts, "valid_until"), facts.get("ip_allowlist")
    untold = (None,) * 7  # until the words are read
    told = KeyFacts(
        *untold,
        nonce_window=_whole(facts, "nonce_window"),
        expires_ns=expires_s * SECOND_NS if expires_s else None,
        ip_allowlist=tuple(str(one) for one in allowed) if isinstance(allowed, list) else (),
        named=tuple(sorted({_clean(one) for one in named})),
    )
    return _reading(told, {})


def judged(facts: KeyFacts, venue: VenueSettings, wall_ns: int) -> tuple[str, ...]:
    """What might be better about a key that may be traded with, at wall time.

    AccountUnfit, with the reason, for one that must not be; AccountUntold where all that is against
    it is that the answer says too little. A permission that is unknown to us
    stands for what `admit_permissions` says of it; one that may move money out stands for that,
    whatever is said.
    """
    meant, told = _meanings(venue), read_for(facts, venue)
    _refuse_powers(told, meant, venue_key(venue.name, "admit_permissions"))
    _refuse_terms(told, wall_ns)
    _refuse_untold(told)
    admitted = [one for one in told.named if one in meant]
    return (
        *key_notes(told, wall_ns),
        *(f"the key may do what we do not know and you vouch for: {one}" for one in admitted),
    )


def read_for(facts: KeyFacts, venue: VenueSettings) -> KeyFacts:
    """These facts, as what the user vouches for makes them."""
    return _reading(facts, _meanings(venue))


def _meanings(venue: VenueSettings) -> dict[str, str]:
    """What the user says of words that we do not know; of those that we know nothing is heard."""
    said = (one.partition("=") for one in venue.admit_permissions)
    return {
        word: known
        for word, _, known in said
        if word not in PERMISSIONS and not moves_money_out(word)
    }


def _reading(facts: KeyFacts, meant: Mapping[str, str]) -> KeyFacts:
    """These facts, with what their words allow; a word that `meant` has stands for another."""
    words = {meant.get(one) or one for one in facts.named}
    may = {PERMISSIONS.get(one, "") for one in words}
    return replace(
        facts,
        query_funds="query_funds" in may,
        query_orders={"query_open", "query_closed"} <= may,
        query_ledger="query_ledger" in may,
        trade="trade" in may,
        cancel="cancel" in may,
        stream="stream" in may,
        withdraw="withdraw" in may or any(map(moves_money_out, facts.named)),
    )


def _refuse_powers(told: KeyFacts, meant: Mapping[str, str], setting: str) -> None:
    """AccountUnfit for a key that may do more than trading needs, or less."""
    if told.withdraw is not False:
        raise AccountUnfit("the API key may withdraw: a key that can empty the account is refused")
    unknown = [one for one in told.named if one not in PERMISSIONS and one not in meant]
    if unknown:
        more = len(unknown) - _MOST_NAMED
        words = ", ".join(unknown[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise AccountUnfit(
            f"the API key has a permission we do not know ({words}): make one that may query and "
            f"trade, and nothing else, or vouch for it by name in {setting}"
        )
    needless = [one for one in told.named if not PERMISSIONS.get(one) and one not in meant]
    if needless:
        raise AccountUnfit(
            f"the API key has a permission that trading has no use for ({needless[0]}): take it off"
        )
    missing = [words for name, words in NEEDED if not getattr(told, name)]
    if missing and told.named:
        raise AccountUnfit(f"the API key may not {missing[0]}: add that permission")


def _refuse_terms(told: KeyFacts, wall_ns: int) -> None:
    """AccountUnfit for a key whose requests might be replayed, or whose time is over."""
    if told.nonce_window:
        raise AccountUnfit(
            "the API key has a nonce window: set it to 0, or a request may be replayed"
        )
    if told.expires_ns and told.expires_ns <= wall_ns:
        raise AccountUnfit("the API key has expired")


def _refuse_untold(told: KeyFacts) -> None:
    """AccountUntold for a key of which the answer says too little."""
    if not told.named:  # one that has lost every right is refused with its next order
        raise AccountUntold(
            "the venue names no permission of the API key: only one that is known to query and "
            "trade is traded with"
        )
    if told.nonce_window is None:
        raise AccountUntold(
            "the venue does not say whether the API key has a nonce window: only one that is "
            "known to be 0 keeps a request from being replayed"
        )


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


def _clean(word: str) -> str:
    """A permission as settings spell it, fit for a screen.

    What no setting can spell has a `?` in it or ends in dots, so that nobody can admit it.
    """
    kebab = _snake(word).replace("_", "-").replace(" ", "-")
    shown = re.sub(r"[^a-z0-9-]", "?", kebab) or "?"
    return shown if len(shown) <= _MAX_WORD else f"{shown[:_MAX_WORD]}..."


def _whole(facts: Mapping[str, Any], name: str) -> int | None:
    """A whole number, written as one or as text; None when it is not told."""
    value = facts.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,18}", str(value)):
        raise FrameError(f"GetApiKeyInfo: {name} is {value!r:.40}")
    return int(str(value))
