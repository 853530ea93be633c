"""Builds the private side of a venue that speaks Kraken: the gateway, and who answers questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from arbit.config import OrderTransport, VenueSettings
from arbit.domain.errors import FrameError, UserError
from arbit.ports import AccountSink, Clock, Listener
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.dial import Dialer
from arbit.venues.kraken.budgets import EngineBudget, LevelStore, RequestBudget
from arbit.venues.kraken.gateway import KrakenGateway, KrakenGatewaySetup, RestParts
from arbit.venues.kraken.nonce import Nonces, NonceStore
from arbit.venues.kraken.private.token import Token
from arbit.venues.kraken.reads import KrakenReads
from arbit.venues.kraken.resolve import Resolver
from arbit.venues.kraken.rest import Credentials, PrivateRest
from arbit.venues.kraken.rest_orders import RestOrders

PRIVATE_WS_URL = "wss://ws-auth.kraken.com/v2"
LEAST_REST_DEADLINE_MS = 2_000


@dataclass(frozen=True, slots=True)
class PrivateAt:
    """Where the venue is reached; empty means its own address. `ws_url` is the public one."""

    rest_url: str = ""
    ws_url: str = ""


@dataclass(frozen=True, slots=True)
class OrderTimes:
    """`RiskSettings.deadline_ms` and `resolve_margin_ms`, in ms."""

    deadline_ms: int = 2_000
    margin_ms: int = 6_000


@dataclass(frozen=True, slots=True)
class PrivateAround:
    """What the private side is given.

    `public` answers public questions (the venue's `RestClient`), `ours` knows the client ids of any
    run of ours, `nonces` keeps the key's highest nonce, `levels` how full its request counter is.
    `sent` are the newest orders of earlier runs, as (symbol, our wall time): the venue still counts
    them. `dial` replaces the WebSocket client.
    """

    clock: Clock
    nonces: NonceStore
    public: Any
    sink: AccountSink
    publish: Listener
    ours: Callable[[str], bool]
    levels: LevelStore | None = None
    sent: Sequence[tuple[str, int]] = ()
    dial: Dialer | None = None


@dataclass(frozen=True, slots=True)
class PrivateSide:
    """Run `gateway.run()`, ask `reader`, and `close()` at the end."""

    gateway: KrakenGateway
    reader: KrakenReads
    rest: PrivateRest
    orders: RestOrders

    async def close(self) -> None:
        """Close the private REST connections; the counter is kept as it is. Harmless twice."""
        await self.rest.close()
        self.rest.budget.close(self.rest.clock.monotonic_ns())


def private_side(
    venue: VenueSettings, at: PrivateAt, times: OrderTimes, around: PrivateAround
) -> PrivateSide:
    """The private side of this venue. UserError when its settings cannot be traded with."""
    clock = around.clock
    offsets, engine = OffsetTracker(clock), EngineBudget(venue.rate_tier)
    engine.recall(around.sent, clock.wall_ns(), clock.monotonic_ns())
    rest = private_rest(venue, at, around)
    reads = KrakenReads(rest, around.public, offsets, around.ours)
    resolver = Resolver(reads, offsets, clock, times.margin_ms)
    orders = RestOrders(reads, resolver, engine, clock)

    async def token() -> Token:
        return token_of(await rest.ask("GetWebSocketsToken", reserved=True))

    gateway = KrakenGateway(
        _setup(venue, at, times, around),
        clock,
        RestParts(
            reader=reads,
            resolver=resolver,
            orders=orders,
            token=token,
            requests=rest.budget,
            engine=engine,
            offsets=offsets,
            away_ns=rest.wait_ns,
        ),
        around.sink,
        around.publish,
    )
    rest.judged = gateway.judged_over_rest
    orders.stop = lambda intent: gateway.forbid(intent) or gateway.unready()
    return PrivateSide(gateway, reads, rest, orders)


def private_rest(venue: VenueSettings, at: PrivateAt, around: PrivateAround) -> PrivateRest:
    """The signed REST client of this venue's key. UserError without a key."""
    if venue.api_key is None or venue.api_secret is None:
        name = venue.name.upper()
        raise UserError(
            f"{venue.name}: an API key is needed: set ARBIT_VENUES__{name}__API_KEY "
            f"and ARBIT_VENUES__{name}__API_SECRET"
        )
    budget, clock = RequestBudget(venue.rate_tier), around.clock
    if around.levels is not None:
        budget.keep_in(around.levels, clock.wall_ns, clock.monotonic_ns())
    return PrivateRest(
        CcxtSettings(venue=venue.name, exchange_id="kraken", rest_url=at.rest_url),
        Credentials(venue.api_key.get_secret_value(), venue.api_secret.get_secret_value()),
        Nonces(around.nonces, clock.wall_ns),
        budget,
        clock,
    )


def token_of(result: Any) -> Token:
    """The reply of GetWebSocketsToken. FrameError when it holds no token."""
    told = result if isinstance(result, dict) else {}
    text, life_s = told.get("token"), told.get("expires")
    if not isinstance(text, str) or not text:
        raise FrameError("GetWebSocketsToken: the answer holds no token")
    digits = str(life_s)
    return Token(text, int(digits) if digits.isdecimal() and len(digits) < 10 else 0)


def private_ws_url(venue: VenueSettings, at: PrivateAt) -> str:
    """Where to dial for orders. UserError when only half of the venue was redirected."""
    if venue.private_ws_url:
        return venue.private_ws_url
    if venue.name == "kraken" and (venue.ws_url or venue.rest_url):
        raise UserError(
            "kraken: ws_url or rest_url is set and private_ws_url is not: orders would go to "
            "another place than the books come from"
        )
    return at.ws_url or PRIVATE_WS_URL


def _setup(
    venue: VenueSettings, at: PrivateAt, times: OrderTimes, around: PrivateAround
) -> KrakenGatewaySetup:
    over_rest = venue.order_transport is OrderTransport.REST
    if over_rest and times.deadline_ms < LEAST_REST_DEADLINE_MS:
        raise UserError(
            f"risk.deadline_ms is {times.deadline_ms}: {venue.name} takes at least "
            f"{LEAST_REST_DEADLINE_MS} over REST (order_transport)"
        )
    return KrakenGatewaySetup(
        venue=venue.name,
        transport=venue.order_transport,
        ws_url=private_ws_url(venue, at),
        ours=around.ours,
        deadline_ms=times.deadline_ms,
        margin_ms=times.margin_ms,
        watchdog_ms=venue.watchdog_ms,
        backoff_cap_ms=int(venue.backoff_cap_s * 1000),
        dial=around.dial,
    )
