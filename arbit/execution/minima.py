"""What a market takes at least, against an amount that is left over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.book import BookView
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ONE, ZERO, floor_to
from arbit.domain.triangle import Leg, Side
from arbit.execution.cycle import affordable


def too_small(
    leg: Leg, amount: Decimal, market: Market, view: BookView | None, *, owed: bool
) -> bool:
    """Whether the market of a leg takes no order for so little, by its own minima.

    `amount` is of what the leg spends, or with `owed` of what it receives. Without a price the
    minimum quantity decides where it can.
    """
    in_base = (leg.side is Side.SELL) is not owed
    cost_min = market.least_cost(sells=leg.side is Side.SELL)
    levels = view.facing(leg.side) if view is not None else ()
    if not levels and not in_base:
        return cost_min is not None and amount < cost_min
    qty = amount if in_base else EXACT.divide(amount, levels[0].price)
    if market.qty_increment is not None:  # only whole lots can be ordered
        qty = floor_to(qty, market.qty_increment)
    few = qty <= 0 or (market.qty_min is not None and qty < market.qty_min)
    if few or not levels or cost_min is None:
        return few
    return EXACT.multiply(qty, levels[0].price) < cost_min


@dataclass(frozen=True, slots=True)
class Legs:
    """Where each asset of a cycle may go: straight home, on, or back; and where it is bought."""

    home: Mapping[str, Leg]
    complete: Mapping[str, Leg]
    reverse: Mapping[str, Leg]
    buy: Mapping[str, Leg]


@dataclass(frozen=True, slots=True)
class Dust:
    """What of a cycle's assets is too little for any way home; a book not seen is no excuse.

    `detour` says whether so much of an asset has a way home through one outside the triangle.
    """

    start: str
    legs: Legs
    view: Callable[[str], BookView | None]
    markets: Mapping[str, Market]
    fees: Mapping[str, Decimal]
    detour: Callable[[str, Decimal], bool]

    def rid_of(self, owed: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Without what is dust.

        What is kept only because it joins something is kept together with that.
        """
        kept = {asset for asset, amount in owed.items() if not self.has(asset, amount, owed)}
        for asset in tuple(kept):
            if self.has(asset, owed[asset], {}):
                legs = (self.legs.complete[asset], self.legs.reverse[asset])
                kept |= {leg.receive for leg in legs if owed.get(leg.receive, ZERO) > 0}
        return {asset: amount for asset, amount in owed.items() if asset in kept}

    def has(self, asset: str, amount: Decimal, beside: Mapping[str, Decimal]) -> bool:
        """Whether so much of it is dust, with what is in hand and owed of the others beside it."""
        legs = self.legs
        if amount == 0 or asset not in legs.home:  # no market joins it to the start asset
            return True
        if amount < 0:
            return self._too_small(legs.buy[asset], abs(amount), owed=True)
        ways = (legs.home[asset], legs.complete[asset], legs.reverse[asset])
        open_to = [leg for leg in ways if not self._too_small(leg, amount, owed=False)]
        if any(self._leads_home(leg, amount, beside) for leg in open_to):
            return False
        return not (open_to and self.detour(asset, amount))

    def _leads_home(self, leg: Leg, amount: Decimal, beside: Mapping[str, Decimal]) -> bool:
        """Whether what so much brings there goes straight home, or pays what is owed."""
        there = leg.receive
        if there == self.start:
            return True
        brings = self._brings(leg, amount)
        if brings is None:
            return True
        beside_it = beside.get(there, ZERO)
        total = EXACT.add(brings, beside_it)
        if beside_it < 0:
            debt = EXACT.minus(beside_it)
            if total <= 0 or not self._too_small(self.legs.buy[there], debt, owed=True):
                return True
        return not self._too_small(self.legs.home[there], total, owed=False)

    def _brings(self, leg: Leg, amount: Decimal) -> Decimal | None:
        """What an order for it would bring at the best price; None where nobody can say."""
        market, view = self.markets.get(leg.symbol), self.view(leg.symbol)
        levels = view.facing(leg.side) if view is not None else ()
        if market is None or not levels:
            return None
        qty = affordable(leg, amount, levels[0].price, market)
        if qty is None:
            return None
        gross = EXACT.multiply(qty, levels[0].price) if leg.side is Side.SELL else qty
        return EXACT.multiply(gross, EXACT.subtract(ONE, self.fees.get(leg.symbol, ZERO)))

    def _too_small(self, leg: Leg, amount: Decimal, *, owed: bool) -> bool:
        market, view = self.markets.get(leg.symbol), self.view(leg.symbol)
        return market is not None and too_small(leg, amount, market, view, owed=owed)
