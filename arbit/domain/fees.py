"""What three takers cost, and what gross edge pays for them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import BPS, EXACT, ONE, plain

HUNDREDTH = Decimal("0.01")


class FeeSource(enum.StrEnum):
    """Where a fee was taken from, in the order of authority that `fitness` uses.

    `REALISED` is what fills paid, where that is more than anybody states.
    """

    OVERRIDE = "override"
    ACCOUNT = "account"
    LADDER = "published ladder"
    ASSUMED = "assumed"
    REALISED = "realised"


@dataclass(frozen=True, slots=True)
class Fee:
    """A taker fee as a fraction of what a leg receives (0.004 = 40 bps), and who said so."""

    rate: Decimal
    source: FeeSource

    @property
    def bps(self) -> Decimal:
        """The same in basis points."""
        return self.rate * BPS


def kept(fees: Sequence[Decimal]) -> Decimal:
    """The share that is left after every fee: prod(1 - f)."""
    share = ONE
    for fee in fees:
        share = EXACT.multiply(share, ONE - fee)
    return share


def hurdle_bps(fees: Sequence[Decimal], min_edge_bps: Decimal = Decimal(0)) -> Decimal:
    """The gross edge, in bps, at which a cycle nets exactly `min_edge_bps`.

    `(1 + min_edge) / prod(1 - f) - 1`: 121.0 bps for three legs at 40 bps.
    """
    wanted = ONE + min_edge_bps / BPS
    return (EXACT.divide(wanted, kept(fees)) - ONE) * BPS


def demanded(rates: Iterable[Decimal], min_edge_bps: Decimal) -> str:
    """What the dearest of these fees (fractions) asks of a gap, in words."""
    worst = max(rates, default=None)
    if worst is None:
        return "no fee is known: nothing can be traded"
    return (
        f"at your fees (up to {bps_words(worst)} bps a leg) a gap of "
        f"{hurdle_bps([worst] * 3, min_edge_bps):.1f} bps is needed before a cycle earns anything"
    )


def bps_words(rate: Decimal) -> str:
    """A fraction in basis points, to the hundredth where it is not whole."""
    return plain((rate * BPS).quantize(HUNDREDTH).normalize())


def break_even_fee_bps(gross_edge_bps: float) -> float:
    """The taker fee, the same on each of three legs, at which this gross edge nets zero.

    Never below zero: a gross edge that is not positive cannot pay any fee.
    """
    if gross_edge_bps <= 0:
        return 0.0
    return float((1.0 - (1.0 + gross_edge_bps / 10_000.0) ** (-1.0 / 3.0)) * 10_000.0)
