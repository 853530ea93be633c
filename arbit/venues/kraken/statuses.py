"""Whether the venue as a whole and each of its markets trade, as last stated."""

from __future__ import annotations

from collections.abc import Iterable

from arbit.domain.book import Disbelief
from arbit.domain.events import VenueStatusChanged
from arbit.domain.market import MarketStatus
from arbit.ports import BookSink, Listener
from arbit.venues.kraken.parse import SystemStatus


class Statuses:
    """The statuses of one socket's symbols, told to the sink at the frame that states them.

    A market whose status nobody stated is taken to trade: the session has no word against it.
    """

    def __init__(
        self, venue: str, sink: BookSink, publish: Listener, symbols: Iterable[str]
    ) -> None:
        self._venue = venue
        self._sink = sink
        self._publish = publish
        self._online = True
        self._stated: dict[str, MarketStatus] = {}
        self._told: dict[str, Disbelief | None] = dict.fromkeys(symbols)

    def system(self, status: SystemStatus) -> None:
        """The engine says how it is; anything but `online` stops every symbol."""
        if status.online is not self._online:
            self._publish(VenueStatusChanged(self._venue, "*", status.system))
        self._online = status.online
        for symbol in self._told:
            self._tell(symbol)

    def market(self, symbol: str, status: MarketStatus, *, quietly: bool = False) -> None:
        """One market's status. `quietly` for what was known before the stream said anything."""
        before = self._stated.get(symbol, MarketStatus.ONLINE)
        self._stated[symbol] = status
        self._tell(symbol)
        if before is not status and not quietly:
            self._publish(VenueStatusChanged(self._venue, symbol, status.value))

    def _tell(self, symbol: str) -> None:
        reason = self._reason(symbol)
        if self._told[symbol] is not reason:
            self._told[symbol] = reason
            self._sink.set_status(symbol, reason)

    def _reason(self, symbol: str) -> Disbelief | None:
        if not self._online:
            return Disbelief.VENUE_STATUS
        online = self._stated.get(symbol, MarketStatus.ONLINE) is MarketStatus.ONLINE
        return None if online else Disbelief.MARKET_STATUS
