"""Which assets no book had priced since the start when a cycle ended.

Reckoned from what the feed has told the daemon, never from what it makes of that. Such an asset may
count for nothing where it came in, and may be called unpriced where it was lost; no other may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arbit.domain.events import ConversionEnded, CycleEnded, Event
from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.world import World

PRICED = frozenset(asset for asset in USD if asset != "USD")  # by a book each


class Blind:
    """Remembers of each cycle that ends what had no price in that moment."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at: dict[tuple[str, int], frozenset[str]] = {}

    def heard(self, event: Event) -> None:
        """An event of the daemon's own: a cycle's end is told in the moment of its closing."""
        if isinstance(event, CycleEnded | ConversionEnded):
            life = self._world.life
            priced = life.feed.priced if life is not None and life.feed is not None else set()
            unseen = (asset for asset in PRICED if f"{asset}/USD" not in priced)
            self._at[event.path, self._world.clock.wall_ns()] = frozenset(unseen)

    def of(self, row: Mapping[str, Any]) -> frozenset[str]:
        """Those of this cycle; any asset, where nobody saw it end."""
        return self._at.get((row["path"], row["ended_ns"]), PRICED)
