"""One life of the daemon on Alpaca: the account's own side, over REST and updates in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

from arbit.app.private.alpaca import AlpacaReal
from arbit.app.private.parts import Forward, Ours, Real
from arbit.config import VenueSettings
from arbit.domain.market import Market
from arbit.ports import Listener
from arbit.risk.gate import ORDERS_OF_A_CYCLE
from arbit.venues.alpaca import gateway, orders_book
from arbit.venues.alpaca.account import (
    AccountAround,
    AccountAt,
    OrderTimes,
    account_side,
    keys_of,
)
from arbit.venues.alpaca.catalog import AlpacaCatalog
from tests.simulation.alpaca.door import BASE, SimHttp
from tests.simulation.daemon import Life
from tests.simulation.store import SimJournal
from tests.simulation.wire import Dial

URL = "ws://alpaca.simulated/stream"


class AlpacaLife(Life):
    """A life whose venue side is `venues.alpaca`'s."""

    http: SimHttp | None = None

    async def _venue_side(
        self, venue: VenueSettings, journal: SimJournal, publish: Listener, stack: AsyncExitStack
    ) -> tuple[dict[str, Market], Real]:
        clock, risk = self._clock, self._settings.risk
        at: Any = self._around.venue
        sink, mine = Forward(), Ours(journal)
        self.http = http = SimHttp(at, self.process, keys_of(venue), clock)
        stack.push_async_callback(http.close)
        markets = dict(await AlpacaCatalog(http).markets())
        side = account_side(
            venue,
            AccountAt(BASE, URL),
            OrderTimes(risk.deadline_ms, risk.resolve_margin_ms),
            AccountAround(
                clock=clock,
                sink=sink,
                publish=publish,
                ours=mine,
                dial=Dial(at, self.process, clock.sleep),
                http=http,
            ),
        )
        return markets, AlpacaReal(side.gateway, side.reader, sink, clock, mine, side)

    def waits_for_room(self) -> bool:
        """Whether the limit on requests has no room for a question."""
        http = self.http
        return http is not None and not http.budget.may(self._clock.monotonic_ns())

    def has_room(self) -> bool:
        """Whether the limit on requests lets a cycle begin, beside those that are open."""
        real: Any = self.real
        return real is None or real.gateway.room() >= ORDERS_OF_A_CYCLE

    def lengths(self) -> Iterator[tuple[str, int, int]]:
        real: Any = self.real
        if real is None:
            return
        book = real.gateway.following._book
        yield "orders heard of", len(book._orders), orders_book.MAX_ORDERS + len(book._sent)
        yield "orders out", len(book._sent), orders_book.MAX_SENT
        yield "orders sent", len(real.gateway._seen), gateway.MAX_SEEN

    def awaited(self) -> int:
        real: Any = self.real
        return len(real.gateway.following._book._sent) if real is not None else 0
