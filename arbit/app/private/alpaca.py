"""The private side of Alpaca and of the sandbox that speaks as it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.app.private.parts import Around, Forward, Ours, Real
from arbit.app.watch.feeds import Addresses, AlpacaHosts
from arbit.config import Settings, VenueSettings
from arbit.domain.market import Market
from arbit.venues.alpaca.account import (
    AccountAround,
    AccountAt,
    AccountSide,
    OrderTimes,
    account_side,
)
from arbit.venues.alpaca.gateway import AlpacaGateway
from arbit.venues.alpaca.reads import AlpacaReads

if TYPE_CHECKING:
    from arbit.app.trade.trader import Trader
    from arbit.app.watch.venue import VenueRun


@dataclass(frozen=True, slots=True)
class AlpacaReal(Real):
    """Orders go to Alpaca, to its paper account or to the one with money in it."""

    gateway: AlpacaGateway
    reader: AlpacaReads
    side: AccountSide

    def joined(self, trader: Trader, run: VenueRun) -> None:
        """As any; and no cycle begins that the request limit has no room to end.

        Its stream has no snapshot: a start asks what was traded before it brings anything home.
        """
        Real.joined(self, trader, run)  # of a dataclass with slots: `super()` is another's there
        trader.gate.room = self.gateway.room
        trader.auditor.untold = True

    async def admitted(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """Whether this account may be traded with, by our clock, and its fees.

        AccountUnfit (exit code 3) when it may not. Alpaca does not tell what a key may do, and not
        which fees it takes: a note says the former.
        """
        fees = await self.side.admitted(symbols)
        self.notes.extend(self.side.notes)
        return fees

    async def key_again(self) -> Sequence[str]:
        """As any: the account is asked for, for nothing is told of the key."""
        await self.side.ask_again()
        return ()

    def keeping(self, markets: Mapping[str, Market]) -> dict[str, Market]:
        """As they are: the catalog states what balances keep."""
        return dict(markets)


async def alpaca_side(
    settings: Settings, venue: VenueSettings, at: Addresses, around: Around, stack: AsyncExitStack
) -> AlpacaReal:
    """The private side of a venue that speaks Alpaca. UserError without a key.

    What lists the markets asks the same host with the same key: both share a budget of requests.
    """
    sink, mine = Forward(), Ours(around.journal)
    public = around.rest.client if around.rest is not None else None
    budget = public.trading.budget if isinstance(public, AlpacaHosts) else None
    side = account_side(
        venue,
        AccountAt(at.rest_url, at.private_ws_url),
        OrderTimes(settings.risk.deadline_ms, settings.risk.resolve_margin_ms),
        AccountAround(around.clock, sink, around.publish, ours=mine, budget=budget),
    )
    stack.push_async_callback(side.close)
    return AlpacaReal(side.gateway, side.reader, sink, around.clock, mine, side)
