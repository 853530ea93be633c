"""One venue's settings, and what a venue of each name starts from."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, field_validator

from arbit.config.fields import (
    AMOUNTS,
    AmountByAsset,
    Bps,
    BpsBySymbol,
    Symbols,
    Triangles,
    VenueName,
    setting,
    within,
)
from arbit.config.kinds import (
    KEY_TO_READ,
    SPEAKS_ALPACA,
    AlpacaHost,
    AlpacaLocation,
    AlpacaPlan,
    Feed,
    OrderTransport,
    RateTier,
)
from arbit.config.permissions import ADMITTED, Admissions
from arbit.config.text import venue_key
from arbit.domain.errors import UserError

_DEPTHS = (10, 25, 100, 500, 1000)


class VenueSettings(BaseModel):
    """One venue. `name` is its key in `Settings.venues`, never set by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: VenueName
    feed: Feed = setting(
        Feed.CCXT,
        "where books come from: our own feed, ccxt.pro, or REST polling",
        why="native is ours and knows only the protocols of Kraken and of Alpaca; the four venues "
        "built in default to it, all others to ccxt",
        expect="native (kraken, alpaca and their sandboxes only), ccxt (not for alpaca) or rest",
    )
    ws_enabled: bool = setting(
        True, "false polls over REST whatever `feed` says", why="a network may block WebSockets"
    )
    rest_url: str | None = setting(
        None,
        "base of the REST address; the sandbox starts its own server when unset",
        why="unset means the venue's own address",
        expect="an http:// or https:// address",
    )
    ws_url: str | None = setting(
        None,
        "WebSocket address",
        why="unset means the venue's own address",
        expect="a ws:// or wss:// address",
    )
    data_url: str | None = setting(
        None,
        "base of the REST address of market data, where that is another than `rest_url`",
        why="unset means the venue's own address; Alpaca alone has two",
        expect="an http:// or https:// address",
    )
    taker_fee_bps: Bps | None = setting(
        None,
        "taker fee of every market, over what the venue publishes",
        unit="bps",
        why="unset: the account's fee, else the venue's published ladder; never a guess. What "
        "fills of `live` take is believed where it is more",
    )
    taker_fee_bps_by_symbol: BpsBySymbol = setting(
        {},
        "taker fee of single markets, over `taker_fee_bps`",
        unit="bps",
        why="stablecoin and promotional pairs have fees of their own",
        expect="a list such as USDC/USD=20,BTC/USD=40 (or a JSON object), each from 0 to 1000",
    )
    min_notional: AmountByAsset = setting(
        {},
        "smallest order worth sending, by quote asset, above the venue's own minimum",
        unit="quote units",
        why="empty: the venue's own minima alone decide",
        expect=AMOUNTS,
    )
    max_book_age_ms: Annotated[int, within(100, 60_000)] = setting(
        3000,
        "a book unconfirmed for longer is not believed",
        unit="ms",
        why="quiet books are asked for again at half of this, so 3 s leaves room for one slow "
        "answer; exchanges over plain ccxt get 5 s, their reads being slower",
    )
    max_skew_ms: Annotated[int, within(50, 60_000)] = setting(
        3000,
        "three legs confirmed further apart than this are not one market",
        unit="ms",
        why="no stricter than the age limit: legs of a quiet triangle are confirmed in turn",
    )
    book_depth: int = setting(
        25,
        "levels a side that are subscribed",
        unit="levels",
        why="enough to size a retail order, a quarter of the traffic of 100",
        expect="one of 10, 25, 100, 500, 1000",
    )
    symbols: Symbols = setting(
        (),
        "markets to watch; empty means all that are in some triangle",
        why="an edge may be on any market",
        expect="all when empty, else a list such as BTC/USD,ETH/BTC,ETH/USD",
    )
    triangles: Triangles = setting(
        (),
        "triangles to watch, each as three markets; `auto` means every one there is",
        why="discovery is cheap and forgets none",
        expect="auto, or BTC/USD,ETH/BTC,ETH/USD with ; between triangles (or a JSON list)",
    )
    max_symbols: Annotated[int, within(3, 5000)] = setting(
        1000,
        "most markets watched at once; more is an error, not a silent cut",
        unit="markets",
        why="all of Kraken fits; exchanges over ccxt get 100, a task each, and Alpaca the ten of "
        "its free plan",
    )
    symbols_per_socket: Annotated[int, within(1, 1000)] = setting(
        200,
        "markets on one WebSocket",
        unit="markets",
        why="a lost socket costs only a part, and few sockets spare connect attempts",
    )
    watchdog_ms: Annotated[int, within(500, 3000)] = setting(
        2500,
        "a socket on which nothing at all arrives for this long is dropped",
        unit="ms",
        why="Kraken beats every second; two missed beats and a half are no accident",
    )
    connect_attempts_per_10min: Annotated[int, within(1, 120)] = setting(
        110,
        "most connection attempts in any ten minutes",
        unit="attempts",
        why="Kraken's edge blocks an address for ten minutes at about 150",
    )
    backoff_cap_s: Annotated[float, within(0.1, 15)] = setting(
        15.0,
        "longest wait between two connection attempts",
        unit="s",
        why="long enough to stay under the connect limit, short enough to notice a recovery",
    )
    rest_calls_per_s: Annotated[float, within(0.05, 20)] = setting(
        1.0,
        "public REST calls",
        unit="calls/s",
        why="Kraken's public budget for one address; ask your exchange before raising it",
    )

    api_key: SecretStr | None = setting(
        None,
        "API key of the account to trade with; never one that may withdraw",
        why="measuring and paper need none, but at Alpaca, which shows its books to none without",
        expect="the key as the venue shows it",
    )
    api_secret: SecretStr | None = setting(
        None,
        "secret of the API key",
        why="kept out of logs, metrics, the database and the command line",
        expect="the secret as the venue shows it",
    )
    private_ws_url: str | None = setting(
        None,
        "WebSocket address of orders and the account",
        why="unset means the venue's own address (the sandbox has one for all)",
        expect="a ws:// or wss:// address",
    )
    order_transport: OrderTransport = setting(
        OrderTransport.WS,
        "how orders are sent; fixed for an order from before it leaves until it is over",
        why="a WebSocket order may carry a deadline of half a second, a REST order of two at least",
    )
    rate_tier: RateTier = setting(
        RateTier.STARTER,
        "the account's rank, which sets the request budgets we keep within",
        why="the lowest; a wrong guess upwards is a lockout",
    )

    admit_permissions: Admissions = setting(
        (),
        "permissions of the API key that `arbit` does not know and you vouch for, by the names "
        "that `keys:check` prints",
        why="what nobody knows is no permission to trust; a right to withdraw is never admitted",
        expect=ADMITTED,
    )

    alpaca_host: AlpacaHost = setting(
        AlpacaHost.PAPER,
        "where orders go: Alpaca's paper account, or the one with money in it",
        why="each has a key of its own; what is not said is not money",
    )
    alpaca_data_location: AlpacaLocation = setting(
        AlpacaLocation.US,
        "whose books are read: Alpaca's own (us), or Kraken's as Alpaca shows them",
        why="orders execute on Alpaca's own; with another one real orders are refused",
    )
    alpaca_plan: AlpacaPlan = setting(
        AlpacaPlan.FREE,
        "market data plan of the account: free shows ten order books",
        why="what everybody has; a wrong guess upwards is a refused subscription",
    )

    @property
    def effective_feed(self) -> Feed:
        """The feed to construct: REST when WebSockets are switched off."""
        return self.feed if self.ws_enabled else Feed.REST

    def credentials(self) -> tuple[str, str]:
        """The key and its secret. UserError names the first of them that is not set."""
        found = []
        for name, value in (("api_key", self.api_key), ("api_secret", self.api_secret)):
            if value is None:
                key = venue_key(self.name, name)
                what = "the API key's own"
                if self.name in KEY_TO_READ:
                    what = f"{'the key id' if name == 'api_key' else 'the secret'} of an account"
                raise UserError(f"{key}: expected {what}, none is set")
            found.append(value.get_secret_value())
        return found[0], found[1]

    def fee_override_bps(self, symbol: str) -> Decimal | None:
        """The taker fee the user states for this market, in bps; None when none is stated."""
        return self.taker_fee_bps_by_symbol.get(symbol, self.taker_fee_bps)

    @field_validator("feed")
    @classmethod
    def _feed_is_there(cls, feed: Feed, info: ValidationInfo) -> Feed:
        """Ours for the protocols we speak. What ccxt reads of Alpaca is a withdrawn version."""
        name = info.data.get("name")
        if feed is Feed.NATIVE and name not in BUILT_IN:
            raise ValueError("native")
        if feed is Feed.CCXT and name in SPEAKS_ALPACA:
            raise ValueError("ccxt")
        return feed

    @field_validator("book_depth")
    @classmethod
    def _depth_offered(cls, depth: int) -> int:
        if depth not in _DEPTHS:
            raise ValueError("depth")
        return depth

    @field_validator("api_key", "api_secret")
    @classmethod
    def _not_blank(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not re.fullmatch(
            r"[\x21-\x7e]{8,512}", secret.get_secret_value()
        ):
            raise ValueError("secret")
        return secret

    @field_validator("rest_url", "data_url", "ws_url", "private_ws_url")
    @classmethod
    def _address(cls, url: str | None, info: ValidationInfo) -> str | None:
        schemes = "ws|wss" if (info.field_name or "").endswith("ws_url") else "http|https"
        if url is not None and not re.fullmatch(rf"({schemes})://[^\s/@]+(/\S*)?", url):
            raise ValueError("address")
        return url.rstrip("/") if url else url


# The sandboxes' own keys: made up, public, and the same in every sandbox.
SANDBOX_KEY = "sandbox-trade-key"
SANDBOX_SECRET = base64.b64encode(
    b"sandbox trade secret, made up and public, sixty-four bytes long!!"
).decode()
SANDBOX_ALPACA_KEY = "SANDBOXALPACATRADEKEY"
SANDBOX_ALPACA_SECRET = "sandbox-alpaca-secret-made-up-and-public"  # noqa: S105  made up, public

ALPACA_ALONE = frozenset({"data_url", "alpaca_host", "alpaca_data_location", "alpaca_plan"})
KRAKEN_ALONE = frozenset({"admit_permissions"})
FREE_BOOKS = 10  # order books on Alpaca's free plan (docs.alpaca.markets, "Real-time Crypto Data")

_ALPACA: Mapping[str, object] = {
    "feed": Feed.NATIVE,
    "max_symbols": FREE_BOOKS,
    "order_transport": OrderTransport.REST,
}
# What a venue of this name starts from; every other name is an exchange id of ccxt.
BUILT_IN: Mapping[str, Mapping[str, object]] = {
    "kraken": {"feed": Feed.NATIVE},
    "sandbox": {"feed": Feed.NATIVE, "api_key": SANDBOX_KEY, "api_secret": SANDBOX_SECRET},
    "alpaca": _ALPACA,
    "sandbox-alpaca": {
        **_ALPACA,
        "api_key": SANDBOX_ALPACA_KEY,
        "api_secret": SANDBOX_ALPACA_SECRET,
    },
}
_OVER_CCXT: Mapping[str, object] = {"max_book_age_ms": 5000, "max_symbols": 100}
_PAID: Mapping[str, object] = {"max_symbols": 1000}


def with_defaults(name: str, given: object) -> object:
    """What was given, over what a venue of this name starts from."""
    if isinstance(given, Mapping):
        paid = name in SPEAKS_ALPACA and given.get("alpaca_plan") == AlpacaPlan.PAID
        more = _PAID if paid else {}
        return {"name": name, **BUILT_IN.get(name, _OVER_CCXT), **more, **given}
    return given
