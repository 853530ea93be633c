"""Market data over REST: the latest order books and quotes.

``GET /v1beta3/crypto/{loc}/latest/orderbooks?symbols=BTC/USD,ETH/BTC``; ``latest/quotes`` alike.
No key is needed; one that is given must be right. The words of a 400 are assumed.
"""

from collections.abc import Mapping
from typing import Final

from arbit.sandbox.alpaca import keys, words
from arbit.sandbox.alpaca.answers import Answer, too_many
from arbit.sandbox.alpaca.delivery import ALL_LEVELS
from arbit.sandbox.alpaca.limits import MinuteLimit
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.keys import ApiKey
from arbit.sandbox.market import Market, Pair

LOCATIONS: Final = ("us", "us-1", "eu-1")
MAX_SYMBOLS: Final = 200
ANYBODY: Final = "no key"


class DataRest:
    """Answers market data calls from the live market."""

    def __init__(self, market: Market, known: Mapping[str, ApiKey], per_minute: int) -> None:
        self._market = market
        self._keys = known
        self._limit = MinuteLimit(per_minute)

    def answer(
        self, what: str, query: Mapping[str, str], headers: Mapping[str, str], now_ns: int
    ) -> Answer:
        """The whole answer; ``what`` is orderbooks or quotes."""
        key = headers.get(keys.KEY_HEADER)
        if key is not None and keys.from_headers(self._keys, headers) is None:
            return Answer(403, {"message": "forbidden."})
        told = self._limit.take(key or ANYBODY, now_ns)
        if not told.allowed:
            return Answer(429, too_many().body, told.headers())
        found = self._found(query.get("symbols", ""))
        if isinstance(found, str):
            return Answer(400, {"code": 400, "message": found}, told.headers())
        if what == "orderbooks":
            return Answer(200, _books(found, words.stamp(now_ns)), told.headers())
        if what == "quotes":
            return Answer(200, _quotes(found, words.stamp(now_ns)), told.headers())
        return Answer(404, {"message": "endpoint not found."}, told.headers())

    def _found(self, symbols: str) -> list[Pair] | str:
        """The pairs asked for, or what is wrong with the list."""
        names = [one.strip() for one in symbols.split(",") if one.strip()]
        if not names or len(names) > MAX_SYMBOLS:
            return "symbols is required" if not names else "too many symbols"
        for name in names:
            if name not in self._market.pairs:
                return f"invalid symbol: {name}"
        return [self._market.pairs[name] for name in dict.fromkeys(names)]


def _books(pairs: list[Pair], at: str) -> str:
    shown = ",".join(
        f'"{pair.symbol}":'
        + words.book_json(
            pair.instrument, pair.book.top(BID, ALL_LEVELS), pair.book.top(ASK, ALL_LEVELS), at
        )
        for pair in pairs
    )
    return f'{{"orderbooks":{{{shown}}}}}'


def _quotes(pairs: list[Pair], at: str) -> str:
    shown = []
    for pair in pairs:
        bids, asks = pair.book.top(BID, 1), pair.book.top(ASK, 1)
        if bids and asks:
            message = words.quote_message(pair.instrument, bids[0], asks[0], at)
            shown.append(f'"{pair.symbol}":{{{message.split(",", 2)[2]}')
    return f'{{"quotes":{{{",".join(shown)}}}}}'
