"""Triangles: three legs on one venue that end in the asset they began with."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.errors import UserError
from arbit.domain.market import Market


class Side(enum.StrEnum):
    """The side of an order: BUY pays quote for base, SELL pays base for quote."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


@dataclass(frozen=True, slots=True)
class Leg:
    """One conversion: pay `spend`, receive `receive`, by an order of `side` on `symbol`."""

    symbol: str
    side: Side
    spend: str
    receive: str

    @classmethod
    def through(cls, market: Market, spend: str) -> Leg:
        """The leg that pays `spend` on this market. UserError when the market has no such asset."""
        if spend == market.quote:
            return cls(market.symbol, Side.BUY, market.quote, market.base)
        if spend == market.base:
            return cls(market.symbol, Side.SELL, market.base, market.quote)
        raise UserError(f"{market.symbol} cannot be paid with {spend}")

    @property
    def symbol_base(self) -> str:
        """The base asset of the market: received by a buy, spent by a sell."""
        return self.receive if self.side is Side.BUY else self.spend

    def reversed(self) -> Leg:
        """The same market, the other way."""
        return Leg(self.symbol, self.side.opposite, self.receive, self.spend)

    def __str__(self) -> str:
        return f"{self.side.value} {self.symbol}"


@dataclass(frozen=True, slots=True)
class Triangle:
    """A directed cycle A -> B -> C -> A. `legs[0].spend` is the start asset."""

    legs: tuple[Leg, Leg, Leg]

    @property
    def start(self) -> str:
        """The asset that is paid first and comes back last."""
        return self.legs[0].spend

    @property
    def symbols(self) -> tuple[str, str, str]:
        """The three markets, in the order of the legs."""
        return (self.legs[0].symbol, self.legs[1].symbol, self.legs[2].symbol)

    @property
    def path(self) -> str:
        """`USD>BTC>ETH>USD`."""
        return ">".join([leg.spend for leg in self.legs] + [self.start])

    def reversed(self) -> Triangle:
        """The same three markets walked the other way, from the same start asset."""
        first, second, third = self.legs
        return Triangle((third.reversed(), second.reversed(), first.reversed()))

    def starting_at(self, asset: str) -> Triangle:
        """The same cycle rotated so that it starts (and ends) at `asset`."""
        for turn in range(3):
            if self.legs[turn].spend == asset:
                a, b, c = (self.legs[(turn + i) % 3] for i in range(3))
                return Triangle((a, b, c))
        raise UserError(f"{self.path} never holds {asset}")


def triangle_of(names: Iterable[str], markets: Mapping[str, Market], start: str = "") -> Triangle:
    """The triangle made by three market symbols in order, or UserError naming the legs.

    The cycle must spend what the leg before it received and end in the asset it began with.
    Both first directions are tried; `start` picks one, otherwise the quote of the first leg does.
    """
    symbols = tuple(names)
    label = ",".join(symbols)
    if len(symbols) != 3 or len(set(symbols)) != 3:
        raise UserError(f"triangle {label!r}: expected three different markets")
    for symbol in symbols:
        if symbol not in markets:
            raise UserError(f"triangle {label!r}: {symbol!r} is not listed by this venue")
    first = markets[symbols[0]]
    starts = [start] if start else [first.quote, first.base]
    failures = []
    for asset in starts:
        outcome = _follow(symbols, markets, asset)
        if isinstance(outcome, Triangle):
            return outcome
        failures.append(outcome)
    raise UserError(f"triangle {label!r} is no triangle: {'; '.join(failures)}")


def _follow(symbols: tuple[str, ...], markets: Mapping[str, Market], start: str) -> Triangle | str:
    held, legs = start, []
    for symbol in symbols:
        market = markets[symbol]
        if held not in (market.base, market.quote):
            return f"starting with {start}, leg {symbol} would be paid in {held}, which it lacks"
        leg = Leg.through(market, held)
        legs.append(leg)
        held = leg.receive
    if held != start:
        return f"starting with {start}, the legs {', '.join(map(str, legs))} end in {held}"
    return Triangle((legs[0], legs[1], legs[2]))


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A directed triangle whose edge was above its hurdle at `seen_ns` (monotonic).

    `gross_bps` is the edge at the tops of the three books before fees, `net_bps` after them;
    `tops` are the three prices it was computed from, one a leg; `age_ms` is the oldest leg's.
    """

    triangle: Triangle
    gross_bps: float
    net_bps: float
    tops: tuple[Decimal, Decimal, Decimal]
    age_ms: float
    seen_ns: int
