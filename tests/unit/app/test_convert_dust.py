"""What a sweep takes for dust."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from arbit.app.convert import MAX_SWEPT, Convert, ConvertAsk
from arbit.app.opened import Access, Ask
from arbit.config import Settings

D = Decimal


def dust(worth: dict[str, int]) -> list[str]:
    """What is swept into USD of one unit each of these."""
    ask = Ask("sandbox", Access.READ, "convert")
    wanted = ConvertAsk("USD", sweep=True, below=D(10))
    command = Convert(Settings(), ask, wanted, lambda _: None)
    stands = [
        SimpleNamespace(asset=asset, owned=D(1), spendable=D(1), target=None) for asset in worth
    ]
    opened: Any = SimpleNamespace(price=lambda asset: D(worth[asset]))
    inventory: Any = SimpleNamespace(states=lambda: stands)
    return [asset for asset, _ in command._dust(opened, inventory)]


def test_dust_is_found_however_much_else_is_owned() -> None:
    worth = {f"A{n:03}": 100 for n in range(MAX_SWEPT + 5)} | {"DUST": 1, "USD": 1}
    assert dust(worth) == ["DUST"]


def test_no_more_is_swept_at_once_than_the_bound() -> None:
    worth = {f"A{n:03}": 1 for n in range(MAX_SWEPT + 5)}
    assert dust(worth) == list(worth)[:MAX_SWEPT]
