"""Alpaca's two ways to write a market: `BTC/USD` in orders, `BTCUSD` in positions and activities.

Where the slash belongs is not guessed: only what `GET /v2/assets?asset_class=crypto` lists says it.
That list is asked for whole, inactive markets included, because money may still lie in them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from arbit.domain.errors import FrameError
from arbit.venues.alpaca.http import Http

MAX_UNLISTED = 100


@dataclass(slots=True)
class Names:
    """What the venue lists. `unlisted` are names that were met and are not."""

    symbols: dict[str, str] = field(default_factory=dict)  # with and without its slash -> with it
    bases: dict[str, str] = field(default_factory=dict)  # position's name -> asset
    unlisted: set[str] = field(default_factory=set)

    def learn(self, body: Any) -> None:
        """Take in the list of assets. FrameError when it is none, or two markets run together."""
        if not isinstance(body, list):
            raise FrameError("assets: the answer is no list")
        for entry in body:
            symbol = entry.get("symbol") if isinstance(entry, dict) else None
            if not isinstance(symbol, str) or not _is_pair(symbol):
                continue
            joined = symbol.replace("/", "")
            if self.symbols.setdefault(joined, symbol) != symbol:
                raise FrameError(f"assets: {joined} is both {symbol} and {self.symbols[joined]}")
            self.symbols[symbol] = symbol
            self.bases[joined] = self.bases[symbol] = symbol.partition("/")[0]
        if not self.symbols:
            raise FrameError("assets: no market with two assets is listed")

    def symbol(self, name: Any) -> str:
        """A market by either of its names. FrameError for one that is not listed."""
        found = self.symbols.get(name) if isinstance(name, str) else None
        if found is None:
            raise FrameError(f"a market that the venue does not list: {name!r:.40}")
        return found

    def shown(self, name: Any) -> str:
        """A name for showing only: an order may be of a stock, or of what is no longer listed."""
        return self.symbols.get(name, name[:40]) if isinstance(name, str) else "?"

    def asset(self, name: str) -> str:
        """The asset of a position; one that is not listed keeps its own name, and is noted."""
        found = self.bases.get(name)
        if found is None and len(self.unlisted) < MAX_UNLISTED:
            self.unlisted.add(name)
        return name if found is None else found


class Listed:
    """The names, asked for once."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._learning = asyncio.Lock()
        self.names = Names()

    async def learn(self) -> Names:
        """Ask unless it is known. VenueError when nobody says."""
        async with self._learning:
            if not self.names.symbols:
                body, _ = await self._http.question("/v2/assets", {"asset_class": "crypto"})
                self.names.learn(body)
        return self.names


def _is_pair(symbol: str) -> bool:
    base, slash, quote = symbol.partition("/")
    return bool(base and slash and quote) and "/" not in quote
