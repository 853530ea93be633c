"""Whether an account at Alpaca may be traded with, read from `GET /v2/account`.

Alpaca tells nothing of a key's permissions: whoever holds it may do all that the account may. So
every fact about the key stays None, which means that the venue did not say, and a note says it.
Source: docs.alpaca.markets, "Account".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbit.domain.account import AccountUnfit, AccountUntold, KeyFacts
from arbit.domain.errors import FrameError

ACTIVE = "ACTIVE"
PASSING = ("SUBMITTED", "ACCOUNT_UPDATED", "APPROVAL_PENDING", "APPROVED")  # ACTIVE follows
STATUSES = (("status", "the account"), ("crypto_status", "crypto on this account"))
NOTE = "Alpaca does not tell what a key may do: whoever holds this one may do all the account may"
FLAGS = (
    ("trading_blocked", "the account is blocked from trading"),
    ("account_blocked", "the account is blocked"),
    ("trade_suspended_by_user", "trading is suspended in the account's own settings"),
)
# What is shown of an account, and in which words.
ACCOUNT_WORDS = (
    ("status", "account"),
    ("crypto_status", "crypto"),
    ("trading_blocked", "trading blocked"),
    ("account_blocked", "account blocked"),
    ("trade_suspended_by_user", "trading suspended by its owner"),
)


def key_facts() -> KeyFacts:
    """What Alpaca says of a key: nothing."""
    return KeyFacts(None, None, None, None, None, None, None)


def refuse_unfit(body: Any) -> None:
    """AccountUnfit, in one line, for an account that cannot trade crypto; FrameError for no answer.

    A field that is missing is no permission, and a status that passes is none yet: AccountUntold,
    if nothing else is against it.
    """
    if not isinstance(body, Mapping):
        raise FrameError("account: the answer is no object")
    if "status" not in body and "crypto_status" not in body:
        raise FrameError("account: the answer is about no account")
    for name, what in STATUSES:
        if body.get(name) not in (ACTIVE, None, *PASSING):
            raise AccountUnfit(_not_active(body, name, what))
    for name, why in FLAGS:
        if body.get(name) is not False and body.get(name) is not None:
            raise AccountUnfit(f"{why} ({name} is {body.get(name)!r:.40}, expected false)")
    if body.get("currency") not in ("USD", None):
        raise AccountUnfit(f"the account is kept in {body['currency']!r:.40}, expected USD")
    _refuse_untold(body)


def _refuse_untold(body: Mapping[str, Any]) -> None:
    """AccountUntold where the venue says too little of an account, or that it is on its way."""
    for name, what in STATUSES:
        if body.get(name) is None:
            raise AccountUntold(f"the venue does not say whether {what} is {ACTIVE} ({name})")
        if body[name] != ACTIVE:
            raise AccountUntold(_not_active(body, name, what))
    for name, why in FLAGS:
        if body.get(name) is None:
            raise AccountUntold(f"the venue does not say whether {why} ({name})")


def _not_active(body: Mapping[str, Any], name: str, what: str) -> str:
    return f"{what} is {body[name]!r:.40} ({name}), expected {ACTIVE}"
