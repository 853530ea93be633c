"""Paper cycles started by hand, over a scene with a gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from arbit.fitness.trial import Course, PaperCycle
from tests.unit.fitness.scene import Scene

D = Decimal


def course(scene: Scene, qty: str = "1", limits: Sequence[str] = ("100", "0.1", "10.5")) -> Course:
    one, two, three = (D(limit) for limit in limits)
    fee = next(iter(scene.fees.values()))
    return Course(scene.triangle, D(qty), (one, two, three), (fee, fee, fee))


def ready(
    *,
    fee: str = "0",
    latency_ms: int = 60,
    balances: Mapping[str, str] | None = None,
    max_concurrent: int = 4,
) -> Scene:
    """A scene with a gap in which the lane has no budget: cycles are started by the test."""
    scene = Scene(
        fee=fee,
        latency_ms=latency_ms,
        balances=balances,
        max_concurrent=max_concurrent,
        budget="0",
    )
    scene.quiet()
    scene.gap()
    return scene


def started(scene: Scene, given: Course | None = None) -> PaperCycle:
    cycle = scene.trial.start(given or course(scene), scene.now_ns)
    assert cycle is not None
    return cycle
