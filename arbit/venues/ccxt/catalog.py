"""What a venue lists, through ccxt: Kraken from its own bodies, any other from unified markets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbit.domain.errors import FrameError
from arbit.domain.fee_ladder import FeeLadder
from arbit.domain.market import Market
from arbit.ports import MarketCatalog
from arbit.venues.ccxt.client import SHAPE_ERRORS, RestClient
from arbit.venues.ccxt.kraken_rest import Listing, parse_listing, result_of
from arbit.venues.ccxt.ladders import kraken_ladder, unified_ladder
from arbit.venues.ccxt.unified import parse_markets


class KrakenCatalog:
    """AssetPairs. A missing `status` stays UNKNOWN: the instrument channel tells."""

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._listing: Listing | None = None

    async def markets(self) -> Mapping[str, Market]:
        """Every spot market by v2 symbol, asked for anew. VenueError without a usable answer."""
        return (await self._fetch()).markets

    async def listing(self) -> Listing:
        """The last listing, asked for when there is none yet."""
        return self._listing or await self._fetch()

    async def ladders(self) -> Mapping[str, FeeLadder]:
        """The published ladder of each market that states one. VenueError without an answer."""
        body = (await self._client.ask("publicGetAssetPairs", {})).body
        names = (await self.listing()).symbol_of
        found = {
            names[pair_id]: kraken_ladder(entry)
            for pair_id, entry in result_of(body, "AssetPairs").items()
            if pair_id in names and isinstance(entry, Mapping)
        }
        return {symbol: ladder for symbol, ladder in found.items() if ladder is not None}

    async def _fetch(self) -> Listing:
        answer = await self._client.ask("publicGetAssetPairs", {})
        try:
            self._listing = parse_listing(answer.body)
        except SHAPE_ERRORS as error:
            raise FrameError(f"AssetPairs: the answer makes no sense: {error!r:.120}") from None
        return self._listing


class UnifiedCatalog:
    """ccxt's unified markets, spot only."""

    def __init__(self, client: RestClient) -> None:
        self._client = client

    async def markets(self) -> Mapping[str, Market]:
        """Every spot market by ccxt symbol. VenueError without a usable answer."""
        answer = await self._client.ask("load_markets", True)
        if not isinstance(answer.body, Mapping):
            raise FrameError(f"{self._client.settings.venue}: no markets in the answer")
        try:
            return parse_markets(answer.body, _precision_mode(self._client.exchange))
        except SHAPE_ERRORS as error:
            raise FrameError(f"the markets make no sense: {error!r:.120}") from None

    async def ladders(self) -> Mapping[str, FeeLadder]:
        """What ccxt states of each market: its tiers, else the one fee, which may be old."""
        body = (await self._client.ask("load_markets")).body
        found = {
            symbol: unified_ladder(entry)
            for symbol, entry in (body if isinstance(body, Mapping) else {}).items()
            if isinstance(entry, Mapping)
        }
        return {symbol: ladder for symbol, ladder in found.items() if ladder is not None}


def catalog_for(client: RestClient) -> MarketCatalog:
    """The catalog that reads this exchange best."""
    if client.settings.exchange_id == "kraken":
        return KrakenCatalog(client)
    return UnifiedCatalog(client)


def _precision_mode(exchange: Any) -> int:
    mode = exchange.precisionMode
    return mode if isinstance(mode, int) else 0
