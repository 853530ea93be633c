"""Faults of the order path, by name: what can happen to an order's request, reply and reports.

``face`` (rest, ws, any), ``method`` (part of the call's name, such as AddOrder or add_order; ""
for all) and ``skip`` (so many matching calls pass first) say which call is hit; the symbol of the
fault, if any, must be the order's.
"""

from typing import Final

Param = str | int | float | bool
Row = tuple[str, str, str, dict[str, Param], int | None, dict[str, tuple[str, ...]]]

FACES: Final = ("any", "rest", "ws")
WHENS: Final = ("before", "after")
ODD_SHAPES: Final = (
    "no_id",
    "empty_id",
    "two_ids",
    "null_result",
    "list_result",
    "empty_object",
    "other_order",
    "descr_text",
    "warning",
    "several_errors",
    "error_and_result",
    "number_error",
)
_SKIP: Final[dict[str, Param]] = {"skip": 0}
_STEPS: Final[dict[str, Param]] = {"steps": 1}
_DELAY: Final[dict[str, Param]] = {"delay_ms": 300}
_CALL: Final[dict[str, Param]] = {"face": "any", "method": "", "skip": 0}
_FACE: Final[dict[str, tuple[str, ...]]] = {"face": FACES}
_WHEN: Final[dict[str, tuple[str, ...]]] = {"when": WHENS, **_FACE}

ORDER_KINDS: Final[tuple[Row, ...]] = (
    (
        *("order_silent", "order", "no reply at all, before or after the exchange has acted"),
        *({"when": "after", **_CALL}, 1, _WHEN),
    ),
    (
        "order_late",
        "order",
        "the request reaches the exchange delay_ms late; the reply follows only with reply",
        {"delay_ms": 1000, "reply": False, **_CALL},
        1,
        _FACE,
    ),
    (
        *("order_reset", "order", "the connection is cut, before or after the exchange has acted"),
        *({"when": "after", **_CALL}, 1, _WHEN),
    ),
    ("order_truncated", "order", "the reply ends in the middle", dict(_CALL), 1, _FACE),
    (
        *("order_odd", "order", "the reply has a shape no client expects; the order was accepted"),
        *({"shape": "no_id", **_CALL}, 1, {"shape": ODD_SHAPES, **_FACE}),
    ),
    (
        "order_error",
        "order",
        "the reply is this error; with accepted the exchange acted all the same",
        {"error": "EService:Unavailable", "accepted": False, **_CALL},
        1,
        _FACE,
    ),
    (
        *("order_status", "order", "REST answers this HTTP status, before or after acting"),
        *({"status": 502, "when": "after", **_CALL}, 1, _WHEN),
    ),
    (
        *("order_html", "order", "REST answers HTTP 200 with a web page, before or after acting"),
        *({"when": "after", **_CALL}, 1, _WHEN),
    ),
    (
        "exec_duplicate",
        "account",
        "each executions frame is sent again, with a number of its own",
        {"copies": 1},
        None,
        {},
    ),
    ("exec_reorder", "account", "two executions frames change places", {}, None, {}),
    ("exec_swap", "account", "what happens at once is told last first", {}, None, {}),
    ("exec_early", "account", "reports of an order come before its reply", {}, None, {}),
    ("exec_batch", "account", "reports that belong together come in one frame", {}, None, {}),
    (
        *(
            "exec_gap",
            "account",
            "an executions frame is lost after skip others; its number is not",
        ),
        *(dict(_SKIP), 1, {}),
    ),
    ("exec_mute", "account", "no private frames are sent; numbers go on", {}, None, {}),
    (
        "read_lag",
        "account",
        "orders, trades and ledgers show over REST only lag_ms after they happened",
        {"lag_ms": 1000},
        None,
        {},
    ),
    ("token_expired", "account", "every token is forgotten", {}, 1, {}),
    ("key_revoked", "account", "the trading key is revoked while this stands", {}, None, {}),
    (
        "key_rights",
        "account",
        "the trading key has a right more, or less, while this stands",
        {"more": "", "less": ""},
        None,
        {},
    ),
    (
        *("fill_share", "symbol", "an IOC order fills this share of what the book would give"),
        *({"share": 0.5, **_SKIP}, 1, {}),
    ),
    ("overfill", "symbol", "an order trades so many steps too many", dict(_STEPS), 1, {}),
    ("fee_third", "symbol", "fees are taken in this asset", {"asset": "USDT"}, 1, {}),
    (
        *("match_delay", "symbol", "an accepted order meets the book delay_ms later"),
        *(dict(_DELAY), 1, {}),
    ),
    (
        "drift",
        "account",
        "a balance changes at once and nothing explains it",
        {"asset": "USD", "amount": "0.0001"},
        1,
        {},
    ),
    (
        "foreign_order",
        "account",
        "somebody else places an IOC order on the account at once",
        {"side": "buy", "qty": "0.001"},
        1,
        {"side": ("buy", "sell")},
    ),
)
