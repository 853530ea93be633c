"""Ways home: what a broken cycle could still do, priced from current books, and the best of them.

Four ways are priced each time: *complete* the triangle, *reverse* what was done, an *alternative*
route through an asset outside the triangle, and *hold*. Their prices are what each would add to
the start asset, net of fees and through depth. The best of the first three is taken one order at a
time, and priced anew after each, as long as the cycle's loss stays within its budget; otherwise
the position is held and a person decides.

Pure: books, markets and fees come in, a `Prospect` goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.book import BookView, Level
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ONE, ZERO, ceil_to, floor_to, plain
from arbit.domain.triangle import Leg, Side
from arbit.execution.cycle import Cycle, affordable
from arbit.execution.depth import reach, untaken, walked
from arbit.execution.minima import Dust, Legs

SLACK = Decimal("0.0025")  # how far beyond the last level needed an order home may trade
MAX_ROUTES = 64  # assets outside the triangle that are tried as a detour

COMPLETE, REVERSE, ALTERNATIVE, HOLD = "complete", "reverse", "alternative", "hold"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a way home is priced from. `view` is None while a book is not to be believed.

    `fees` are taker fees as fractions by symbol; a missing one closes that market to us. `room`
    says whether an order (leg, quantity, limit) keeps every asset within its cap.
    """

    view: Callable[[str], BookView | None]
    markets: Mapping[str, Market]
    fees: Mapping[str, Decimal]
    room: Callable[[Leg, Decimal, Decimal], bool] = lambda _leg, _qty, _limit: True


@dataclass(frozen=True, slots=True)
class HomeOrder:
    """One order towards home. `spend` and `receive` are what it is expected to move, net of fee."""

    leg: Leg
    qty: Decimal
    limit_price: Decimal
    fee_rate: Decimal
    spend: Decimal
    receive: Decimal


@dataclass(frozen=True, slots=True)
class Way:
    """A way home: its orders in turn, and what they add to the start asset together."""

    name: str
    orders: tuple[HomeOrder, ...]
    value: Decimal


@dataclass(frozen=True, slots=True)
class Prospect:
    """What was priced, and what was chosen. `chosen` None with `home` False means hold.

    `blind` says that a book needed for a price is not believable now, its market not open, or that
    the caps leave no room for any way: later is another chance.
    """

    prices: Mapping[str, str]
    chosen: Way | None
    home: bool
    blind: bool
    loss: Decimal = ZERO


def look(cycle: Cycle, budget: Decimal, around: Surroundings) -> Prospect:
    """Price the ways home of a cycle that may lose at most `budget` of its start asset."""
    moved = cycle.moved()
    start = cycle.start
    owed = {
        asset: in_hand(cycle, asset, around.markets) if amount > 0 else amount
        for asset, amount in moved.items()
        if asset != start
    }
    paths = _Paths(cycle, around)
    loose = paths.dust.rid_of(owed)
    if not loose:
        return Prospect({}, None, home=True, blind=False)
    loose |= {asset: amount for asset, amount in owed.items() if paths.is_debt(asset, amount)}
    ways = [paths.way(COMPLETE, loose), paths.way(REVERSE, loose), paths.detour(loose)]
    found = [way for way in ways if way is not None]
    prices = {way.name: plain(way.value) for way in found}
    held = paths.worth(loose)
    prices[HOLD] = "unpriced" if held is None else plain(held)
    for name in (COMPLETE, REVERSE, ALTERNATIVE):
        prices.setdefault(name, "none")
    blind = any(map(paths.is_shut, paths.symbols))
    best = max(filter(paths.has_room, found), key=lambda way: way.value, default=None)
    if best is None:
        blind = blind or bool(found)  # the caps leave no room now
        return Prospect(prices | {"chosen": HOLD}, None, home=False, blind=blind)
    loss = EXACT.minus(EXACT.add(moved.get(start, ZERO), best.value))
    if loss > budget:
        return Prospect(prices | {"chosen": HOLD}, None, home=False, blind=blind, loss=loss)
    best = paths.bounded(best, EXACT.subtract(budget, loss))
    return Prospect(prices | {"chosen": best.name}, best, home=False, blind=False, loss=loss)


