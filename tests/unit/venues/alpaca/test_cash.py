"""How finely dollars are stated: believed as far as the digits go, and no further."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from arbit.venues.alpaca.cash import Cash

D = Decimal


@pytest.mark.parametrize(
    ("heard", "digits"),
    [
        ([], 2),
        (["100000"], 2),
        (["5.92"], 2),
        (["100.5", "7"], 2),
        (["5.923"], None),
        (["5.92", "5.919999999"], None),
        (["5.919999999", "5.92"], None),
        (["5.91999999912"], None),
        (["1E+2"], 2),
    ],
)
def test_dollars_are_to_the_cent_until_more_was_heard(
    heard: Sequence[str], digits: int | None
) -> None:
    cash = Cash()
    for one in heard:
        cash.heard(D(one))
    assert cash.digits == digits
