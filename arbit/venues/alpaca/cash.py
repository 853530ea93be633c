"""How finely the venue states its dollars.

A recorded account states its cash to the cent (`"cash": "5.92"`), and nothing says whether it keeps
more. So a statement is believed as far as its digits go: until one of nine decimals was heard, the
dollars are what was stated give or take a unit of the finest one heard, a cent at least.
"""

from __future__ import annotations

from decimal import Decimal

FINEST = 9  # decimals in which the venue keeps anything
CENTS = 2


class Cash:
    """What was heard so far. A new process begins anew."""

    def __init__(self) -> None:
        self._most = 0

    def heard(self, stated: Decimal) -> None:
        """The venue's statement, with its digits as they were written."""
        exponent = stated.as_tuple().exponent
        self._most = max(self._most, -exponent if isinstance(exponent, int) else 0)

    @property
    def digits(self) -> int | None:
        """How many decimals it states; None once it was heard to state all there are."""
        return None if self._most >= FINEST else max(CENTS, self._most)
