"""An independent look at books, and when it was asked for.

The `BookReader` port gives values alone. Whoever confirms a book needs the moment the question
left as well: between our own limiter, retries and the wire it may leave much later than asked, and
a book is only proved as of the moment the venue was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from arbit.domain.book import Level
from arbit.domain.market import MarketStatus
from arbit.ports import BookReader

# No venue's price or quantity is beyond these; a number that is would only break our arithmetic.
MAX_DECIMALS = 20
MAX_WHOLE_DIGITS = 20
MAX_DIGITS = 40


def within_bounds(value: Decimal) -> bool:
    """True for a finite number of a size and a length that exact arithmetic can hold."""
    _, digits, exponent = value.as_tuple()
    return (
        isinstance(exponent, int)  # else infinite, or no number
        and -MAX_DECIMALS <= exponent <= MAX_WHOLE_DIGITS
        and len(digits) <= MAX_DIGITS
        and len(digits) + exponent <= MAX_WHOLE_DIGITS
    )


@dataclass(frozen=True, slots=True)
class TopsLook:
    """Best (bid, ask) by symbol, as answered to a question sent at `sent_ns` (monotonic).

    `qtys` are the quantities at those prices, for the symbols whose quantities the venue gives,
    in the answer's own digits.
    """

    sent_ns: int
    tops: Mapping[str, tuple[Decimal, Decimal]]
    qtys: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DepthLook:
    """Both sides of one market, best first, as answered to a question sent at `sent_ns`.

    A quantity of zero is a level too small for the answer's digits, not the absence of one.
    """

    sent_ns: int
    bids: Sequence[Level]
    asks: Sequence[Level]


@dataclass(frozen=True, slots=True)
class StatusLook:
    """Whether the venue as a whole trades, by its answer to a question sent at `sent_ns`.

    None when this venue has no such question.
    """

    sent_ns: int
    online: bool | None


class LookingReader(BookReader, Protocol):
    """A `BookReader` that also says when it asked."""

    async def look_tops(self) -> TopsLook:
        """Every market's top. VenueError when there is no usable answer."""
        ...

    async def look_depth(self, symbol: str, depth: int) -> DepthLook:
        """One market's book. VenueError when there is no usable answer."""
        ...

    async def look_status(self) -> StatusLook:
        """Whether the venue trades. VenueError when there is no usable answer."""
        ...

    async def look_markets(self) -> Mapping[str, MarketStatus]:
        """Every listed market's status, asked for anew. VenueError without a usable answer."""
        ...
