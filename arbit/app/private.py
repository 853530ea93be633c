"""Where orders go: to paper, or through a venue's private side. Only one of the two is built."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.app.feeds import Addresses, rest_side
from arbit.app.venue import Desk, VenueRun
from arbit.config import Settings, VenueSettings
from arbit.domain.account import AccountEvent, AccountUnfit
from arbit.domain.errors import VenueRefused
from arbit.domain.market import Market
from arbit.domain.records import Batch, Book, Flag, JournalFailed
from arbit.execution.ids import ours
from arbit.ports import AccountSink, Clock, Journal, Listener
from arbit.venues.clockoffset import off_clock
from arbit.venues.kraken.budgets import Level
from arbit.venues.kraken.gateway import KrakenGateway
from arbit.venues.kraken.keyfacts import key_notes, refuse_unfit
from arbit.venues.kraken.private.parts import (
    OrderTimes,
    PrivateAround,
    PrivateAt,
    private_side,
)
from arbit.venues.kraken.reads import KrakenReads
from arbit.venues.kraken.rest import BAD_NONCE
from arbit.venues.kraken.rest_orders import RestOrders
from arbit.venues.paper import PaperExchange
from arbit.venues.paper_account import PaperAccount
from arbit.venues.paper_gateway import PaperGateway

if TYPE_CHECKING:
    from arbit.app.trader import Trader

MS = 1_000_000
NONCE = "nonce"
REQUESTS = "requests"  # how full the key's request counter is


@dataclass(frozen=True, slots=True)
class Paper:
    """Orders go nowhere: they are filled from the same books after a latency."""

    gateway: PaperGateway
    reader: PaperAccount
    exchange: PaperExchange
    notes: tuple[str, ...] = ()
    venue_clock: None = None  # ours is as good

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
    """Orders go to the venue, by its own gateway. `notes` say what might be better of the key."""

    gateway: KrakenGateway
    reader: KrakenReads
    rest_orders: RestOrders
    sink: Forward
    clock: Clock
    ours: Ours
    notes: list[str] = field(default_factory=list)

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

    async def admitted(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """Whether this key may be traded with, by our clock, and the account's own fees.

        AccountUnfit (exit code 3) when it may not: a key that can withdraw is never used.
        """
        try:
            facts = await self.reader.key()
            refuse_unfit(facts, self.clock.wall_ns())
            self.notes.extend(key_notes(facts, self.clock.wall_ns()))
            offset = await self.reader.clock_offset()
            if why := off_clock(offset):
                raise AccountUnfit(why)
            self.reader.offsets.take(offset)
            return await self.reader.fees(symbols)
        except VenueRefused as error:
            raise AccountUnfit(refusal(error.text)) from None

    def keeping(self, markets: Mapping[str, Market]) -> dict[str, Market]:
        """These markets, with the decimals that the venue's balances keep of their assets."""
        of = self.reader.names.digits.get
        return {
            symbol: replace(one, base_digits=of(one.base), quote_digits=of(one.quote))
            for symbol, one in markets.items()
        }

    async def run(self) -> None:
        """Hear the account for as long as it is traded."""
        await self.gateway.run()


def refusal(words: str) -> str:
    """What the venue's words say of a key, for whoever has to do something about it."""
    if BAD_NONCE in words:
        return (
            f"the venue refuses our nonce ({words}), which says nothing of the key itself: another "
            "program uses it too, or it was used from another data folder a short while ago"
        )
    return f"the venue refuses this API key: {words}"


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
    """What any private side is given beside its venue."""

    clock: Clock
    journal: Journal
    publish: Listener

    def keep(self, name: str, value: str) -> bool:
        """Keep a flag at once, if the journal works: who keeps it can do without. False if not."""
        try:
            self.journal.write(Batch(flags=(Flag(name, value, self.clock.wall_ns()),)))
        except JournalFailed:
            return False
        return True


class FlagNonces:
    """A `NonceStore` in the journal. While that fails the clock alone keeps nonces rising."""

    def __init__(self, around: Around, flags: Mapping[str, Flag]) -> None:
        """`flags` are what the journal remembers."""
        self._around = around
        self._flag = flags.get(NONCE)

    def load(self) -> int:
        """The last one saved; 0 when there is none."""
        flag = self._flag
        return int(flag.value) if flag is not None and flag.value.isdigit() else 0

    def save(self, nonce: int) -> bool:
        """Keep it; False when the journal cannot."""
        return self._around.keep(NONCE, str(nonce))


class FlagLevels:
    """A `LevelStore` in the journal. When that fails the next start begins a little too full."""

    def __init__(self, around: Around, flags: Mapping[str, Flag]) -> None:
        """`flags` are what the journal remembers."""
        self._around = around
        self._flag = flags.get(REQUESTS)

    def load(self) -> Level | None:
        """The last one saved; None when there is none that can be read."""
        words = self._flag.value.split() if self._flag is not None else []
        try:
            return Level(float(words[0]), float(words[1]), int(words[2]))
        except (IndexError, ValueError):
            return None

    def save(self, level: Level) -> None:
        """Keep it."""
        self._around.keep(REQUESTS, f"{level.level:.3f} {level.ahead:.3f} {level.wall_ns}")


async def real_side(
    settings: Settings, venue: VenueSettings, at: Addresses, around: Around, stack: AsyncExitStack
) -> Real:
    """Kraken's private side, or the sandbox's. UserError without a key."""
    public, sink, mine = rest_side(venue, at, around.clock), Forward(), Ours(around.journal)
    memory = around.journal.recall()
    stack.push_async_callback(public.client.close)
    side = private_side(
        venue,
        PrivateAt(at.rest_url, at.ws_url),
        OrderTimes(settings.risk.deadline_ms, settings.risk.resolve_margin_ms),
        PrivateAround(
            clock=around.clock,
            nonces=FlagNonces(around, memory.flags),
            levels=FlagLevels(around, memory.flags),
            sent=memory.last_sent,
            public=public.client,
            sink=sink,
            publish=around.publish,
            ours=mine,
        ),
    )
    stack.push_async_callback(side.close)
    return Real(side.gateway, side.reader, side.orders, sink, around.clock, mine)
