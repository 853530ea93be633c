"""Where orders go: to paper, or through a venue's private side. Only one of the two is built."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arbit.app.private.alpaca import alpaca_side
from arbit.app.private.kraken import kraken_side
from arbit.app.private.parts import Around, Forward, Ours, Real
from arbit.app.watch.feeds import Addresses
from arbit.app.watch.venue import Desk, VenueRun
from arbit.config import (
    SPEAKS_ALPACA,
    SPEAKS_KRAKEN,
    AlpacaLocation,
    Settings,
    VenueSettings,
    venue_key,
)
from arbit.domain.errors import UserError
from arbit.domain.records import Book
from arbit.ports import Clock, Journal
from arbit.venues.paper import PaperExchange
from arbit.venues.paper_account import PaperAccount
from arbit.venues.paper_gateway import PaperGateway

if TYPE_CHECKING:
    from arbit.app.trade.trader import Trader

__all__ = [
    "Around",
    "Forward",
    "Ours",
    "Paper",
    "Real",
    "paper_side",
    "real_side",
    "refuse_untradable",
]

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Paper:
    """Orders go nowhere: they are filled from the same books after a latency."""

    gateway: PaperGateway
    reader: PaperAccount
    exchange: PaperExchange
    notes: tuple[str, ...] = ()
    venue_clock: None = None  # ours is as good
    key_again: None = None  # it has no key

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


def refuse_untradable(venue: VenueSettings) -> None:
    """UserError for a venue that no real order can be sent to, before anything is contacted."""
    speaks = SPEAKS_KRAKEN | SPEAKS_ALPACA
    if venue.name not in speaks:
        *most, last = sorted(speaks)
        raise UserError(
            f"--venue {venue.name}: real orders are for {', '.join(most)} and {last} alone so far; "
            "this one can be measured, or traded on paper (--dry-run)"
        )
    if venue.name in SPEAKS_ALPACA and venue.alpaca_data_location is not AlpacaLocation.US:
        key = venue_key(venue.name, "alpaca_data_location")
        raise UserError(
            f"{key}={venue.alpaca_data_location}: expected us for real orders, which execute on "
            "Alpaca's own books; others can be measured, or traded on paper (--dry-run)"
        )


async def real_side(
    settings: Settings, venue: VenueSettings, at: Addresses, around: Around, stack: AsyncExitStack
) -> Real:
    """The private side of this venue. UserError without a key, or where none can be."""
    refuse_untradable(venue)
    if venue.name in SPEAKS_ALPACA:
        return await alpaca_side(settings, venue, at, around, stack)
    return await kraken_side(settings, venue, at, around, stack)
