"""Market makers: a ladder on a price grid around the fair value as this maker last saw it.

A fast maker looks again within milliseconds of a move, a slow one after tens of milliseconds to
seconds; what a slow one leaves standing meanwhile is how a triangular gap appears. A maker that
quotes through another's stale quote trades with it: the book sees to that.
"""

import math
import random

from arbit.sandbox.book import ASK, BID, Book, Fill, Order
from arbit.sandbox.instruments import Instrument
from arbit.sandbox.profiles import Band, MakerSpec

BPS = 1e-4
MS = 1_000_000
HOLE_EVERY = 7  # one grid place in seven stays empty, so that ladders are not perfect combs


def delay_ns(bands: tuple[Band, ...], rng: random.Random) -> int:
    """Draw a reaction delay: pick a band by its share, then log-uniform inside it."""
    draw = rng.random()
    for band in bands:
        draw -= band.share
        if draw < 0.0:
            break
    return int(band.low_ms * (band.high_ms / band.low_ms) ** rng.random() * MS)


class Maker:
    """One maker on one pair. Prices and quantities in the pair's integer units."""

    def __init__(self, name: str, spec: MakerSpec, pair: Instrument, fair_units: float) -> None:
        self.name = name
        self.spec = spec
        self.pending = False  # a reaction is already on its way
        self._pair = pair
        tick = pair.price_tick
        self._grid = max(1, round(fair_units * spec.grid_bps * BPS / tick)) * tick
        self._phase = sum(map(ord, name + pair.symbol)) % HOLE_EVERY
        self._orders: tuple[dict[int, Order], dict[int, Order]] = ({}, {})
        self._view = fair_units

    def requote(self, book: Book, fair_units: float, rng: random.Random) -> list[Fill]:
        """See ``fair_units`` as the fair price: pull what is wrong, put what is missing."""
        self._view = fair_units
        ranges = (self._range(BID), self._range(ASK))
        for side in (BID, ASK):
            self._pull(book, side, ranges[side])
        fills: list[Fill] = []
        for side in (BID, ASK):
            for rank, price in enumerate(ranges[side]):
                if price > 0 and price not in self._orders[side] and self._wanted(price):
                    fills += self._put(book, side, price, rng, rank)
        return fills

    def refresh(self, book: Book, rng: random.Random) -> list[Fill]:
        """Change the size at one place of the standing ladder, without looking at the price."""
        side = rng.choice((BID, ASK))
        places = self._range(side)
        # The square leans to the top of the book, where sizes change most.
        price = places[int(len(places) * rng.random() ** 2)]
        order = self._orders[side].pop(price, None)
        if order is not None:
            book.cancel(order)
        if price <= 0 or not self._wanted(price):
            return []
        return self._put(book, side, price, rng, places.index(price))

    def _range(self, side: int) -> range:
        """The grid prices of one side, best first."""
        grid, reach = self._grid, self.spec.half_spread_bps * BPS * self._view
        span = grid * self.spec.levels
        if side == BID:
            best = math.floor((self._view - reach) / grid) * grid
            return range(best, best - span, -grid)
        best = math.ceil((self._view + reach) / grid) * grid
        return range(best, best + span, grid)

    def _wanted(self, price: int) -> bool:
        return (price // self._grid * 5 + self._phase) % HOLE_EVERY != 0

    def _pull(self, book: Book, side: int, places: range) -> None:
        """Cancel quotes better than the new best, and those far beyond the ladder's end."""
        slack = self._grid * (self.spec.levels // 4)
        low, high = (
            (places[-1] - slack, places[0]) if side == BID else (places[0], places[-1] + slack)
        )
        own = self._orders[side]
        for price in [price for price, order in own.items() if not low <= price <= high]:
            book.cancel(own.pop(price))
        for price in [price for price, order in own.items() if order.qty == 0]:
            del own[price]

    def _put(self, book: Book, side: int, price: int, rng: random.Random, rank: int) -> list[Fill]:
        submission = book.submit(self.name, side, price, self._size(rng, rank), rests=True)
        if submission.resting is not None:
            self._orders[side][price] = submission.resting
        return submission.fills

    def _size(self, rng: random.Random, rank: int) -> int:
        """A log-normal size, larger away from the top, in whole steps above the minimum."""
        pair = self._pair
        usd = self.spec.size_usd * (1.0 + 0.12 * rank) * math.exp(rng.gauss(-0.3, 0.8))
        units = int(usd / pair.base.usd * 10**pair.qty_precision)
        return max(units // pair.qty_step, -(-pair.qty_min // pair.qty_step)) * pair.qty_step
