"""Questions about books over REST, through ccxt's transport: independent of any stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from arbit.domain.book import Level
from arbit.domain.errors import FrameError, VenueRefused
from arbit.domain.market import MarketStatus
from arbit.ports import MarketCatalog
from arbit.venues.ccxt.catalog import KrakenCatalog, UnifiedCatalog
from arbit.venues.ccxt.client import SHAPE_ERRORS, RestClient
from arbit.venues.ccxt.kraken_rest import parse_depth, parse_system_status, parse_ticker
from arbit.venues.ccxt.unified import parse_book, parse_status, parse_tops
from arbit.venues.looks import DepthLook, LookingReader, StatusLook, TopsLook

KRAKEN_MAX_DEPTH = 500
T = TypeVar("T")


def understood(what: str, parse: Callable[..., T], *arguments: Any) -> T:
    """What `parse` makes of an answer; FrameError for one of a shape that nobody foresaw.

    The tasks that ask questions end on anything but a VenueError, and the run with them.
    """
    try:
        return parse(*arguments)
    except SHAPE_ERRORS as error:
        raise FrameError(f"{what}: the answer makes no sense: {error!r:.120}") from None


async def _statuses(catalog: MarketCatalog) -> Mapping[str, MarketStatus]:
    return {symbol: market.status for symbol, market in (await catalog.markets()).items()}


class KrakenReader:
    """Ticker for every top in one call, Depth for one book; the digits are Kraken's own.

    Depth may state a quantity to three decimals only (the documented sample does), so sizes from
    it can be coarser than a stream's.
    """

    def __init__(self, client: RestClient, catalog: KrakenCatalog) -> None:
        self._client = client
        self._catalog = catalog

    async def look_tops(self) -> TopsLook:
        """Every market's top. VenueError without a usable answer."""
        listing = await self._catalog.listing()
        answer = await self._client.ask("publicGetTicker", {})
        return TopsLook(answer.sent_ns, *understood("Ticker", parse_ticker, answer.body, listing))

    async def look_depth(self, symbol: str, depth: int) -> DepthLook:
        """One market's book. VenueRefused for a market that is not listed."""
        pair_id = (await self._catalog.listing()).id_of.get(symbol)
        if pair_id is None:
            raise VenueRefused(f"{symbol} is not listed", method="Depth", symbol=symbol)
        request = {"pair": pair_id, "count": min(depth, KRAKEN_MAX_DEPTH)}
        answer = await self._client.ask("publicGetDepth", request)
        bids, asks = understood(f"Depth {symbol}", parse_depth, answer.body, symbol)
        return DepthLook(answer.sent_ns, bids, asks)

    async def look_status(self) -> StatusLook:
        """SystemStatus: only `online` trades."""
        answer = await self._client.ask("publicGetSystemStatus", {})
        return StatusLook(
            answer.sent_ns, understood("SystemStatus", parse_system_status, answer.body)
        )

    async def look_markets(self) -> Mapping[str, MarketStatus]:
        """AssetPairs, asked for anew."""
        return await _statuses(self._catalog)

    async def tops(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Best bid and ask of every market, in one call."""
        return (await self.look_tops()).tops

    async def depth(self, symbol: str, depth: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """Bids and asks of one market, best first."""
        look = await self.look_depth(symbol, depth)
        return look.bids, look.asks


class UnifiedReader:
    """The same questions in ccxt's unified words."""

    def __init__(self, client: RestClient, catalog: MarketCatalog | None = None) -> None:
        self._client = client
        self._catalog = catalog or UnifiedCatalog(client)

    async def look_tops(self) -> TopsLook:
        """Every market's top, where the exchange gives all in one call; VenueRefused where not."""
        has = self._client.exchange.has
        for method, name in (
            ("fetch_bids_asks", "fetchBidsAsks"),
            ("fetch_tickers", "fetchTickers"),
        ):
            if has.get(name) is True:
                answer = await self._client.ask(method)
                if not isinstance(answer.body, Mapping):
                    raise FrameError(f"{method}: no tops in the answer")
                return TopsLook(answer.sent_ns, *understood(method, parse_tops, answer.body))
        raise VenueRefused("this exchange has no call for all tops at once", method="tops")

    async def look_depth(self, symbol: str, depth: int) -> DepthLook:
        """One market's book, cut to `depth` here: exchanges differ in the limits they accept."""
        answer = await self._client.ask("fetch_order_book", symbol)
        bids, asks = understood(symbol, parse_book, answer.body, symbol)
        return DepthLook(answer.sent_ns, bids[:depth], asks[:depth])

    async def look_status(self) -> StatusLook:
        """`fetch_status` where ccxt has it from the exchange itself; else nobody knows."""
        if self._client.exchange.has.get("fetchStatus") is not True:
            return StatusLook(self._client.clock.monotonic_ns(), online=None)
        answer = await self._client.ask("fetch_status")
        return StatusLook(answer.sent_ns, understood("fetch_status", parse_status, answer.body))

    async def look_markets(self) -> Mapping[str, MarketStatus]:
        """The unified markets, loaded anew."""
        return await _statuses(self._catalog)

    async def tops(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Best bid and ask of every market, in one call."""
        return (await self.look_tops()).tops

    async def depth(self, symbol: str, depth: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """Bids and asks of one market, best first."""
        look = await self.look_depth(symbol, depth)
        return look.bids, look.asks


def reader_for(client: RestClient, catalog: MarketCatalog) -> LookingReader:
    """The reader that asks this exchange best."""
    if isinstance(catalog, KrakenCatalog):
        return KrakenReader(client, catalog)
    return UnifiedReader(client, catalog)
