"""The paper account as one is asked about it: balances, and a history that lives in our journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from arbit.domain.account import (
    TRADING_KEY,
    Balance,
    ClockOffset,
    Counts,
    Flow,
    KeyFacts,
    VenueOrder,
)
from arbit.domain.order import Trade
from arbit.ports import Clock, Known, nothing_known
from arbit.venues.paper import PaperExchange


class PaperAccount:
    """`ports.AccountReader` of a paper exchange. Nothing is contacted."""

    def __init__(self, exchange: PaperExchange, fees: Mapping[str, Decimal], clock: Clock) -> None:
        self._exchange = exchange
        self._fees = fees
        self._clock = clock

    async def balances(self) -> Mapping[str, Balance]:
        """What paper holds."""
        exchange = self._exchange
        return {
            asset: Balance(total, total - exchange.available(asset))
            for asset, total in exchange.balances.items()
        }

    async def fees(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """The fees it was told to reckon with."""
        return {symbol: self._fees[symbol] for symbol in symbols if symbol in self._fees}

    async def open_orders(self) -> Sequence[VenueOrder]:
        """None that outlives its latency."""
        return ()

    async def trades_since(self, since_ns: int, known: Known = nothing_known) -> Sequence[Trade]:
        """None that our journal does not have."""
        del since_ns, known
        return ()

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        """Paper money neither comes nor goes."""
        del since_ns
        return ()

    async def counts(self, after_ns: int, until_ns: int) -> Counts:
        """Only our journal counts what happens on paper."""
        del after_ns, until_ns
        return Counts(0, 0)

    async def key(self) -> KeyFacts:
        """Paper may trade, and nothing leaves it."""
        return TRADING_KEY

    async def clock_offset(self) -> ClockOffset:
        """Its clock is ours."""
        return ClockOffset(0, 0, self._clock.monotonic_ns())
