"""Paper loses nothing and invents nothing, whatever the books do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.fitness.trial import HOME_ATTEMPTS, HOME_WAIT_NS, CycleEnd
from tests.property.lane_world import STEPS, Step, play
from tests.unit.fitness.scene import MS, Scene

D = Decimal
SCENES = st.fixed_dictionaries(
    {
        "fee": st.sampled_from(["0", "0.001", "0.0026"]),
        "latency_ms": st.sampled_from([0, 1, 60, 500]),
        "max_concurrent": st.integers(1, 3),
        "budget": st.sampled_from(["0.5", "1000", "100000"]),
        "balances": st.sampled_from(
            [{"USD": "10000"}, {"USD": "120", "BTC": "1", "ETH": "10"}, {"USD": "0.01"}]
        ),
    }
)


@settings(deadline=None)
@given(STEPS, SCENES)
def test_what_the_account_gained_is_the_profit_and_what_was_left_over(
    steps: list[Step], given_scene: dict[str, Any]
) -> None:
    scene = Scene(**given_scene)
    for _ in play(scene, steps):
        assert all(amount >= 0 for amount in scene.exchange.balances.values())
    scene.finish()

    assert scene.balance_changes() == scene.accounted()


@settings(deadline=None)
@given(STEPS, SCENES)
def test_no_cycle_is_lost_and_no_more_are_under_way_than_allowed(
    steps: list[Step], given_scene: dict[str, Any]
) -> None:
    scene = Scene(**given_scene)
    allowed = given_scene["max_concurrent"]
    for _ in play(scene, steps):
        assert scene.trial.in_flight <= allowed
    scene.finish()

    assert scene.trial.in_flight == 0
    assert scene.trial.cycles == len(scene.ended) == scene.trial._started
    assert sorted(cycle.number for cycle in scene.ended) == list(range(1, len(scene.ended) + 1))
    finished = [cycle for cycle in scene.ended if cycle.end is not CycleEnd.UNFINISHED]
    assert scene.trial.profit.get("USD", D(0)) == sum((cycle.profit for cycle in finished), D(0))
    assert {end: count for end, count in scene.trial.ends.items() if count} == {
        end: sum(cycle.end is end for cycle in scene.ended)
        for end in {cycle.end for cycle in scene.ended}
    }


@settings(deadline=None)
@given(STEPS, SCENES)
def test_left_to_itself_every_cycle_ends_by_itself_within_a_bound(
    steps: list[Step], given_scene: dict[str, Any]
) -> None:
    scene = Scene(**given_scene)
    for _ in play(scene, steps):
        pass
    scene.lane.close()
    most_orders = 3 + 2 * HOME_ATTEMPTS
    scene.pass_ms(most_orders * 500 + HOME_WAIT_NS / MS + 4_000)

    assert scene.lane.idle
    assert scene.trial.in_flight == 0
    for cycle in scene.ended:
        assert cycle.orders <= most_orders
        if cycle.end is CycleEnd.DONE:
            assert cycle.leg == 3
        if cycle.end is CycleEnd.FLAT:
            assert cycle.spent == cycle.returned == 0
            assert not any(cycle.holdings.values())


@settings(deadline=None)
@given(STEPS, st.sampled_from([1, 60, 500]))
def test_no_cycle_is_faster_than_its_latency(steps: list[Step], latency_ms: int) -> None:
    scene = Scene(latency_ms=latency_ms)
    ended_ns: dict[int, int] = {}
    for _ in play(scene, steps):
        for cycle in scene.ended:
            ended_ns.setdefault(cycle.number, scene.now_ns)
    for cycle in scene.ended:
        if cycle.number in ended_ns and cycle.spent:
            assert ended_ns[cycle.number] - cycle.started_ns >= 2 * latency_ms * MS
        if cycle.number in ended_ns and cycle.end is CycleEnd.DONE:
            assert ended_ns[cycle.number] - cycle.started_ns >= 3 * latency_ms * MS
