"""What Kraken's error words prove about an order: an allow-list, kept as data.

Sources: docs.kraken.com, "API errors" of the REST guide, and the words of the WebSocket v2 trading
pages; how a client library renames them was measured and is not trusted: the text alone decides.

An order is REJECTED only when the venue's own words say beyond doubt that it was not accepted.
Everything else is UNKNOWN: words not listed here, several errors at once, a warning, a suffix that
nobody has documented, or no words at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from arbit.domain.order import OrderState, Remedy

RATE_WAIT_S = 5.0
BUSY_WAIT_S = 2.0
LOCKOUT_S = 900.0  # "temporary lockout": about fifteen minutes
MOST_THROTTLE_S = 900.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the words mean: REJECTED or UNKNOWN, what else is to be done, how long to wait."""

    state: OrderState
    remedy: Remedy = Remedy.NONE
    wait_s: float = 0.0


def _no(remedy: Remedy = Remedy.NONE, wait_s: float = 0.0) -> Verdict:
    return Verdict(OrderState.REJECTED, remedy, wait_s)


def _perhaps(remedy: Remedy = Remedy.NONE, wait_s: float = 0.0) -> Verdict:
    return Verdict(OrderState.UNKNOWN, remedy, wait_s)


_UNLISTED = _perhaps()

# Words that prove that an order was not accepted.
REJECTED: Mapping[str, Verdict] = {
    "EOrder:Insufficient funds": _no(Remedy.RESYNC),
    "EOrder:Insufficient margin": _no(Remedy.RESYNC),
    "EOrder:Order minimum not met": _no(),
    "EOrder:Cost minimum not met": _no(),
    "EOrder:Tick size check failed": _no(),
    "EOrder:Invalid price": _no(),
    "EOrder:Invalid price:Invalid price argument": _no(),
    "EOrder:Invalid order": _no(),
    "EOrder:Orders limit exceeded": _no(Remedy.BACK_OFF, RATE_WAIT_S),
    "EOrder:Positions limit exceeded": _no(),
    "EOrder:Scheduled orders limit exceeded": _no(),
    "EOrder:Cannot open position": _no(),
    "EOrder:Post only order": _no(),
    "EOrder:Trading agreement required": _no(Remedy.HALT),
    "EOrder:Rate limit exceeded": _no(Remedy.BACK_OFF, RATE_WAIT_S),
    "EOrder:Domain rate limit exceeded": _no(Remedy.BACK_OFF, RATE_WAIT_S),
    "EGeneral:Permission denied": _no(Remedy.HALT),
    "EGeneral:Temporary lockout": _no(Remedy.LOCKOUT, LOCKOUT_S),
    "EGeneral:Too many requests": _no(Remedy.BACK_OFF, RATE_WAIT_S),
    "EService:Market in cancel_only mode": _no(Remedy.STATUS),
    "EService:Market in post_only mode": _no(Remedy.STATUS),
    "EService:Market in limit_only mode": _no(Remedy.STATUS),
    "EService:Deadline elapsed": _no(),
    "EAPI:Invalid key": _no(Remedy.HALT),
    "EAPI:Invalid signature": _no(Remedy.HALT),
    "EAPI:Invalid nonce": _no(Remedy.BACK_OFF, 1.0),
    "EAPI:Rate limit exceeded": _no(Remedy.BACK_OFF, RATE_WAIT_S),
    "EQuery:Unknown asset pair": _no(Remedy.STATUS),
    "EAccount:Invalid permissions": _no(Remedy.HALT),
    "ETrade:User Locked": _no(Remedy.HALT),
    "EBM:limit exceeded:CAL": _no(Remedy.HALT),
}

# Words that prove nothing about the order, but ask for something all the same.
UNKNOWN: Mapping[str, Verdict] = {
    "EService:Unavailable": _perhaps(Remedy.BACK_OFF, BUSY_WAIT_S),
    "EService:Busy": _perhaps(Remedy.BACK_OFF, BUSY_WAIT_S),
    "EService:Timeout": _perhaps(Remedy.BACK_OFF, BUSY_WAIT_S),
    "EGeneral:Internal error": _perhaps(),
    "EDatabase:Internal error": _perhaps(),
    "EOrder:Unknown order": _perhaps(),
    "EGeneral:Unknown method": _perhaps(),
    "EAPI:Feature disabled": _perhaps(Remedy.HALT),
    "EAPI:Invalid token": _perhaps(),
    "EAPI:Bad request": _perhaps(),
    "EQuery:Unknown asset": _perhaps(),
    "EQuery:Invalid asset pair": _perhaps(),
    "EAuth:Rate limit exceeded": _perhaps(Remedy.BACK_OFF, RATE_WAIT_S),
    "EAuth:Too many requests": _perhaps(Remedy.BACK_OFF, RATE_WAIT_S),
    "EAuth:Account temporary disabled": _perhaps(Remedy.HALT),
    "EAuth:Account unconfirmed": _perhaps(Remedy.HALT),
    "ETrade:Invalid request": _perhaps(),
    "ESession:Invalid session": _perhaps(),
    "WDatabase:No change": _perhaps(),
}

# `EGeneral:Invalid arguments`, alone or naming the field it did not like.
_ARGUMENTS = re.compile(r"EGeneral:Invalid arguments(:[\w .,-]{1,100})?")
# `EService: Throttled: 1700000000`: wait until then (unix seconds). Also seen without a time.
_THROTTLED = re.compile(r"EService: ?Throttled(?:: ?(\d{1,12}))?")


def judge(words: str, now_s: float | None = None) -> Verdict:
    """What one error text proves. `now_s` (unix) turns a throttle's end into a wait."""
    known = REJECTED.get(words) or UNKNOWN.get(words)
    if known is not None:
        return known
    if _ARGUMENTS.fullmatch(words):
        return _no()
    throttled = _THROTTLED.fullmatch(words)
    if throttled is None:
        return _UNLISTED
    wait_s = RATE_WAIT_S
    if throttled[1] and now_s is not None:
        wait_s = min(MOST_THROTTLE_S, max(0.0, int(throttled[1]) - now_s))
    return _no(Remedy.BACK_OFF, wait_s)


def judge_all(errors: list[str], now_s: float | None = None) -> Verdict:
    """What a reply's list of errors proves: one error speaks, several together prove nothing.

    Their remedy still counts: the gravest of them.
    """
    if len(errors) == 1:
        return judge(errors[0], now_s)
    gravest = max((judge(one, now_s) for one in errors), key=_gravity, default=_UNLISTED)
    return Verdict(OrderState.UNKNOWN, gravest.remedy, gravest.wait_s)


_GRAVITY = (
    *(Remedy.NONE, Remedy.RESYNC, Remedy.STATUS),
    *(Remedy.BACK_OFF, Remedy.LOCKOUT, Remedy.HALT),
)


def _gravity(verdict: Verdict) -> int:
    return _GRAVITY.index(verdict.remedy)
