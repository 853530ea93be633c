"""How finely the venue states its dollars.

A recorded account states its cash to the cent (`"cash": "5.92"`), and nothing says whether it keeps
more. So a statement of two decimals at most is believed to the cent. Once a finer one was heard, it
is all there is: such a venue leaves out no more than zeros.
"""

from __future__ import annotations

from decimal import Decimal

CENTS = 2


class Cash:
    """What was heard so far. A new process begins anew."""

    def __init__(self) -> None:
        self._exact = False

    def heard(self, stated: Decimal) -> None:
        """The venue's statement, with its digits as they were written."""
        exponent = stated.as_tuple().exponent
        self._exact = self._exact or (isinstance(exponent, int) and -exponent > CENTS)

    @property
    def digits(self) -> int | None:
        """How many decimals it states; None once it was heard to state all there are."""
        return None if self._exact else CENTS
