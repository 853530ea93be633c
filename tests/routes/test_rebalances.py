"""Every rebalance ends nearer its target at no more than its budget, however it fills."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit import rebalancing
from tests.routes.rebalances import flaws

SLICE = range(150)


def found(seeds: range) -> Iterator[str]:
    return (said for seed in seeds for said in flaws(seed, Counter()))


def test_each_ends_nearer_its_target_within_its_budget_its_caps_and_its_reserves() -> None:
    met: Counter[str] = Counter()
    assert [said for seed in SLICE for said in flaws(seed, met)] == []
    assert met["rebalance under, 1 legs"] >= 5, met
    assert met["rebalance over, 1 legs"] >= 5, met


def test_one_that_spends_what_is_kept_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(stand: Any, *, to_target: bool) -> Decimal:
        least = stand.target if to_target else stand.low
        beyond: Decimal = stand.settled - (least or 0)
        return max(beyond, Decimal(0))

    monkeypatch.setattr(rebalancing, "_may_give", greedy)
    assert any("may be spent" in said for said in found(range(200)))


def test_one_that_forgets_the_cap_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebalancing, "_may_take", lambda _stand, **_: None)
    assert any("beyond the cap" in said or "away from" in said for said in found(range(200)))


def test_one_that_forgets_its_budget_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebalancing, "cost_at_limits", lambda *_: Decimal(-1))
    honest = rebalancing._Adviser._priced

    def cheap(self: Any, stand: Any, pair: Any, conversion: Any) -> Any:
        move = honest(self, stand, pair, conversion)
        return replace(move, loss_budget=conversion.spend)

    monkeypatch.setattr(rebalancing._Adviser, "_priced", cheap)
    assert any("may lose" in said or "left" in said for said in found(range(60)))