def in_hand(cycle: Cycle, asset: str, markets: Mapping[str, Market]) -> Decimal:
    """What can surely be sent home of an asset that the cycle has, however the venue rounds.

    Any market of the asset tells its digits: half-way through a detour none of the plan has it.
    """
    digits = (market.digits_of(asset) for market in markets.values())
    return cycle.surely(asset, next((one for one in digits if one is not None), None))


class _Paths:
    """The legs that a cycle's assets can go home by, and what they bring on the books at hand."""

    def __init__(self, cycle: Cycle, around: Surroundings) -> None:
        self._around = around
        self._taken: dict[tuple[str, Side], Decimal] = {}  # by the orders of the way being priced
        self.start, self.first, self.second = cycle.assets
        one, two, three = (row.leg for row in cycle.record.plan)
        complete = {self.first: two, self.second: three}
        reverse = {self.second: two.reversed(), self.first: one.reversed()}
        home = {self.first: one.reversed(), self.second: three}  # straight to the start asset
        buy = {self.first: one, self.second: three.reversed()}
        self.symbols = (one.symbol, two.symbol, three.symbol)
        inside = (self.start, self.first, self.second)
        self.others = tuple(asset for asset in cycle.moved() if asset not in inside)
        for asset in self.others:  # half-way through a detour, or a fee in a third asset
            leg = self._home_of(asset)
            if leg is not None:
                complete[asset] = reverse[asset] = home[asset] = leg
                buy[asset] = leg.reversed()
        self._legs = Legs(home=home, complete=complete, reverse=reverse, buy=buy)
        facts = (around.view, around.markets, around.fees)
        self.dust = Dust(self.start, self._legs, *facts, self._has_detour)

    def is_shut(self, symbol: str) -> bool:
        """Whether nothing can be traded on this market now; a moment later perhaps."""
        market = self._around.markets.get(symbol)
        closed = market is None or market.why_not_tradable() is not None
        return closed or self._around.view(symbol) is None

    def is_debt(self, asset: str, amount: Decimal) -> bool:
        """Whether it is owed and has a price: it costs that, however little it is."""
        return amount < 0 and self.worth({asset: amount}) is not None

    def way(self, name: str, loose: Mapping[str, Decimal]) -> Way | None:
        """All the way home by completing or reversing; None where one is shut.

        Where an asset has no room for what would be bought, what is in hand of it goes first.
        """
        inside = (self.first, self.second) if name == COMPLETE else (self.second, self.first)
        found = self._way(name, loose, inside)
        if found is None or self.has_room(found):
            return found
        return self._way(name, loose, (inside[1], *inside))

    def _way(self, name: str, loose: Mapping[str, Decimal], inside: tuple[str, ...]) -> Way | None:
        self._taken.clear()
        holdings = dict(loose)
        legs = self._legs.complete if name == COMPLETE else self._legs.reverse
        orders: list[HomeOrder] = []
        for asset in (*self.others, *inside):
            amount = holdings.get(asset, ZERO)
            if amount <= 0:
                continue
            had = loose.get(asset, ZERO)
            dust = bool(orders) and self.dust.has(asset, amount, holdings)
            step = () if dust else self._step(legs[asset], asset, amount)
            paid = dust and had < 0  # what is left once a debt is paid may be little
            if step is None or (not step and amount > had and not paid):
                return None  # shut, or a way into what nobody would take any more
            for order in step:
                self._move(holdings, order)
            orders += step
        return self._settle(name, orders, holdings)

    def detour(self, loose: Mapping[str, Decimal]) -> Way | None:
        """Home through one asset outside the triangle, the best one for each asset left over.

        What has none, or is half-way through one, goes straight home beside it.
        """
        self._taken.clear()
        holdings, orders, turns = dict(loose), list[HomeOrder](), 0
        for asset, amount in loose.items():
            if amount <= 0:
                continue
            pair = self._best_detour(asset, amount)
            turns += pair is not None
            step = pair or self._step(self._legs.home[asset], asset, amount)
            if step is None:
                return None
            for order in step:
                self._move(holdings, order)
            orders += step
        return self._settle(ALTERNATIVE, orders, holdings) if turns else None

    def _step(self, leg: Leg, asset: str, amount: Decimal) -> tuple[HomeOrder, ...] | None:
        """Spend it there; too little for that, straight home, or nowhere. None: it is shut."""
        if self._facts(leg) is None:
            return None
        order = self._spend_all(leg, amount) or self._spend_all(self._legs.home[asset], amount)
        return () if order is None else (order,)

    def _has_detour(self, asset: str, amount: Decimal) -> bool:
        return self._best_detour(asset, amount) is not None

    def _best_detour(self, asset: str, amount: Decimal) -> tuple[HomeOrder, HomeOrder] | None:
        best: tuple[HomeOrder, HomeOrder] | None = None
        inside = (self.start, self.first, self.second)
        out = [leg for leg in self._legs_of(asset) if leg.receive not in inside]
        for leg in out[:MAX_ROUTES]:
            for home in self._legs_of(leg.receive):
                if home.receive != self.start:
                    continue
                one = self._spend_all(leg, amount)
                if one is None or not self._around.room(leg, one.qty, one.limit_price):
                    continue
                two = self._spend_all(home, one.receive)
                if two is None:
                    continue
                if best is None or two.receive > best[1].receive:
                    best = (one, two)
        return best

    def _home_of(self, asset: str) -> Leg | None:
        """The market that joins an asset outside the triangle to the start asset."""
        return next((leg for leg in self._legs_of(asset) if leg.receive == self.start), None)

    def _legs_of(self, spend: str) -> list[Leg]:
        return [
            Leg.through(market, spend)
            for market in self._around.markets.values()
            if spend in (market.base, market.quote)
        ]

    def _settle(
        self, name: str, orders: list[HomeOrder], holdings: dict[str, Decimal]
    ) -> Way | None:
        """Buy back what is still owed (parallel legs), and add up what the start asset gains.

        What nobody sells so little of is owed for good: inventory pays it, and the way costs it.
        """
        for asset in (self.first, self.second, *self.others):
            owed = EXACT.minus(holdings.get(asset, ZERO))
            if owed <= 0:
                continue
            if self.dust.has(asset, EXACT.minus(owed), {}):
                left = holdings.get(self.start, ZERO)
                holdings[self.start] = EXACT.subtract(left, self.worth({asset: owed}) or ZERO)
                continue
            order = self._receive(self._legs.buy[asset], owed)
            if order is None:
                return None
            self._move(holdings, order)
            orders.append(order)
        return Way(name, tuple(orders), holdings.get(self.start, ZERO)) if orders else None

    def worth(self, loose: Mapping[str, Decimal]) -> Decimal | None:
        """What is left over, at the middle of the books that join it to the start asset."""
        value = ZERO
        for asset, amount in loose.items():
            leg = self._legs.home.get(asset) or self._home_of(asset)
            if leg is None:
                return None
            view = self._around.view(leg.symbol)
            if view is None or not view.bids or not view.asks:
                return None
            middle = EXACT.divide(EXACT.add(view.bids[0].price, view.asks[0].price), Decimal(2))
            sells = leg.side is Side.SELL
            turn = EXACT.multiply if sells else EXACT.divide
            value = EXACT.add(value, turn(amount, middle))
        return value

    def _facts(self, leg: Leg) -> tuple[Market, Decimal, tuple[Level, ...]] | None:
        market, fee = self._around.markets.get(leg.symbol), self._around.fees.get(leg.symbol)
        view = self._around.view(leg.symbol)
        if market is None or fee is None or view is None or market.why_not_tradable() is not None:
            return None
        levels = untaken(
            tuple(view.facing(leg.side)), self._taken.get((leg.symbol, leg.side), ZERO)
        )
        return (market, fee, levels) if levels else None

    def _spend_all(self, leg: Leg, amount: Decimal) -> HomeOrder | None:
        """Turn all of `amount` (of `leg.spend`) into the other asset, at what the book gives."""
        facts = self._facts(leg)
        if facts is None:
            return None
        market, fee, levels = facts
        limit = reach(amount, levels, in_base=leg.side is Side.SELL)
        qty = affordable(leg, amount, limit, market)
        return None if qty is None else home_order(leg, qty, limit, fee, levels)

    def _receive(self, leg: Leg, wanted: Decimal) -> HomeOrder | None:
        """Buy back `wanted` of `leg.receive`, net of the fee.

        What lies beyond the levels shown is not free: it is reckoned at the last one's price.
        """
        facts = self._facts(leg)
        lot = None if facts is None else facts[0].qty_increment
        if facts is None or lot is None:
            return None
        _, fee, levels = facts
        gross = EXACT.divide(wanted, ONE - fee)
        limit = reach(gross, levels, in_base=leg.side is Side.BUY)
        qty = ceil_to(gross if leg.side is Side.BUY else EXACT.divide(gross, limit), lot)
        return home_order(leg, qty, limit, fee, (*levels, Level(limit, qty)))

    def _move(self, holdings: dict[str, Decimal], order: HomeOrder) -> None:
        """As if it were done: what it takes from its book is no longer there for the next one."""
        leg = order.leg
        holdings[leg.spend] = EXACT.subtract(holdings.get(leg.spend, ZERO), order.spend)
        holdings[leg.receive] = EXACT.add(holdings.get(leg.receive, ZERO), order.receive)
        buys = leg.side is Side.BUY
        base = EXACT.divide(order.receive, ONE - order.fee_rate) if buys else order.spend
        key = (leg.symbol, leg.side)
        self._taken[key] = EXACT.add(self._taken.get(key, ZERO), base)

    def has_room(self, way: Way) -> bool:
        """Whether the way's next order keeps every asset within its cap."""
        first = way.orders[0]
        return self._around.room(first.leg, first.qty, first.limit_price)

    def bounded(self, way: Way, room: Decimal) -> Way:
        """The same way, eased within `room` (start asset): see `eased`."""
        leg = way.orders[0].leg
        market = self._around.markets[leg.symbol]
        unit = self._unit(leg.receive if leg.side is Side.SELL else leg.spend)
        owed = way.name in (COMPLETE, REVERSE) and leg.spend == self.start
        return eased(way, market, ZERO if unit is None else EXACT.divide(room, unit), whole=owed)

    def _unit(self, asset: str) -> Decimal | None:
        """Units of the start asset for one of this, at the middle of the book; None unpriced."""
        return ONE if asset == self.start else self.worth({asset: ONE})


