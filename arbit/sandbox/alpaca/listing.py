"""What Alpaca lists here: its pairs with their increments, in the same four markets as Kraken's.

``calm`` and ``volatile`` list ten pairs, as many order books as the free plan lets one read:
USD/BTC with ETH, LTC and BCH, and USD/USDT with BTC and ETH. ``thin`` has half of them quiet;
``whole-venue`` lists some fifty. Every asset is kept with nine decimals. Minima are worth about
a dollar, as in the recorded listing of assets. The increments are of the recorded kind (nine
decimals of quantity; price increments from a cent to 1e-9), the figures of each pair made up.
"""

import random
from typing import Final

from arbit.sandbox.instruments import Asset, Digits, Instrument
from arbit.sandbox.profiles import (
    CALM_WEATHER,
    PROFILE_NAMES,
    SLOTH,
    THIN_WEATHER,
    VENUE_WEATHER,
    VOLATILE_WEATHER,
    Listing,
    MakerSpec,
    Profile,
    crowd,
)

DECIMALS: Final = 9
CASH: Final = "USD"


def _asset(code: str, usd: float, kind: str = "crypto") -> Asset:
    return Asset(code, code, code, DECIMALS, DECIMALS, usd, kind)


ASSETS: Final[dict[str, Asset]] = {
    known.code: known
    for known in (
        _asset(CASH, 1.0, "fiat"),
        _asset("USDT", 0.9996, "stable"),
        _asset("USDC", 1.0, "stable"),
        _asset("BTC", 63_501.0),
        _asset("ETH", 3_374.0),
        _asset("LTC", 71.3),
        _asset("BCH", 342.6),
        _asset("UNI", 7.91),
        _asset("LINK", 13.84),
        _asset("AAVE", 98.2),
        _asset("AVAX", 27.4),
        _asset("BAT", 0.1931),
        _asset("CRV", 0.3012),
        _asset("DOGE", 0.1284),
        _asset("DOT", 6.07),
        _asset("GRT", 0.1802),
        _asset("MKR", 2_391.0),
        _asset("SHIB", 0.0000176),
        _asset("SUSHI", 0.7712),
        _asset("XTZ", 0.8034),
        _asset("YFI", 6_203.0),
    )
}


def _pair(base: str, quote: str, digits: Digits) -> Instrument:
    symbol, left, right = f"{base}/{quote}", ASSETS[base], ASSETS[quote]
    least = max(int(10**DECIMALS / left.usd), 1)  # about a dollar's worth
    return Instrument(
        symbol=symbol,
        base=left,
        quote=right,
        rest_id=base + quote,
        altname=base + quote,
        wsname=symbol,
        price_precision=digits.price,
        qty_precision=DECIMALS,
        price_tick=digits.tick,
        qty_step=digits.step,
        qty_min=max(least // digits.step, 1) * digits.step,
        cost_min="0",
        cost_precision=DECIMALS,
    )


TEN_PAIRS: Final[tuple[tuple[str, str, Digits, float], ...]] = (
    ("BTC", "USD", Digits(2), 0.5),
    ("ETH", "USD", Digits(2), 0.7),
    ("LTC", "USD", Digits(3), 1.0),
    ("BCH", "USD", Digits(2, tick=5), 1.0),
    ("ETH", "BTC", Digits(6), 1.0),
    ("LTC", "BTC", Digits(8, step=10), 1.4),
    ("BCH", "BTC", Digits(7, tick=5), 1.4),
    ("USDT", "USD", Digits(5, step=1_000), 0.4),
    ("BTC", "USDT", Digits(2), 0.7),
    ("ETH", "USDT", Digits(3), 1.0),
)

USD_ONLY: Final = ("AVAX", "BAT", "CRV", "DOT", "GRT", "MKR", "SHIB", "SUSHI", "XTZ", "YFI", "DOGE")
MOST_QUOTES: Final = ("AAVE", "LINK", "UNI", "LTC", "BCH", "ETH", "BTC")


def _ten(refresh_ms: float, taker_every_ms: float) -> tuple[Listing, ...]:
    return tuple(
        Listing(
            _pair(base, quote, digits), crowd(width, 6_000.0 / width, refresh_ms), taker_every_ms
        )
        for base, quote, digits, width in TEN_PAIRS
    )


def _thin() -> tuple[Listing, ...]:
    """Every second pair is quiet for half a minute and more, with books of a few levels."""
    quiet = (MakerSpec(40.0, 25.0, 6, 900.0, SLOTH, 0.0),)
    return tuple(
        Listing(one.instrument, quiet, 90_000.0) if index % 2 else one
        for index, one in enumerate(_ten(250.0, 4_000.0))
    )


def _digits(price: float) -> Digits:
    """About five significant digits, at most nine decimals."""
    for places in range(2, DECIMALS):
        if price * 10**places >= 20_000:  # five digits, roughly
            return Digits(places)
    return Digits(DECIMALS)


def _whole_venue() -> tuple[Listing, ...]:
    """Some fifty pairs, quoted in USD, USDT, USDC and BTC."""
    listings = {one.instrument.symbol: one for one in _ten(420.0, 6_000.0)}
    rng = random.Random(len(ASSETS))  # the listing is a fact of the profile

    def add(base: str, quote: str) -> None:
        digits = _digits(ASSETS[base].usd / ASSETS[quote].usd)
        pair = _pair(base, quote, digits)
        if base != quote and pair.symbol not in listings:
            makers = crowd(rng.uniform(1.2, 5.0), 3_000.0, 420.0)
            listings[pair.symbol] = Listing(pair, makers, 6_000.0)

    add("USDC", "USD")
    for base in MOST_QUOTES:
        for quote in ("USD", "USDT", "USDC", "BTC"):
            add(base, quote)
    for base in USD_ONLY:
        add(base, "USD")
        add(base, "USDC")
    return tuple(listings.values())


def load(name: str) -> Profile:
    """Build a profile by name; raises ``ValueError`` naming the known ones otherwise."""
    if name == "calm":
        return Profile(name, CALM_WEATHER, _ten(70.0, 900.0))
    if name == "volatile":
        return Profile(name, VOLATILE_WEATHER, _ten(55.0, 500.0))
    if name == "thin":
        return Profile(name, THIN_WEATHER, _thin())
    if name == "whole-venue":
        return Profile(name, VENUE_WEATHER, _whole_venue())
    raise ValueError(f"unknown profile {name!r}: expected one of {', '.join(PROFILE_NAMES)}")
