"""Exact amounts: quantising to a venue's increments, always to a side we name."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation

BPS = Decimal(10_000)
ZERO = Decimal(0)
ONE = Decimal(1)

# Sums of products of venue numbers need more digits than the default 28 before they round.
EXACT = Context(prec=60)
SHOWN_DIGITS = 10


def floor_to(value: Decimal, increment: Decimal) -> Decimal:
    """The largest multiple of `increment` that is not above `value`."""
    return EXACT.multiply(_whole(value, increment, ROUND_FLOOR), increment)


def ceil_to(value: Decimal, increment: Decimal) -> Decimal:
    """The smallest multiple of `increment` that is not below `value`."""
    return EXACT.multiply(_whole(value, increment, ROUND_CEILING), increment)


def is_multiple(value: Decimal, increment: Decimal) -> bool:
    """True when `value` is a whole number of increments."""
    return EXACT.remainder(value, increment) == 0


def decimals_of(increment: Decimal) -> int:
    """How many digits after the point a multiple of `increment` can need."""
    exponent = increment.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def plain(value: Decimal) -> str:
    """The digits without an exponent: `0.00000012`, never `1.2E-7`."""
    return format(value, "f")


def shown(value: Decimal, *, up: bool = False) -> str:
    """For people: `plain`, in ten digits at most, rounded down or `up`. Decides nothing."""
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    return plain(Context(prec=SHOWN_DIGITS, rounding=rounding).plus(value))


def _whole(value: Decimal, increment: Decimal, rounding: str) -> Decimal:
    if increment <= 0:
        raise InvalidOperation(f"increment must be positive, not {increment}")
    quotient = Context(prec=60, rounding=rounding).divide(value, increment)
    return quotient.to_integral_value(rounding=rounding)
