"""What an answer to `POST /v2/orders` proves about the order: an allow-list, kept as data.

An answer is told by its HTTP status, by the `code` of its envelope and by its words. Sources:
docs.alpaca.markets (orders, user protection, crypto orders) and bodies recorded at the venue. Only
an answer that is listed here is a refusal; everything else is UNKNOWN and ends by question: a
status that an edge in front of the venue may have made, a body that is cut short or no JSON, words
that nobody has documented.

`client_order_id must be unique` is no refusal of that order: it says that an order of this id is
there, so it is asked for (docs.alpaca.markets: ids are unique in an account, finished ones too).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arbit.domain.errors import FrameError
from arbit.domain.order import OrderState, Remedy
from arbit.venues.alpaca.http import Answer, json_of

RATE_WAIT_S = 5.0
BUSY_WAIT_S = 2.0
OK = 200
MOST_WORDS = 300
NO_CODE = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means: ACKED, REJECTED or UNKNOWN, what else is to be done, for how long.

    `words` are the venue's own, `order` the body of an acceptance.
    """

    state: OrderState
    remedy: Remedy = Remedy.NONE
    wait_s: float = 0.0
    words: str = ""
    order: Any = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A refusal that is listed. `codes` may hold None: the envelope then has no code at all."""

    status: int
    codes: frozenset[int | None]
    words: re.Pattern[str]
    state: OrderState
    remedy: Remedy = Remedy.NONE
    wait_s: float = 0.0


def _rule(
    status: int,
    codes: Sequence[int | None],
    words: str,
    remedy: Remedy = Remedy.NONE,
    wait_s: float = 0.0,
) -> Rule:
    """A refusal: the order was certainly not placed."""
    matched = re.compile(words, re.IGNORECASE | re.DOTALL)
    return Rule(status, frozenset(codes), matched, OrderState.REJECTED, remedy, wait_s)


# Parameters that are refused before an order is made. The words are many and name the field.
PARAMETERS = (40010000, 40010001, 42210000, NO_CODE)
FORBIDDEN = (40310000, NO_CODE)
# The first rule that fits speaks. Whatever none fits is UNKNOWN.
RULES: Sequence[Rule] = (
    _rule(403, FORBIDDEN, r"insufficient (balance|qty|quantity|buying power)\b.*", Remedy.RESYNC),
    _rule(403, FORBIDDEN, r"potential wash trade detected\b.*"),
    _rule(403, FORBIDDEN, r"cost basis must be (>= minimal|<= maximal) amount of order\b.*"),
    _rule(403, FORBIDDEN, r"new orders are rejected by user request\b.*", Remedy.HALT),
    _rule(403, (NO_CODE,), r"forbidden\.?", Remedy.HALT),
    _rule(401, (40110000, NO_CODE), r".*(authoriz|authentic).*", Remedy.HALT),
    _rule(422, PARAMETERS, r"asset .* (is not active|is not tradable|not found).*", Remedy.STATUS),
    # Anything else about parameters, but never a word about the client id: see at the top.
    _rule(422, PARAMETERS, r"(?!.*(client.?order.?id|unique|duplicate|already)).+"),
    _rule(400, (40010000, 40010001), r"(?!.*(client.?order.?id|unique|duplicate|already)).+"),
    _rule(404, (40410000,), r".*(asset|symbol).* not found.*", Remedy.STATUS),
    _rule(429, (42910000, NO_CODE), r".*(too many requests|rate limit).*", Remedy.BACK_OFF, 5.0),
)
# Of what proves nothing, what is to be done all the same: keep away from a venue that is busy.
BUSY = frozenset({500, 502, 503, 504})
TOO_MANY = 429
REFUSED_KEY = frozenset({401})


def judge(answer: Answer) -> Verdict:
    """What this answer to an order proves. An acceptance still has to name our client id."""
    try:
        body = json_of(answer.body, "order")
    except FrameError as error:
        return _perhaps(answer, str(error))
    if not isinstance(body, dict):
        return _perhaps(answer, "the answer is no object")
    if answer.status == OK:
        return Verdict(OrderState.ACKED, order=body)
    code, message = body.get("code"), body.get("message")
    if not isinstance(message, str) or not _is_code(code):
        return _perhaps(answer, "the answer has no words")
    for rule in RULES:
        if rule.status == answer.status and code in rule.codes and rule.words.fullmatch(message):
            return Verdict(rule.state, rule.remedy, rule.wait_s, _said(answer, message, body))
    return _perhaps(answer, message)


def _perhaps(answer: Answer, why: str) -> Verdict:
    remedy, wait_s = Remedy.NONE, 0.0
    if answer.status == TOO_MANY:
        remedy, wait_s = Remedy.BACK_OFF, RATE_WAIT_S
    elif answer.status in BUSY:
        remedy, wait_s = Remedy.BACK_OFF, BUSY_WAIT_S
    elif answer.status in REFUSED_KEY:
        remedy = Remedy.HALT
    words = f"{answer.status} {why}".strip()[:MOST_WORDS]
    return Verdict(OrderState.UNKNOWN, remedy, wait_s, words)


def _said(answer: Answer, message: str, body: dict[str, Any]) -> str:
    """The words, and against which order a wash trade would have been."""
    against = body.get("existing_order_id")
    tail = f" (against {against[:40]})" if isinstance(against, str) else ""
    return f"{answer.status} {message}{tail}"[:MOST_WORDS]


def _is_code(code: object) -> bool:
    return code is None or (isinstance(code, int) and not isinstance(code, bool))
