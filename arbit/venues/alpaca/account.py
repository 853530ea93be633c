"""Builds the account's side of a venue that speaks Alpaca: the gateway, and who answers questions.

One client and one budget of requests serve both: the venue counts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.config import VenueSettings
from arbit.domain.account import AccountUnfit
from arbit.domain.errors import UserError, VenueRefused
from arbit.domain.money import BPS, EXACT
from arbit.ports import AccountSink, Clock, Listener
from arbit.venues.alpaca.activities import Activities
from arbit.venues.alpaca.gateway import AlpacaGateway, AlpacaGatewaySetup, GatewayParts
from arbit.venues.alpaca.http import Http, Keys
from arbit.venues.alpaca.keyfacts import NOTE
from arbit.venues.alpaca.names import Listed
from arbit.venues.alpaca.orders_book import OrdersBook
from arbit.venues.alpaca.parse_orders import Rates
from arbit.venues.alpaca.rate import TRADING_PER_MIN, Budget
from arbit.venues.alpaca.reads import AlpacaReads, ReadsParts
from arbit.venues.alpaca.resolve import Resolver, ResolverParts
from arbit.venues.clockoffset import OffsetTracker, off_clock
from arbit.venues.dial import Dialer

# What a taker pays at the published ladder's first tier (docs.alpaca.markets, "Crypto fees").
FIRST_TIER = Decimal("0.0025")
# A 403 without words of the API is some page on the way, and no answer about the key.
REFUSES_KEY = ("401", "403 ")


@dataclass(frozen=True, slots=True)
class AccountAt:
    """Where the account is reached: the trading host's REST base, and its `/stream`."""

    rest_url: str
    ws_url: str


@dataclass(frozen=True, slots=True)
class OrderTimes:
    """`RiskSettings.deadline_ms` and `resolve_margin_ms`, in ms."""

    deadline_ms: int = 2_000
    margin_ms: int = 6_000


@dataclass(frozen=True, slots=True)
class AccountAround:
    """What the account's side is given.

    `ours` knows the client ids of any run of ours. `budget` is of everything that asks this host
    with this key; None: nothing else does. `dial` replaces the WebSocket client and `http` the REST
    client (simulation).
    """

    clock: Clock
    sink: AccountSink
    publish: Listener
    ours: Callable[[str], bool]
    dial: Dialer | None = None
    http: Http | None = None
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class AccountSide:
    """Run `gateway.run()`, ask `reader`, and `close()` at the end."""

    gateway: AlpacaGateway
    reader: AlpacaReads
    http: Http
    clock: Clock
    notes: list[str] = field(default_factory=list)

    async def admitted(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """Whether this account may be traded with, by our clock, and its fees.

        AccountUnfit when it may not, in one line. VenueError when nobody says.
        """
        try:
            await self.reader.key()
            self.notes.append(NOTE)
            offset = await self.reader.clock_offset()
            if why := off_clock(offset):
                raise AccountUnfit(why)
            self.reader.offsets.take(offset)
            return await self.reader.fees(symbols)
        except VenueRefused as error:
            raise AccountUnfit(f"the venue refuses this API key: {error.text}") from None

    async def ask_again(self) -> None:
        """AccountUnfit when this account may not be traded with any more.

        VenueError when nobody says; a status against the key says it.
        """
        try:
            await self.reader.key()
        except VenueRefused as error:
            if error.text.startswith(REFUSES_KEY):
                raise AccountUnfit(f"the venue refuses this API key: {error.text}") from None
            raise

    async def close(self) -> None:
        """Close the REST connections. Harmless twice."""
        await self.http.close()


def account_side(
    venue: VenueSettings, at: AccountAt, times: OrderTimes, around: AccountAround
) -> AccountSide:
    """The account's side of this venue. UserError without a key."""
    keys, clock = keys_of(venue), around.clock
    budget = around.budget or Budget(TRADING_PER_MIN)
    http = around.http or Http(at.rest_url, keys, budget, clock)
    rate, offsets, listed = rates_of(venue), OffsetTracker(clock), Listed(http)
    book, activities = OrdersBook(around.ours, rate), Activities(http, listed)
    reader = AlpacaReads(ReadsParts(http, listed, activities, book, offsets, rate))
    resolver = Resolver(
        ResolverParts(http, listed, activities, book, offsets, clock, times.margin_ms, rate)
    )
    setup = AlpacaGatewaySetup(
        venue=venue.name,
        ws_url=at.ws_url,
        keys=keys,
        ours=around.ours,
        deadline_ms=times.deadline_ms,
        watchdog_ms=venue.watchdog_ms,
        backoff_cap_ms=int(venue.backoff_cap_s * 1000),
        dial=around.dial,
    )
    parts = GatewayParts(http, listed, reader, resolver, book, offsets)
    gateway = AlpacaGateway(setup, clock, parts, around.sink, around.publish)
    return AccountSide(gateway, reader, http, clock)


def keys_of(venue: VenueSettings) -> Keys:
    """The venue's key. UserError, naming the setting, without one or for one that cannot be."""
    try:
        return Keys(*venue.credentials())
    except UserError as error:
        raise UserError(f"{venue.name}: {error}") from None


def rates_of(venue: VenueSettings) -> Rates:
    """A market's taker fee: what the user set, else the first tier; Alpaca tells no account's."""

    def rate(symbol: str) -> Decimal:
        bps = venue.fee_override_bps(symbol)
        return FIRST_TIER if bps is None else EXACT.divide(bps, BPS)

    return rate
