"""What asks one host of Alpaca's with one key counts its requests together: the venue does."""

from __future__ import annotations

from contextlib import AsyncExitStack

from arbit.app.private.alpaca import alpaca_side
from arbit.app.private.parts import Around
from arbit.app.watch.feeds import Addresses, AlpacaHosts, rest_side
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.persistence.memory import MemoryJournal

AT = Addresses(*(f"http://127.0.0.1:{port}" for port in (1, 2, 3, 4)))


async def test_the_list_of_markets_and_the_account_share_a_budget_and_market_data_has_its_own() -> (
    None
):
    settings, clock = Settings(), SystemClock()
    venue = settings.venue("sandbox-alpaca")
    async with AsyncExitStack() as stack:
        rest = rest_side(venue, AT, clock)
        stack.push_async_callback(rest.client.close)
        assert isinstance(rest.client, AlpacaHosts)
        around = Around(clock, MemoryJournal(), lambda _: None, rest)
        real = await alpaca_side(settings, venue, AT, around, stack)
        assert real.side.http.budget is rest.client.trading.budget
        assert real.side.http.budget is not rest.client.data.budget
        alone = Around(clock, MemoryJournal(), lambda _: None)
        other = await alpaca_side(settings, venue, AT, alone, stack)
        assert other.side.http.budget is not rest.client.trading.budget
