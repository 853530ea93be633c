"""What Alpaca lists: `GET /v2/assets`, crypto.

Source: docs.alpaca.markets, "Assets" and "Crypto Trading". Increments and the least size are
strings there. The least cost is on no answer: a buy quoted in USD must be worth ten (refused with
403 `cost basis must be >= minimal amount of order 10`); other quotes have none, and a sell has
none. Plans keep to ten on both sides; what is left of a cycle is sold however little it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from arbit.domain.errors import FrameError
from arbit.domain.fee_ladder import FeeLadder
from arbit.domain.market import Market, MarketStatus
from arbit.domain.money import ZERO, decimals_of
from arbit.venues.alpaca.fees import DEAREST_TAKER, LADDER
from arbit.venues.alpaca.http import Answer
from arbit.venues.looks import within_bounds

ASSETS = "/v2/assets"
USD = "USD"
LEAST_USD = Decimal(10)
KEPT_DIGITS = 9  # decimals of a balance (docs: quantities of crypto have up to nine)
MOST_ASSETS = 20_000
# A name with a comma would be two of them in a question, and one with a control a stranger's line.
_PAIR = re.compile(r"(?P<base>[A-Z0-9.]{1,20})/(?P<quote>[A-Z0-9.]{1,20})", re.ASCII)


class Questions(Protocol):
    """Who asks: `Http`."""

    async def question(
        self, path: str, params: Mapping[str, str] | None = None
    ) -> tuple[Any, Answer]:
        """The JSON of a GET, and the answer whole. VenueError without a usable one."""
        ...


class AlpacaCatalog:
    """Every listed crypto market. Inactive ones are listed too, so that they can be named."""

    def __init__(self, trading: Questions) -> None:
        self._trading = trading

    async def markets(self) -> Mapping[str, Market]:
        """Every market by symbol, asked for anew. VenueError without a usable answer."""
        found, _ = await self._trading.question(ASSETS, {"asset_class": "crypto"})
        return parse_assets(found)

    async def ladders(self) -> Mapping[str, FeeLadder]:
        """The published one, the same for every market: no answer tells it."""
        return dict.fromkeys(await self.markets(), LADDER)


def parse_assets(body: Any) -> Mapping[str, Market]:
    """The crypto pairs of a list of assets by symbol. FrameError when it is no such list.

    A fact that is missing or makes no sense stays None, and such a market does not trade.
    """
    if not isinstance(body, list) or len(body) > MOST_ASSETS:
        raise FrameError(f"{ASSETS}: no list of assets in the answer")
    markets = {}
    for entry in body:
        market = _market_of(entry) if isinstance(entry, dict) else None
        if market is not None:
            markets[market.symbol] = market
    return markets


def _market_of(entry: Mapping[str, Any]) -> Market | None:
    symbol = entry.get("symbol")
    if not isinstance(symbol, str) or entry.get("class") != "crypto":
        return None
    pair = _PAIR.fullmatch(symbol)
    if pair is None or pair["base"] == pair["quote"]:
        return None
    tick, lot = _positive(entry.get("price_increment")), _positive(entry.get("min_trade_increment"))
    return Market(
        symbol=symbol,
        base=pair["base"],
        quote=pair["quote"],
        price_decimals=None if tick is None else decimals_of(tick),
        qty_decimals=None if lot is None else decimals_of(lot),
        price_increment=tick,
        qty_increment=lot if entry.get("fractionable") is True else None,
        qty_min=_positive(entry.get("min_order_size")),
        cost_min=LEAST_USD if pair["quote"] == USD else ZERO,
        sell_cost_min=ZERO,
        taker_fee=DEAREST_TAKER,
        status=_status(entry),
        base_digits=KEPT_DIGITS,
        quote_digits=KEPT_DIGITS,
    )


def _status(entry: Mapping[str, Any]) -> MarketStatus:
    """Online only when it is active and tradable; what is not said is not guessed."""
    if entry.get("status") == "inactive":
        return MarketStatus.DELISTED
    if entry.get("status") != "active" or not isinstance(entry.get("tradable"), bool):
        return MarketStatus.UNKNOWN
    return MarketStatus.ONLINE if entry["tradable"] else MarketStatus.MAINTENANCE


def _positive(value: Any) -> Decimal | None:
    """A positive number that a market could have, from a string or a JSON number; else None."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        number = Decimal(value)
    except ArithmeticError:
        return None
    return number if within_bounds(number) and number > 0 else None
