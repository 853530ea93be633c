"""Walks along a book's levels, and what a market takes at least of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.triangle import Leg, Side
from arbit.execution.depth import untaken, walked
from arbit.execution.minima import too_small
from tests.unit.sizing_world import levels, market, view

D = Decimal
ASKS = levels([("100", "2"), ("101", "3"), ("102", "5")])
BUY = Leg("BTC/USD", Side.BUY, "USD", "BTC")
SELL = Leg("BTC/USD", Side.SELL, "BTC", "USD")


@pytest.mark.parametrize(
    ("taken", "rest"),
    [
        ("0", [("100", "2"), ("101", "3"), ("102", "5")]),
        ("0.5", [("100", "1.5"), ("101", "3"), ("102", "5")]),
        ("2", [("101", "3"), ("102", "5")]),
        ("4", [("101", "1"), ("102", "5")]),
        ("9", [("102", "1")]),
        ("10", [("102", "0")]),
        ("12", [("102", "0")]),
    ],
)
def test_what_one_order_takes_is_not_there_for_the_next(
    taken: str, rest: list[tuple[str, str]]
) -> None:
    assert untaken(ASKS, D(taken)) == levels(rest)


def test_two_orders_in_turn_pay_what_one_for_both_would() -> None:
    both, first = walked(D(7), ASKS), walked(D(4), ASKS)
    second = walked(D(3), untaken(ASKS, D(4)))
    assert both == (first[0] + second[0], first[1] + second[1]) == (D(7), D(707))


def test_of_a_book_without_levels_nothing_is_left() -> None:
    assert untaken((), D(1)) == ()


@pytest.mark.parametrize(("amount", "few"), [("0.0049", True), ("0.0051", False)])
def test_without_a_lot_the_minimum_alone_says_what_is_too_little(amount: str, *, few: bool) -> None:
    one = market("BTC/USD", qty_increment=None, qty_min=D("0.005"))
    seen = view("BTC/USD", [("100", "9")], [("100", "9")])
    assert too_small(SELL, D(amount), one, seen, owed=False) is few
    assert too_small(BUY, D(amount), one, seen, owed=True) is few
    lots = market("BTC/USD", qty_increment=D("0.01"), qty_min=D("0.005"))
    assert too_small(SELL, D(amount), lots, seen, owed=False), "less than a lot"
