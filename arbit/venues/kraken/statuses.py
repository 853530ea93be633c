"""Whether the venue as a whole and each of its markets trade, as last stated on any socket."""

from __future__ import annotations

from collections.abc import Iterable

from arbit.domain.book import Disbelief
from arbit.domain.events import VenueStatusChanged
from arbit.domain.market import MarketStatus
from arbit.ports import BookSink, Listener
from arbit.venues.kraken.parse import SystemStatus

LISTING = -1  # who states a status before any socket does


class Statuses:
    """The statuses of one feed's symbols, told to the sink at the frame that states them.

    Every socket is told every status, and a slow one late; so the venue, or a market, trades only
    when no socket's last word is against it. The word of a socket that is gone stands until
    another word of the same matter comes: its successor's, or a live socket's `online` that is
    heard after the loss. Until then nobody knows better, and nothing trades. A market whose status
    nobody stated has no word against it.
    """

    def __init__(
        self, venue: str, sink: BookSink, publish: Listener, symbols: Iterable[str]
    ) -> None:
        self._venue = venue
        self._sink = sink
        self._publish = publish
        self._system = "online"
        self._stopped_by: set[int] = set()
        self._gone: set[int] = set()  # sockets whose last words are nobody's any more
        self._words: dict[str, MarketStatus] = dict.fromkeys(symbols, MarketStatus.ONLINE)
        self._against: dict[str, set[int]] = {symbol: set() for symbol in self._words}
        self._told: dict[str, Disbelief | None] = dict.fromkeys(self._words)

    def system(self, socket: int, status: SystemStatus) -> None:
        """A socket says how the engine is; anything but `online` stops every symbol."""
        self._hear(self._stopped_by, socket, online=status.online)
        if status.system != self._system:
            self._system = status.system
            self._publish(VenueStatusChanged(self._venue, "*", status.system))
        for symbol in self._told:
            self._tell(symbol)

    def market(self, socket: int, symbol: str, status: MarketStatus) -> None:
        """A socket states one market's status. A market that nobody watches is passed over."""
        against = self._against.get(symbol)
        if against is None:
            return
        against.discard(LISTING)
        self._hear(against, socket, online=status is MarketStatus.ONLINE)
        self._tell(symbol)
        if self._words[symbol] is not status:
            self._words[symbol] = status
            self._publish(VenueStatusChanged(self._venue, symbol, status.value))

    def listed(self, symbol: str, status: MarketStatus) -> None:
        """A market's status by its listing: holds until a socket states one. Told to nobody."""
        if status is not MarketStatus.ONLINE and symbol in self._against:
            self._against[symbol].add(LISTING)
            self._words[symbol] = status
            self._tell(symbol)

    @property
    def stopped_by(self) -> frozenset[int]:
        """The sockets by whose last word the venue as a whole does not trade."""
        return frozenset(self._stopped_by)

    def lost(self, socket: int) -> None:
        """A socket is gone. Nothing changes yet: what it said stands until a later word."""
        self._gone.add(socket)

    def _hear(self, against: set[int], socket: int, *, online: bool) -> None:
        self._gone.discard(socket)
        if online:
            against.discard(socket)
            against -= self._gone
        else:
            against.add(socket)

    def _tell(self, symbol: str) -> None:
        reason = self._reason(symbol)
        if self._told[symbol] is not reason:
            self._told[symbol] = reason
            self._sink.set_status(symbol, reason)

    def _reason(self, symbol: str) -> Disbelief | None:
        if self._stopped_by:
            return Disbelief.VENUE_STATUS
        return Disbelief.MARKET_STATUS if self._against[symbol] else None
