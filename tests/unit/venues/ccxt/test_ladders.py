"""Ladders as venues state them, and what is made of one that makes no sense."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.venues.ccxt.ladders import kraken_ladder, unified_ladder


def test_a_ladder_of_kraken_is_in_per_cent_and_counts_dollars() -> None:
    entry = {
        "fees": [[0, 0.4], [10_000, 0.35]],
        "fees_maker": [[0, 0.25], [10_000, 0.2]],
        "fee_volume_currency": "ZUSD",
    }
    ladder = kraken_ladder(entry)
    assert ladder is not None
    assert ladder.currency == "USD"
    assert [(step.volume, step.taker, step.maker) for step in ladder.steps] == [
        (Decimal(0), Decimal("0.004"), Decimal("0.0025")),
        (Decimal(10_000), Decimal("0.0035"), Decimal("0.002")),
    ]


@pytest.mark.parametrize(
    "fees",
    [
        *(None, [], [[0]], [[0, "x"]], [[5, 0.4]], [[0, 0.4], [0, 0.3]], [[0, 100]], [[0, -1]]),
        *([[0, float("nan")]], "words", 7, [[0, 0.4], [10, 0.3], [5, 0.2]], [[0, 0.4, 1]]),
        [[n, 0.4] for n in range(51)],
    ],
)
def test_a_ladder_that_makes_no_sense_is_none(fees: Any) -> None:
    assert kraken_ladder({"fees": fees}) is None


def test_what_ccxt_states_is_a_ladder_or_one_fee() -> None:
    tiers = {"taker": [[0, 0.001], [100, 0.0009]], "maker": [[0, 0.0005], [100, 0.0004]]}
    ladder = unified_ladder({"tiers": tiers, "taker": 0.001, "maker": 0.0005})
    assert ladder is not None
    assert [step.taker for step in ladder.steps] == [Decimal("0.001"), Decimal("0.0009")]
    alone = unified_ladder({"taker": 0.002, "maker": 0.001})
    assert alone is not None
    assert [(step.taker, step.maker) for step in alone.steps] == [
        (Decimal("0.002"), Decimal("0.001"))
    ]
    stale = unified_ladder({"tiers": tiers, "taker": 0.004, "maker": 0.0005})
    assert stale is not None
    assert [step.taker for step in stale.steps] == [Decimal("0.004")], "tiers of another time"
    assert unified_ladder({}) is None
    assert unified_ladder({"taker": "much"}) is None
