"""The markets a sandbox can play: how fast prices move, and who quotes what, how late.

``calm`` and ``volatile`` share sixteen pairs; ``thin`` has the same pairs with half of them
quiet; ``whole-venue`` lists several hundred pairs of generated assets.
"""

import math
import random
from dataclasses import dataclass
from typing import Final

from arbit.sandbox.instruments import MAJORS, Asset, Digits, Instrument, asset, instrument


@dataclass(frozen=True, slots=True)
class Band:
    """With probability ``share``, a delay log-uniform between ``low_ms`` and ``high_ms``."""

    share: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True, slots=True)
class MakerSpec:
    """How one market maker quotes: distances in bps of fair value, sizes in USD a level."""

    half_spread_bps: float
    grid_bps: float
    levels: int
    size_usd: float
    reaction: tuple[Band, ...]
    refresh_ms: float  # mean time between changes of size at standing quotes; 0 means never


@dataclass(frozen=True, slots=True)
class Listing:
    """A pair and its crowd: makers, and the mean time between takers."""

    instrument: Instrument
    makers: tuple[MakerSpec, ...]
    taker_every_ms: float


@dataclass(frozen=True, slots=True)
class Weather:
    """How fair values move. Rates are events per second, moves are standard deviations."""

    market_hz: float
    market_bps: float
    asset_hz: float
    asset_bps: float
    tail_share: float
    tail_factor: float
    shock_every_s: float  # 0 means never
    shock_bps: tuple[float, float]
    revert_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A named market: weather and listings. ``synthetic`` by nature, and it says so."""

    name: str
    weather: Weather
    listings: tuple[Listing, ...]


FAST: Final = (Band(0.84, 1, 9), Band(0.12, 9, 150), Band(0.04, 150, 2_500))
SLOW: Final = (Band(0.65, 50, 500), Band(0.35, 500, 5_000))
SLOTH: Final = (Band(1.0, 35_000, 110_000),)

CALM_WEATHER: Final = Weather(2.5, 0.6, 2.0, 1.1, 0.03, 7.0, 0.0, (0.0, 0.0))
VOLATILE_WEATHER: Final = Weather(4.0, 2.0, 3.0, 3.0, 0.04, 6.0, 15.0, (120.0, 420.0))
THIN_WEATHER: Final = Weather(0.8, 0.5, 0.6, 0.8, 0.03, 5.0, 0.0, (0.0, 0.0))
VENUE_WEATHER: Final = Weather(1.0, 1.0, 0.5, 2.5, 0.04, 5.0, 30.0, (80.0, 300.0))

# symbol, digits of price, tick, quantity step, width (spread multiplier)
CORE_PAIRS: Final[tuple[tuple[str, str, Digits, float], ...]] = (
    ("EUR", "USD", Digits(5), 0.4),
    ("USDT", "USD", Digits(5), 0.4),
    ("BTC", "USD", Digits(1), 0.5),
    ("BTC", "EUR", Digits(1), 0.8),
    ("BTC", "USDT", Digits(1), 0.7),
    ("ETH", "USD", Digits(2), 0.7),
    ("ETH", "EUR", Digits(2), 1.0),
    ("ETH", "USDT", Digits(2), 1.0),
    ("ETH", "BTC", Digits(6), 1.0),
    ("SOL", "USD", Digits(4, tick=20), 1.0),
    ("SOL", "EUR", Digits(4, tick=50), 1.3),
    ("SOL", "BTC", Digits(8, tick=10), 1.5),
    ("XRP", "USD", Digits(5), 1.0),
    ("XRP", "BTC", Digits(9), 1.5),
    ("DOGE", "USD", Digits(7, tick=10, step=1_000), 1.2),
    ("DOGE", "EUR", Digits(7, tick=10, step=1_000), 1.5),
)


def crowd(width: float, size_usd: float, refresh_ms: float) -> tuple[MakerSpec, ...]:
    """One fast maker close in, two slow ones behind: 30 to 60 levels a side together."""
    return (
        MakerSpec(0.6 * width, 0.35 * width, 9, size_usd * 0.4, FAST, refresh_ms),
        MakerSpec(2.2 * width, 1.3 * width, 20, size_usd * 1.5, SLOW, refresh_ms * 9),
        MakerSpec(4.5 * width, 3.1 * width, 26, size_usd * 4.0, SLOW, refresh_ms * 14),
    )


def _core(refresh_ms: float, taker_every_ms: float) -> tuple[Listing, ...]:
    """The sixteen well-known pairs, every one of them busy."""
    return tuple(
        Listing(
            instrument(MAJORS[base], MAJORS[quote], digits, rest_status_listed=True),
            crowd(width, 6_000.0 / width, refresh_ms),
            taker_every_ms,
        )
        for base, quote, digits, width in CORE_PAIRS
    )


def _thin() -> tuple[Listing, ...]:
    """Every second pair is quiet for half a minute and more, with books of a few levels."""
    listings = []
    for index, busy in enumerate(_core(250.0, 4_000.0)):
        quiet = index % 2 == 1
        makers = (MakerSpec(40.0, 25.0, 5 + index % 4, 900.0, SLOTH, 0.0),)
        pair = busy.instrument
        listings.append(
            Listing(
                instrument(
                    pair.base,
                    pair.quote,
                    CORE_PAIRS[index][2],
                    rest_status_listed=index % 8 != 5,
                ),
                makers if quiet else busy.makers,
                90_000.0 if quiet else busy.taker_every_ms,
            )
        )
    return tuple(listings)


QUOTE_ODDS: Final[tuple[tuple[str, float], ...]] = (
    ("USD", 1.0),
    ("EUR", 0.9),
    ("USDT", 0.5),
    ("BTC", 0.42),
    ("USDC", 0.3),
    ("GBP", 0.22),
    ("ETH", 0.2),
)
MONEY_PAIRS: Final[tuple[tuple[str, str, Digits], ...]] = (
    ("EUR", "USD", Digits(5)),
    ("GBP", "USD", Digits(5)),
    ("USDT", "USD", Digits(5)),
    ("USDC", "USD", Digits(5)),
    ("USDC", "USDT", Digits(5)),
    ("USDT", "EUR", Digits(5)),
    ("USDC", "EUR", Digits(5)),
    ("USDT", "GBP", Digits(5)),
    ("USDC", "GBP", Digits(5)),
    ("EUR", "GBP", Digits(5)),
)
CONSONANTS: Final = "BCDFGKLMNPRSTVW"
VOWELS: Final = "AEIOU"
NAMES_SEED: Final = 20_260_707  # the listing is a fact of the profile, the same for every seed
GENERATED_ASSETS: Final = 205


def _names(rng: random.Random) -> list[str]:
    """Asset names that no exchange lists in this shape; never starting with X or Z."""
    names: dict[str, None] = {}
    while len(names) < GENERATED_ASSETS:
        word = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(2))
        names[word + rng.choice(CONSONANTS)] = None
    return list(names)


def _venue_digits(price: float, rng: random.Random) -> Digits:
    """Four to five significant digits of price; now and then a coarser tick or step."""
    precision = max(1, 5 - math.ceil(math.log10(price)))
    tick = rng.choice((1, 1, 1, 5)) if price * 10**precision > 30_000 else 1
    qty = rng.choice((8, 8, 8, 5))
    return Digits(precision, qty, tick, rng.choice((1, 1, 10)))


def _whole_venue() -> tuple[Listing, ...]:
    """Several hundred pairs; about one in eight lists no status over REST, as on the venue."""
    rng = random.Random(NAMES_SEED)
    listings: list[Listing] = []

    def add(base: Asset, quote: Asset, digits: Digits, width: float) -> None:
        listed = rng.random() > 0.13
        pair = instrument(base, quote, digits, rest_status_listed=listed)
        listings.append(Listing(pair, crowd(width, 3_000.0, 420.0), 6_000.0))

    for base, quote, digits in MONEY_PAIRS:
        add(MAJORS[base], MAJORS[quote], digits, 0.6)
    majors = [MAJORS[code] for code in ("BTC", "ETH", "SOL", "XRP", "LTC", "DOGE", "ADA")]
    for base_asset in majors:
        for code, _ in QUOTE_ODDS:
            order = (code, base_asset.code)
            if base_asset.code != code and order != ("ETH", "BTC"):
                price = base_asset.usd / MAJORS[code].usd
                add(base_asset, MAJORS[code], _venue_digits(price, rng), 1.2)
    for name in _names(rng):
        coin = asset(name, 10.0 ** rng.uniform(-2.5, 2.2))
        width = rng.uniform(2.0, 8.0)
        for code, odds in QUOTE_ODDS:
            if rng.random() < odds:
                price = coin.usd / MAJORS[code].usd
                add(coin, MAJORS[code], _venue_digits(price, rng), width)
    return tuple(listings)


PROFILE_NAMES: Final = ("calm", "volatile", "thin", "whole-venue")


def load(name: str) -> Profile:
    """Build a profile by name; raises ``ValueError`` naming the known ones otherwise."""
    if name == "calm":
        return Profile(name, CALM_WEATHER, _core(70.0, 900.0))
    if name == "volatile":
        return Profile(name, VOLATILE_WEATHER, _core(55.0, 500.0))
    if name == "thin":
        return Profile(name, THIN_WEATHER, _thin())
    if name == "whole-venue":
        return Profile(name, VENUE_WEATHER, _whole_venue())
    raise ValueError(f"unknown profile {name!r}: expected one of {', '.join(PROFILE_NAMES)}")
