"""What to watch on a venue, at which fees: chosen and checked before any book is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from arbit.config import SPEAKS_ALPACA, AlpacaPlan, VenueSettings, venue_key
from arbit.domain.errors import UserError
from arbit.domain.fees import Fee, FeeSource, hurdle_bps, kept
from arbit.domain.market import Market, MarketStatus
from arbit.domain.money import BPS
from arbit.domain.triangle import Triangle, triangle_of
from arbit.fitness.report import Listed
from arbit.scanner import discover, why_not_tradable


@dataclass(frozen=True, slots=True)
class Watchlist:
    """Symbols and triangles of one venue. `fees` lacks a symbol whose fee nobody states.

    `rates` are the fees as fractions by symbol. All of it is kept current by `reckon`. `said` tells
    what was chosen out of more than may be watched; empty when nothing was left out.
    """

    symbols: Sequence[str]
    triangles: Sequence[Triangle]
    listed: list[Listed]
    fees: dict[str, Fee]
    said: str = ""
    rates: dict[str, Decimal] = field(init=False)

    def __post_init__(self) -> None:
        rates = {symbol: fee.rate for symbol, fee in self.fees.items()}
        object.__setattr__(self, "rates", rates)

    def reckon(self, fees: Mapping[str, Fee], min_edge_bps: Decimal) -> None:
        """These fees are paid from now on, for whoever holds this list."""
        self.fees.update(fees)
        self.rates.update({symbol: fee.rate for symbol, fee in fees.items()})
        for n, listed in enumerate(self.listed):
            hurdle = self.hurdle(listed.triangle, min_edge_bps)
            self.listed[n] = replace(listed, hurdle_bps=hurdle)

    def hurdle(self, triangle: Triangle, min_edge_bps: Decimal) -> float | None:
        """The gross edge in bps that a triangle must exceed; None when a fee is unknown."""
        rates = self.rates_of(triangle)
        return None if rates is None else float(hurdle_bps(rates, min_edge_bps))

    def kept(self, triangle: Triangle) -> float | None:
        """prod(1 - fee) of a triangle; None when one of its fees is unknown."""
        rates = self.rates_of(triangle)
        return None if rates is None else float(kept(rates))

    def rates_of(self, triangle: Triangle) -> list[Decimal] | None:
        """The three fees as fractions; None when one is unknown."""
        found = [self.fees[symbol] for symbol in triangle.symbols if symbol in self.fees]
        return [fee.rate for fee in found] if len(found) == len(triangle.legs) else None


def watchlist(
    venue: VenueSettings,
    markets: Mapping[str, Market],
    start_assets: Sequence[str],
    min_edge_bps: Decimal,
    account: Mapping[str, Decimal] | None = None,
) -> Watchlist:
    """The venue's triangles as configured, or every one there is. UserError for a wrong name.

    `account` are the account's own taker fees (fractions by symbol), when trading with one.
    """
    triangles, said = chosen_triangles(venue, markets, start_assets)
    symbols = sorted({symbol for triangle in triangles for symbol in triangle.symbols})
    symbols = symbols or list(dict.fromkeys(venue.symbols))
    if len(symbols) > venue.max_symbols:
        raise UserError(_too_many(venue, len(symbols)))
    fees = {s: fee for s in symbols if (fee := fee_of(venue, markets[s], account))}
    bare = Watchlist(symbols, triangles, [], fees)
    listed = [_listed(bare, triangle, markets, min_edge_bps) for triangle in triangles]
    return Watchlist(symbols, triangles, listed, fees, said)


def chosen_triangles(
    venue: VenueSettings, markets: Mapping[str, Market], start_assets: Sequence[str]
) -> tuple[list[Triangle], str]:
    """What is watched, and what to say of more than may be. UserError for a wrong name."""
    triangles = [oriented(t, start_assets) for t in _triangles(venue, markets)]
    if venue.name in SPEAKS_ALPACA and not (venue.symbols or venue.triangles):
        return _fitting(venue, triangles, start_assets)
    return triangles, ""


def every_triangle(markets: Mapping[str, Market], start_assets: Sequence[str]) -> list[Triangle]:
    """Every triangle of markets that are not taken off the venue's list."""
    return [oriented(triangle, start_assets) for triangle in discover(_open(markets))]


def watch_markets(
    venue: VenueSettings,
    markets: Mapping[str, Market],
    symbols: Sequence[str],
    account: Mapping[str, Decimal] | None = None,
) -> Watchlist:
    """These markets alone and no triangle: for a command that looks for routes of its own."""
    fees = {s: fee for s in symbols if (fee := fee_of(venue, markets[s], account))}
    return Watchlist(symbols, [], [], fees)


