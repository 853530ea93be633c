"""Random markets so small that every route and every size of it can be tried."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.book import BookView, Level, Source
from arbit.domain.market import Market, MarketStatus
from arbit.domain.plan import SizeLimits
from arbit.routing import Around

D = Decimal
ASSETS = ("AAA", "BBB", "CCC", "DDD", "EEE")
TICKS = (D("0.01"), D("0.01"), D("0.02"), D("0.05"))
LOTS = (D("0.5"), D(1), D("0.25"), D("0.2"))
FEES = (D(0), D("0.001"), D("0.0026"), D("0.004"), D("0.02"))


@dataclass(frozen=True, slots=True)
class World:
    """What is asked: the best way for so much of the first asset into the last."""

    start: str
    end: str
    around: Around
    limits: SizeLimits
    worths: Mapping[str, Decimal]


def world(seed: int) -> World:
    """The same world for the same seed."""
    draw = random.Random(seed)
    worths = {asset: draw.choice((D(1), D(2), D(3), D("1.5"))) for asset in ASSETS}
    books, markets, fees = {}, {}, {}
    for base, quote in itertools.combinations(draw.sample(ASSETS, len(ASSETS)), 2):
        if draw.random() < 0.15:
            continue
        market = _market(draw, base, quote)
        markets[market.symbol] = market
        if draw.random() < 0.97:
            books[market.symbol] = _book(draw, market, worths[base] / worths[quote])
        if draw.random() < 0.97:
            fees[market.symbol] = draw.choice(FEES)
    start, end = draw.sample(ASSETS, 2)
    limits = SizeLimits(
        max_start=D(draw.randrange(4, 80)) / draw.choice((2, 4, 8)),
        min_cost={draw.choice(ASSETS): D(draw.randrange(3))} if draw.random() < 0.3 else {},
        max_slippage_bps=draw.choice((None, None, D(300), D(1500))),
    )
    return World(start, end, Around(books, markets, fees), limits, worths)


def _market(draw: random.Random, base: str, quote: str) -> Market:
    return Market(
        symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        price_increment=draw.choice(TICKS),
        qty_increment=draw.choice(LOTS),
        qty_min=D(draw.choice((0, 0, 1, 2))) / 2,
        cost_min=D(draw.choice((0, 0, 1, 3))) / 2,
        sell_cost_min=D(draw.randrange(0, 3)) / 2 if draw.random() < 0.2 else None,
        status=MarketStatus.ONLINE if draw.random() < 0.95 else MarketStatus.MAINTENANCE,
    )


def _book(draw: random.Random, market: Market, worth: Decimal) -> BookView:
    """Around what one base unit is worth; some levels are off tick, some sides are empty."""
    cent = D("0.01")
    middle = worth * (1 + D(draw.randrange(-40, 41)) / 1000)
    spread = D(draw.randrange(1, 5)) * cent
    sides = []
    for sign in (-1, 1):
        price, levels = middle + sign * spread, list[Level]()
        for _ in range(draw.choice((0, 1, 2, 3, 3, 4, 4, 5, 5))):
            if (at := price.quantize(cent)) > 0 and not (levels and levels[-1].price == at):
                levels.append(Level(at, D(draw.randrange(1, 25)) / draw.choice((2, 8, 10))))
            price += sign * D(draw.randrange(1, 8)) * cent
        sides.append(tuple(levels))
    bids, asks = sides
    return BookView(market.symbol, bids, asks, 1, Source.WS, 0, 0)
