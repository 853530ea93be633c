"""A slice of `python -m tests.routes`: routing brings as much as a search of everything."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from arbit import routing
from arbit.domain.ladder import Ladder, LegFacts
from arbit.domain.money import ZERO
from arbit.domain.plan import Unfit
from arbit.sizing import leg_facts
from tests.routes.__main__ import main
from tests.routes.held import differences

SLICE = range(250)


def test_routing_brings_as_much_as_any_route_and_any_size_of_it() -> None:
    met: Counter[str] = Counter()
    assert [said for seed in SLICE for said in differences(seed, met)] == []
    # Else the slice would say nothing: there are worlds of every kind in it.
    for kind in ("best of 1 legs", "best of 2 legs", "best of 3 legs", "indirect beats direct"):
        assert met[kind] >= 10, met
    assert met["not all were sized"] >= 100


def test_a_planner_that_stops_a_rung_too_early_is_caught(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shallow(ladder: Ladder, held: int) -> tuple[int, int] | None:
        lots = min(ladder.cap[0], held // ladder.pay[0]) if ladder.cap else 0
        return (lots, 0) if ladder.cap and lots >= ladder.low[0] else None

    monkeypatch.setattr(routing, "_most_lots", shallow)
    assert main(["--markets", "20"]) == 1
    assert "legs" in capsys.readouterr().err


def test_a_planner_that_forgets_the_fee_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def free(*asked: Any) -> LegFacts | Unfit:
        known = leg_facts(*asked)
        return known if isinstance(known, Unfit) else replace(known, fee=ZERO)

    monkeypatch.setattr(routing, "leg_facts", free)
    assert any(differences(seed, Counter()) for seed in range(20))
