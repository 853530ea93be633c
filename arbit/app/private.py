"""Where orders go: to paper, or through a venue's private side. Only one of the two is built."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.app.feeds import Addresses
from arbit.app.venue import Desk, VenueRun
from arbit.config import Settings, VenueSettings
from arbit.domain.account import AccountEvent
from arbit.domain.records import Book
from arbit.ports import AccountReader, AccountSink, Clock, Journal, Listener, OrderGateway
from arbit.venues.paper import PaperExchange
from arbit.venues.paper_account import PaperAccount
from arbit.venues.paper_gateway import PaperGateway

if TYPE_CHECKING:
    from arbit.app.trader import Trader

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Paper:
    """Orders go nowhere: they are filled from the same books after a latency."""

    gateway: PaperGateway
    reader: PaperAccount
    exchange: PaperExchange

    def joined(self, trader: Trader, run: VenueRun) -> None:
        """The trader is built: paper keeps count of what it took from the books."""
        del trader
        run.desk.lane.books_moved = self.exchange.books_moved

    async def run(self) -> None:
        """Paper has nothing to listen to."""
        await asyncio.Event().wait()


def paper_side(settings: Settings, desk: Desk, journal: Journal, clock: Clock) -> Paper:
    """Paper with the balances that its journal remembers, or at first those configured."""
    venue, scan = desk.setup.venue, settings.scan
    sums = journal.recall().sums
    kept = {asset: amount for (book, asset), amount in sums.items() if book is Book.WALLET}
    exchange = PaperExchange(
        desk.cache,
        desk.setup.markets,
        desk.setup.watch.rates,
        kept or scan.paper_balances,
        latency_ns=scan.latency_ms * MS,
        max_age_ns=venue.max_book_age_ms * MS,
    )
    reader = PaperAccount(exchange, desk.setup.watch.rates, clock)
    return Paper(PaperGateway(exchange, clock), reader, exchange)


@dataclass(frozen=True, slots=True)
class Real:
    """Orders go to the venue, by its own gateway."""

    gateway: OrderGateway
    reader: AccountReader
    sink: Forward

    def joined(self, trader: Trader, run: VenueRun) -> None:
        """The trader is built: from now on it hears of the account."""
        del run
        self.sink.to = trader.account_event

    async def admitted(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """Whether this key may be traded with, and the account's own fees.

        AccountUnfit (exit code 3) when it may not: a key that can withdraw is never used.
        """
        return await self.reader.fees(symbols)

    async def run(self) -> None:
        """Hear the account for as long as it is traded."""
        await asyncio.Event().wait()


class Forward:
    """An `AccountSink` whose end is built later; what comes before is kept, within bounds."""

    MOST = 10_000

    def __init__(self) -> None:
        self._early: list[AccountEvent] = []
        self._to: AccountSink | None = None

    def __call__(self, event: AccountEvent, /) -> None:
        """Hand it on."""
        if self._to is not None:
            self._to(event)
        elif len(self._early) < self.MOST:
            self._early.append(event)

    @property
    def to(self) -> AccountSink | None:
        """Where events go."""
        return self._to

    @to.setter
    def to(self, sink: AccountSink) -> None:
        self._to = sink
        early, self._early = self._early, []
        for event in early:
            sink(event)


@dataclass(frozen=True, slots=True)
class Around:
    """What any private side is given beside its venue."""

    clock: Clock
    journal: Journal
    publish: Listener


async def real_side(
    settings: Settings, venue: VenueSettings, at: Addresses, around: Around, stack: AsyncExitStack
) -> Real:
    """The venue's private side."""
    raise NotImplementedError
