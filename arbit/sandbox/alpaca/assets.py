"""Assets and the clock as the trading REST shows them (shapes as recorded)."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from arbit.sandbox.alpaca import words
from arbit.sandbox.alpaca.answers import not_found
from arbit.sandbox.instruments import pad
from arbit.sandbox.market import Market, Pair

NAMESPACE: Final = uuid.UUID("6f2c1a52-98f5-4c6e-8d0e-0b1d5b5b9a11")
NS: Final = 1_000_000_000
OPEN_HOUR: Final = timedelta(hours=9, minutes=30)
CLOSE_HOUR: Final = timedelta(hours=16)
SATURDAY: Final = 5


def asset_id(name: str) -> str:
    """The id of a pair or an asset; the same in every sandbox."""
    return str(uuid.uuid5(NAMESPACE, name))


def assets(market: Market, query: Mapping[str, str]) -> list[words.Body]:
    """The listed pairs, filtered as asked."""
    status, kind = query.get("status", ""), query.get("asset_class", "us_equity")
    if kind != "crypto":
        return []
    shown = [asset(pair) for pair in market.pairs.values()]
    return [one for one in shown if status in ("", one["status"])]


def asset_named(market: Market, name: str) -> words.Body:
    """One pair by its symbol, with or without the slash, or its id; 404 otherwise."""
    for pair in market.pairs.values():
        if name in (pair.symbol, pair.symbol.replace("/", ""), asset_id(pair.symbol)):
            return asset(pair)
    raise not_found(f"asset not found for {name}")


def asset(pair: Pair) -> words.Body:
    """One pair. A pair that is not online is not tradable; a delisted one is inactive."""
    listed = pair.instrument

    def trimmed(units: int, precision: int) -> str:
        text = pad(units, precision)
        return text.rstrip("0").rstrip(".") if "." in text else text

    return {
        "id": asset_id(listed.symbol),
        "class": "crypto",
        "exchange": "CRYPTO",
        "symbol": listed.symbol,
        "name": f"{listed.base.code} / {listed.quote.code}",
        "status": "inactive" if pair.status == "delisted" else "active",
        "tradable": pair.status == "online",
        "marginable": False,
        "maintenance_margin_requirement": 100,
        "margin_requirement_long": "100",
        "margin_requirement_short": "100",
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": True,
        "attributes": [],
        "min_order_size": trimmed(listed.qty_min, listed.qty_precision),
        "min_trade_increment": trimmed(listed.qty_step, listed.qty_precision),
        "price_increment": trimmed(listed.price_tick, listed.price_precision),
    }


def clock(now_ns: int) -> words.Body:
    """The stock market's clock, as ``GET /v2/clock`` shows it; holidays are not known here."""
    moment = datetime.fromtimestamp(now_ns // NS, UTC).astimezone(words.NEW_YORK)
    midnight = moment.replace(hour=0, minute=0, second=0)
    opens, closes = midnight + OPEN_HOUR, midnight + CLOSE_HOUR
    is_open = moment.weekday() < SATURDAY and opens <= moment < closes
    while opens <= moment or opens.weekday() >= SATURDAY:
        opens += timedelta(days=1)
    while closes <= moment or closes.weekday() >= SATURDAY:
        closes += timedelta(days=1)
    return {
        "timestamp": words.stamp_new_york(now_ns),
        "is_open": is_open,
        "next_open": opens.isoformat(),
        "next_close": closes.isoformat(),
    }
