"""What sizing decides: three orders that fit, or the reason why none does."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.domain.money import ZERO
from arbit.domain.order import OrderIntent
from arbit.domain.triangle import Leg, Triangle
from arbit.domain.walk import Levels


class UnfitReason(enum.StrEnum):
    """Why no size fits. Closed: these are metric labels."""

    MISSING_BOOK = "missing_book"
    CROSSED_BOOK = "crossed_book"
    MISSING_SPEC = "missing_spec"  # an increment or a minimum is absent or makes no sense
    MISSING_FEE = "missing_fee"  # a fee is absent or no fraction in [0, 1)
    NO_BUDGET = "no_budget"  # the budget cannot buy the minima
    NO_DEPTH = "no_depth"  # a side is empty, or holds no whole lot within the slippage allowed
    NO_EDGE = "no_edge"  # even the best levels do not return what they cost
    BELOW_QTY_MIN = "below_qty_min"  # the profitable depth ends before qty_min of a leg
    BELOW_COST_MIN = "below_cost_min"  # the same for the minimum notional
    BELOW_MIN_EDGE = (
        "below_min_edge"  # it pays, but less than `min_edge_bps` of what it starts with
    )
    NO_ROOM = "no_room"  # caps of what is owned, or reserves, leave no room for any size
    BELOW_LIQUIDITY_FLOOR = "below_liquidity_floor"  # a book is thinner than the user demands
    DEPTH_UNPROVED = "depth_unproved"  # a quiet book whose top alone was confirmed: looked at again
    NOT_TRADABLE = "not_tradable"  # the venue does not say that all three markets may be traded
    NO_PROFIT_AFTER_ROUNDING = "no_profit_after_rounding"  # lots or min_profit ate it


@dataclass(frozen=True, slots=True)
class Unfit:
    """No size fits: the first reason that stands in the way, and its figures."""

    reason: UnfitReason
    detail: str


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """What bounds a size.

    `max_start` is the most that leg 1 may spend at its limit price, `min_profit` the least that
    must be earned at the limit prices, both in the start asset. `min_cost` raises the venue's
    minimum notional, by quote asset. `max_slippage_bps` is how far a leg's limit may be from the
    top of the side it trades with; None leaves that to the profit alone.
    """

    max_start: Decimal
    min_profit: Decimal = ZERO
    min_cost: Mapping[str, Decimal] = field(default_factory=dict)
    max_slippage_bps: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PlannedLeg:
    """One leg: `qty` base units in whole lots, at `limit_price` quote per base or better.

    Spends and receipts are in `leg.spend` and `leg.receive`; receipts are net of the fee, which is
    taken in the received asset. *Expected* is at the average price of the levels the quantity
    walks, *worst* is at the limit price. `residual` is what this leg is expected to deliver beyond
    what the next one spends: dust (zero for the last leg). `walk` are the levels that it walks.
    """

    leg: Leg
    qty: Decimal
    limit_price: Decimal
    fee_rate: Decimal
    expected_spend: Decimal
    expected_receive: Decimal
    fee: Decimal
    fee_asset: str
    worst_spend: Decimal
    worst_receive: Decimal
    residual: Decimal = ZERO
    walk: Levels = field(default=(), compare=False)  # remembered, no part of what is asked for

    def intent(self, client_id: str) -> OrderIntent:
        """This leg as an order to send under our own client id."""
        return OrderIntent(client_id, self.leg, self.qty, self.limit_price, self.fee_rate)


@dataclass(frozen=True, slots=True)
class Plan:
    """Three legs that fit. Amounts are in the start asset.

    `profit` is `start_out - start_in` at the expected average prices, `profit_at_limits` the same
    when each leg fills wholly at its limit; the second is positive and never above the first.
    """

    triangle: Triangle
    legs: tuple[PlannedLeg, PlannedLeg, PlannedLeg]
    start_in: Decimal
    start_out: Decimal
    profit: Decimal
    profit_at_limits: Decimal
