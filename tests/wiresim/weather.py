"""The network's weather of one seed: how long bytes take, and where they are sliced."""

from __future__ import annotations

import random

from tests.wiresim.plan import Plan

MS = 1_000_000
US = 1_000


class SeedWeather:
    """`ends.Weather`, drawn from a seed."""

    def __init__(self, plan: Plan, rng: random.Random) -> None:
        self._plan = plan
        self._rng = rng

    def delay_ns(self) -> int:
        plan = self._plan
        return int((plan.latency_ms + plan.jitter_ms * self._rng.random()) * MS)

    def abrupt(self) -> bool:
        return self._rng.random() < 0.5

    def slices(self, data: bytes) -> list[tuple[int, bytes]]:
        style = self._plan.style
        if style == "whole" or len(data) < 2:
            return [(0, data)]
        if style == "sliced":  # anywhere, a few times, at once or a little later
            return self._cut(data, self._rng.randint(0, 3), 300 * US)
        if style == "crumbs":  # byte by byte at first: every header is torn apart
            pieces = [(0, data[at : at + 1]) for at in range(min(6, len(data)))]
            return [*pieces, (0, data[6:])] if len(data) > 6 else pieces
        return self._cut(data, min(12, len(data) // 64), 2 * MS)  # a slow drip

    def _cut(self, data: bytes, times: int, gap_ns: int) -> list[tuple[int, bytes]]:
        rng = self._rng
        places = sorted({rng.randrange(1, len(data)) for _ in range(times)})
        starts, ends = [0, *places], [*places, len(data)]
        pieces = []
        for start, end in zip(starts, ends, strict=True):
            gap = 0 if not start or rng.random() < 0.5 else rng.randrange(gap_ns)
            pieces.append((gap, data[start:end]))
        return pieces
