"""What is planted: twelve triangles of known value, and when each of them shows a gap.

Everything is drawn beforehand from one seed, outcomes included, so that every chooser meets the
same: whether a gap lasts and a cycle fills does not depend on who takes it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

D = Decimal
TRIANGLES = 12
FEE = D("0.001")  # each leg; three of them make 30 bps
BPS = D(10_000)
ROUND_MS = 1_000


@dataclass(frozen=True, slots=True)
class Planted:
    """One triangle: what its gap is worth and how often that comes true. `lost` is in bps."""

    number: int
    net_bps: float
    start: int  # USD that its books hold
    survive: float
    fill: float
    lost_bps: float
    shows: float

    @property
    def path(self) -> str:
        """`USD>A3>B3>USD`."""
        return f"USD>A{self.number}>B{self.number}>USD"


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap of one round: what it shows, and what becomes of it whoever takes it."""

    planted: Planted
    net_bps: float
    survives: bool
    fills: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """What one seed plants. `against` says that the larger edges are those that fill less."""

    seed: int
    against: bool
    planted: tuple[Planted, ...]
    rounds: tuple[tuple[Gap, ...], ...]
    restarts: frozenset[int]

    def restarted(self, rounds: Iterable[int]) -> Scene:
        """The same, with a process that is killed before each of these rounds."""
        return replace(self, restarts=frozenset(rounds))


def is_against(seed: int) -> bool:
    """Whether the larger edges of this seed are those that fill less."""
    return seed % 2 == 1


def scene_of(seed: int, rounds: int) -> Scene:
    """The scene of a seed."""
    rng = random.Random(f"choosing {seed}")
    against = is_against(seed)
    fills = sorted(rng.uniform(0.35, 0.99) for _ in range(TRIANGLES))
    edges = sorted((rng.uniform(6, 60) for _ in range(TRIANGLES)), reverse=True)
    if not against:
        rng.shuffle(fills)
    places = list(range(TRIANGLES))
    rng.shuffle(places)  # the order of the scan says nothing
    planted = tuple(
        Planted(
            number=places[n],
            net_bps=edges[n],
            start=rng.randrange(300, 1_000),
            survive=rng.uniform(0.3, 0.95),
            fill=fills[n],
            lost_bps=rng.uniform(20, 60),
            shows=rng.uniform(0.15, 0.45),
        )
        for n in range(TRIANGLES)
    )
    shown = tuple(
        tuple(_gap(one, rng) for one in planted if rng.random() < one.shows) for _ in range(rounds)
    )
    return Scene(seed, against, planted, shown, frozenset(rng.sample(range(1, rounds), 4)))


def _gap(one: Planted, rng: random.Random) -> Gap:
    net_bps = one.net_bps * rng.uniform(0.8, 1.2)
    return Gap(one, net_bps, rng.random() < one.survive, rng.random() < one.fill)
