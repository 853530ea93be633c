"""Which permissions of an API key a user may admit by name, when we do not know them.

The words are Kraken's, as `arbit keys:check` prints them.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from arbit.config.text import as_list

# What trading at Kraken needs, in the venue's own words.
TRADING = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "query-ledger",
    "modify-trades",
    "close-trades",
    "create-ws-token",
)
ADMITTED = (
    "a list of names such as `view-prices`, or with what it stands for "
    f"(`trade=modify-trades`; one of {', '.join(TRADING)}); none that speaks of a withdrawal, "
    "transfer, payout or sending"
)
_ADMISSION = re.compile(r"[a-z0-9][a-z0-9-]{0,39}(?:=([a-z-]{1,40}))?")
_MONEY_OUT = (
    *("withdraw", "transfer", "payout", "send", "cashout", "moveout", "movefund"),
    *("disburse", "remit", "wireout", "payment"),
)
_MOST = 20


def moves_money_out(permission: str) -> bool:
    """Whether this permission may take money out of the account, by its name."""
    bare = permission.lower().replace("-", "").replace("_", "")
    return any(word in bare for word in _MONEY_OUT)


def _admissible(said: str) -> str:
    """ValueError for what nobody may admit."""
    match = _ADMISSION.fullmatch(said)
    if match is None or moves_money_out(said) or match[1] not in {None, *TRADING}:
        raise ValueError("permission")
    return said


Admission = Annotated[str, AfterValidator(_admissible)]
Admissions = Annotated[tuple[Admission, ...], Field(max_length=_MOST), BeforeValidator(as_list)]
