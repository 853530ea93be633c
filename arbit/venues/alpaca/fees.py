"""Alpaca's published crypto fees. Which tier an account is in, no answer of its API tells.

Source: docs.alpaca.markets, "Crypto Spot Trading Fees": maker and taker by the USD volume of the
last 30 days, in per cent. A fee is taken from what a trade brings in.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.fee_ladder import FeeLadder, FeeStep


@dataclass(frozen=True, slots=True)
class Tier:
    """From this volume of 30 days (USD) on; fees in basis points."""

    volume_usd: int
    maker_bps: Decimal
    taker_bps: Decimal


TIERS: tuple[Tier, ...] = (
    Tier(0, Decimal(15), Decimal(25)),
    Tier(100_000, Decimal(12), Decimal(22)),
    Tier(500_000, Decimal(10), Decimal(20)),
    Tier(1_000_000, Decimal(8), Decimal(18)),
    Tier(10_000_000, Decimal(5), Decimal(15)),
    Tier(25_000_000, Decimal(2), Decimal(13)),
    Tier(50_000_000, Decimal(2), Decimal(12)),
    Tier(100_000_000, Decimal(0), Decimal(10)),
)
DEAREST_TAKER = TIERS[0].taker_bps / 10_000  # as a fraction: what anybody pays at most
LADDER = FeeLadder(
    tuple(
        FeeStep(Decimal(tier.volume_usd), tier.taker_bps / 10_000, tier.maker_bps / 10_000)
        for tier in TIERS
    )
)