def _too_many(venue: VenueSettings, count: int) -> str:
    said = (
        f"{venue_key(venue.name, 'max_symbols')}: {count} markets would be watched, expected at "
        f"most {venue.max_symbols}"
    )
    if venue.name in SPEAKS_ALPACA and venue.alpaca_plan is AlpacaPlan.FREE:
        plan = venue_key(venue.name, "alpaca_plan")
        return f"{said} on Alpaca's free plan; name fewer symbols, or with another set {plan}=paid"
    return f"{said}; name fewer symbols or raise it"


def _fitting(
    venue: VenueSettings, triangles: list[Triangle], start_assets: Sequence[str]
) -> tuple[list[Triangle], str]:
    """As many of these as the plan's order books hold, and what to say of those left out.

    Triangles of the assets that cycles may start in come first, in the order they are preferred:
    these share their markets, so that ten books hold most triangles that way. Always the same ones.
    """
    rank = {asset: place for place, asset in enumerate(start_assets)}

    def preferred(triangle: Triangle) -> tuple[list[int], Sequence[str]]:
        places = sorted((rank.get(leg.spend, len(rank)) for leg in triangle.legs), reverse=True)
        return places, triangle.symbols

    found: set[str] = set()
    for triangle in sorted(triangles, key=preferred):
        more = found.union(triangle.symbols)
        if len(more) <= venue.max_symbols:
            found = more
    chosen = [triangle for triangle in triangles if found.issuperset(triangle.symbols)]
    if len(chosen) == len(triangles):
        return triangles, ""
    keys = f"{venue_key(venue.name, 'symbols')} and {venue_key(venue.name, 'alpaca_plan')}"
    return chosen, (
        f"{len(chosen)} of {len(triangles)} triangles are watched, all that {venue.max_symbols} "
        f"order books hold ({', '.join(sorted(found))}): those of the start assets come first; "
        f"{keys} change that"
    )


def _triangles(venue: VenueSettings, markets: Mapping[str, Market]) -> list[Triangle]:
    for symbol in venue.symbols:
        if symbol not in markets:
            raise UserError(f"symbol {symbol!r}: {venue.name} lists no such market")
    if venue.triangles:
        return _configured(venue, markets)
    chosen = {name: markets[name] for name in venue.symbols} if venue.symbols else _open(markets)
    return discover(chosen)


def _configured(venue: VenueSettings, markets: Mapping[str, Market]) -> list[Triangle]:
    """The triangles that were named, each once: both directions of it are watched anyway."""
    found: dict[frozenset[str], str] = {}
    triangles = []
    for names in venue.triangles:
        triangle, label = triangle_of(names, markets), ",".join(names)
        if first := found.get(frozenset(names)):
            raise UserError(
                f"triangle {label!r}: expected each triangle once, but {first!r} is the same "
                "three markets (both directions are watched)"
            )
        found[frozenset(names)] = label
        triangles.append(triangle)
    return triangles


def _open(markets: Mapping[str, Market]) -> dict[str, Market]:
    """Markets worth a subscription: all but those the venue has taken off its list."""
    gone = (MarketStatus.DELISTED, MarketStatus.WORK_IN_PROGRESS)
    return {symbol: market for symbol, market in markets.items() if market.status not in gone}


def oriented(triangle: Triangle, start_assets: Sequence[str]) -> Triangle:
    """The same cycle, beginning with the start asset that is preferred of those it holds."""
    held = {leg.spend for leg in triangle.legs}
    for asset in start_assets:
        if asset in held:
            return triangle.starting_at(asset)
    return triangle


def fee_of(
    venue: VenueSettings, market: Market, account: Mapping[str, Decimal] | None
) -> Fee | None:
    """Override, else the published ladder; with an account the larger of override and its own."""
    override = venue.fee_override_bps(market.symbol)
    stated = None if override is None else Fee(override / BPS, FeeSource.OVERRIDE)
    if account is not None:
        own = account.get(market.symbol)
        if own is None:
            return None
        charged = Fee(own, FeeSource.ACCOUNT)
        return stated if stated is not None and stated.rate > own else charged
    if stated is None and market.taker_fee is not None:
        return Fee(market.taker_fee, FeeSource.LADDER)
    return stated


def _listed(
    watch: Watchlist, triangle: Triangle, markets: Mapping[str, Market], min_edge_bps: Decimal
) -> Listed:
    hurdle = watch.hurdle(triangle, min_edge_bps)
    return Listed(triangle, hurdle, why_not_tradable(triangle, markets))
