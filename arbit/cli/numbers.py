"""Numbers as people type them: one clear line when one is wrong."""

from __future__ import annotations

import math

from arbit.domain.errors import UserError


def number(option: str, text: str, low: float, high: float, unit: str) -> float:
    """The value of a numeric option. UserError names the option, the text and the bounds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UserError(f"{option} {text}: expected a number from {low:g} to {high:,.0f} {unit}")
    return value


def whole(option: str, text: str, low: int, high: int) -> int:
    """The value of an integer option. UserError names the option, the text and the bounds."""
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise UserError(f"{option} {text}: expected a whole number from {low} to {high}")
    return value
