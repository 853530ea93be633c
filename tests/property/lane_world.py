"""A market that does anything at all, for the lane: random books, doubts, confirmations, time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from arbit.domain.book import Disbelief
from tests.unit.fitness.scene import SYMBOLS, Scene


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens to a symbol, and the time that passes after it."""

    kind: str
    symbol: str
    offset: int  # of the price, in hundredths of a per cent
    qty: str
    after_ms: int


MIDDLE = {"BTC/USD": 100.0, "ETH/BTC": 0.1, "ETH/USD": 10.0}
STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(["put", "put", "put", "put", "doubt", "confirm", "pulse"]),
        symbol=st.sampled_from(SYMBOLS),
        offset=st.integers(-300, 300),
        qty=st.sampled_from(["0.00005", "0.3", "2.71828", "40", "500"]),
        after_ms=st.sampled_from([0, 1, 7, 60, 61, 400, 3_500]),
    ),
    min_size=5,
    max_size=60,
)


def happen(scene: Scene, step: Step) -> None:
    """Do one step; the turn is the caller's."""
    if step.kind == "put":
        middle = MIDDLE[step.symbol] * (1 + step.offset / 10_000)
        rows = [
            [(f"{middle * (1 + sign * depth * 0.001):.5f}", step.qty) for depth in (1, 3, 9)]
            for sign in (-1, 1)
        ]
        scene.put(step.symbol, rows[0], rows[1])
    elif step.kind == "doubt":
        scene.cache.disbelieve(step.symbol, Disbelief.CHECKSUM)
    elif step.kind == "confirm":
        scene.cache.confirm(step.symbol, scene.now_ns)
    else:
        scene.lane.pulse(scene.now_ns)


def play(scene: Scene, steps: list[Step]) -> Iterator[Step]:
    """All steps with a turn after each; stops at every one for the caller to look."""
    scene.quiet()
    for step in steps:
        happen(scene, step)
        scene.turn()
        yield step
        scene.pass_ms(step.after_ms)
