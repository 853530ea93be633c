"""Whether the watched markets trade: asked of the list of assets now and then.

The stream tells nothing of it: a market that was halted is merely quiet there.
"""

from __future__ import annotations

from collections.abc import Sequence

from arbit.domain.book import Disbelief
from arbit.domain.errors import VenueError
from arbit.domain.events import VenueSaid, VenueStatusChanged
from arbit.domain.market import MarketStatus
from arbit.ports import BookSink, Clock, Listener
from arbit.venues.looks import LookingReader

LOOK_S = 30.0


class Listing:
    """Tells the sink of every watched market that does not trade, from the listing at first."""

    def __init__(
        self, venue: str, reader: LookingReader, sink: BookSink, clock: Clock, publish: Listener
    ) -> None:
        self._venue = venue
        self._reader = reader
        self._sink = sink
        self._clock = clock
        self._publish = publish
        self._words: dict[str, MarketStatus] = {}
        self._failing = False

    def begin(self, symbol: str, status: MarketStatus) -> None:
        """A market's status as it was listed before the feed began. Told to nobody."""
        self._words[symbol] = status
        if status is not MarketStatus.ONLINE:
            self._sink.set_status(symbol, Disbelief.MARKET_STATUS)

    async def run(self, symbols: Sequence[str]) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look(symbols)

    async def look(self, symbols: Sequence[str]) -> None:
        """One look. A failed one changes nothing, and is told once."""
        try:
            statuses = await self._reader.look_markets()
        except VenueError as error:
            if not self._failing:
                self._publish(VenueSaid(self._venue, f"no word on which markets trade: {error}"))
            self._failing = True
            return
        self._failing = False
        for symbol in symbols:
            self._heard(symbol, statuses.get(symbol, MarketStatus.DELISTED))

    def _heard(self, symbol: str, status: MarketStatus) -> None:
        if self._words.get(symbol, MarketStatus.ONLINE) is status:
            return
        self._words[symbol] = status
        online = status is MarketStatus.ONLINE
        self._sink.set_status(symbol, None if online else Disbelief.MARKET_STATUS)
        self._publish(VenueStatusChanged(self._venue, symbol, status.value))