def eased(way: Way, market: Market, more: Decimal, *, whole: bool) -> Way:
    """The same way, its first order's limit where the budget ends, at most a little beyond.

    A book moves between the look and the order, so the limit is eased by some slack; but never so
    far that filled there, to the last lot, it would cost more than `more` (units of the market's
    quote) beyond what is expected. What does not fill is priced anew. The limit stays on tick.
    `whole` keeps the quantity, whatever it costs.
    """
    first = way.orders[0]
    leg, fee, tick = first.leg, first.fee_rate, market.price_increment
    if tick is None:
        return way
    if leg.side is Side.SELL:
        least = EXACT.divide(EXACT.subtract(first.receive, more), ONE - fee)
        further = EXACT.multiply(first.limit_price, ONE - SLACK)
        limit = ceil_to(max(further, EXACT.divide(least, first.spend)), tick)
        qty: Decimal | None = first.qty
    else:
        bought = EXACT.divide(first.receive, ONE - fee)  # as much as is shown
        most = EXACT.divide(EXACT.add(first.spend, more), bought)
        further = EXACT.multiply(first.limit_price, ONE + SLACK)
        limit = floor_to(min(further, most), tick)
        funds = EXACT.multiply(first.qty, first.limit_price)
        fits = whole or limit <= first.limit_price
        qty = first.qty if fits else affordable(leg, funds, limit, market)
    cost_min = market.least_cost(sells=leg.side is Side.SELL) or ZERO
    if limit <= 0 or qty is None or EXACT.multiply(qty, limit) < cost_min:
        return way
    order = HomeOrder(leg, qty, limit, fee, first.spend, first.receive)
    return Way(way.name, (order, *way.orders[1:]), way.value)


def home_order(
    leg: Leg, qty: Decimal, limit: Decimal, fee: Decimal, levels: tuple[Level, ...]
) -> HomeOrder:
    """The order, with what walking the levels would move; the fee is in the received asset."""
    base, quote = walked(qty, levels)
    spend, gross = (quote, base) if leg.side is Side.BUY else (base, quote)
    return HomeOrder(leg, qty, limit, fee, spend, EXACT.multiply(gross, ONE - fee))
