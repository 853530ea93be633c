"""The small market of `tests.simulation.market` as Alpaca would list it: USDT for EUR.

Increments are those of the sandbox's own listing: nine decimals of quantity, cents of USD.
"""

from __future__ import annotations

from arbit.sandbox.alpaca.listing import ASSETS, DECIMALS
from arbit.sandbox.instruments import Digits, Instrument
from arbit.sandbox.profiles import Band, Listing, MakerSpec, Profile
from tests.simulation import market

SYMBOLS = (
    ("USDT", "USD", Digits(5, step=1_000), 0.5),
    ("BTC", "USD", Digits(2), 1.0),
    ("BTC", "USDT", Digits(2), 1.0),
    ("ETH", "USD", Digits(2), 1.0),
    ("ETH", "USDT", Digits(3), 1.0),
    ("ETH", "BTC", Digits(6), 1.0),
)


def profile(weather_hz: float) -> Profile:
    """Makers that look again every second or so; weather only where it is wanted."""
    reaction = (Band(0.7, 5, 60), Band(0.3, 60, 800))
    listings = tuple(
        Listing(
            _listed(base, quote, digits),
            (MakerSpec(0.8 * width, 1.5, 6, 900.0, reaction, 2_000.0),),
            20_000.0,
        )
        for base, quote, digits, width in SYMBOLS
    )
    return Profile("simulated", market.weather(weather_hz), listings)


def _listed(base: str, quote: str, digits: Digits) -> Instrument:
    left = ASSETS[base]
    least = max(int(10**DECIMALS / left.usd), 1)  # about a dollar's worth
    return Instrument(
        symbol=f"{base}/{quote}",
        base=left,
        quote=ASSETS[quote],
        rest_id=base + quote,
        altname=base + quote,
        wsname=f"{base}/{quote}",
        price_precision=digits.price,
        qty_precision=DECIMALS,
        price_tick=digits.tick,
        qty_step=digits.step,
        qty_min=max(least // digits.step, 1) * digits.step,
        cost_min="0",
        cost_precision=DECIMALS,
    )
