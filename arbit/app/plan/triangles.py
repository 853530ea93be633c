"""`arbit triangles`: every triangle of a venue, what each must earn, and why one is not traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from arbit.app.loop import run_on_best_loop
from arbit.app.plan.facts import facts_of
from arbit.app.watch.assumptions import fee_words
from arbit.app.watch.watchlist import chosen_triangles, every_triangle, fee_of
from arbit.clock import SystemClock
from arbit.config import ScanSettings, Settings
from arbit.domain.fees import Fee, hurdle_bps
from arbit.domain.market import Market
from arbit.domain.triangle import Triangle
from arbit.scanner import why_not_tradable


@dataclass(frozen=True, slots=True)
class TriangleFact:
    """One triangle, both of its directions. `hurdle_bps` is the gross edge that fees ask for.

    None where a fee is not known. `watched` says whether it is among those of the settings;
    `why_not` is empty for one that can be traded.
    """

    path: str
    symbols: Sequence[str]
    hurdle_bps: float | None
    watched: bool
    why_not: str


@dataclass(frozen=True, slots=True)
class TrianglesTold:
    """Those of a venue, the lowest hurdle first. `notes` say what was reckoned with."""

    venue: str
    market: str
    triangles: Sequence[TriangleFact]
    notes: Sequence[str]


def run_triangles(settings: Settings, venue: str) -> TrianglesTold:
    """Ask the venue. UserError for a wrong name in the settings, VenueError without an answer."""
    return run_on_best_loop(_triangles(settings, venue))


async def _triangles(settings: Settings, name: str) -> TrianglesTold:
    async with AsyncExitStack() as stack:
        facts = await facts_of(settings, name, SystemClock(), stack)
        starts, venue = settings.scan.start_assets, facts.venue
        watched, said = chosen_triangles(venue, facts.markets, starts)
        names = {frozenset(triangle.symbols) for triangle in watched}
        others = [
            triangle
            for triangle in every_triangle(facts.markets, starts)
            if frozenset(triangle.symbols) not in names
        ]
        symbols = {symbol for triangle in (*watched, *others) for symbol in triangle.symbols}
        told = {symbol: fee_of(venue, facts.markets[symbol], None) for symbol in sorted(symbols)}
        fees = {symbol: fee for symbol, fee in told.items() if fee is not None}
        found = [
            _fact(triangle, facts.markets, fees, settings.scan, watched=among is watched)
            for among in (watched, others)
            for triangle in among
        ]
    found.sort(key=_order)
    notes = [*fee_words(fees), *([said] if said else [])]
    return TrianglesTold(name, facts.market, found, notes)


def _order(one: TriangleFact) -> tuple[bool, float, str]:
    hurdle = float("inf") if one.hurdle_bps is None else one.hurdle_bps
    return not one.watched, hurdle, one.path


def _fact(
    triangle: Triangle,
    markets: Mapping[str, Market],
    fees: Mapping[str, Fee],
    scan: ScanSettings,
    *,
    watched: bool,
) -> TriangleFact:
    rates = [fees[symbol].rate for symbol in triangle.symbols if symbol in fees]
    known = len(rates) == len(triangle.legs)
    hurdle = round(float(hurdle_bps(rates, scan.min_edge_bps)), 2) if known else None
    why = why_not(triangle, markets, fees, scan)
    return TriangleFact(triangle.path, triangle.symbols, hurdle, watched, why)


def why_not(
    triangle: Triangle, markets: Mapping[str, Market], fees: Mapping[str, Fee], scan: ScanSettings
) -> str:
    """The first reason why no cycle would begin here, whatever the books say; empty for none."""
    if (why := why_not_tradable(triangle, markets)) is not None:
        return why
    for symbol in triangle.symbols:
        if symbol not in fees:
            return f"{symbol}: nobody states its fee"
    held = [leg.spend for leg in triangle.legs]
    if not set(held).intersection(scan.start_assets):
        return f"none of {', '.join(held)} is among ARBIT_SCAN__START_ASSETS"
    return ""
