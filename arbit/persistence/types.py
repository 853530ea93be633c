"""Money in the database: exact text, the same digits out as in."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from arbit.domain.errors import BrokenRule
from arbit.domain.money import plain


def money_text(amount: Decimal) -> str:
    """The digits without an exponent. BrokenRule for what is no finite number."""
    if not amount.is_finite():
        raise BrokenRule(f"money: {amount} cannot be kept")
    return plain(amount)


def money_of(text: str) -> Decimal:
    """The amount that a text keeps. BrokenRule when it is none."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise BrokenRule(f"money: {text!r} is no amount") from None
    if not amount.is_finite():
        raise BrokenRule(f"money: {text!r} is no amount")
    return amount


class Money(TypeDecorator[Decimal]):
    """A Decimal as text. SQLite's NUMERIC would turn it into a float beyond fifteen digits."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """To the database."""
        del dialect
        return None if value is None else money_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """From the database."""
        del dialect
        return None if value is None else money_of(value)
