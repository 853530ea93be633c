"""What routing decides: one to three orders that turn one asset into another on one venue."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.errors import BrokenRule
from arbit.domain.plan import PlannedLeg

MAX_LEGS = 3


class ConversionKind(enum.StrEnum):
    """Why an asset is turned into another. Closed: metric labels and rows in the journal."""

    CONVERT = "convert"  # the owner asked for it
    REBALANCE = "rebalance"  # brings an asset nearer to its target
    SWEEP = "sweep"  # gathers what is too little for anything else


@dataclass(frozen=True, slots=True)
class Conversion:
    """One to three legs that fit, from `start` to `end`.

    `spend` is the most that leg 1 takes of `start`, at its limit price. `expected_receive` is what
    the last leg brings of `end`, net of fees, when each leg walks the levels that are shown;
    `receive_at_limits` the same when each fills wholly at its limit, never above the first.
    `cost_bps` is what the conversion is expected to lose, fees included, of the worth of what it
    is expected to spend, both at the middle prices of the books; None where those do not price it.

    BrokenRule when the legs are none, too many, or do not follow one another.
    """

    legs: tuple[PlannedLeg, ...]
    spend: Decimal
    expected_receive: Decimal
    receive_at_limits: Decimal
    cost_bps: Decimal | None = None

    def __post_init__(self) -> None:
        """A conversion that is none is never made."""
        if not 1 <= len(self.legs) <= MAX_LEGS:
            raise BrokenRule(f"conversion: {len(self.legs)} legs")
        assets = [self.start, *(leg.leg.receive for leg in self.legs)]
        spent = [leg.leg.spend for leg in self.legs]
        if spent != assets[:-1] or len(set(assets)) != len(assets):
            raise BrokenRule(f"conversion: {self.path} is no way from one asset to another")

    @property
    def start(self) -> str:
        """The asset that is spent."""
        return self.legs[0].leg.spend

    @property
    def end(self) -> str:
        """The asset that is wanted."""
        return self.legs[-1].leg.receive

    @property
    def symbols(self) -> tuple[str, ...]:
        """The markets, in the order of the legs."""
        return tuple(leg.leg.symbol for leg in self.legs)

    @property
    def path(self) -> str:
        """`USD>BTC>ETH`."""
        return ">".join([self.start, *(leg.leg.receive for leg in self.legs)])

    @property
    def expected_spend(self) -> Decimal:
        """What leg 1 is expected to take of `start`: never above `spend`."""
        return self.legs[0].expected_spend
