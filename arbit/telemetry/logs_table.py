"""Every line that the log may hold: its name, how much it matters, and what its fields mean.

Closed: a line is an event of `arbit.domain.events`, or one of `LINES`. The tables in WARP.md are
made from here (`python -m arbit.telemetry.logs_docs`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from arbit.domain import events
from arbit.domain.events import Event

LEVELS: Mapping[type[Event], int] = {
    events.FeedConnected: logging.INFO,
    events.FeedDisconnected: logging.WARNING,
    events.BookDisbelieved: logging.WARNING,
    events.BookBelieved: logging.INFO,
    events.StreamStale: logging.WARNING,
    events.StreamBack: logging.INFO,
    events.VenueStatusChanged: logging.WARNING,
    events.VenueSaid: logging.WARNING,
    events.EpisodeEnded: logging.DEBUG,
    events.PaperCycleEnded: logging.INFO,
    events.VenueFailed: logging.ERROR,
    events.OrderRefused: logging.INFO,
    events.OrderSent: logging.INFO,
    events.OrderFilled: logging.INFO,
    events.CancelAsked: logging.INFO,
    events.OrderEnded: logging.INFO,
    events.CycleEnded: logging.INFO,
    events.ConversionEnded: logging.INFO,
    events.CycleExplained: logging.INFO,
    events.IncidentSeen: logging.WARNING,
    events.BreakerChanged: logging.WARNING,
    events.KillChanged: logging.WARNING,
    events.HealthChanged: logging.WARNING,
    events.WalletChanged: logging.WARNING,
    events.AlertsChanged: logging.WARNING,
}

# Lines that are no event: of the log itself, the page, and libraries.
METRICS_SERVED, UNWRITTEN, LIBRARY = "metrics_served", "log_lines_unwritten", "library"
FILE_FAILED, FILE_BACK = "log_file_failed", "log_file_back"
LINES: Mapping[str, tuple[int, str, tuple[str, ...]]] = {
    METRICS_SERVED: (logging.INFO, "The page of metrics is served.", ("url",)),
    UNWRITTEN: (logging.WARNING, "At the end: lines that were counted instead.", ("total",)),
    LIBRARY: (logging.WARNING, "A library warns.", ("said", "logger", "traceback")),
    FILE_FAILED: (logging.WARNING, "The log file cannot be written; stderr goes on.", ("why",)),
    FILE_BACK: (logging.INFO, "The log file is written again.", ("lost",)),
}

COMMON: Mapping[str, str] = {
    "event": "name of the line, one of the table below",
    "level": "debug, info, warning or error",
    "timestamp": "UTC wall time, to the millisecond",
    "run": "the run: the five characters that its order ids hold; empty where no account is traded",
}

FIELDS: Mapping[str, str] = {
    "after_ms": "how long it was not believed, in milliseconds",
    "age_ms": "age of the last confirmation, in milliseconds",
    "asset": "the asset that the amount is in",
    "best_bps": "largest edge of the episode, in basis points",
    "brought": "what came of it, in the start asset, exact digits",
    "client_id": "our own id of the order; empty where there is none",
    "code": "the rule of our gate that refused, one of the closed set; `cancel` for a cancellation",
    "cost_ref": "what it cost against the middles, in the reference currency",
    "cycle_id": "id of the cycle or conversion; empty where there is none",
    "depth": "lost to levels behind the top, in the start asset; below zero is a gain",
    "detail": "what was seen; may hold a venue's words",
    "end": "how it ended, a state of docs/states.md",
    "epoch": "number of the connection, from 1",
    "expected": "what was expected when it was decided on, in the start asset",
    "fee": "lost to fees beyond those expected; below zero is a gain",
    "fees": "what the venue took, amounts and assets",
    "gross_ms": "how long there was a gap before costs, in milliseconds",
    "kind": "what kind, one of a closed set",
    "latency": "lost between our book and the venue's fills; below zero is a gain",
    "limit_price": "worst price, quote per base, exact digits",
    "logger": "the library's own name of its log",
    "lost": "lines that were not kept meanwhile",
    "net_ms": "how long there was a gap after costs, in milliseconds",
    "partial": "lost because legs filled in part; below zero is a gain",
    "path": "the assets in the order of trading, `>` between them",
    "price": "quote per base, exact digits",
    "profit": "what it earned, exact digits",
    "purpose": "what the order is for, one of a closed set",
    "qty": "amount in base units, exact digits",
    "reason": "why, one of a closed set; of an order that ended, the venue's words",
    "received": "what came, exact digits",
    "receiver": "discord, webhook, deadman, or alerts for all of them",
    "retry_ms": "wait before the next try, in milliseconds",
    "rounding": "lost to the venue's rounding; below zero is a gain",
    "said": "its words",
    "shard": "number of the connection, from 0",
    "side": "buy or sell",
    "spent": "what went, exact digits",
    "spread_move": "lost to prices that moved before a leg was sent; below zero is a gain",
    "stage": "the furthest stage the episode reached",
    "state": "the state it is in now, one of a closed set",
    "status": "the venue's own word for it",
    "symbol": "the market; `*` is the venue as a whole",
    "symbols": "markets, the first five and how many more",
    "text": "the venue's own words",
    "total": "how many in all",
    "traceback": "where in the code, on one line",
    "trade_id": "the venue's own id of the trade",
    "unwritten": "lines of this kind about the same thing that were counted instead before it",
    "url": "address of this machine",
    "venue": "the venue; `wallet` and `alerts` stand for what belongs to none",
    "waiting": "critical alerts that no receiver has taken yet",
    "why": "why, in words",
}
