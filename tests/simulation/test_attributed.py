"""Causes add up to what the exchange's log says; a line that is left out is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arbit.app.reports.explaining import Explained, explain_all
from arbit.domain.recorded import Recorded
from tests.simulation import attributed
from tests.simulation.runner import workshop
from tests.simulation.world import World

SEED = 3  # small, with partial fills and cycles that were unwound


def test_causes_are_what_the_exchange_says_and_a_digit_more_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with workshop() as disk:
        world = World(SEED, disk)
        assert world.run().violations == []
        sums = attributed.Sums()
        attributed.add(sums, world)

        def one_line_less(recorded: Recorded) -> Explained:
            found = explain_all(recorded)
            name, one = next((n, x) for n, x in found.cycles.items() if x.lines)
            lines = one.lines[1:]
            return replace(found, cycles={**found.cycles, name: replace(one, lines=lines)})

        monkeypatch.setattr(attributed, "explain_all", one_line_less)
        planted = attributed.Sums()
        attributed.add(planted, world)
    assert sums.off == []
    assert sums.shows
    assert planted.off
