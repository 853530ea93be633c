"""The public REST face: Time, SystemStatus, Assets, AssetPairs, Depth, Ticker.

Pure: a path and its parameters in, a JSON value out. Every answer has HTTP status 200, errors
included, as on the venue. Volumes keep all their digits here (the venue cuts them to three).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from arbit.sandbox.book import ASK, BID
from arbit.sandbox.instruments import Asset, Instrument
from arbit.sandbox.kraken.words import top_of
from arbit.sandbox.market import Market, Pair
from arbit.sandbox.wallclock import NS, WallClock, rfc3339

DEPTH_DEFAULT: Final = 100
DEPTH_MAX: Final = 500
ARGUMENTS: Final = "EGeneral:Invalid arguments"
UNKNOWN_PAIR: Final = "EQuery:Unknown asset pair"
UNKNOWN_ASSET: Final = "EQuery:Unknown asset"
UNKNOWN_METHOD: Final = "EGeneral:Unknown method"
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
PAIR_FACTS: Final[dict[str, tuple[str, ...]]] = {
    "leverage": ("leverage_buy", "leverage_sell"),
    "fees": ("fees", "fees_maker", "fee_volume_currency"),
    "margin": ("margin_call", "margin_stop"),
}

Params = Mapping[str, str]


class RestError(ValueError):
    """An error word of the venue."""


class RestFace:
    """Answers public calls from the live market."""

    def __init__(self, market: Market, clock: WallClock) -> None:
        self._market = market
        self._clock = clock
        self._calls: dict[str, Callable[[Params], object]] = {
            "Time": self._time,
            "SystemStatus": self._status,
            "Assets": self._assets,
            "AssetPairs": self._asset_pairs,
            "Depth": self._depth,
            "Ticker": self._ticker,
        }
        self._pairs: dict[str, Pair] = {}
        for pair in market.pairs.values():
            listed = pair.instrument
            for name in (listed.symbol, listed.wsname, listed.altname, listed.rest_id):
                self._pairs[name.upper()] = pair

    def answer(self, name: str, params: Params) -> dict[str, object]:
        """The whole JSON answer of ``/0/public/<name>``."""
        call = self._calls.get(name)
        if call is None:
            return {"error": [UNKNOWN_METHOD]}
        try:
            return {"error": [], "result": call(params)}
        except RestError as error:
            return {"error": [str(error)]}

    def _time(self, _: Params) -> object:
        seconds = self._clock.wall_ns() // NS
        now = datetime.fromtimestamp(seconds, UTC)
        date = f"{DAYS[now.weekday()]}, {now.day:02d} {MONTHS[now.month - 1]} {now.year % 100:02d}"
        clock = f"{now.hour:02d}:{now.minute:02d}:{now.second:02d} +0000"
        return {"unixtime": seconds, "rfc1123": f"{date} {clock}"}

    def _status(self, _: Params) -> object:
        return {
            "status": self._market.system,
            "timestamp": rfc3339(self._clock.wall_ns())[:19] + "Z",
        }

    def _assets(self, params: Params) -> object:
        known = {asset.rest_id: asset for asset in self._market.assets}
        if "asset" not in params:
            return {rest_id: _asset(asset) for rest_id, asset in known.items()}
        by_name = {name: a for a in known.values() for name in (a.rest_id, a.altname, a.code)}
        chosen = [by_name.get(name.strip().upper()) for name in params["asset"].split(",")]
        found = [asset for asset in chosen if asset is not None]
        if len(found) != len(chosen):
            raise RestError(UNKNOWN_ASSET)
        return {asset.rest_id: _asset(asset) for asset in found}

    def _asset_pairs(self, params: Params) -> object:
        info = params.get("info", "info")
        if info != "info" and info not in PAIR_FACTS:
            raise RestError(ARGUMENTS)
        facts = {pair.instrument.rest_id: _pair(pair) for pair in self._chosen(params)}
        if info == "info":
            return facts
        return {
            rest_id: {name: fact[name] for name in PAIR_FACTS[info]}
            for rest_id, fact in facts.items()
        }

    def _depth(self, params: Params) -> object:
        if "pair" not in params or "," in params["pair"]:
            raise RestError(ARGUMENTS)
        count = params.get("count", str(DEPTH_DEFAULT))
        if not re.fullmatch(r"[0-9]{1,6}", count) or not 1 <= int(count) <= DEPTH_MAX:
            raise RestError(ARGUMENTS)
        pair = self._chosen(params)[0]
        seconds = self._clock.wall_ns() // NS
        listed = pair.instrument
        sides = {
            name: [
                [listed.price_text(price), listed.qty_text(qty), seconds]
                for price, qty in pair.book.top(side, int(count))
            ]
            for name, side in (("asks", ASK), ("bids", BID))
        }
        return {listed.rest_id: sides}

    def _ticker(self, params: Params) -> object:
        return {pair.instrument.rest_id: _ticker(pair) for pair in self._chosen(params)}

    def _chosen(self, params: Params) -> list[Pair]:
        """The pairs that ``pair`` names, by any of their names; all of them without it."""
        if "pair" not in params:
            return list(self._market.pairs.values())
        chosen = [self._pairs.get(name.strip().upper()) for name in params["pair"].split(",")]
        found = [pair for pair in chosen if pair is not None]
        if len(found) != len(chosen):
            raise RestError(UNKNOWN_PAIR)
        return found


def _asset(known: Asset) -> dict[str, object]:
    return {
        "aclass": "currency",
        "altname": known.altname,
        "decimals": known.decimals,
        "display_decimals": known.display_decimals,
        "collateral_value": 1.0,
        "status": "enabled",
    }


def _fees(ladder: tuple[tuple[int, str], ...]) -> list[list[int | float]]:
    return [[volume, float(percent)] for volume, percent in ladder]


def _pair(pair: Pair) -> dict[str, object]:
    listed: Instrument = pair.instrument
    facts: dict[str, object] = {
        "altname": listed.altname,
        "wsname": listed.wsname,
        "aclass_base": "currency",
        "base": listed.base.rest_id,
        "aclass_quote": "currency",
        "quote": listed.quote.rest_id,
        "lot": "unit",
        "cost_decimals": listed.cost_precision,
        "pair_decimals": listed.price_precision,
        "lot_decimals": listed.qty_precision,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": _fees(listed.taker_ladder),
        "fees_maker": _fees(listed.maker_ladder),
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": _trim(listed.qty_text(listed.qty_min)),
        "costmin": listed.cost_min,
        "tick_size": _trim(listed.price_text(listed.price_tick)),
    }
    if listed.rest_status_listed:
        facts["status"] = pair.status
    return facts


def _trim(token: str) -> str:
    return token.rstrip("0").rstrip(".") if "." in token else token


def _ticker(pair: Pair) -> dict[str, object]:
    listed, tape = pair.instrument, pair.tape
    price, qty = listed.price_text, listed.qty_text
    lot = 10**listed.qty_precision

    def top(side: int) -> list[str]:
        best, size = top_of(pair, side)
        return [price(best), str(size // lot), qty(size)]

    vwap = tape.turnover // tape.volume if tape.volume else tape.last
    return {
        "a": top(ASK),
        "b": top(BID),
        "c": [price(tape.last), qty(tape.last_qty)],
        "v": [qty(tape.volume)] * 2,
        "p": [price(vwap)] * 2,
        "t": [tape.trades] * 2,
        "l": [price(tape.low)] * 2,
        "h": [price(tape.high)] * 2,
        "o": price(tape.first),
    }
