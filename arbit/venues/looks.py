"""An independent look at books, and when it was asked for.

The `BookReader` port gives values alone. Whoever confirms a book needs the moment the question
left as well: between our own limiter, retries and the wire it may leave much later than asked, and
a book is only proved as of the moment the venue was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from arbit.domain.book import Level
from arbit.ports import BookReader


@dataclass(frozen=True, slots=True)
class TopsLook:
    """Best (bid, ask) by symbol, as answered to a question sent at `sent_ns` (monotonic)."""

    sent_ns: int
    tops: Mapping[str, tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True)
class DepthLook:
    """Both sides of one market, best first, as answered to a question sent at `sent_ns`."""

    sent_ns: int
    bids: Sequence[Level]
    asks: Sequence[Level]


class LookingReader(BookReader, Protocol):
    """A `BookReader` that also says when it asked."""

    async def look_tops(self) -> TopsLook:
        """Every market's top. VenueError when there is no usable answer."""
        ...

    async def look_depth(self, symbol: str, depth: int) -> DepthLook:
        """One market's book. VenueError when there is no usable answer."""
        ...
