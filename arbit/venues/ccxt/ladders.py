"""Fee ladders as Kraken's AssetPairs and ccxt's markets state them.

A ladder that makes no sense is left out: what is listed stands without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from arbit.domain.fee_ladder import FeeLadder, FeeStep
from arbit.domain.money import EXACT
from arbit.venues.ccxt.unified import number

PERCENT = Decimal(100)
MOST_STEPS = 50
PREFIXED = 4  # letters of an asset's older name at Kraken, where a Z before it says money: ZUSD


def kraken_ladder(entry: Mapping[str, Any]) -> FeeLadder | None:
    """The ladder of one pair of AssetPairs: volumes with taker and maker fees in per cent."""
    currency = str(entry.get("fee_volume_currency") or "ZUSD")
    if len(currency) == PREFIXED:
        currency = currency.removeprefix("Z")
    return _ladder(entry.get("fees"), entry.get("fees_maker"), PERCENT, currency)


def unified_ladder(entry: Mapping[str, Any]) -> FeeLadder | None:
    """The ladder of a ccxt market: its tiers in fractions, else the one fee that it states.

    Tiers are written into ccxt by hand, and old ones stay: those that do not begin with the fee
    that the venue states of the market are not believed (4.5.90 has 26 bps for Kraken's 40).
    """
    if entry.get("taker") is None:
        return None
    makers = None if entry.get("maker") is None else [[0, entry["maker"]]]
    alone = _ladder([[0, entry["taker"]]], makers, Decimal(1), "USD")
    tiers = entry.get("tiers")
    if not isinstance(tiers, Mapping):
        return alone
    told = _ladder(tiers.get("taker"), tiers.get("maker"), Decimal(1), "USD")
    believed = told is not None and alone is not None and told.steps[0] == alone.steps[0]
    return told if believed else alone


def _ladder(takers: Any, makers: Any, unit: Decimal, currency: str) -> FeeLadder | None:
    try:
        maker = {number(volume): EXACT.divide(number(fee), unit) for volume, fee in makers or ()}
        steps = [
            FeeStep(volume := number(one), EXACT.divide(number(fee), unit), maker.get(volume))
            for one, fee in takers or ()
        ]
    except (TypeError, ValueError, InvalidOperation):
        return None
    volumes = [step.volume for step in steps]
    rises = volumes == sorted(set(volumes)) and volumes[:1] == [Decimal(0)]
    sane = len(steps) <= MOST_STEPS and all(0 <= step.taker < 1 for step in steps)
    return FeeLadder(tuple(steps), currency) if rises and sane else None
