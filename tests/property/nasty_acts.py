"""What a venue does with orders, drawn for the properties of trading, and trading on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import Phase
from hypothesis import strategies as st

from arbit.domain.plan import Plan, SizeLimits
from arbit.sizing import size
from tests.unit.execution.nasty import Act, NastyWorld
from tests.unit.sizing_world import TRIANGLE

D = Decimal
AS_FOUND = (Phase.explicit, Phase.generate)  # making a failing world smaller would take minutes


def acts(places: int, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    """Acts whose fills have so many places; `more` are what else one property asks of them."""
    return st.builds(
        Act,
        fate=st.sampled_from(["ok", "ok", "ok", "ok", "reject", "lost_before", "lost_after"]),
        fraction=st.one_of(st.just(D(1)), st.decimals(0, 1, places=places)),
        pieces=st.integers(1, 3),
        better=st.sampled_from([D(0), D(0), D("0.001"), D("0.02")]),
        **more,
    )


def taken(world: NastyWorld, most: int, moved_bps: int) -> None:
    """The books move, and a plan of at most so much is tried on them if there is one."""
    world.moved(moved_bps)
    limits = SizeLimits(D(most))
    plan = size(TRIANGLE, world.sights.books, world.sights.markets, world.fees, limits)
    if isinstance(plan, Plan):
        world.engine.take(plan, world.clock.now_ns)
