"""The funnel is honest whatever the market does."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.fitness.episodes import Stage
from tests.property.lane_world import STEPS, Step, play
from tests.unit.fitness.scene import MS, Scene

FEES = st.sampled_from(["0", "0.001", "0.004"])


def narrowing(funnel: dict[str, int]) -> bool:
    counts = list(funnel.values())
    return all(later <= earlier for earlier, later in pairwise(counts))


@settings(deadline=None)
@given(STEPS, FEES)
def test_the_funnel_narrows_at_every_moment_and_never_takes_back(
    steps: list[Step], fee: str
) -> None:
    scene = Scene(fee=fee)
    before = scene.funnel
    for _ in play(scene, steps):
        now = scene.funnel
        assert narrowing(now)
        assert all(now[stage] >= before[stage] for stage in now)
        before = now
    scene.finish()
    assert narrowing(scene.funnel)


@settings(deadline=None)
@given(STEPS, FEES)
def test_every_episode_is_reported_once_with_the_stage_that_the_funnel_counted(
    steps: list[Step], fee: str
) -> None:
    scene = Scene(fee=fee)
    for _ in play(scene, steps):
        pass
    scene.finish()

    assert len({id(episode) for episode in scene.reported}) == len(scene.reported)
    for stage in Stage:
        reached = sum(episode.stage >= stage for episode in scene.reported)
        assert scene.episodes.reached[stage] == reached
    gross = sum(history.episodes for history in scene.episodes.history)
    assert gross == scene.funnel["gross"]


@settings(deadline=None)
@given(STEPS, FEES)
def test_filled_is_what_paper_really_did(steps: list[Step], fee: str) -> None:
    scene = Scene(fee=fee)
    for _ in play(scene, steps):
        pass
    scene.finish()

    done = sum(cycle.end == "done" for cycle in scene.ended)
    assert scene.funnel["filled"] == done
    assert scene.trial.cycles == len(scene.ended) <= scene.funnel["fits"]
    assert all(cycle.profit > 0 for cycle in scene.ended if cycle.end == "done")


@settings(deadline=None)
@given(STEPS, FEES, st.sampled_from([100, 3_000, 10**7]))
def test_the_clocks_run_exactly_while_the_gap_is_believed(
    steps: list[Step], fee: str, max_age_ms: int
) -> None:
    # What a turn saw holds until the next one, or until the oldest book is too old for it.
    scene = Scene(fee=fee, max_age_ms=max_age_ms, max_skew_ms=max_age_ms)
    gross_ns = net_ns = 0
    was_gross = was_net = False
    since_ns = until_ns = scene.now_ns
    for _ in play(scene, steps):
        held_ns = max(0, min(scene.now_ns, until_ns) - since_ns)
        gross_ns += held_ns * was_gross
        net_ns += held_ns * was_net
        seen = scene.scanner.edge_now(0, scene.now_ns)
        was_gross = seen.why_not is None and seen.edge > 0
        was_net = was_gross and (seen.net or 0) > 0
        since_ns, until_ns = scene.now_ns, seen.oldest_ns + max_age_ms * MS
    held_ns = max(0, min(scene.now_ns, until_ns) - since_ns)
    gross_ns += held_ns * was_gross
    net_ns += held_ns * was_net
    scene.finish()

    forward = [episode for episode in scene.reported if episode.directed == 0]
    assert sum(episode.gross_ns for episode in forward) == gross_ns
    assert sum(episode.net_ns for episode in forward) == net_ns
