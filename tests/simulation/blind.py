"""Which assets the daemon's own books did not price when a cycle ended.

Reckoned from what the feed has told it, never from what it makes of that. What no believed book
prices may count for nothing where it came in, and may be called unpriced where it was lost; an
asset that a book prices may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arbit.domain.events import CycleEnded, Event
from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.feed import SimFeed
    from tests.simulation.world import World

MS = 1_000_000
PRICED = frozenset(asset for asset in USD if asset != "USD")  # by a book each


class Blind:
    """Remembers of each cycle that ends what could not be priced in that moment."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at: dict[tuple[str, int], frozenset[str]] = {}

    def heard(self, event: Event) -> None:
        """An event of the daemon's own: a cycle's end is told in the moment of its closing."""
        if isinstance(event, CycleEnded):
            life = self._world.life
            feed = life.feed if life is not None else None
            unseen = {one for one in PRICED if feed is None or not self._sees(feed, f"{one}/USD")}
            self._at[event.path, self._world.clock.wall_ns()] = frozenset(unseen)

    def of(self, row: Mapping[str, Any]) -> frozenset[str]:
        """The assets that no book priced when this cycle ended; any, where nobody saw it end."""
        return self._at.get((row["path"], row["ended_ns"]), PRICED)

    def _sees(self, feed: SimFeed, symbol: str) -> bool:
        """Whether the book of this pair may be believed now and has a middle."""
        max_age_ns = self._world.settings.venue("sandbox").max_book_age_ms * MS
        young = self._world.loop.now_ns - feed.proved_ns.get(symbol, 0) <= max_age_ns
        known = feed.believed.get(symbol) and feed.online.get(symbol)
        return bool(known) and young and feed.has_middle(symbol)
