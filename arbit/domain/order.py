"""Orders as plain values: what is asked of a venue, and what it did."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import EXACT
from arbit.domain.triangle import Leg


class OrderEnd(enum.StrEnum):
    """How an immediate-or-cancel order ended. UNKNOWN is resolved by query, never by resending."""

    FILLED = "filled"
    PARTIAL = "partial"
    EMPTY = "empty"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """One IOC limit order: `qty` in base units, `limit_price` in quote per base.

    `fee_rate` is the taker fee (a fraction) that the sizing reckoned with.
    """

    client_id: str
    leg: Leg
    qty: Decimal
    limit_price: Decimal
    fee_rate: Decimal


@dataclass(frozen=True, slots=True)
class Fill:
    """What an order really traded, in total.

    `base_qty` base units against `quote_qty` quote units, with `fee` taken in `fee_asset`.
    """

    base_qty: Decimal
    quote_qty: Decimal
    fee: Decimal
    fee_asset: str


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The outcome of one order at `at_ns` (monotonic). `fill` is None when nothing traded."""

    intent: OrderIntent
    end: OrderEnd
    at_ns: int
    fill: Fill | None = None
    reason: str = ""

    @property
    def spent(self) -> Decimal:
        """How much of `leg.spend` left, the fee included where it was taken in that asset."""
        return _moved(self, spent=True)

    @property
    def received(self) -> Decimal:
        """How much of `leg.receive` arrived, net of the fee where it was taken in that asset."""
        return _moved(self, spent=False)


def _moved(report: OrderReport, *, spent: bool) -> Decimal:
    fill, leg = report.fill, report.intent.leg
    if fill is None:
        return Decimal(0)
    asset = leg.spend if spent else leg.receive
    in_base = asset == leg.symbol_base
    amount = fill.base_qty if in_base else fill.quote_qty
    if fill.fee_asset == asset:
        change = EXACT.add if spent else EXACT.subtract
        return change(amount, fill.fee)
    return amount
