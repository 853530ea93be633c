"""What every live scene shares: chance, what is harmed, and who is told of each harmed frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from asyncio import events
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.fuzz.mutations import mutant
from tests.fuzz.parsers import Wrong
from tests.simulation.loop import SECOND_NS, SimLoop

T = TypeVar("T")
Tell = Callable[[tuple[str, ...], bytes], None]
MOST_BURST = 3  # harmed frames before the stream must be whole again


@dataclass
class Scene:
    """`frames` harmed frames are to be heard; `tell` hears of each before it is handed in.

    `storm` scenes do not rest between bursts, so that pauses grow to their longest.
    """

    rng: random.Random
    frames: int
    corpus: Mapping[str, list[bytes]]
    tell: Tell
    storm: bool = False
    loop: SimLoop = field(default_factory=lambda: SimLoop(SECOND_NS))

    def run_for(self, seconds: float) -> None:
        """Let virtual time pass, and see that nobody has died of it unheard."""
        over: list[bool] = []
        self.loop.at_ns(self.loop.now_ns + int(seconds * SECOND_NS), over.append, True)
        self.loop.run(lambda: bool(over))
        self.no_unheard()

    def run_until(self, wanted: Callable[[], bool], seconds: float, step_s: float = 0.05) -> bool:
        """Let time pass until then, for so long at most. Whether it came about."""
        end_ns = self.loop.now_ns + int(seconds * SECOND_NS)
        while not wanted():
            if self.loop.now_ns >= end_ns:
                return False
            self.run_for(step_s)
        return True

    def inside(self, work: Callable[[], T]) -> T:
        """Do something now, as the loop's own doing: a frame arrives, an order is sent."""
        events._set_running_loop(self.loop)
        try:
            return work()
        finally:
            events._set_running_loop(None)

    def no_unheard(self) -> None:
        """An exception that nobody has caught is a finding."""
        if self.loop.unhandled:
            raise Wrong(f"nobody heard: {self.loop.unhandled[0]:.300}")

    def alive(self, *tasks: Any) -> None:
        """These tasks never end by themselves."""
        for task in tasks:
            if task.done():
                why = "cancelled" if task.cancelled() else repr(task.exception())
                raise Wrong(f"a task has died: {why:.300}")

    def end(self) -> None:
        """Let go of whatever still waits, without a word from it."""
        events._set_running_loop(self.loop)
        try:
            for task in asyncio.all_tasks(self.loop):
                left: Any = task
                left._log_destroy_pending = False
                with contextlib.suppress(RuntimeError):
                    left.get_coro().close()
        finally:
            events._set_running_loop(None)

    def harm(self, recent: Sequence[bytes], kind: str) -> bytes:
        """A harmed frame, mostly one of those heard lately."""
        pool = recent if recent and self.rng.random() < 0.7 else self.corpus[kind]
        done, payload = mutant(self.rng, pool)
        self.tell(done, payload)
        return payload


def exact(payload: bytes) -> Any:
    """The frame with every number as the text it was; None when it is no JSON."""
    try:
        return json.loads(payload, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None
