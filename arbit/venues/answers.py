"""What answers of a venue's REST API are made of: each read exactly, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from arbit.domain.errors import FrameError
from arbit.domain.triangle import Side

SECOND_NS = 1_000_000_000
MOST_MAGNITUDE = 40  # powers of ten: no time and no amount is further from one
MOST_NS = 2**62  # the year 2116: beyond that it is no time of a trade


def amount_of(value: Any, what: str) -> Decimal:
    """An exact amount: a string or a whole number on the wire, or a number read as Decimal.

    FrameError for anything else: a float has lost the digits already.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise FrameError(f"{what}: {value!r:.40} is no exact amount")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise FrameError(f"{what}: {value!r:.40} is no amount") from None
    if not amount.is_finite() or abs(amount.adjusted()) > MOST_MAGNITUDE:
        raise FrameError(f"{what}: {value!r:.40} is no amount")
    return amount


def one_line(text: str, most: int) -> str:
    """A stranger's text as a part of one line: nothing in it moves a cursor or begins another."""
    shown = "".join(char if char.isprintable() else " " for char in text[: 2 * most])
    return " ".join(shown.split())[:most]


def time_ns(value: Any) -> int:
    """Unix seconds as nanoseconds. FrameError when it is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FrameError(f"{value!r:.40} is no time")
    try:
        seconds = Decimal(str(value))
        # Not to be written out before that: a dozen characters can stand for a million digits.
        found = int(seconds * SECOND_NS) if abs(seconds.adjusted()) < MOST_MAGNITUDE else -1
    except (ArithmeticError, ValueError):
        found = -1
    if not 0 <= found < MOST_NS:
        raise FrameError(f"{value!r:.40} is no time")
    return found


def side_of(word: Any) -> Side:
    """`buy` or `sell`. FrameError otherwise."""
    if not isinstance(word, str) or word not in {"buy", "sell"}:
        raise FrameError(f"{word!r:.40} is no side")
    return Side(word)


def text_of(row: Mapping[str, Any], name: str) -> str:
    """A word of a row, of which there must be one. FrameError otherwise."""
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise FrameError(f"{name}: {value!r:.40} is not what it should be")
    return value


def positive(row: Mapping[str, Any], name: str) -> Decimal:
    """An amount above nothing. FrameError otherwise."""
    amount = amount_of(row.get(name), name)
    if amount <= 0:
        raise FrameError(f"{name}: {amount} is not positive")
    return amount


def object_of(value: Any, what: str) -> dict[str, Any]:
    """An object; `what` was asked for. FrameError otherwise."""
    if not isinstance(value, dict):
        raise FrameError(f"{what}: the answer is not what it should be")
    return value
