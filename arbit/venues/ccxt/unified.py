"""ccxt's unified markets, tops and books as our own values, for exchanges without a reader.

The numbers are floats; `Decimal(repr(x))` brings back the shortest digits that mean the same float,
which are the venue's own for any number of up to 15 digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from arbit.domain.book import Level
from arbit.domain.errors import FrameError
from arbit.domain.market import Market, MarketStatus
from arbit.domain.money import decimals_of
from arbit.venues.looks import MAX_DECIMALS, within_bounds

# ccxt's precisionMode values (ccxt/base/decimal_to_precision.py).
DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE = 2, 3, 4

# ccxt tells only whether a market is active, not why it is not.
STATUS = {True: MarketStatus.ONLINE, False: MarketStatus.MAINTENANCE}


def parse_markets(markets: Mapping[str, Any], precision_mode: int) -> Mapping[str, Market]:
    """The spot markets of ccxt's `load_markets`. What it does not state stays None."""
    found = {}
    for symbol, entry in markets.items():
        if isinstance(entry, dict) and entry.get("spot") is True and ":" not in symbol:
            market = _market(symbol, entry, precision_mode)
            if market is not None:
                found[symbol] = market
    return found


def _market(symbol: str, entry: Mapping[str, Any], mode: int) -> Market | None:
    base, quote = entry.get("base"), entry.get("quote")
    if not isinstance(base, str) or not isinstance(quote, str):
        return None
    precision, limits = _mapping(entry, "precision"), _mapping(entry, "limits")
    price_step = _step(precision.get("price"), mode)
    qty_step = _step(precision.get("amount"), mode)
    active = entry.get("active")
    return Market(
        symbol=symbol,
        base=base,
        quote=quote,
        price_decimals=None if price_step is None else decimals_of(price_step),
        qty_decimals=None if qty_step is None else decimals_of(qty_step),
        price_increment=price_step,
        qty_increment=qty_step,
        qty_min=_positive(_mapping(limits, "amount").get("min")),
        cost_min=_positive(_mapping(limits, "cost").get("min")),
        taker_fee=_fee(entry.get("taker")),
        status=(
            STATUS.get(active, MarketStatus.UNKNOWN)
            if isinstance(active, bool)
            else MarketStatus.UNKNOWN
        ),
    )


def parse_tops(
    tickers: Mapping[str, Any],
) -> tuple[Mapping[str, tuple[Decimal, Decimal]], Mapping[str, tuple[Decimal, Decimal]]]:
    """Best (bid, ask) by symbol of ccxt tickers, and the quantities at them where both are given.

    Entries without both prices are absent.
    """
    tops, qtys = {}, {}
    for symbol, ticker in tickers.items():
        if isinstance(ticker, dict):
            bid, ask = _positive(ticker.get("bid")), _positive(ticker.get("ask"))
            if bid is not None and ask is not None:
                tops[symbol] = (bid, ask)
                sold, bought = _positive(ticker.get("bidVolume")), _positive(
                    ticker.get("askVolume")
                )
                if sold is not None and bought is not None:
                    qtys[symbol] = (sold, bought)
    return tops, qtys


def parse_status(status: Any) -> bool | None:
    """True when ccxt's `fetch_status` says `ok`, None when it does not say. FrameError if odd."""
    if not isinstance(status, Mapping):
        raise FrameError("fetch_status: no status in the answer")
    word = status.get("status")
    return None if word is None else word == "ok"


def parse_book(book: Any, symbol: str) -> tuple[Sequence[Level], Sequence[Level]]:
    """Bids and asks of a ccxt order book, best first, sorted by ourselves. Else FrameError."""
    try:
        bids = [_level(row) for row in book["bids"]]
        asks = [_level(row) for row in book["asks"]]
    except (LookupError, TypeError, ValueError, InvalidOperation) as error:
        raise FrameError(f"{symbol}: no book in the answer: {error}", symbol) from None
    bids.sort(key=lambda level: level.price, reverse=True)
    asks.sort(key=lambda level: level.price)
    return bids, asks


def number(value: Any) -> Decimal:
    """A number of ccxt's as its shortest digits. TypeError or ValueError when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError(f"{value!r:.40} is no number")
    exact = Decimal(str(value))
    if not within_bounds(exact):
        raise ValueError(f"{value!r:.40} is no number that a market could have")
    return exact


def _level(row: Any) -> Level:
    level = Level(number(row[0]), number(row[1]))
    if level.price <= 0 or level.qty < 0:
        raise ValueError(f"a level of {row!r:.60}")
    return level


def _step(value: Any, mode: int) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        exact = number(value)
    except (TypeError, ValueError, InvalidOperation):
        return None
    if mode == TICK_SIZE:
        return exact if exact > 0 else None
    if mode == DECIMAL_PLACES and abs(exact) <= MAX_DECIMALS and exact == exact.to_integral_value():
        return Decimal(1).scaleb(-int(exact))
    return None  # significant digits are no increment


def _positive(value: Any) -> Decimal | None:
    try:
        exact = number(value)
    except (TypeError, ValueError, InvalidOperation):
        return None
    return exact if exact > 0 else None


def _fee(value: Any) -> Decimal | None:
    try:
        exact = number(value)
    except (TypeError, ValueError, InvalidOperation):
        return None
    return exact if 0 <= exact < 1 else None


def _mapping(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = entry.get(key)
    return value if isinstance(value, Mapping) else {}
