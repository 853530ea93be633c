"""What watches limits: its own bucket, and what a seed draws of them."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from tests.simulation import saboteurs_limits, strains
from tests.simulation.finale import Finale
from tests.simulation.loop import SECOND_NS
from tests.simulation.plan import plan_of
from tests.simulation.restraint import Rate
from tests.simulation.runner import workshop
from tests.simulation.sabotage import hunt
from tests.simulation.saboteurs import ALL
from tests.simulation.world import World


def test_one_order_more_than_the_rate_allows_is_seen() -> None:
    rate, now_ns = Rate(1.0), SECOND_NS
    assert all(rate.take(now_ns) for _ in range(10))
    assert rate.take(now_ns + SECOND_NS)
    assert not rate.take(now_ns + SECOND_NS)


def test_a_small_rate_leaves_room_for_a_cycle_and_its_way_home() -> None:
    rate = Rate(0.01)
    assert [rate.take(SECOND_NS) for _ in range(7)] == [True] * 6 + [False]


def written(*names: str) -> Any:
    """As much of a batch as is counted: orders that are about to leave, or were."""
    orders = [SimpleNamespace(intent=SimpleNamespace(client_id=name)) for name in names]
    return SimpleNamespace(flags=(), cycles=(), orders=orders)


def test_an_order_uses_up_the_rate_when_it_is_written_whether_it_leaves_or_not() -> None:
    with workshop() as disk:
        plan = plan_of(3)
        plan.transport, plan.risk["order_rate_per_s"] = "rest", 0.5
        world = World(3, disk, plan)
        restraint = world.watch.restraint
        restraint.committed(written("one", "two"))
        restraint.committed(written("two"))  # how it ended: it was counted
        rooms = [restraint.room]
        for seconds in (3, 1):
            world.loop.now_ns += seconds * SECOND_NS
            rooms.append(restraint.room)
        assert rooms == [False, False, True]
        world.watch.close()


def excuse(*stops: str, spent: bool = False, held: int = 0) -> bool:
    """Whether nothing need be attempted after these refusals, those of a try in a word."""
    world = SimpleNamespace(
        life=None,
        struck=lambda *_names: False,
        watch=SimpleNamespace(restraint=SimpleNamespace(spent=spent)),
        result=SimpleNamespace(cycles=Counter(held=held)),
    )
    finale: Any = Finale(world)  # type: ignore[arg-type]  # as much of a world as is asked
    return bool(finale._excused([set(one.split()) for one in stops]))


def test_a_days_loss_excuses_what_follows_when_it_is_one_by_our_own_count() -> None:
    assert excuse("daily_loss", "daily_loss", spent=True)
    assert excuse("audit", "gateway_not_ready daily_loss", spent=True)
    assert not excuse("daily_loss", "daily_loss")
    assert not excuse("audit", "gateway_not_ready", spent=True), "it was never asked for"


def test_what_passes_by_itself_is_no_excuse_beside_a_full_cap() -> None:
    assert excuse("asset_cap", "", "funds asset_cap")
    assert not excuse("asset_cap", "asset_cap cooldown")
    assert not excuse("", "")
    assert excuse("", "", held=1)


def test_a_cap_that_has_no_price_for_a_moment_is_full_in_the_same_try() -> None:
    assert excuse("asset_cap", "unpriced asset_cap")
    assert not excuse("asset_cap", "unpriced")
    assert not excuse("asset_cap", "unpriced asset_cap cooldown")
    assert not excuse("unpriced", held=1)


def test_seeds_without_faults_and_seeds_that_halt_draw_no_limits() -> None:
    for plan in map(plan_of, range(200)):
        if plan.benign or plan.fatal:
            assert not plan.early
            assert plan.risk["max_daily_loss"] == 1000
            assert not {*plan.rates} & {*strains.LIMIT_CALLS}


@pytest.mark.parametrize(
    ("name", "seed"), [("no_rate", 1), ("no_crash_trip", 11), ("gap_ignored", 11)]
)
def test_a_planted_bug_of_limits_is_caught(name: str, seed: int) -> None:
    assert saboteurs_limits.__doc__
    assert hunt(ALL[name], [seed]).seeds
