from __future__ import annotations

import pytest
from msgspec import Raw

from arbit.venues.kraken.parse import WireLevel, level_of


@pytest.mark.parametrize(
    ("price", "qty", "expected"),
    [
        ("1.5", "453144", (15, 453_144_000_000, b"15453144")),  # as long as its decimals
        ("1.5", "4531440", (15, 4_531_440_000_000, b"154531440")),  # one longer, as with a point
        ("1.5", "0.453144", (15, 453_144, b"15453144")),
        ("5", "0.453144", (50, 453_144, b"5453144")),
        ("50", "0.453144", (500, 453_144, b"50453144")),
    ],
)
def test_a_whole_number_is_not_read_as_units_however_long_it_is(
    price: str, qty: str, expected: tuple[int, int, bytes]
) -> None:
    wire = WireLevel(Raw(price.encode()), Raw(qty.encode()))
    assert level_of(wire, 1, 6) == expected
