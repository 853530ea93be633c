"""Kraken's public REST bodies, read from their own digits.

Source: docs.kraken.com, REST market data (AssetPairs, Ticker, Depth). ccxt's unified parsing loses
`tick_size`, reads a missing `status` as offline and blocks the loop for whole-venue bodies, so only
its transport is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from arbit.domain.book import Level
from arbit.domain.errors import FrameError
from arbit.domain.market import Market, MarketStatus
from arbit.venues.looks import within_bounds

# WebSocket v2 writes these assets otherwise than `wsname` does.
V2_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
DARK_POOL = ".d"
PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class Listing:
    """What AssetPairs lists: markets by v2 symbol, their REST ids, and what was left out, why."""

    markets: Mapping[str, Market]
    symbol_of: Mapping[str, str] = field(default_factory=dict)
    id_of: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


def parse_asset_pairs(body: Mapping[str, Any]) -> Mapping[str, Market]:
    """The spot markets of an AssetPairs body by v2 symbol. FrameError when it is no such body."""
    return parse_listing(body).markets


def parse_listing(body: Mapping[str, Any]) -> Listing:
    """The whole of an AssetPairs body. FrameError when it is no such body at all.

    An entry that is no spot market of ours, or that makes no sense, is left out with its reason.
    """
    markets: dict[str, Market] = {}
    symbol_of: dict[str, str] = {}
    id_of: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for pair_id, entry in result_of(body, "AssetPairs").items():
        outcome = _market_of(pair_id, entry)
        if isinstance(outcome, str):
            skipped[pair_id] = outcome
        elif outcome.symbol in markets:
            skipped[pair_id] = f"{outcome.symbol} is listed already"
        else:
            markets[outcome.symbol] = outcome
            id_of[outcome.symbol] = pair_id
            for name in (pair_id, entry.get("altname"), entry.get("wsname")):
                if isinstance(name, str):
                    symbol_of[name] = outcome.symbol
    return Listing(markets, symbol_of, id_of, skipped)


def parse_ticker(
    body: Mapping[str, Any], listing: Listing
) -> tuple[Mapping[str, tuple[Decimal, Decimal]], Mapping[str, tuple[Decimal, Decimal]]]:
    """Best (bid, ask) by symbol of a Ticker body, and the lots at them.

    `a` and `b` are price, whole lots, lots. A market without two sides is absent, and so is one
    whose numbers make no sense: its price alone would prove nothing about its quantities.
    """
    tops, qtys = {}, {}
    for pair_id, entry in result_of(body, "Ticker").items():
        symbol = listing.symbol_of.get(pair_id)
        if symbol is None or not isinstance(entry, dict):
            continue
        bid, ask = _top(entry.get("b")), _top(entry.get("a"))
        if bid is not None and ask is not None:
            tops[symbol] = (bid.price, ask.price)
            qtys[symbol] = (bid.qty, ask.qty)
    return tops, qtys


def parse_system_status(body: Mapping[str, Any]) -> bool:
    """True when a SystemStatus body says `online`; `post_only` and the rest are not trading."""
    word = result_of(body, "SystemStatus").get("status")
    if not isinstance(word, str):
        raise FrameError("SystemStatus: the answer has no status")
    return word == "online"


def parse_depth(body: Mapping[str, Any], symbol: str) -> tuple[Sequence[Level], Sequence[Level]]:
    """Bids and asks, best first, of a Depth body about one pair. FrameError when it is not that.

    Quantities are cut to a few decimals there, so that of a small level may be zero.
    """
    result = result_of(body, "Depth")
    if len(result) != 1:
        raise FrameError(f"Depth {symbol}: expected one pair, got {len(result)}", symbol)
    (entry,) = result.values()
    if not isinstance(entry, dict):
        raise FrameError(f"Depth {symbol}: no book in the answer", symbol)
    return _levels(entry.get("bids"), symbol), _levels(entry.get("asks"), symbol)


def result_of(body: Any, what: str) -> dict[str, Any]:
    """The `result` of a Kraken REST body. FrameError without one."""
    result = body.get("result") if isinstance(body, Mapping) else None
    if not isinstance(result, dict):
        raise FrameError(f"{what}: the answer has no result")
    return result


def v2_asset(name: str) -> str:
    """An asset of a `wsname` as WebSocket v2 writes it: BTC for XBT, DOGE for XDG."""
    return V2_NAMES.get(name, name)


def _market_of(pair_id: str, entry: Any) -> Market | str:
    if not isinstance(entry, dict):
        return "not an object"
    if pair_id.endswith(DARK_POOL):
        return "dark pool"
    base, _, quote = str(entry.get("wsname") or "").partition("/")
    if not base or not quote or "/" in quote:
        return "no WebSocket name"
    if entry.get("aclass_base", "currency") not in ("currency", "tokenized_asset"):
        return f"asset class {entry.get('aclass_base')}"
    try:
        return Market(
            symbol=f"{v2_asset(base)}/{v2_asset(quote)}",
            base=v2_asset(base),
            quote=v2_asset(quote),
            price_decimals=_count(entry.get("pair_decimals")),
            qty_decimals=_count(entry.get("lot_decimals")),
            price_increment=_positive(entry.get("tick_size")),
            qty_increment=_lot(entry),
            qty_min=_positive(entry.get("ordermin")),
            cost_min=_positive(entry.get("costmin")),
            taker_fee=_first_rung(entry.get("fees")),
            status=MarketStatus.of(entry.get("status")),
        )
    except (ArithmeticError, LookupError, ValueError, TypeError) as error:
        return f"not understood: {error}"


def _lot(entry: Mapping[str, Any]) -> Decimal | None:
    """10^-lot_decimals; unknown for a pair whose lots are not of one unit (none seen so far)."""
    decimals = _count(entry.get("lot_decimals"))
    if decimals is None or entry.get("lot_multiplier", 1) != 1:
        return None
    return Decimal(1).scaleb(-decimals)


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 20:
        raise ValueError(f"{value!r} is no count of decimals")
    return value


def _positive(value: Any) -> Decimal | None:
    if value is None:
        return None
    number = _number(value)
    if number <= 0:
        raise ValueError(f"{value!r} is not positive")
    return number


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"{value!r:.40} is no number")
    number = Decimal(str(value))
    if not within_bounds(number):
        raise ValueError(f"{value!r:.40} is no number that a market could have")
    return number


def _first_rung(fees: Any) -> Decimal | None:
    """The taker fee of the lowest volume, stated in percent, as a fraction."""
    if not fees:
        return None
    rate = _number(fees[0][1]) / PERCENT
    if not 0 <= rate < 1:
        raise ValueError(f"a taker fee of {fees[0][1]} %")
    return rate


def _top(side: Any) -> Level | None:
    try:
        return _level(side[0], side[2])
    except (LookupError, TypeError, ValueError, InvalidOperation):
        return None


def _level(price: Any, qty: Any) -> Level:
    level = Level(_number(price), _number(qty))
    if level.price <= 0 or level.qty < 0:
        raise ValueError(f"a level of {price!r:.40} and {qty!r:.40}")
    return level


def _levels(rows: Any, symbol: str) -> tuple[Level, ...]:
    try:
        return tuple(_level(row[0], row[1]) for row in rows)
    except (LookupError, TypeError, ValueError, InvalidOperation) as error:
        raise FrameError(f"Depth {symbol}: {error}", symbol) from None
