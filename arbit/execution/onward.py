"""Ways on: what a conversion that fell short could still do, and the best of it.

What it has in hand, between the asset that it spent and the one that it wants, may go on as
planned (*complete*) or by another market or two (*alternative*), back to where it came from
(*reverse*), or be held. A way on is taken before a way back, as long as all that the conversion
costs by it stays within its loss budget; of two ways on, what brings more. Costs are against the
middle prices of the planned books, in the asset that was spent. The way is taken one order at a
time and priced anew after each, as a cycle's way home is (`unwind`).

Pure: books, markets and fees come in, a `Prospect` goes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.market import Market
from arbit.domain.money import EXACT, ONE, ZERO, plain
from arbit.domain.triangle import Leg, Side
from arbit.execution.cycle import Cycle, affordable
from arbit.execution.depth import reach
from arbit.execution.minima import too_small
from arbit.execution.unwind import (
    ALTERNATIVE,
    COMPLETE,
    HOLD,
    MAX_ROUTES,
    REVERSE,
    HomeOrder,
    Prospect,
    Surroundings,
    Way,
    eased,
    home_order,
    in_hand,
)

Route = tuple[Leg, ...]
_TWO = Decimal(2)


def look(cycle: Cycle, budget: Decimal, around: Surroundings) -> Prospect:
    """Price the ways on of a conversion that may cost at most `budget` of what it spends."""
    paths = _Paths(cycle, around)
    loose = paths.loose()
    owed = paths.owed()
    if not loose and not owed:
        return Prospect({}, None, home=True, blind=False)
    ways = [] if owed else paths.ways(loose)
    prices = {way.name: plain(way.value) for way in ways}
    for name in (COMPLETE, REVERSE, ALTERNATIVE):
        prices.setdefault(name, "none")
    held = paths.worth(loose)
    prices[HOLD] = "unpriced" if held is None else plain(held)
    blind = not owed and paths.blind
    open_ways = [way for way in ways if paths.has_room(way)]
    so_far = paths.worth(cycle.moved(), only=cycle.goals)
    if not open_ways or so_far is None:
        blind = blind or bool(ways)  # the caps leave no room now, or a book is not seen
        return Prospect(prices | {"chosen": HOLD}, None, home=False, blind=blind)
    most = EXACT.add(so_far, budget)  # what a way may lack at most of bringing all back
    within = [way for way in open_ways if EXACT.add(most, way.value) >= 0]
    best = max(within, key=lambda way: (way.name != REVERSE, way.value), default=None)
    if best is None:
        return Prospect(prices | {"chosen": HOLD}, None, home=False, blind=blind)
    loss = EXACT.minus(EXACT.add(so_far, best.value))
    best = paths.bounded(best, EXACT.subtract(budget, loss))
    return Prospect(prices | {"chosen": best.name}, best, home=False, blind=False, loss=loss)


@dataclass(frozen=True, slots=True)
class _Priced:
    """A route for all of an asset: no orders where it is too little, None where it is shut."""

    route: Route
    orders: tuple[HomeOrder, ...] | None


class _Paths:
    """The routes by which a conversion's assets can reach either of its ends."""

    def __init__(self, cycle: Cycle, around: Surroundings) -> None:
        self._around = around
        self._cycle = cycle
        self._moved = cycle.moved()
        self._legs: Route = tuple(row.leg for row in cycle.record.plan)
        self._between = tuple(leg.spend for leg in self._legs[1:])
        self._goals = cycle.goals
        self._rates = self._chain()
        self._priced: dict[str, tuple[_Priced, ...]] = {}
        self._shut = False  # a route that counts

    @property
    def blind(self) -> bool:
        """Whether a market that counts cannot be traded on or priced now; later perhaps."""
        if self._shut:
            return True
        for leg in self._legs:
            market = self._around.markets.get(leg.symbol)
            if market is None or market.why_not_tradable() is not None:
                return True
            if self._around.view(leg.symbol) is None:
                return True
        return False

    def loose(self) -> dict[str, Decimal]:
        """What is in hand and can be traded on, or nobody can say; those of the plan first."""
        found = {}
        others = tuple(asset for asset in self._moved if asset not in self._between)
        for asset in (*self._between, *others):
            if asset in self._goals or self._moved.get(asset, ZERO) <= 0:
                continue
            amount = in_hand(self._cycle, asset, self._around.markets)
            priced = self._priced[asset] = tuple(self._price_all(asset, amount))
            shut = any(one.orders is None and self._counts(one.route) for one in priced)
            self._shut = self._shut or shut
            if shut or any(one.orders for one in priced):
                found[asset] = amount
        return found

    def _counts(self, route: Route) -> bool:
        """Whether what is shut there is worth a wait: a planned route, or straight to an end."""
        asset = route[0].spend
        if asset in self._between:
            return route in (self._onward(asset), self._back(asset))
        return len(route) == 1

    def owed(self) -> dict[str, Decimal]:
        """What it has paid of an asset between its ends without having had it, dust apart.

        No way on pays that: an order did what none was sent for, and a person must look.
        """
        found = {}
        for index, asset in enumerate(self._between):
            amount = EXACT.minus(self._moved.get(asset, ZERO))
            into, out = self._legs[index], self._legs[index + 1].reversed()
            if amount > 0 and not (self._few(into, amount) and self._few(out, amount)):
                found[asset] = amount
        return found

    def _few(self, leg: Leg, amount: Decimal) -> bool:
        """Whether the leg's market brings no order of so little of what it receives."""
        market = self._around.markets.get(leg.symbol)
        view = self._around.view(leg.symbol)
        return market is not None and too_small(leg, amount, market, view, owed=True)

    # --- the ways --------------------------------------------------------------------------------

    def ways(self, loose: Mapping[str, Decimal]) -> list[Way]:
        """Each of the three ways that all that is loose can take.

        What cannot go on goes back beside the rest, and the other way round.
        """
        start, end = self._goals
        chosen = {
            COMPLETE: {asset: self._by(asset, self._onward(asset)) for asset in loose},
            REVERSE: {one: self._best(one, start) or self._best(one, end) for one in loose},
            ALTERNATIVE: {one: self._best(one, end) or self._best(one, start) for one in loose},
        }
        found = [self._way(name, by_asset) for name, by_asset in chosen.items()]
        known = [way for way in found if way is not None]
        # A best way that is the planned one, there or back, needs no second name.
        told = {way.orders for way in known if way.name != ALTERNATIVE}
        return [way for way in known if way.name != ALTERNATIVE or way.orders not in told]

    def _way(self, name: str, by_asset: Mapping[str, _Priced | None]) -> Way | None:
        value, orders = ZERO, list[HomeOrder]()
        for one in by_asset.values():
            brings = None if one is None else self._value(one)
            if one is None or not one.orders or brings is None:
                return None
            value = EXACT.add(value, brings)
            orders += one.orders
        return Way(name, tuple(orders), value) if orders else None

    def _value(self, priced: _Priced) -> Decimal | None:
        """What a route brings, in the asset that was spent."""
        if not priced.orders:
            return None
        last = priced.orders[-1]
        return self.worth({last.leg.receive: last.receive})

    def _best(self, asset: str, goal: str) -> _Priced | None:
        """Its route to this end that brings most."""
        ending = [
            one for one in self._priced[asset] if one.orders and one.route[-1].receive == goal
        ]
        return max(
            ending, key=lambda one: one.orders[-1].receive if one.orders else ZERO, default=None
        )

    def _by(self, asset: str, route: Route) -> _Priced | None:
        return next((one for one in self._priced[asset] if one.route == route), None)

    def _onward(self, asset: str) -> Route:
        if asset not in self._between:
            return ()
        return self._legs[self._between.index(asset) + 1 :]

    def _back(self, asset: str) -> Route:
        if asset not in self._between:
            return ()
        return tuple(leg.reversed() for leg in self._legs[self._between.index(asset) :: -1])

    def has_room(self, way: Way) -> bool:
        """Whether the way's next order keeps every asset within its cap."""
        first = way.orders[0]
        return self._around.room(first.leg, first.qty, first.limit_price)

    def bounded(self, way: Way, room: Decimal) -> Way:
        """The same way, eased within `room` (of what was spent): see `unwind.eased`."""
        leg = way.orders[0].leg
        quote = leg.receive if leg.side is Side.SELL else leg.spend
        unit = self.worth({quote: ONE})
        more = EXACT.divide(room, unit) if unit else ZERO
        return eased(way, self._around.markets[leg.symbol], more, whole=False)

    # --- routes ----------------------------------------------------------------------------------

    def _price_all(self, asset: str, amount: Decimal) -> Iterator[_Priced]:
        for route in self._routes(asset):
            yield _Priced(route, self._price(route, amount))

    def _routes(self, asset: str) -> Iterator[Route]:
        """Every way of one or two orders to either end; the planned ones first."""
        planned = [one for one in (self._onward(asset), self._back(asset)) if one]
        yield from planned
        for leg in self._legs_of(asset)[:MAX_ROUTES]:
            if leg.receive in self._goals and (leg,) not in planned:
                yield (leg,)
            if leg.receive in self._goals:
                continue
            for last in self._legs_of(leg.receive):
                if last.receive in self._goals and (leg, last) not in planned:
                    yield (leg, last)

    def _legs_of(self, spend: str) -> list[Leg]:
        return [
            Leg.through(market, spend)
            for market in self._around.markets.values()
            if spend in (market.base, market.quote)
        ]

    def _price(self, route: Route, amount: Decimal) -> tuple[HomeOrder, ...] | None:
        """Its orders for all of the amount; none where that is too little, None where it is shut.

        What an asset on the way has beside it goes on with it later: it is left out here.
        """
        orders: list[HomeOrder] = []
        for leg in route:
            market, view = self._around.markets.get(leg.symbol), self._around.view(leg.symbol)
            if market is not None and too_small(leg, amount, market, view, owed=False):
                return ()
            order = self._spend_all(leg, amount, market)
            if order is None:
                return None
            if order.qty <= 0:
                return ()
            orders.append(order)
            amount = order.receive
        return tuple(orders)

    def _spend_all(self, leg: Leg, amount: Decimal, market: Market | None) -> HomeOrder | None:
        """Turn all of it at what the book gives. None where it is shut; no quantity: too little."""
        fee, view = self._around.fees.get(leg.symbol), self._around.view(leg.symbol)
        levels = tuple(view.facing(leg.side)) if view is not None else ()
        if market is None or fee is None or not levels or market.why_not_tradable() is not None:
            return None
        limit = reach(amount, levels, in_base=leg.side is Side.SELL)
        qty = affordable(leg, amount, limit, market)
        return home_order(leg, qty or ZERO, limit, fee, levels)

    # --- what it is worth ------------------------------------------------------------------------

    def worth(self, amounts: Mapping[str, Decimal], only: tuple[str, ...] = ()) -> Decimal | None:
        """What so much is worth at the middle prices, in the asset that was spent.

        None where an asset has no price now. With `only` the others are left out.
        """
        value = ZERO
        for asset, amount in amounts.items():
            if only and asset not in only:
                continue
            rate = self._rates.get(asset) or self._rate_beside(asset)
            if rate is None:
                return None
            value = EXACT.add(value, EXACT.multiply(amount, rate))
        return value

    def _chain(self) -> dict[str, Decimal]:
        """By asset of the plan, what one unit is worth in the asset spent, as far as is seen."""
        rate: Decimal | None = ONE
        found = {self._legs[0].spend: ONE}
        for leg in self._legs:
            back = self._middle(leg.reversed())
            rate = None if back is None or rate is None else EXACT.multiply(rate, back)
            if rate is not None:
                found[leg.receive] = rate
        return found

    def _rate_beside(self, asset: str) -> Decimal | None:
        """The same for an asset outside the plan that a market joins to it."""
        for leg in self._legs_of(asset):
            rate, middle = self._rates.get(leg.receive), self._middle(leg)
            if rate is not None and middle is not None:
                return EXACT.multiply(rate, middle)
        return None

    def _middle(self, leg: Leg) -> Decimal | None:
        """Units of `leg.receive` for one of `leg.spend`, at the middle of the book."""
        view = self._around.view(leg.symbol)
        if view is None or not view.bids or not view.asks:
            return None
        middle = EXACT.divide(EXACT.add(view.bids[0].price, view.asks[0].price), _TWO)
        return middle if leg.side is Side.SELL else EXACT.divide(ONE, middle)
