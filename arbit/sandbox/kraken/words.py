"""What Kraken's WebSocket v2 says, word for word: frames, acknowledgements, errors.

Numbers of prices and quantities are zero-padded to the pair's precision, so they are written as
tokens and never pass through a float.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from arbit.sandbox.checksum import Level
from arbit.sandbox.instruments import Asset, Instrument, pad
from arbit.sandbox.market import Pair
from arbit.sandbox.wallclock import rfc3339

VERSION: Final = "2.0.10"
HEARTBEAT: Final = '{"channel":"heartbeat"}'
BOOK_DEPTHS: Final = (10, 25, 100, 500, 1000)

UNSUPPORTED_EVENT: Final = "Unsupported event"
MALFORMED: Final = "Malformed request"
SYMBOLS_MISSING: Final = "Symbol(s) not found"
DEPTH_UNKNOWN: Final = "Subscription depth not supported"
TRIGGER_UNKNOWN: Final = "Subscription event_trigger not supported"
ALREADY: Final = "Already subscribed"
NOT_SUBSCRIBED: Final = "Subscription Not Found"


def pair_unknown(symbol: str) -> str:
    """The venue's words for a symbol it does not list."""
    return f"Currency pair not supported {symbol}"


def field_must_be(name: str, kind: str) -> str:
    """The venue's words for a field of the wrong JSON type."""
    return f"{name.capitalize()} field must be a {kind}"


def compact(value: object) -> str:
    """JSON without blanks, as on the wire."""
    return json.dumps(value, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Reply:
    """What every answer carries: the method, the caller's id, and when it came in."""

    method: str | None
    req_id: int | None
    time_in_ns: int

    def _tail(self, time_out_ns: int) -> dict[str, object]:
        tail: dict[str, object] = {} if self.req_id is None else {"req_id": self.req_id}
        tail["time_in"] = rfc3339(self.time_in_ns)
        tail["time_out"] = rfc3339(max(time_out_ns, self.time_in_ns))
        return tail

    def done(self, result: dict[str, object], time_out_ns: int) -> str:
        """A success: one acknowledgement."""
        head = {"method": self.method, "result": result, "success": True}
        return compact(head | self._tail(time_out_ns))

    def refused(self, error: str, time_out_ns: int, symbol: str | None = None) -> str:
        """A refusal, with the venue's error text."""
        head: dict[str, object] = {"error": error, "success": False}
        if self.method is not None:
            head["method"] = self.method
        if symbol is not None:
            head["symbol"] = symbol
        return compact(head | self._tail(time_out_ns))

    def pong(self, time_out_ns: int) -> str:
        """The answer to an application-level ping."""
        return compact({"method": "pong"} | self._tail(time_out_ns))


def status(system: str, connection_id: int) -> str:
    """The engine's state, sent on connect and when it changes."""
    entry = {
        "version": VERSION,
        "system": system,
        "api_version": "v2",
        "connection_id": connection_id,
    }
    return compact({"channel": "status", "type": "update", "data": [entry]})


@dataclass(frozen=True, slots=True)
class BookFrame:
    """One book message before it is text. Levels in integer units; qty 0 removes a level."""

    pair: Instrument
    kind: str  # "snapshot" or "update"
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    checksum: int
    at_ns: int

    def text(self) -> str:
        """The frame as the venue writes it."""
        return (
            f'{{"channel":"book","type":"{self.kind}","data":[{{"symbol":"{self.pair.symbol}",'
            f'"bids":[{self._levels(self.bids)}],"asks":[{self._levels(self.asks)}],'
            f'"checksum":{self.checksum},"timestamp":"{rfc3339(self.at_ns)}"}}]}}'
        )

    def _levels(self, levels: Iterable[Level]) -> str:
        places, lots = self.pair.price_precision, self.pair.qty_precision
        return ",".join(
            f'{{"price":{pad(price, places)},"qty":{pad(qty, lots)}}}' for price, qty in levels
        )


def instrument_frame(kind: str, assets: Iterable[Asset], pairs: Iterable[Pair]) -> str:
    """Reference data: a snapshot of everything, or an update of what changed."""
    asset_texts = ",".join(_asset(known) for known in assets)
    pair_texts = ",".join(_pair(pair) for pair in pairs)
    return (
        f'{{"channel":"instrument","type":"{kind}","data":'
        f'{{"assets":[{asset_texts}],"pairs":[{pair_texts}]}}}}'
    )


def _asset(known: Asset) -> str:
    return (
        f'{{"id":"{known.code}","status":"enabled","precision":{known.decimals},'
        f'"precision_display":{known.display_decimals},"borrowable":true,'
        f'"collateral_value":1.00,"margin_rate":0.020000}}'
    )


def _pair(pair: Pair) -> str:
    listed = pair.instrument
    tick = listed.price_text(listed.price_tick)
    return (
        f'{{"symbol":"{listed.symbol}","base":"{listed.base.code}","quote":"{listed.quote.code}",'
        f'"status":"{pair.status}","qty_precision":{listed.qty_precision},'
        f'"qty_increment":{listed.qty_text(listed.qty_step)},'
        f'"price_precision":{listed.price_precision},"cost_precision":{listed.cost_precision},'
        f'"marginable":false,"has_index":true,"cost_min":{listed.cost_min},'
        f'"tick_size":{tick},"price_increment":{tick},"qty_min":{listed.qty_text(listed.qty_min)}}}'
    )


def ticker_frame(kind: str, pair: Pair, at_ns: int) -> str:
    """Best bid and ask with the day's figures (here: since the market began)."""
    listed, tape = pair.instrument, pair.tape
    (bid, bid_qty), (ask, ask_qty) = top_of(pair, 0), top_of(pair, 1)
    price, qty = listed.price_text, listed.qty_text
    vwap = tape.turnover // tape.volume if tape.volume else tape.last
    change = tape.last - tape.first
    sign = "-" if change < 0 else ""
    percent = round(100.0 * change / tape.first, 2)
    return (
        f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{listed.symbol}",'
        f'"bid":{price(bid)},"bid_qty":{qty(bid_qty)},"ask":{price(ask)},"ask_qty":{qty(ask_qty)},'
        f'"last":{price(tape.last)},"volume":{qty(tape.volume)},"vwap":{price(vwap)},'
        f'"low":{price(tape.low)},"high":{price(tape.high)},"change":{sign}{price(abs(change))},'
        f'"change_pct":{percent:.2f},"timestamp":"{rfc3339(at_ns)}"}}]}}'
    )


def top_of(pair: Pair, side: int) -> Level:
    """Best level of a side, zeros when the side is empty."""
    levels = pair.book.top(side, 1)
    return levels[0] if levels else (0, 0)
