"""A ladder of fees: where an account stands on it, and what it costs to climb."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.fee_ladder import FeeLadder, FeeStep

# Kraken's, 2026-05: volume, taker in bps.
STEPS = ((0, 40), (10_000, 35), (50_000, 24), (100_000, 22), (500_000, 18), (10_000_000, 10))
LADDER = FeeLadder(tuple(FeeStep(Decimal(v), Decimal(t) / 10_000) for v, t in STEPS))


@pytest.mark.parametrize(
    ("volume", "taker", "left"), [(0, 40, 5), (9_999, 40, 5), (10_000, 35, 4), (10**9, 10, 0)]
)
def test_a_step_holds_from_its_volume_on(volume: int, taker: int, left: int) -> None:
    assert LADDER.at(Decimal(volume)).taker == Decimal(taker) / 10_000
    assert len(LADDER.after(Decimal(volume))) == left


def test_climbing_costs_each_part_at_its_own_fee() -> None:
    assert LADDER.cost(Decimal(0), Decimal(10_000)) == 40
    assert LADDER.cost(Decimal(0), Decimal(10_000_000)) == 40 + 140 + 120 + 880 + 17_100
    assert LADDER.cost(Decimal(60_000), Decimal(100_000)) == 96
    assert LADDER.cost(Decimal(5), Decimal(5)) == 0
