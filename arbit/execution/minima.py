"""What a market takes at least, against an amount that is left over."""

from __future__ import annotations

from decimal import Decimal

from arbit.domain.book import BookView
from arbit.domain.market import Market
from arbit.domain.money import EXACT, floor_to
from arbit.domain.triangle import Leg, Side


def too_small(
    leg: Leg, amount: Decimal, market: Market, view: BookView | None, *, owed: bool
) -> bool:
    """Whether the market of a leg takes no order for so little, by its own minima.

    `amount` is of what the leg spends, or with `owed` of what it receives. Without a price the
    minimum quantity decides where it can.
    """
    in_base = (leg.side is Side.SELL) is not owed
    levels = view.facing(leg.side) if view is not None else ()
    if not levels and not in_base:
        return market.cost_min is not None and amount < market.cost_min
    qty = amount if in_base else EXACT.divide(amount, levels[0].price)
    if market.qty_increment is not None:  # only whole lots can be ordered
        qty = floor_to(qty, market.qty_increment)
    few = qty <= 0 or (market.qty_min is not None and qty < market.qty_min)
    if few or not levels or market.cost_min is None:
        return few
    return EXACT.multiply(qty, levels[0].price) < market.cost_min
