"""Four ways to choose. Each is the real `Rotation`; in three of them one answer is another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from arbit.config import RotationSettings
from arbit.odds import Chances, Odds
from arbit.rotation import Candidate, Rotation, Weighed
from tests.choosing.planted import BPS, D, Scene

MANY = D(10**6)  # cycles: what is known need not be learned


class Known(Odds):
    """The chances that were planted."""

    def __init__(self, settings: RotationSettings, scene: Scene) -> None:
        super().__init__(settings)
        self._planted = {
            one.path: Chances(
                D(str(one.survive)),
                D(str(one.fill)),
                D(str(one.lost_bps)) / BPS,
                MANY,
                fill_at_best=D(str(one.fill)),
            )
            for one in scene.planted
        }

    def of(self, path: str, turn_back: Decimal) -> Chances:
        return self._planted[path]


class Plain(Rotation):
    """Never learns, and tries in an order of its own; what rests comes last there, too."""

    def order(self, one: Candidate) -> Decimal:
        """The smaller the earlier."""
        raise NotImplementedError

    def rank(self, candidates: Sequence[Candidate], now_ns: int) -> list[Weighed]:
        weighed = [replace(self._weigh(one, now_ns), losing=False) for one in candidates]
        return sorted(weighed, key=lambda one: (bool(one.rests_ns), self.order(one.candidate)))


class Fixed(Plain):
    """In the order of the scan, as the lane did before it could choose."""

    def order(self, one: Candidate) -> Decimal:
        return D(one.way)


class EdgeFirst(Plain):
    """The largest edge first."""

    def order(self, one: Candidate) -> Decimal:
        return -one.plan.profit / one.plan.start_in


def ours(scene: Scene) -> Rotation:
    """As it is, with its own settings."""
    del scene
    return Rotation(RotationSettings())


def knowing(scene: Scene) -> Rotation:
    """Greedy, knowing every chance (not the outcomes), and never held back by what stood first."""
    settings = RotationSettings(margin_percent=D(0))
    made = Rotation(settings)
    made.odds = Known(settings, scene)
    return made


def fixed(scene: Scene) -> Rotation:
    del scene
    return Fixed(RotationSettings())


def edge_first(scene: Scene) -> Rotation:
    del scene
    return EdgeFirst(RotationSettings())


Chooser = Callable[[Scene], Rotation]
CHOOSERS: dict[str, Chooser] = {
    "ours": ours,
    "knowing": knowing,
    "fixed": fixed,
    "edge_first": edge_first,
}
