"""What the private side of any venue has: a gateway, a reader, and who hears of the account."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from arbit.app.watch.feeds import RestSide
from arbit.app.watch.venue import VenueRun
from arbit.domain.account import AccountEvent
from arbit.domain.market import Market
from arbit.domain.order import OrderIntent
from arbit.domain.records import Batch, Flag, JournalFailed
from arbit.execution.ids import ours
from arbit.ports import AccountReader, AccountSink, Clock, Journal, Listener, OrderGateway
from arbit.venues.clockoffset import OffsetTracker

if TYPE_CHECKING:
    from arbit.app.trade.trader import Trader


class RunningGateway(OrderGateway, Protocol):
    """A venue's own gateway: `run` keeps its stream, `forbid` is asked before an order leaves."""

    forbid: Callable[[OrderIntent], str]

    async def run(self) -> None:
        """Until cancelled."""
        ...


class TimedReader(AccountReader, Protocol):
    """Answers questions about the account, and knows the venue's clock."""

    offsets: OffsetTracker


@dataclass(frozen=True, slots=True)
class Real:
    """Orders go to the venue, by its own gateway. `notes` say what might be better of the key."""

    gateway: RunningGateway
    reader: TimedReader
    sink: Forward
    clock: Clock
    ours: Ours
    notes: list[str] = field(default_factory=list, kw_only=True)

    @property
    def venue_clock(self) -> Callable[[], int | None]:
        """The venue's wall time, None while it is not known."""
        return self.reader.offsets.venue_ns

    def joined(self, trader: Trader, run: VenueRun) -> None:
        """The trader is built: from now on it hears of the account, and may stop a REST order."""
        del run
        self.ours.sent = trader.engine.knows
        self.sink.to = trader.account_event
        self.gateway.forbid = trader.engine.forbids

    @abstractmethod
    async def admitted(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """Whether this key may be traded with, by our clock, and the account's own fees.

        AccountUnfit (exit code 3) when it may not.
        """

    @abstractmethod
    async def key_again(self) -> Sequence[str]:
        """The same of a key that is traded with: what there is to say of it that is new.

        AccountUnfit when it may not be traded with any more; AccountUntold or another VenueError
        when nobody says.
        """

    @abstractmethod
    def keeping(self, markets: Mapping[str, Market]) -> dict[str, Market]:
        """These markets, with the decimals that the venue's balances keep of their assets."""

    async def run(self) -> None:
        """Hear the account for as long as it is traded."""
        await self.gateway.run()


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


class Ours:
    """Knows the client ids of any run of ours: they look like it, and were sent from here.

    Another daemon's on this account look the same. `sent` is the journal's word at first, then the
    engine's.
    """

    def __init__(self, journal: Journal) -> None:
        self.sent: Callable[[str], bool] = lambda client_id: journal.find(client_id) is not None

    def __call__(self, client_id: str) -> bool:
        """Whether it is one. Where the journal cannot say, its look decides."""
        try:
            return ours(client_id) and self.sent(client_id)
        except JournalFailed:
            return True


@dataclass(frozen=True, slots=True)
class Around:
    """What any private side is given beside its venue. `rest` is its public side."""

    clock: Clock
    journal: Journal
    publish: Listener
    rest: RestSide | None = None

    def keep(self, name: str, value: str) -> bool:
        """Keep a flag at once, if the journal works: who keeps it can do without. False if not."""
        try:
            self.journal.write(Batch(flags=(Flag(name, value, self.clock.wall_ns()),)))
        except JournalFailed:
            return False
        return True
