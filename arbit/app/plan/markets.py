"""`arbit markets`: what may be traded at a venue, in which steps, at which fee."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal

from arbit.app.keys.report import text_of
from arbit.app.loop import run_on_best_loop
from arbit.app.plan.facts import Facts, facts_of
from arbit.app.watch.watchlist import fee_of
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.errors import UserError
from arbit.domain.fees import bps_words
from arbit.domain.market import Market


@dataclass(frozen=True, slots=True)
class MarketFact:
    """One market. Amounts are exact text, empty where the venue does not say; fees are in bps.

    `fee_from` is who said the taker fee; `why_not` is empty for a market that can be traded.
    """

    symbol: str
    status: str
    qty_min: str
    cost_min: str
    price_increment: str
    qty_increment: str
    taker_bps: str
    maker_bps: str
    fee_from: str
    why_not: str


@dataclass(frozen=True, slots=True)
class MarketsTold:
    """Every market of a venue by name. `market` says whether it is live or synthetic."""

    venue: str
    market: str
    markets: Sequence[MarketFact]


def run_markets(settings: Settings, venue: str, symbols: Sequence[str] = ()) -> MarketsTold:
    """Ask the venue. UserError for a symbol that it does not list, VenueError without an answer."""
    return run_on_best_loop(_markets(settings, venue, symbols))


async def _markets(settings: Settings, name: str, symbols: Sequence[str]) -> MarketsTold:
    async with AsyncExitStack() as stack:
        facts = await facts_of(settings, name, SystemClock(), stack)
        for symbol in symbols:
            if symbol not in facts.markets:
                raise UserError(f"--symbols {symbol}: {name} lists no such market")
        names = symbols or sorted(facts.markets)
        told = [_fact(facts, facts.markets[symbol]) for symbol in dict.fromkeys(names)]
        return MarketsTold(name, facts.market, told)


def _fact(facts: Facts, market: Market) -> MarketFact:
    fee = fee_of(facts.venue, market, None)
    ladder = facts.ladders.get(market.symbol)
    maker = None if ladder is None else ladder.steps[0].maker
    return MarketFact(
        symbol=market.symbol,
        status=market.status.value,
        qty_min=text_of(market.qty_min),
        cost_min=text_of(market.cost_min),
        price_increment=text_of(market.price_increment),
        qty_increment=text_of(market.qty_increment),
        taker_bps=_bps(None if fee is None else fee.rate),
        maker_bps=_bps(maker),
        fee_from="" if fee is None else fee.source.value,
        why_not=market.why_not_tradable() or "",
    )


def _bps(rate: Decimal | None) -> str:
    return "" if rate is None else bps_words(rate)
