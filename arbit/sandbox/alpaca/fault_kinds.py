"""Faults that only Alpaca's wire can have, and those of the table that only Kraken's can."""

from typing import Final

from arbit.sandbox.alpaca.garbage import SHAPES
from arbit.sandbox.order_kinds import FACES, Row

KRAKEN_ONLY: Final[tuple[str, ...]] = (
    *("corrupt_digit", "wrong_checksum", "duplicate_snapshot", "poison", "refuse_subscribe"),
    *("system_status", "rest_error", "token_expired", "order_error", "fee_third"),
    *("exec_swap", "exec_early", "exec_batch"),
)

ROUNDINGS: Final = ("half_up", "down", "up")

ALPACA_KINDS: Final[tuple[Row, ...]] = (
    (
        "stream_error",
        "socket",
        "each open data socket is sent this error frame at once; with close it is closed after it",
        {"code": 500, "msg": "internal error", "close": False},
        1,
        {},
    ),
    (
        "subscribe_error",
        "socket",
        "a subscribe request is answered with this error and nothing is subscribed",
        {"code": 405, "msg": "symbol limit exceeded"},
        1,
        {},
    ),
    (
        "auth_error",
        "socket",
        "an auth request on the data stream is answered with this error, and the socket closed",
        {"code": 402, "msg": "auth failed"},
        1,
        {},
    ),
    (
        "slow_reap",
        "socket",
        "a data socket that goes away holds its place for reap_ms: the next one gets 406 till then",
        {"reap_ms": 3000},
        None,
        {},
    ),
    (
        "book_reset",
        "symbol",
        "a true whole book with r comes after an update",
        {},
        1,
        {},
    ),
    (
        "crossed_book",
        "symbol",
        "a bid above the best ask is put into an update and never taken back",
        {"bps": 5},
        1,
        {},
    ),
    (
        "stuck_book",
        "symbol",
        "book messages stop and so do quotes, unless quotes is set; REST goes on with the truth",
        {"quotes": False},
        None,
        {},
    ),
    (
        "quote_off",
        "symbol",
        "quotes show a market this far from the book's",
        {"bps": 30},
        None,
        {},
    ),
    (
        "garbage",
        "symbol",
        "a frame no client expects is sent (shape: a name, or each in turn); times counts frames",
        {"shape": "each"},
        1,
        {"shape": ("each", *SHAPES)},
    ),
    (
        "rate_limited",
        "rest",
        "REST paths containing path answer 429",
        {"path": ""},
        1,
        {},
    ),
    (
        "unauthorized",
        "rest",
        "REST paths containing path answer 401, as when a key is withdrawn while it is used",
        {"path": ""},
        1,
        {},
    ),
    (
        "order_denied",
        "order",
        "the call is answered with this status, code and message; with accepted the exchange acted",
        {
            "status": 403,
            "code": 40310000,
            "message": "order denied",
            "accepted": False,
            "face": "any",
            "method": "",
            "skip": 0,
        },
        1,
        {"face": FACES},
    ),
    ("order_rejected", "symbol", "an accepted order is rejected by the engine", {}, 1, {}),
    (
        "updates_late",
        "account",
        "trade updates come delay_ms late, in order",
        {"delay_ms": 1000},
        None,
        {},
    ),
    (
        "updates_text",
        "account",
        "trade updates are text frames, as live sends them",
        {},
        None,
        {},
    ),
    (
        "fee_rounding",
        "account",
        "fees are rounded to nine decimals this way",
        {"mode": "down"},
        None,
        {"mode": ROUNDINGS},
    ),
    (
        "fee_extra",
        "symbol",
        "a fee is taken that is this much beyond the tier's",
        {"bps": 5},
        1,
        {},
    ),
    ("fees_daily", "account", "fees are posted one per asset and day", {}, None, {}),
    ("fees_held", "account", "no fee is posted while this stands", {}, None, {}),
)
