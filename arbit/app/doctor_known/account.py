"""The planted venue's answers to questions about the account: an `AccountReader` in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from arbit.app.doctor_known import answers
from arbit.app.doctor_known.venue import PlantedVenue
from arbit.domain.account import (
    TRADING_KEY,
    Balance,
    ClockOffset,
    Counts,
    Flow,
    KeyFacts,
    VenueOrder,
)
from arbit.domain.errors import VenueRefused
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade
from arbit.ports import Known, nothing_known

NO_QUESTIONS = "nothing is asked of the planted venue about an order: its stream tells all"


class PlantedAccount:
    """What the venue says when it is asked."""

    def __init__(self, venue: PlantedVenue) -> None:
        self._venue = venue

    async def balances(self) -> Mapping[str, Balance]:
        """Every asset that is there."""
        return {asset: Balance(much) for asset, much in self._venue.balances.items() if much}

    async def fees(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """The same everywhere."""
        return dict.fromkeys(symbols, answers.FEE)

    async def open_orders(self) -> Sequence[VenueOrder]:
        """An immediate order is over before one could ask."""
        return ()

    async def trades_since(self, since_ns: int, known: Known = nothing_known) -> Sequence[Trade]:
        """Those that are not known."""
        told = known([one.trade_id for one in self._venue.trades])
        found = [one for one in self._venue.trades if one.at_ns >= since_ns]
        return [one for one in found if one.trade_id not in told]

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        """Nothing but trades moves anything here."""
        del since_ns
        return ()

    async def counts(self, after_ns: int, until_ns: int) -> Counts:
        """How many trades there were."""
        found = [one for one in self._venue.trades if after_ns < one.at_ns <= until_ns]
        return Counts(len(found), 0)

    async def key(self) -> KeyFacts:
        """It may trade and take nothing out."""
        return TRADING_KEY

    async def clock_offset(self) -> ClockOffset:
        """Its clock is ours."""
        return ClockOffset(0, 0, self._venue.clock.monotonic_ns())


class NoQuestions:
    """Stands where orders go over REST and their fate is asked: neither may be needed here."""

    async def ask(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        """Nobody knows."""
        return Outcome(intent.client_id, OrderState.UNKNOWN, order_id=order_id, reason=NO_QUESTIONS)

    async def send(self, intent: OrderIntent) -> Outcome:
        """Nothing left."""
        return Outcome(intent.client_id, OrderState.REJECTED, reason=f"not sent: {NO_QUESTIONS}")

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        """VenueRefused always."""
        del client_id, order_id
        raise VenueRefused(NO_QUESTIONS)
