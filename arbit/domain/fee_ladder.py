"""A market's fees by what an account trades in thirty days, as its venue publishes them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import EXACT, ZERO


@dataclass(frozen=True, slots=True)
class FeeStep:
    """From this volume of thirty days on; fees are fractions (0.004 = 40 bps).

    `maker` is None where the venue does not say it.
    """

    volume: Decimal
    taker: Decimal
    maker: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FeeLadder:
    """One market's steps, the least volume first, which is none. `currency` counts the volume."""

    steps: tuple[FeeStep, ...]
    currency: str = "USD"

    def at(self, volume: Decimal) -> FeeStep:
        """The step that holds at this volume."""
        return [step for step in self.steps if step.volume <= volume][-1]

    def after(self, volume: Decimal) -> tuple[FeeStep, ...]:
        """The steps that are still above this volume."""
        return tuple(step for step in self.steps if step.volume > volume)

    def cost(self, volume: Decimal, until: Decimal) -> Decimal:
        """What a taker pays to trade from this volume up to `until`, each part at its own fee."""
        marks = [volume, *(s.volume for s in self.after(volume) if s.volume < until), until]
        paid = ZERO
        for start, end in itertools.pairwise(marks):
            part = EXACT.multiply(EXACT.subtract(end, start), self.at(start).taker)
            paid = EXACT.add(paid, part)
        return paid


@dataclass(frozen=True, slots=True)
class Standing:
    """What a venue tells of an account's fees: by symbol, as fractions, and the volume behind them.

    `volume` is of the last thirty days, in `currency`; None where it is not told.
    """

    fees: Mapping[str, Decimal]
    volume: Decimal | None = None
    currency: str = "USD"
