"""A small market that stands still unless it is told to move: six pairs, four triangles.

An opportunity is planted as it comes about on a venue: the makers of one pair see another fair
price than everybody else, for a while.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

from arbit.sandbox.book import ASK, BID
from arbit.sandbox.instruments import MAJORS, Digits, instrument
from arbit.sandbox.market import Market, Pair
from arbit.sandbox.profiles import Band, Listing, MakerSpec, Profile, Weather

SYMBOLS = (
    ("EUR", "USD", Digits(5), 0.5),
    ("BTC", "USD", Digits(1), 1.0),
    ("BTC", "EUR", Digits(1), 1.0),
    ("ETH", "USD", Digits(2), 1.0),
    ("ETH", "EUR", Digits(2), 1.0),
    ("ETH", "BTC", Digits(6), 1.0),
)
# What each asset is worth where nothing is shifted.
USD = {
    "USD": Decimal(1),
    "EUR": Decimal("1.0842"),
    "USDT": Decimal("0.9996"),  # only in Alpaca's house
    "BTC": Decimal(63_501),
    "ETH": Decimal(3_374),
}
ENOUGH_USD = 2_500  # for two cycles of the largest size, and a little more
NEVER_HZ = 1e-9
BPS = 1e-4


def profile(weather_hz: float) -> Profile:
    """Makers that look again every second or so; weather only where it is wanted."""
    reaction = (Band(0.7, 5, 60), Band(0.3, 60, 800))
    listings = tuple(
        Listing(
            instrument(MAJORS[base], MAJORS[quote], digits, rest_status_listed=True),
            (MakerSpec(0.8 * width, 1.5, 6, 900.0, reaction, 2_000.0),),
            20_000.0,
        )
        for base, quote, digits, width in SYMBOLS
    )
    return Profile("simulated", weather(weather_hz), listings)


def weather(hz: float) -> Weather:
    """None, or moves so often."""
    hz = hz or NEVER_HZ
    return Weather(hz, 2.0, hz, 3.0, 0.05, 4.0, 0.0, (0.0, 0.0))


@dataclass(slots=True)
class Plant:
    """A planted opportunity: on which pair, by how much, from when until when (virtual)."""

    symbol: str
    shift_bps: float
    from_ns: int
    until_ns: int
    taken: bool = False


class Planter:
    """Shifts one pair's makers, and back."""

    def __init__(self, market: Market, rng: random.Random) -> None:
        self._market = market
        self._rng = rng
        self._shifts: dict[str, float] = {}
        self.shifted_ns: dict[str, int] = {}  # when each was last, by the market's time

    def pick(self, now_ns: int, lasts_ns: int, bps: tuple[float, float]) -> Plant:
        """Some pair, some way."""
        symbol = self._rng.choice(list(self._market.pairs))
        size = self._rng.uniform(*bps)
        shift = size if self._rng.random() < 0.5 else -size
        return Plant(symbol, shift, now_ns, now_ns + lasts_ns)

    def shift(self, symbol: str, bps: float) -> None:
        """The makers of this pair see the fair price so far off."""
        self._shifts[symbol] = bps
        self.shifted_ns[symbol] = self._market.now_ns
        pair = self._market.pairs[symbol]
        fair = self._fair(pair) * (1.0 + bps * BPS)
        for maker in pair.makers:
            self._market._record(pair, maker.requote(pair.book, fair, self._rng))

    def refill(self) -> bool:
        """Makers come back where trading has left little on a side, at the price that they see."""
        pairs = self._market.pairs.items()
        empty = [symbol for symbol, pair in pairs if self._least_usd(pair) < ENOUGH_USD]
        for symbol in empty:
            self.shift(symbol, self._shifts.get(symbol, 0.0))
        return bool(empty)

    def _least_usd(self, pair: Pair) -> Decimal:
        return min(self._left_usd(pair, side) for side in (BID, ASK))

    def _left_usd(self, pair: Pair, side: int) -> Decimal:
        """What the best levels of a side are worth."""
        qty = sum(much for _, much in pair.book.top(side, 5))
        return Decimal(qty).scaleb(-pair.instrument.qty_precision) * USD[pair.instrument.base.code]

    def _fair(self, pair: Pair) -> float:
        return self._market._fair_units(pair)
