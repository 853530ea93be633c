from __future__ import annotations

import pytest

from arbit.domain.market import MarketStatus
from tests.unit.fitness.scene import market


@pytest.mark.parametrize("status", [status for status in MarketStatus if status != "online"])
def test_only_an_online_market_is_tradable(status: MarketStatus) -> None:
    assert market("A/B", status=status).why_not_tradable() == f"A/B: status is {status.value}"
    assert market("A/B").why_not_tradable() is None


@pytest.mark.parametrize("fact", ["price_increment", "qty_increment", "qty_min", "cost_min"])
def test_a_missing_fact_is_named_and_never_guessed(fact: str) -> None:
    assert market("A/B", **{fact: None}).why_not_tradable() == f"A/B: the venue gave no {fact}"


@pytest.mark.parametrize("word", [None, "", "Online", "brand_new_word"])
def test_a_word_we_do_not_know_is_unknown(word: str | None) -> None:
    assert MarketStatus.of(word) is MarketStatus.UNKNOWN
    assert MarketStatus.of("online") is MarketStatus.ONLINE
