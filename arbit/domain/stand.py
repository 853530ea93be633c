"""How one asset of an account stands against what its owner wants of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import EXACT, ZERO


class Band(enum.StrEnum):
    """Where an asset is, seen from its band. Closed: these are words in reports and labels."""

    UNDER = "under"
    WITHIN = "within"
    OVER = "over"
    NO_BAND = "no_band"  # it has no target, or one that no own book prices now


@dataclass(frozen=True, slots=True)
class Stand:
    """One asset's stand, in its own units.

    `owned` is the wallet, `settled` the same without what open cycles have moved: the band is asked
    about that. `spendable` is what may be spent now beyond holds and reserve. A figure that was set
    in the reference currency is None while no own book prices the asset (`price` is None then).
    """

    asset: str
    owned: Decimal
    settled: Decimal
    spendable: Decimal
    reserve: Decimal
    target: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    cap: Decimal | None = None
    price: Decimal | None = None

    @property
    def band(self) -> Band:
        """Which way it is out of its band, if it is."""
        if self.low is None or self.high is None:
            return Band.NO_BAND
        if self.settled < self.low:
            return Band.UNDER
        return Band.OVER if self.settled > self.high else Band.WITHIN

    @property
    def out(self) -> Decimal:
        """By how much: positive is too much of it, negative too little, zero within its band."""
        if self.low is None or self.high is None:
            return ZERO
        above = EXACT.subtract(self.settled, self.high)
        return above if above > 0 else min(EXACT.subtract(self.settled, self.low), ZERO)

    @property
    def off_target(self) -> Decimal | None:
        """What is settled minus the target, wherever in the band; None without a target."""
        return None if self.target is None else EXACT.subtract(self.settled, self.target)
