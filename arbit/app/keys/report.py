"""What `arbit keys:check` finds out, of any venue."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.domain.account import Balance
from arbit.domain.market import Market
from arbit.domain.money import BPS, EXACT, plain

MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class MarketCheck:
    """One market of the watched triangles. Amounts are exact text; empty means not told."""

    symbol: str
    status: str
    qty_min: str
    cost_min: str
    price_increment: str
    qty_increment: str
    fee_bps: str
    rehearsal: str


class Found(enum.StrEnum):
    """What is to be made of one thing that was looked at."""

    GOOD = "ok"
    NOTED = "note"  # it may be traded with, and might be better
    BAD = "no"
    UNTOLD = "not told"


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """One thing that was looked at, what was found, and what is to be made of it."""

    what: str
    found: str
    verdict: Found


@dataclass(slots=True)
class KeysReport:
    """What was found. `fit` is the verdict; `reasons` say why not, `notes` what might be better.

    `checks` are of the key, the clock and the fees; `told` is what the venue says of the account, a
    line each. `balances` are exact text by asset, and empty unless they were asked for.
    """

    venue: str
    permissions: Sequence[str] = ()
    nonce_window: int | None = None
    expires_ns: int | None = None
    ip_allowlist: int = 0
    offset_ms: float | None = None
    uncertainty_ms: float | None = None
    markets: list[MarketCheck] = field(default_factory=list)
    bad_markets: list[str] = field(default_factory=list)
    hurdle_bps: str = ""
    fit: bool = False
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    checks: list[KeyCheck] = field(default_factory=list)
    balances: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """One line."""
        if self.fit:
            bad = f", not to be traded: {some(self.bad_markets)}" if self.bad_markets else ""
            return f"fit to trade on {self.venue}: {len(self.markets)} markets checked{bad}"
        return f"not fit to trade on {self.venue}: {'; '.join(self.reasons)}"


def market_check(market: Market, fee: Decimal | None, rehearsal: str) -> MarketCheck:
    """A market as it is shown. `fee` is a fraction, None where nobody tells it."""
    return MarketCheck(
        symbol=market.symbol,
        status=market.status.value,
        qty_min=text_of(market.qty_min),
        cost_min=text_of(market.cost_min),
        price_increment=text_of(market.price_increment),
        qty_increment=text_of(market.qty_increment),
        fee_bps=text_of(None if fee is None else EXACT.multiply(fee, BPS).normalize()),
        rehearsal=rehearsal,
    )


def balances_shown(balances: Mapping[str, Balance]) -> dict[str, str]:
    """What is owned of each asset, as text."""
    return {asset: plain(one.total) for asset, one in sorted(balances.items()) if one.total}


def some(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def text_of(amount: Decimal | None) -> str:
    """An amount as it is shown; empty for one that is not told."""
    return "" if amount is None else plain(amount)
