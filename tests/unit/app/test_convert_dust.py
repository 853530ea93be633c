"""What a sweep takes for dust."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from arbit.app.acts.convert import MAX_SWEPT, Convert, ConvertAsk, ConvertTold
from arbit.app.acts.opened import Access, Ask
from arbit.config import Settings

D = Decimal


def swept(worth: dict[str, int | None]) -> tuple[list[str], list[str]]:
    """What is swept into USD of one unit each of these, and the notes."""
    ask = Ask("sandbox", Access.READ, "convert")
    wanted = ConvertAsk("USD", sweep=True, below=D(10))
    command = Convert(Settings(), ask, wanted, lambda _: None)
    prices = {asset: None if price is None else D(price) for asset, price in worth.items()}
    stands = [
        SimpleNamespace(asset=asset, owned=D(1), spendable=D(1), target=None, price=price)
        for asset, price in prices.items()
    ]
    opened: Any = SimpleNamespace(price=prices.get)
    inventory: Any = SimpleNamespace(states=lambda: stands)
    told = ConvertTold("sandbox", "quote")
    return list(command._swept(opened, inventory, told)), told.notes


def dust(worth: dict[str, int | None]) -> list[str]:
    return swept(worth)[0]


def test_dust_is_found_however_much_else_is_owned() -> None:
    worth: dict[str, int | None] = dict.fromkeys((f"A{n:03}" for n in range(MAX_SWEPT + 5)), 100)
    worth |= {"DUST": 1, "USD": 1}
    assert dust(worth) == ["DUST"]


def test_no_more_is_swept_at_once_than_the_bound() -> None:
    worth: dict[str, int | None] = {f"A{n:03}": 1 for n in range(MAX_SWEPT + 5)}
    assert dust(worth) == list(worth)[:MAX_SWEPT]


def test_what_nobody_prices_is_named_and_not_swept() -> None:
    assert swept({"ABC": None, "DUST": 1, "USD": None}) == (
        ["DUST"],
        ["not swept: ABC, nobody prices it"],
    )
    many: dict[str, int | None] = dict.fromkeys((f"A{n}" for n in range(7)), None)
    said = "not swept: A0, A1, A2, A3, A4 and more, nobody prices them"
    assert swept(many) == ([], ["nothing is worth less than 10: no dust", said])
