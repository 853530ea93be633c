"""Why the risk gate says no. Closed: these are metric labels and rows in the journal."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class RefusalCode(enum.StrEnum):
    """One code a rule."""

    KILL_SWITCH = "kill_switch"
    VENUE_PAUSED = "venue_paused"
    BREAKER = "breaker"
    DRAINING = "draining"  # no new cycle: the daemon is on its way out
    GATEWAY_NOT_READY = "gateway_not_ready"
    MARKET_STATUS = "market_status"
    INTEGRITY = "integrity"  # the feed cannot prove its books
    REST_BOOK = "rest_book"
    STALE_BOOK = "stale_book"
    SKEW = "skew"
    COLLAR = "collar"  # the price is too far from our own reference
    EDGE = "edge"
    SLIPPAGE = "slippage"
    MIN_NOTIONAL = "min_notional"
    MAX_NOTIONAL = "max_notional"
    UNPRICED = "unpriced"  # no own book prices the asset in the reference currency
    CONCURRENCY = "concurrency"
    TOTAL_CYCLES = "total_cycles"  # all lanes together
    TOTAL_NOTIONAL = "total_notional"  # all lanes together
    LANE_TURN = "lane_turn"  # the last place is kept for another lane
    COOLDOWN = "cooldown"
    START_BUDGET = "start_budget"  # cycles under way have started with enough of the asset
    ASSET_CAP = "asset_cap"  # trading would move it too far from what was put in
    INVENTORY_CAP = "inventory_cap"  # more of it would be owned than its owner wants at most
    FUNDS = "funds"
    RESERVE = "reserve"  # it is there, and never spent
    RATE_BUDGET = "rate_budget"
    DAILY_LOSS = "daily_loss"
    UNRESOLVED = "unresolved"  # an order touching these assets is UNKNOWN
    AUDIT = "audit"  # the books have not been compared with the venue's for too long
    FEES = "fees"  # a fill was dearer than the venue said, and it was not asked yet
    JOURNAL = "journal"
    CLOCK = "clock"  # the offset to the venue's clock is not known well enough for a deadline
    ENVELOPE = "envelope"  # an order outside what was approved
    EXPIRED = "expired"  # the approval is too old
    UNWIND_BUDGET = "unwind_budget"


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal: the rule's code, and the figures that it looked at."""

    code: RefusalCode
    figures: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code.value}: " + ", ".join(f"{k} {v}" for k, v in self.figures.items())
